"""Prior and posterior predictive checks: trials drawn from the model beside the one observed, by arm and visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.mmrm import MMRMPosterior
from pipanalysis.bayes.priors import Priors
from pipanalysis.bayes.problem import RepeatedMeasures

MAX_REPLICATES = 1000


@dataclass(frozen=True)
class PredictiveCheck:
    """A statistic of the observed values of one arm at one visit beside its predictive distribution.

    Attributes:
        arm, visit: codes.
        statistic: mean or sd.
        observed: of the trial, in units of the outcome.
        low, high: limits of the central 95% of the replicates.
        p_value: share of replicates at or above the observed one (Gelman, Meng and Stern 1996).
    """

    arm: int
    visit: int
    statistic: str
    observed: float
    low: float
    high: float
    p_value: float


def replicates(posterior: MMRMPosterior, seed: int) -> FloatArray:
    """Return trials drawn from the posterior at the observed cells, in units of the outcome: (R, N)."""
    z, _ = posterior.problem.padded
    chosen = _chosen(len(posterior.sd))
    rng = np.random.default_rng(seed)
    factor = np.linalg.cholesky(posterior.covariance[chosen])
    noise = rng.standard_normal((len(chosen), len(z), factor.shape[1]))
    means = np.einsum("ija,sa->sij", z[..., :-1], posterior.coefficients[chosen])
    values = means + np.einsum("sjk,sik->sij", factor, noise)
    return in_outcome_units(posterior.problem, _observed_cells(posterior.problem, values))


def prior_replicates(problem: RepeatedMeasures, priors: Priors, seed: int, size: int = MAX_REPLICATES) -> FloatArray:
    """Return trials drawn from the priors at the observed cells, in units of the outcome: (size, N)."""
    z, _ = problem.padded
    t, q, g = problem.n_visits, problem.X.shape[1], problem.n_groups
    rng = np.random.default_rng(seed)
    nuisance = priors.nuisance
    coefficient = rng.normal(0.0, nuisance.coefficient_sd, (size, q))
    group_sd = np.abs(rng.normal(0.0, nuisance.group_scale, (size, 1)))
    group = group_sd * rng.standard_normal((size, g))
    effects = np.column_stack(
        [
            rng.normal(np.asarray(e.means)[pick], np.asarray(e.sds)[pick])
            for e in priors.effects
            for pick in [rng.choice(len(e.weights), size, p=e.weights)]
        ]
    )
    sd = nuisance.residual_scale * np.abs(rng.standard_t(3, (size, t)))
    factor = lkj_factors(nuisance.lkj, t, size, rng) * sd[:, :, None]
    noise = rng.standard_normal((size, len(z), t))
    beta = np.column_stack([coefficient, group, effects])
    values = np.einsum("ija,sa->sij", z[..., :-1], beta) + np.einsum("sjk,sik->sij", factor, noise)
    return in_outcome_units(problem, _observed_cells(problem, values))


def lkj_factors(lkj: float, t: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Return Cholesky factors of correlation matrices drawn from LKJ(lkj): (size, t, t)."""
    from pipanalysis.bayes import kernels
    from pipanalysis.bayes.mmrm import lkj_shapes

    if t == 1:
        return np.ones((size, 1, 1))
    shapes = lkj_shapes(lkj, t)
    return kernels.correlation(2 * rng.beta(shapes, shapes, (size, shapes.size)) - 1)


def in_outcome_units(problem: RepeatedMeasures, standardised: FloatArray) -> FloatArray:
    """Return standardised, benefit-aligned values in units of the outcome."""
    return problem.centre + problem.unit_of_effect * standardised


def predictive_checks(problem: RepeatedMeasures, simulated: FloatArray, arm: IntArray) -> list[PredictiveCheck]:
    """Compare the mean and SD of each arm at each visit with replicates (R, N); `arm` codes of the rows, (N,)."""
    found = []
    for visit in range(problem.n_visits):
        for code in np.unique(arm):
            own = (arm == code) & (problem.visit == visit)
            if own.sum() < 2:
                continue
            for name, ddof in (("mean", None), ("sd", 1)):
                observed = problem.y[own].mean() if ddof is None else problem.y[own].std(ddof=1)
                drawn = simulated[:, own]
                drawn = drawn.mean(axis=1) if ddof is None else drawn.std(axis=1, ddof=1)
                low, high = np.quantile(drawn, [0.025, 0.975])
                share = float((drawn >= observed).mean())
                found.append(PredictiveCheck(int(code), visit, name, float(observed), float(low), float(high), share))
    return found


def _observed_cells(problem: RepeatedMeasures, values: FloatArray) -> FloatArray:
    units = np.unique(problem.unit, return_inverse=True)[1]
    return values[:, units, problem.visit]


def _chosen(n: int) -> IntArray:
    return np.unique(np.linspace(0, n - 1, min(n, MAX_REPLICATES)).astype(np.intp))
