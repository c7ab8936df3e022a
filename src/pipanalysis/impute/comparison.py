"""Comparison of the arms in completed data: least squares at every visit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from pipanalysis.impute.incomplete import IncompleteTrial
from pipanalysis.mmrm.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Estimates:
    """Estimates, arrays of one shape.

    Attributes:
        value: in units of the outcome.
        std_error: their standard errors.
        df: degrees of freedom of their t distributions.
    """

    value: FloatArray
    std_error: FloatArray
    df: FloatArray

    def rows(self, which: slice) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, each.name)[which] for each in fields(self)))


@dataclass(frozen=True)
class Imputed:
    """What completed outcomes say of the arms.

    Attributes:
        effects: each arm against the reference at each visit, (arms - 1, t).
        means: adjusted means, the reference first, (arms, t): all units with their arm set to one.
    """

    effects: Estimates
    means: Estimates

    @classmethod
    def of(cls, estimates: Estimates) -> Imputed:
        """Return effects, and below them means, (2 arms - 1, t), as what they are."""
        arms = (len(estimates.value) + 1) // 2
        return cls(estimates.rows(slice(arms - 1)), estimates.rows(slice(arms - 1, None)))


@dataclass(frozen=True)
class LeastSquares:
    """What turns completed outcomes into the arms' effects and, below them, their adjusted means.

    Attributes:
        weights: of the units in each estimate, (2 arms - 1, n).
        unit_variance: of each estimate were the residual variance 1, (2 arms - 1,).
        basis: orthonormal columns that span those of the comparison, (n, rank).
    """

    weights: FloatArray
    unit_variance: FloatArray
    basis: FloatArray

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return len(self.basis) - len(self.basis.T)

    def estimates(self, filled: FloatArray) -> FloatArray:
        """Return the estimates at each visit: outcomes (n, t) give (2 arms - 1, t)."""
        return self.weights @ filled

    def variances(self, filled: FloatArray) -> FloatArray:
        """Return the model-based variances of the estimates at each visit, (2 arms - 1, t)."""
        residual = filled - self.basis @ (self.basis.T @ filled)
        return np.outer(self.unit_variance, np.square(residual).sum(axis=0) / self.df)


def least_squares(trial: IncompleteTrial, units: IntArray) -> LeastSquares:
    """Return the comparison of some of the units by the columns Z of the trial; those that others determine count once.

    Adjusted means are those of all these units with their arm set to one.
    """
    Z = trial.Z[units]
    columns = list(trial.effects)
    wanted = np.tile(Z.mean(axis=0), (len(columns) + 1, 1))
    wanted[:, columns] = np.eye(len(columns) + 1)[:, 1:]
    wanted = np.vstack([np.eye(Z.shape[1])[columns], wanted])
    basis, size, rows = np.linalg.svd(Z, full_matrices=False)
    kept = size > max(Z.shape) * np.finfo(np.float64).eps * size[0]
    half = wanted @ (rows[kept].T / size[kept])
    return LeastSquares(half @ basis[:, kept].T, np.square(half).sum(axis=1), basis[:, kept])
