"""Adjustment of p values and intervals for several comparisons.

Bonferroni, Sidak (1967), Holm (1979) and Hochberg (1988). Step procedures have no matching simultaneous interval of
the usual form; theirs are the Bonferroni intervals, as R's emmeans gives for Holm.
"""

from typing import Literal, get_args

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.problems import OptionError

type Adjustment = Literal["none", "bonferroni", "sidak", "holm", "hochberg"]
ADJUSTMENTS: tuple[str, ...] = get_args(Adjustment.__value__)


def adjust_p(p: FloatArray, method: str) -> FloatArray:
    """Adjusted p values of one family; NaN (not estimable) stays NaN and does not count."""
    _check(method)
    adjusted = np.array(p, dtype=float)
    known = np.flatnonzero(~np.isnan(adjusted))
    m = known.size
    if method == "none" or m < 2:
        return adjusted
    values = adjusted[known]
    if method == "bonferroni":
        adjusted[known] = np.minimum(1.0, m * values)
        return adjusted
    if method == "sidak":
        with np.errstate(divide="ignore"):  # p = 1: the logarithm of 0, whose limit gives 1
            adjusted[known] = -np.expm1(m * np.log1p(-values))
        return adjusted
    order = np.argsort(values)
    scaled = values[order] * np.arange(m, 0, -1)
    holm = method == "holm"
    scaled = np.maximum.accumulate(scaled) if holm else np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted[known[order]] = np.minimum(1.0, scaled)
    return adjusted


def interval_level(level: float, comparisons: int, method: str) -> float:
    """Confidence level of each of `comparisons` intervals that keeps `level` for all of them."""
    _check(method)
    if method == "none" or comparisons < 2:
        return level
    if method == "sidak":
        return float(level ** (1.0 / comparisons))
    return 1.0 - (1.0 - level) / comparisons


def _check(method: str) -> None:
    if method not in ADJUSTMENTS:
        raise OptionError(f"adjustment {method!r} is not known; the adjustments are {', '.join(ADJUSTMENTS)}")
