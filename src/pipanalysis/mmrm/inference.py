"""Covariance of the coefficients with degrees of freedom: what tests and intervals are made of."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.satterthwaite import fai_cornelius

METHODS = (
    "kenward-roger",
    "kenward-roger-linear",
    "kenward-roger-mmrm",
    "satterthwaite",
    "between-within",
    "residual",
    "asymptotic",
)
ROBUST = {"empirical": "CR0", "empirical-bias-reduced": "CR2", "empirical-jackknife": "CR3"}


@dataclass(frozen=True, slots=True)
class Inference:
    """Inference for linear functions of the coefficients by one method.

    vcov (p, p). contrast_df: denominator df of each row of L (m, p). joint_test: (numerator df, denominator df, F,
    scale) of L beta = 0; the scale is Kenward and Roger's lambda and already in F.
    """

    method: str
    vcov: FloatArray
    contrast_df: Callable[[FloatArray], FloatArray] = field(repr=False)
    joint_test: Callable[[FloatArray], tuple[int, float, float, float]] = field(repr=False)

    def df(self, contrast: FloatArray) -> float:
        """Denominator degrees of freedom of one contrast (p,)."""
        return float(self.dfs(np.asarray(contrast, dtype=float)[None])[0])

    def dfs(self, L: FloatArray) -> FloatArray:
        """Denominator degrees of freedom of each row of L (m, p)."""
        return self.contrast_df(np.atleast_2d(np.asarray(L, dtype=float)))

    def test(self, L: FloatArray) -> tuple[int, float, float, float]:
        """Joint test of L beta = 0: numerator df (the rank of L), denominator df, F, scale."""
        return self.joint_test(np.atleast_2d(np.asarray(L, dtype=float)))


def by_contrasts(method: str, beta: FloatArray, vcov: FloatArray, df: Callable[[FloatArray], FloatArray]) -> Inference:
    """Inference whose joint tests follow from the df of single contrasts (Fai and Cornelius)."""
    return Inference(method, vcov, df, lambda L: fai_cornelius(L, beta, vcov, df))


def by_smallest(method: str, beta: FloatArray, vcov: FloatArray, df: Callable[[FloatArray], FloatArray]) -> Inference:
    """Inference whose joint tests take the smallest df of the rows."""

    def test(L: FloatArray) -> tuple[int, float, float, float]:
        rank, _, f, scale = fai_cornelius(L, beta, vcov, lambda rows: np.full(len(rows), np.inf))
        return rank, float(df(L).min()), f, scale

    return Inference(method, vcov, df, test)
