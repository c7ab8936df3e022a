"""Imputation by conditional means: missing outcomes take what the model expects given the observed ones.

With the jackknife over units it gives an estimate without random draws, whose standard error is that of repeated
sampling, not the larger one of multiple imputation by Rubin's rules (Wolbers, Noci, Delmar, Gower-Page, Yiu and
Bartlett 2022, Standard and reference-based conditional mean imputation, Pharm Stat 21:1246-1257).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipanalysis.impute.strategies import Moments, Strategy, assumed_moments
from pipanalysis.mmrm.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.design import find_aliased
from pipanalysis.mmrm.errors import MMRMError, NonConvergence


def dropout(y: FloatArray) -> IntArray:
    """Return the visit from which on nothing is observed, t where the last one is: y (n, t) gives (n,)."""
    seen = np.isfinite(y)
    t = y.shape[1]
    return np.where(seen.any(axis=1), t - np.argmax(seen[:, ::-1], axis=1), 0)


@dataclass(frozen=True)
class IncompleteTrial:
    """Outcomes with gaps, and the models' columns.

    The intercurrent event is dropout: it comes before the first of the visits that a unit misses to the end. What is
    missing earlier is missing at random.

    Attributes:
        y: outcomes, shape (n, t), NaN where missing.
        arm: code of the arm, (n,); 0 is the reference.
        X: columns of the imputation model, (n, t, p).
        X_reference: the same had the units been of the reference arm.
        Z: columns of the analysis at each visit, (n, q): the arms' effects among them.
        effects: columns of Z that hold the arms 1, 2, ... against the reference.
    """

    y: FloatArray
    arm: IntArray
    X: FloatArray
    X_reference: FloatArray
    Z: FloatArray
    effects: tuple[int, ...]

    @cached_property
    def observed(self) -> BoolArray:
        """Which outcomes are there, (n, t)."""
        return np.isfinite(self.y)

    @cached_property
    def histories(self) -> list[tuple[IntArray, int, int, BoolArray]]:
        """Units alike in arm and observed visits: (units, arm, first visit after dropout, observed (t,))."""
        key = np.column_stack([self.arm, dropout(self.y), self.observed])
        kinds, kind = np.unique(key, axis=0, return_inverse=True)
        kind = kind.ravel()
        return [
            (np.flatnonzero(kind == i), int(row[0]), int(row[1]), row[2:].astype(bool)) for i, row in enumerate(kinds)
        ]


@dataclass(frozen=True)
class ImputationModel:
    """A fitted mixed model for repeated measures, unstructured.

    Attributes:
        beta: coefficients, (p,); 0 of a column that the rest determine.
        covariance: of the visits, one for all arms or one for each, (arms or 1, t, t).
        theta: working parameters of the covariance, to start another fit from.
    """

    beta: FloatArray
    covariance: FloatArray
    theta: FloatArray


@dataclass(frozen=True)
class Imputed:
    """Estimates from completed outcomes, with the jackknife's standard errors.

    Attributes:
        effects: each arm against the reference at each visit, (arms - 1, t).
        effects_se: their standard errors.
        means: adjusted means, the reference first, (arms, t): all units with their arm set to one.
        means_se: their standard errors.
    """

    effects: FloatArray
    effects_se: FloatArray
    means: FloatArray
    means_se: FloatArray


def fit_imputation_model(
    trial: IncompleteTrial,
    units: IntArray,
    *,
    reml: bool = True,
    by_arm: bool = False,
    start: FloatArray | None = None,
) -> ImputationModel:
    """Fit the mixed model to some of the units.

    Raises:
        MMRMError: the data are singular, or no optimiser converged.
    """
    from pipanalysis.mmrm.engine import fit_arrays

    seen = trial.observed[units]
    row, visit = np.nonzero(seen)
    X = trial.X[units][seen]
    kept = find_aliased(X)[0]
    t, n_arms = trial.y.shape[1], int(trial.arm.max()) + 1
    fit = fit_arrays(
        np.ascontiguousarray(X[:, kept]),
        trial.y[units][seen],
        row,
        visit,
        n_visits=t,
        structure=make_structure("us", t),
        group=trial.arm[units][row] if by_arm else None,
        n_groups=n_arms if by_arm else 1,
        reml=reml,
        start=start,
    )
    if not fit.converged:
        raise NonConvergence(fit.message)
    beta = np.zeros(trial.X.shape[2])
    beta[kept] = fit.beta
    return ImputationModel(beta, np.stack(fit.covariances), fit.theta)


def completed(trial: IncompleteTrial, model: ImputationModel, strategy: Strategy) -> FloatArray:
    """Return the outcomes, (n, t), with the gaps filled by their mean given what is observed of the unit."""
    filled = trial.y.copy()
    own_mean, reference_mean = trial.X @ model.beta, trial.X_reference @ model.beta
    one = len(model.covariance) == 1
    for units, arm, event, seen in trial.histories:
        if seen.all():
            continue
        own = Moments(own_mean[units], model.covariance[0 if one else arm])
        reference = Moments(reference_mean[units], model.covariance[0])
        assumed = assumed_moments(strategy, own, reference, event)
        expected = assumed.mean[:, ~seen]
        if seen.any():
            slope = np.linalg.solve(assumed.covariance[np.ix_(seen, seen)], assumed.covariance[np.ix_(seen, ~seen)])
            expected = expected + (trial.y[np.ix_(units, seen)] - assumed.mean[:, seen]) @ slope
        filled[np.ix_(units, ~seen)] = expected
    return filled


def conditional_mean_imputation(
    trial: IncompleteTrial,
    strategies: Sequence[Strategy],
    *,
    reml: bool = True,
    by_arm: bool = False,
) -> dict[Strategy, Imputed]:
    """Compare the arms at every visit after imputation under each strategy.

    Args:
        trial: the outcomes and columns.
        strategies: each in turn, from the same fits.
        reml: fit the imputation model by restricted maximum likelihood.
        by_arm: a covariance for each arm.

    Standard errors: jackknife, everything done again without each unit, the imputation model too.

    Raises:
        MMRMError: the imputation model cannot be fitted to all units, or not without some unit.
    """
    n = len(trial.y)
    everyone = np.arange(n)
    whole = fit_imputation_model(trial, everyone, reml=reml, by_arm=by_arm)
    found = {strategy: _compared(trial, everyone, completed(trial, whole, strategy)) for strategy in strategies}
    left: dict[Strategy, list[FloatArray]] = {strategy: [] for strategy in strategies}
    failed: list[str] = []
    for units in _all_but_one(n):
        try:
            model = fit_imputation_model(trial, units, reml=reml, by_arm=by_arm, start=whole.theta)
        except MMRMError as error:
            failed.append(str(error))
            continue
        for strategy in strategies:
            left[strategy].append(_compared(trial, units, completed(trial, model, strategy)))
    if failed:
        raise NonConvergence(
            f"jackknife: not fitted without {len(failed)} of the {n} units, left out one at a time ({failed[0]})"
        )
    effects = len(trial.effects)
    answers = {}
    for strategy in strategies:
        again = np.stack(left[strategy])
        se = np.sqrt((n - 1) / n * np.square(again - again.mean(axis=0)).sum(axis=0))
        estimates = found[strategy]
        answers[strategy] = Imputed(estimates[:effects], se[:effects], estimates[effects:], se[effects:])
    return answers


def _all_but_one(n: int) -> Iterator[IntArray]:
    everyone = np.arange(n)
    for unit in everyone:
        yield np.delete(everyone, unit)


def _compared(trial: IncompleteTrial, units: IntArray, filled: FloatArray) -> FloatArray:
    """Return the arms' effects and below them the adjusted means, (2 arms - 1, t), by least squares at each visit."""
    Z = trial.Z[units]
    coefficients = np.linalg.lstsq(Z, filled[units], rcond=None)[0]
    columns = list(trial.effects)
    mean = Z.mean(axis=0)
    weights = np.tile(mean, (len(columns) + 1, 1))
    weights[:, columns] = np.eye(len(columns) + 1)[:, 1:]
    return np.vstack([coefficients[columns], weights @ coefficients])
