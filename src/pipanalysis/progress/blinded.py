"""Outcomes over all arms together, and what their variance says about the sample size. Nothing here knows an arm."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData
    from pipanalysis.study.progress import SampleSizeReview

COLUMNS = ["score", "visit", "n", "mean", "sd"]


def pooled_summaries(data: ProgressData) -> pd.DataFrame:
    """Return n, mean and SD of the plan's blinded scores by visit; mean and SD missing where n is too small.

    Empty where the plan does not allow pooled summaries.
    """
    settings = data.study.progress.blinded_summaries
    if not settings.allowed or data.scores is None:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for name in settings.scores:
        own = data.scores[data.scores["score"] == name]
        for visit in data.study.instrument_visits(name.partition(".")[0]):
            values = own.loc[own["visit"] == visit, "value"].dropna()
            enough = len(values) >= settings.smallest
            mean, sd = (values.mean(), values.std(ddof=1)) if enough else (float("nan"), float("nan"))
            rows.append((name, visit, len(values), mean, sd))
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Review:
    """The sample size by the plan's assumptions and by the data.

    Attributes:
        n: values that the variance is of.
        smallest: values needed for it.
        planned: units by the plan's assumed SD.
        pooled_sd: SD of all values together; None where they are too few.
        adjusted_sd: the same, less what the planned difference between arms adds to it.
        by_pooled: units by `pooled_sd`, which errs on the safe side.
        by_adjusted: units by `adjusted_sd`.
    """

    n: int
    smallest: int
    planned: int
    pooled_sd: float | None
    adjusted_sd: float | None
    by_pooled: int | None
    by_adjusted: int | None


def sample_size_review(data: ProgressData) -> Review | None:
    """Re-estimate the sample size from the one-sample variance; None where the plan has no such review.

    Kieser and Friede (2003), Statistics in Medicine 22:3571: the variance of all values together is that within arms
    plus what the difference between arms adds. The adjusted variance takes the planned difference's share off
    (`variance_within`).
    """
    review = data.study.progress.sample_size
    if review is None or data.scores is None:
        return None
    chosen = (data.scores["score"] == review.score) & (data.scores["visit"] == review.visit)
    values = data.scores.loc[chosen, "value"].dropna()
    ratio = _ratio(data)
    planned = units_needed(review, review.sd, ratio)
    if len(values) < review.smallest or not values.var(ddof=1) > 0:
        return Review(len(values), review.smallest, planned, None, None, None, None)
    pooled = float(values.var(ddof=1))
    within = variance_within(pooled, len(values), review.difference, ratio)
    return Review(
        n=len(values),
        smallest=review.smallest,
        planned=planned,
        pooled_sd=pooled**0.5,
        adjusted_sd=within**0.5 if within > 0 else None,
        by_pooled=units_needed(review, pooled**0.5, ratio),
        by_adjusted=units_needed(review, within**0.5, ratio) if within > 0 else None,
    )


def variance_within(pooled: float, n: int, difference: float, ratio: float) -> float:
    """Return the variance within two arms, given that of all n values together and the difference between arm means.

    With shares p and 1 - p in the arms, E[pooled] = within + p (1 - p) n / (n - 1) difference²: the decomposition of
    the sum of squares, divided by n - 1.
    """
    p = ratio / (1 + ratio)
    return pooled - p * (1 - p) * n / (n - 1) * difference**2


def units_needed(review: SampleSizeReview, sd: float, ratio: float) -> int:
    """Return the units to randomise: two-sample t test (statsmodels), times 1 - r² for the adjustment, over attrition.

    Args:
        review: difference, power, level, attrition and correlation.
        sd: standard deviation within arms.
        ratio: units of the second arm for one of the first.
    """
    from statsmodels.stats.power import TTestIndPower

    first = TTestIndPower().solve_power(review.difference / sd, None, review.alpha, review.power, ratio)
    first = float(first) * (1 - review.baseline_correlation**2)
    return ceil((ceil(first) + ceil(first * ratio)) / (1 - review.attrition))


def _ratio(data: ProgressData) -> float:
    parts = data.study.config.randomisation.ratio
    first, second = (parts.get(arm, 1) for arm in list(data.study.arms)[:2])
    return second / first
