"""A two-by-two table without a model: Fisher's exact test and score intervals (scipy, statsmodels)."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

Limits = tuple[float, float]
UNKNOWN: Limits = (nan, nan)


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
