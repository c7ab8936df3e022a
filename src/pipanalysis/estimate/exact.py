"""Tables of two arms without a model: exact tests and score intervals (scipy, statsmodels)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Limits = tuple[float, float]
UNKNOWN: Limits = (nan, nan)
MAX_TABLES = 2_000_000
"""tables that an exact test enumerates at most"""
TIED = 1e-7
"""difference of the logarithms of two tables' probabilities that is rounding"""


@dataclass(frozen=True)
class TwoByTwo:
    """Comparison of two proportions.

    Attributes:
        difference: of the proportions.
        difference_limits: Newcombe's hybrid score interval.
        ratio: of the proportions; NaN where one of them is 0.
        ratio_limits: score interval of Miettinen and Nurminen.
        odds_ratio: conditional maximum likelihood estimate; NaN where it is 0, infinite or undefined.
        odds_limits: exact conditional limits that belong to it.
        p_value: Fisher's exact test, two-sided.
    """

    difference: float
    difference_limits: Limits
    ratio: float
    ratio_limits: Limits
    odds_ratio: float
    odds_limits: Limits
    p_value: float


def two_by_two(events: int, n: int, events_reference: int, n_reference: int, conf_level: float) -> TwoByTwo:
    """Compare the events of n units with those of the reference.

    Newcombe 1998, Statistics in Medicine 17:873-890, method 10; Fisher 1935; Miettinen and Nurminen 1985, Statistics
    in Medicine 4:213-226. Ratios need events in both and, for the odds ratio, units without the event in both.
    """
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio
    from statsmodels.stats.proportion import confint_proportions_2indep

    first, second = events / n, events_reference / n_reference
    counted = (events, n, events_reference, n_reference)
    table = np.array([[events, n - events], [events_reference, n_reference - events_reference]])
    alpha = 1 - conf_level
    low, high = confint_proportions_2indep(*counted, compare="diff", method="newcomb", alpha=alpha)
    ratio, ratio_limits, odds, odds_limits = nan, UNKNOWN, nan, UNKNOWN
    if events and events_reference:
        ratio = first / second
        if first < 1 or second < 1:
            found = confint_proportions_2indep(*counted, compare="ratio", method="score", correction=True, alpha=alpha)
            ratio_limits = float(found[0]), float(found[1])
    if (table > 0).all():
        conditional = odds_ratio(table, kind="conditional")
        interval = conditional.confidence_interval(conf_level)
        odds, odds_limits = float(conditional.statistic), (float(interval.low), float(interval.high))
    p_value = float(fisher_exact(table).pvalue)
    return TwoByTwo(first - second, (float(low), float(high)), ratio, ratio_limits, odds, odds_limits, p_value)


def wilson_interval(events: int, n: int, conf_level: float) -> Limits:
    """Return Wilson's score interval of a proportion (Wilson 1927, JASA 22:209-212)."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(events, n, alpha=1 - conf_level, method="wilson")
    return float(low), float(high)


def fisher_freeman_halton(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the P value of the exact test that two arms are alike in K levels; NaN for more than MAX_TABLES tables.

    Args:
        first: units of one arm at each level.
        second: of the other.

    The share of the allocations of arms to units that give a table no likelier than the observed one (Freeman and
    Halton 1951, Biometrika 38:141-149). Every table with these margins is enumerated, level after level.
    """
    from scipy.special import gammaln

    def log_choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)

    totals = [a + b for a, b in zip(first, second, strict=True)]
    left, weight = np.array([sum(first)]), np.zeros(1)
    for i, total in enumerate(totals):
        taken = np.arange(total + 1)
        if left.size * taken.size > MAX_TABLES:
            return nan
        rest = (left[:, None] - taken).ravel()
        possible = (rest >= 0) & (rest <= sum(totals[i + 1 :]))
        left, weight = rest[possible], (weight[:, None] + log_choose(total, taken)).ravel()[possible]
    observed = sum(float(log_choose(total, np.array(a))) for total, a in zip(totals, first, strict=True))
    share = np.exp(weight - weight.max())
    return float(share[weight <= observed + TIED].sum() / share.sum())
