"""The forecast of recruitment by the Poisson-gamma model.

Recruitment is a Poisson process whose rate has a gamma distribution (Anisimov and Fedorov 2007, Statistics in Medicine
26:4958): after n units in t days the rate is gamma with shape a + n and rate b + t. Then the number recruited in the
next h days is negative binomial, and the days until m more are recruited are (b + t) times a beta prime variable with
parameters m and a + n: both exactly, without simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rate:
    """What is known of the recruitment rate: gamma with this shape and rate (in days)."""

    shape: float
    rate: float

    @property
    def per_day(self) -> float:
        """Expected units a day."""
        return self.shape / self.rate


def posterior(n: int, days: float, planned_per_day: float, prior_units: float) -> Rate:
    """Return the rate after n units in some days; the prior is the planned rate, with the weight of `prior_units`.

    Raises:
        ValueError: a negative count or time, or no positive planned rate.
    """
    if n < 0 or days < 0 or planned_per_day <= 0 or prior_units <= 0:
        raise ValueError("counts and days are not negative; the planned rate and its weight are positive")
    return Rate(prior_units + n, prior_units / planned_per_day + days)


def recruited_within(rate: Rate, days: float, probabilities: tuple[float, ...]) -> tuple[int, ...]:
    """Return quantiles of the number recruited in the next `days` days."""
    from scipy.stats import nbinom

    if days <= 0:
        return tuple(0 for _ in probabilities)
    return tuple(int(nbinom.ppf(p, rate.shape, rate.rate / (rate.rate + days))) for p in probabilities)


def probability_of(rate: Rate, units: int, days: float) -> float:
    """Return the probability that at least so many are recruited in the next `days` days."""
    from scipy.stats import nbinom

    if units <= 0:
        return 1.0
    return 0.0 if days <= 0 else float(nbinom.sf(units - 1, rate.shape, rate.rate / (rate.rate + days)))


def days_until(rate: Rate, units: int, probabilities: tuple[float, ...]) -> tuple[float, ...]:
    """Return quantiles of the days until so many more units are recruited."""
    from scipy.stats import betaprime

    if units <= 0:
        return tuple(0.0 for _ in probabilities)
    quantiles = betaprime.ppf(np.array(probabilities), units, rate.shape) * rate.rate
    return tuple(float(days) for days in quantiles)
