"""The Poisson-gamma forecast: algebra, the duality of counts and times, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betaprime, nbinom

from pipanalysis.progress.projection import Rate, days_until, posterior, probability_of, recruited_within


def test_posterior_by_algebra() -> None:
    rate = posterior(12, 60, planned_per_day=0.1, prior_units=2)
    assert (rate.shape, rate.rate) == (14, 80)
    assert rate.per_day == pytest.approx(14 / 80)


def test_before_anybody_came_the_rate_is_the_planned_one() -> None:
    assert posterior(0, 0, planned_per_day=0.25, prior_units=1).per_day == pytest.approx(0.25)


@pytest.mark.parametrize("wrong", [(-1, 5, 0.1, 1), (1, -5, 0.1, 1), (1, 5, 0, 1), (1, 5, 0.1, 0)])
def test_impossible_inputs_are_refused(wrong: tuple[int, float, float, float]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        posterior(*wrong)


def test_the_next_unit_by_an_exponential_rate_has_a_lomax_time() -> None:
    # Shape 1: the rate is exponential, and P(T > t) = rate / (rate + t).
    for p in (0.1, 0.5, 0.9):
        assert days_until(Rate(1.0, 30.0), 1, (p,))[0] == pytest.approx(30 * (1 / (1 - p) - 1), rel=1e-12)


@pytest.mark.parametrize("units", [1, 7, 40])
@pytest.mark.parametrize("days", [10.0, 90.0, 400.0])
def test_reaching_a_target_in_time_is_recruiting_enough_in_that_time(units: int, days: float) -> None:
    # P(T_m <= h) = P(N_h >= m).
    rate = Rate(9.5, 120.0)
    assert probability_of(rate, units, days) == pytest.approx(
        betaprime.cdf(days / rate.rate, units, rate.shape), rel=1e-9
    )
    assert probability_of(rate, units, days) == pytest.approx(nbinom.sf(units - 1, 9.5, 120 / (120 + days)), rel=1e-9)


def test_quantiles_agree_with_simulation() -> None:
    rate, units, horizon, n = Rate(20.0, 150.0), 30, 200, 200_000
    generator = np.random.default_rng(20160302)
    drawn = generator.gamma(rate.shape, 1 / rate.rate, size=n)
    times = generator.gamma(units, 1 / drawn)
    counts = generator.poisson(drawn * horizon)
    probabilities = (0.1, 0.5, 0.9)
    for p, days in zip(probabilities, days_until(rate, units, probabilities), strict=True):
        # Monte Carlo standard error of a share: sqrt(p (1 - p) / n) < 0.0012; four of them.
        assert (times <= days).mean() == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)
    for p, count in zip(probabilities, recruited_within(rate, horizon, probabilities), strict=True):
        se = (p * (1 - p) / n) ** 0.5
        assert (counts <= count).mean() >= p - 4 * se
        assert (counts < count).mean() <= p + 4 * se


def test_nothing_to_wait_for() -> None:
    rate = Rate(5, 50)
    assert days_until(rate, 0, (0.1, 0.9)) == (0, 0)
    assert recruited_within(rate, 0, (0.1, 0.9)) == (0, 0)
    assert probability_of(rate, 0, 0) == 1
    assert probability_of(rate, 1, 0) == 0
