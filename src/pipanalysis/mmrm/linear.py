"""Linear functions of the coefficients: estimates, tests, and whether the data determine them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.mmrm.distributions import f_upper, t_quantile, t_two_sided
from pipanalysis.mmrm.problems import OptionError, checked_level

_ESTIMABLE = 1e-8  # as R's estimability: relative size of what lies outside the row space


class Covariance(Protocol):
    """What inference on linear functions needs: a covariance of the coefficients and degrees of freedom."""

    @property
    def vcov(self) -> FloatArray:
        """Covariance of the estimated coefficients, shape (p, p)."""

    def dfs(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of L."""

    def test(self, L: FloatArray) -> tuple[int, float, float, float]:
        """Numerator and denominator degrees of freedom, F and its scale, of the rows of L together."""


@dataclass(frozen=True, slots=True)
class LinearFunctions:
    """Linear functions of the coefficients, with what is needed for their inference.

    contrasts: over all columns of the design, shape (m, columns). kept, null: see `find_aliased`. extra: covariance
    of the functions beyond that of the coefficients (of the covariates that were averaged over), shape (m, m).
    """

    contrasts: FloatArray
    beta: FloatArray
    covariance: Covariance
    kept: IntArray
    null: FloatArray
    extra: FloatArray | None = None

    def combine(self, weights: FloatArray) -> "LinearFunctions":
        """Linear combinations of the functions: `weights` has one row per result."""
        extra = None if self.extra is None else weights @ self.extra @ weights.T
        return LinearFunctions(weights @ self.contrasts, self.beta, self.covariance, self.kept, self.null, extra)

    @property
    def estimable(self) -> BoolArray:
        """Which functions the data determine."""
        if not self.null.shape[1]:
            return np.ones(len(self.contrasts), dtype=bool)
        size = np.linalg.norm(self.contrasts, axis=1)
        basis, _ = np.linalg.qr(self.null)
        outside = np.abs(self.contrasts @ basis).max(axis=1)
        return np.asarray(outside <= _ESTIMABLE * np.maximum(size, 1e-300), dtype=bool)

    def estimates(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Estimates, standard errors and degrees of freedom; NaN where not estimable."""
        L = self.contrasts[:, self.kept]
        estimable = self.estimable
        estimate, se, df = (np.full(len(L), np.nan) for _ in range(3))
        if estimable.any():
            L = L[estimable]
            variance = np.einsum("ij,jk,ik->i", L, self.covariance.vcov, L)
            freedom = np.asarray(self.covariance.dfs(L), dtype=float)
            if self.extra is not None:
                more = np.diag(self.extra)[estimable]
                # Satterthwaite: the added part is known, so the numerator grows and the denominator does not
                freedom = freedom * ((variance + more) / variance) ** 2
                variance = variance + more
            estimate[estimable] = L @ self.beta
            se[estimable] = np.sqrt(variance)
            df[estimable] = freedom
        return estimate, se, df


@dataclass(frozen=True)
class TTest:
    """Test of one linear function of the coefficients."""

    estimate: float
    se: float
    df: float
    t: float
    p: float
    lower: float
    upper: float


@dataclass(frozen=True)
class FTest:
    """Joint test of several linear functions; `scale` is Kenward and Roger's factor, already in `f`."""

    num_df: int
    den_df: float
    f: float
    p: float
    scale: float


def test_linear(contrasts: FloatArray, beta: FloatArray, covariance: Covariance, level: float) -> TTest | FTest:
    """Test `contrasts @ beta = 0`: t for one row, F for several."""
    if len(contrasts) > 1:
        num_df, den_df, f, scale = covariance.test(contrasts)
        return FTest(num_df, den_df, f, f_upper(f, num_df, den_df), scale)
    estimate = float(contrasts[0] @ beta)
    se = float(np.sqrt(contrasts[0] @ covariance.vcov @ contrasts[0]))
    df = float(covariance.dfs(contrasts)[0])
    half = float(t_quantile(0.5 + checked_level(level) / 2, df)) * se
    t = estimate / se
    return TTest(estimate, se, df, t, float(t_two_sided(t, df)), estimate - half, estimate + half)


def contrast_matrix(L: Any, names: Sequence[str], n_columns: int) -> FloatArray:
    """Rows of weights from what users write: numbers, {term: weight}, or a list of such.

    The result has a column per estimated coefficient (`names`), or per column of the design (`n_columns`).
    """
    if isinstance(L, Mapping):
        L = [L]
    if isinstance(L, Sequence) and L and all(isinstance(row, Mapping) for row in L):
        unknown = [t for row in L for t in row if t not in names]
        if unknown:
            raise OptionError(f"no coefficient {', '.join(unknown)}; the coefficients are {', '.join(names)}")
        return np.array([[float(row.get(name, 0.0)) for name in names] for row in L])
    contrasts = np.atleast_2d(np.asarray(L, dtype=float))
    if contrasts.shape[1] not in (len(names), n_columns):
        raise OptionError(f"L has {contrasts.shape[1]} columns; the model has {len(names)} coefficients")
    return contrasts
