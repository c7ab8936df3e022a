"""The distribution of one variable, smoothed so that no single unit's value comes through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

FEW_VALUES = 10
"""a number with at most so many distinct values, none of them rare, is drawn from their shares; else from quantiles"""
_STRETCHES = 12
_GRID = (np.arange(2000) + 0.5) / 2000


@dataclass(frozen=True)
class Margin:
    """A distribution to draw from.

    Attributes:
        probabilities: (k,) discrete: cumulative shares of the values; smooth: where the values stand, increasing.
        values: (k,) increasing.
        discrete: whether the values are the only possible ones.
        low: least value allowed.
        high: greatest value allowed.
        grid: distance between possible values, from `origin` (0: none).
        origin: a possible value.
    """

    probabilities: np.ndarray
    values: np.ndarray
    discrete: bool
    low: float = -np.inf
    high: float = np.inf
    grid: float = 0.0
    origin: float = 0.0

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return the values at probabilities within (0, 1)."""
        if self.discrete:
            at = np.searchsorted(self.probabilities, u, side="left").clip(max=len(self.values) - 1)
            return np.asarray(self.values[at], dtype=float)
        p, v = self.probabilities, self.values
        drawn = np.interp(u, p, v)
        drawn = np.where(u < p[0], v[0] + (u - p[0]) * (v[1] - v[0]) / (p[1] - p[0]), drawn)
        drawn = np.where(u > p[-1], v[-1] + (u - p[-1]) * (v[-1] - v[-2]) / (p[-1] - p[-2]), drawn)
        if self.grid:
            drawn = self.origin + np.round((drawn - self.origin) / self.grid) * self.grid
        return np.asarray(np.clip(drawn, self.low, self.high), dtype=float)


def common_values(values: np.ndarray, min_cell: int, holders: np.ndarray | None = None) -> dict[float, float]:
    """Return value → the value that stands for it: itself where at least `min_cell` units have it, else the commonest.

    Empty where no value is common.

    Args:
        values: (n,) NaN where missing.
        min_cell: least number of units.
        holders: (n,) unit of each value (default: one each).
    """
    seen = ~np.isnan(values)
    distinct, inverse = np.unique(values[seen], return_inverse=True)
    unit = np.flatnonzero(seen) if holders is None else holders[seen]
    pairs = np.unique(np.column_stack([inverse, unit]), axis=0)
    counts = np.bincount(pairs[:, 0].astype(int), minlength=len(distinct))
    if not (counts >= min_cell).any():
        return {}
    most = float(distinct[counts.argmax()])
    return {v: v if n >= min_cell else most for v, n in zip(distinct.tolist(), counts.tolist(), strict=True)}


def few_and_common(values: np.ndarray, min_cell: int, holders: np.ndarray | None = None) -> bool:
    """Tell whether numbers have few distinct values and at least `min_cell` units have each."""
    distinct = np.unique(values[~np.isnan(values)])
    return len(distinct) <= FEW_VALUES and list(common_values(values, min_cell, holders).values()) == distinct.tolist()


def discrete_margin(values: np.ndarray) -> Margin:
    """Return the shares of the distinct values among (n,) values, NaN left out."""
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return Margin(np.cumsum(counts) / counts.sum(), distinct, discrete=True)


def smooth_margin(
    values: np.ndarray,
    min_cell: int,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    grid: float = 0.0,
    origin: float = 0.0,
) -> Margin:
    """Return a quantile function through the means of groups of at least `min_cell` neighbouring values.

    It is linear between them and beyond the outermost, and moved and stretched until what is drawn, rounded to the grid
    and within the limits, has the values' mean and SD as nearly as may be. With fewer than twice `min_cell` values it
    starts from the normal one.
    """
    seen = np.sort(values[~np.isnan(values)])
    mean, sd = float(seen.mean()), float(seen.std())
    groups = np.array_split(seen, max(1, len(seen) // max(min_cell, 1)))
    if len(groups) < 2:
        at, points = _GRID, mean + sd * ndtri(_GRID)
    else:
        sizes = np.array([len(group) for group in groups])
        at = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        points = np.array([group.mean() for group in groups])
    for _ in range(_STRETCHES):
        drawn = Margin(at, points, False, low, high, grid, origin).quantile(_GRID)
        stretch = sd / drawn.std() if drawn.std() > 0 else 1.0
        points = mean + (points - drawn.mean()) * np.clip(stretch, 0.5, 2)
    return Margin(at, points, discrete=False, low=low, high=high, grid=grid, origin=origin)


def hermite_coefficients(margin: Margin, order: int) -> np.ndarray:
    """Return the first `order` coefficients of a margin's standardised quantile function in Hermite polynomials.

    With them the correlation of two variables drawn with latent correlation ρ is Σ aₘ bₘ ρᵐ (Mehler's formula). All
    zero for a constant.
    """
    z = ndtri(_GRID)
    x = margin.quantile(_GRID)
    sd = float(x.std())
    if sd == 0:
        return np.zeros(order)
    x = (x - x.mean()) / sd
    before, now = np.ones_like(z), z
    found = []
    for m in range(1, order + 1):
        found.append(float((x * now).mean()))
        before, now = now, (z * now - np.sqrt(m) * before) / np.sqrt(m + 1)
    return np.array(found)
