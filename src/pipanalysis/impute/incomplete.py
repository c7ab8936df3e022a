"""Outcomes with gaps, the mixed model that they are imputed by, and how gaps are filled under a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipanalysis.impute.strategies import Moments, Strategy, assumed_moments
from pipanalysis.mmrm.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.design import find_aliased
from pipanalysis.mmrm.errors import NonConvergence


def dropout(y: FloatArray) -> IntArray:
    """Return the visit from which on nothing is observed, t where the last one is: y (n, t) gives (n,)."""
    seen = np.isfinite(y)
    t = y.shape[1]
    return np.where(seen.any(axis=1), t - np.argmax(seen[:, ::-1], axis=1), 0)


Index = tuple[IntArray, IntArray]


@dataclass(frozen=True)
class History:
    """Units of one arm, m of them, with values at the same visits.

    The places are indices of rows and columns, as of `np.ix_`, found once: imputation asks for them thousands of times.

    Attributes:
        units: positions of the units, (m,).
        arm: code of their arm.
        event: the visit from which on nothing is observed, t where the last one is.
        seen: visits with a value.
        lost: visits without one.
        there: places of their values among all outcomes.
        gaps: places of their missing values.
        of_seen: places of the seen visits in a covariance of all.
        of_both: seen by lost visits.
        of_lost: the lost visits.
    """

    units: IntArray
    arm: int
    event: int
    seen: IntArray
    lost: IntArray
    there: Index
    gaps: Index
    of_seen: Index
    of_both: Index
    of_lost: Index

    @classmethod
    def of(cls, units: IntArray, arm: int, event: int, observed: BoolArray) -> History:
        """Return the history of units by which visits are observed, (t,)."""
        seen, lost = np.flatnonzero(observed), np.flatnonzero(~observed)
        places = np.ix_(units, seen), np.ix_(units, lost), np.ix_(seen, seen), np.ix_(seen, lost), np.ix_(lost, lost)
        return cls(units, arm, event, seen, lost, *places)


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
        visits: what messages call the visits; by default their codes.
    """

    y: FloatArray
    arm: IntArray
    X: FloatArray
    X_reference: FloatArray
    Z: FloatArray
    effects: tuple[int, ...]
    visits: tuple[str, ...] = ()

    @cached_property
    def observed(self) -> BoolArray:
        """Which outcomes are there, (n, t)."""
        return np.isfinite(self.y)

    @cached_property
    def histories(self) -> list[History]:
        """Units alike in arm and observed visits that lack a value, a history each."""
        key = np.column_stack([self.arm, dropout(self.y), self.observed])
        kinds, kind = np.unique(key, axis=0, return_inverse=True)
        kind = kind.ravel()
        return [
            History.of(np.flatnonzero(kind == i), int(row[0]), int(row[1]), row[2:].astype(bool))
            for i, row in enumerate(kinds)
            if not row[2:].all()
        ]


@dataclass(frozen=True)
class ImputationModel:
    """A fitted mixed model for repeated measures, unstructured.

    Attributes:
        beta: coefficients, (p,); 0 of a column that the rest determine.
        covariance: of the visits, one for all arms or one for each, (arms or 1, t, t).
        theta: working parameters of the covariance, to start another fit from.
        aliased: columns that the rest determine.
    """

    beta: FloatArray
    covariance: FloatArray
    theta: FloatArray
    aliased: tuple[int, ...] = ()


def fit_imputation_model(
    trial: IncompleteTrial,
    units: IntArray,
    *,
    reml: bool = True,
    by_arm: bool = False,
    start: FloatArray | None = None,
) -> ImputationModel:
    """Fit the mixed model to some of the units, (m,); one that is there twice counts as two.

    Raises:
        MMRMError: the data are singular, or no optimiser converged.
    """
    from pipanalysis.mmrm.engine import fit_arrays

    seen = trial.observed[units]
    row, visit = np.nonzero(seen)
    X = trial.X[units][seen]
    kept, aliased, _ = find_aliased(X)
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
        labels={"visit": trial.visits} if trial.visits else None,
    )
    if not fit.converged:
        raise NonConvergence(fit.message)
    beta = np.zeros(trial.X.shape[2])
    beta[kept] = fit.beta
    return ImputationModel(beta, np.stack(fit.covariances), fit.theta, tuple(int(column) for column in aliased))


def completed(
    trial: IncompleteTrial, model: ImputationModel, strategy: Strategy, noise: FloatArray | None = None
) -> FloatArray:
    """Return the outcomes, (n, t), with the gaps filled by their mean given what is observed of the unit.

    With `noise`, standard normal draws of shape (n, t), by a draw from their distribution given that.
    """
    filled = trial.y.copy()
    own_mean = trial.X @ model.beta
    reference_mean = own_mean if strategy == "mar" else trial.X_reference @ model.beta
    one = len(model.covariance) == 1
    for history in trial.histories:
        own = Moments(own_mean[history.units], model.covariance[0 if one else history.arm])
        reference = Moments(reference_mean[history.units], model.covariance[0])
        assumed = assumed_moments(strategy, own, reference, history.event)
        expected = assumed.mean[:, history.lost]
        spread = assumed.covariance[history.of_lost]
        if history.seen.size:
            shared = assumed.covariance[history.of_both]
            slope = np.linalg.solve(assumed.covariance[history.of_seen], shared)
            expected = expected + (trial.y[history.there] - assumed.mean[:, history.seen]) @ slope
            spread = spread - shared.T @ slope
        if noise is not None:
            expected = expected + noise[history.gaps] @ np.linalg.cholesky(spread).T
        filled[history.gaps] = expected
    return filled
