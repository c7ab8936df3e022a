"""Likelihood ratio tests of nested models."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.problems import ComparisonError
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

if TYPE_CHECKING:
    from pipanalysis.mmrm.engine import EngineFit, Problem

# structures that contain each one as a special case, directly
_WITHIN = {
    "cs": ("csh", "toep"),
    "csh": ("toeph",),
    "ar1": ("ar1h", "toep", "ad"),
    "ar1h": ("toeph", "adh"),
    "toep": ("toeph",),
    "toeph": ("us",),
    "ad": ("adh",),
    "adh": ("us",),
    "un@cs": ("un@un",),
    "un@ar1": ("un@un",),
    "un@un": ("us",),
}


@dataclass(frozen=True)
class LikelihoodRatio:
    """Test of a smaller model within a larger one: chi-square statistic, degrees of freedom, p value."""

    statistic: float
    df: int
    p: float


def is_nested(smaller: str, larger: str) -> bool:
    """Whether every matrix of structure `smaller` belongs to `larger`."""
    return smaller == larger or any(is_nested(step, larger) for step in _WITHIN.get(smaller, ()))


def likelihood_ratio(smaller: "EngineFit", larger: "EngineFit") -> LikelihoodRatio:
    """Test the smaller of two nested models fitted to the same observations.

    Under REML the fixed effects must span the same means, however they are coded; under ML those of the smaller model
    may be a part. Raises ComparisonError, with every reason, where the models cannot be compared.
    """
    problems = []
    a, b = smaller.problem, larger.problem
    for name, fit in (("smaller", smaller), ("larger", larger)):
        if not fit.converged:
            problems.append(f"the {name} model did not converge: {fit.message}")
    if smaller.reml != larger.reml:
        problems.append("one model was fitted by REML, the other by maximum likelihood")
    if not _same_rows(a, b):
        problems.append("the models were not fitted to the same observations")
    else:
        if not _spans(b.design.values, a.design.values):
            problems.append("the fixed effects of the smaller model are not part of those of the larger")
        elif smaller.reml and not _spans(a.design.values, b.design.values):
            problems.append("restricted likelihoods of different fixed effects cannot be compared: fit both by ML")
        if not is_nested(smaller.structure.name, larger.structure.name):
            names = [STRUCTURE_NAMES[fit.structure.name] for fit in (smaller, larger)]
            problems.append(f"{names[0]} covariance is not a case of {names[1]} covariance")
        if not _refines(b, a):
            problems.append("the smaller model has covariances by group which the larger has not")
    df = larger.n_theta - smaller.n_theta + larger.beta.size - smaller.beta.size
    if df < 1:
        problems.append("the larger model has no more parameters than the smaller")
    if problems:
        raise ComparisonError(problems)
    from scipy.special import chdtrc

    statistic = max(_comparable(smaller) - _comparable(larger), 0.0)
    return LikelihoodRatio(statistic, df, float(chdtrc(df, statistic)))


def _comparable(fit: "EngineFit") -> float:
    """Minus twice the log-likelihood; a restricted one without the part that depends on how X is coded."""
    transform = fit.problem.source.transform
    return fit.neg2_loglik + (2.0 * float(np.log(transform.diagonal()).sum()) if fit.reml else 0.0)


def _same_rows(a: "Problem", b: "Problem") -> bool:
    pairs = (
        (a.y, b.y),
        (a.root_weight, b.root_weight),
        (a.layout.order, b.layout.order),
        (a.layout.starts, b.layout.starts),
        (a.layout.visits, b.layout.visits),
    )
    return all(np.array_equal(x, y) if x is not None and y is not None else x is y for x, y in pairs)


def _refines(fine: "Problem", coarse: "Problem") -> bool:
    """Whether every group of the one lies within a group of the other."""
    of_subject = [p.layout.group[p.layout.pattern] for p in (fine, coarse)]
    return bool(np.unique(np.stack(of_subject), axis=1).shape[1] == np.unique(of_subject[0]).size)


def _spans(basis: FloatArray, columns: FloatArray) -> bool:
    """Whether the columns are combinations of those of the basis."""
    scaled = columns / np.linalg.norm(columns, axis=0)
    coefficients = np.linalg.lstsq(basis / np.linalg.norm(basis, axis=0), scaled, rcond=None)[0]
    return bool(np.abs(scaled - basis / np.linalg.norm(basis, axis=0) @ coefficients).max() < 1e-8)
