"""Partial correlations with intervals, and the difference of two independent ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, nan, sqrt, tanh
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray


@dataclass(frozen=True)
class Correlation:
    """A correlation with its limits.

    Attributes:
        r: the correlation; NaN where it is undefined.
        low: lower limit.
        high: upper limit.
        p_value: against zero.
        z_error: standard error of Fisher's z.
        n: units.
    """

    r: float
    low: float
    high: float
    p_value: float
    z_error: float
    n: int


def partial_correlation(x: FloatArray, y: FloatArray, given: FloatArray, level: float) -> Correlation:
    """Return the correlation of x and y given further variables.

    The correlation of the least-squares residuals on them; with k variables given, Fisher's z has the standard error
    1/√(n - k - 3) (Fisher 1924, Metron 3:329-332). NaN with fewer than k + 4 units or without variation.

    Args:
        x: shape (n,).
        y: shape (n,).
        given: variables that are held constant, without a constant, shape (n, k); those that others determine count
            once.
        level: of the limits.
    """
    from scipy.stats import norm

    n = len(x)
    Z = np.column_stack([np.ones(n), given])
    k = int(np.linalg.matrix_rank(Z)) - 1 if n else 0
    if n - k - 3 < 1:
        return Correlation(nan, nan, nan, nan, nan, n)
    both = np.column_stack([x, y])
    residual = both - Z @ np.linalg.lstsq(Z, both, rcond=None)[0]
    squares, total = (residual**2).sum(axis=0), ((both - both.mean(axis=0)) ** 2).sum(axis=0)
    if (squares <= 1e-12 * total).any():
        return Correlation(nan, nan, nan, nan, nan, n)
    r = float(np.clip(residual[:, 0] @ residual[:, 1] / sqrt(squares[0] * squares[1]), -1 + 1e-15, 1 - 1e-15))
    z, error = atanh(r), 1 / sqrt(n - k - 3)
    half = float(norm.ppf(0.5 + level / 2)) * error
    return Correlation(r, tanh(z - half), tanh(z + half), 2 * float(norm.sf(abs(z) / error)), error, n)


def correlation_difference(first: Correlation, second: Correlation) -> Correlation:
    """Return first minus second, two correlations of different units.

    Limits from those of each (Zou 2007, Psychological Methods 12:399-413), P value from the difference of Fisher's z.
    """
    from scipy.stats import norm

    difference = first.r - second.r
    low = difference - sqrt((first.r - first.low) ** 2 + (second.high - second.r) ** 2)
    high = difference + sqrt((first.high - first.r) ** 2 + (second.r - second.low) ** 2)
    error = sqrt(first.z_error**2 + second.z_error**2)
    ratio = (atanh(first.r) - atanh(second.r)) / error
    return Correlation(difference, low, high, 2 * float(norm.sf(abs(ratio))), error, first.n + second.n)
