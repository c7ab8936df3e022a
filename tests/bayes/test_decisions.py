"""Probabilities and intervals from draws with a known distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipanalysis.bayes.decisions import decide, interval

NORMAL = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, 0.3, 0.2)
SKEW = stats.gamma.ppf((np.arange(200_000) + 0.5) / 200_000, 2)


def test_probabilities_are_those_of_the_distribution() -> None:
    found = decide(NORMAL, mcid=0.4, rope=0.1)
    law = stats.norm(0.3, 0.2)
    assert found.benefit == pytest.approx(law.sf(0), abs=1e-4)
    assert found.beyond_mcid == pytest.approx(law.sf(0.4), abs=1e-4)
    assert found.harm_beyond_mcid == pytest.approx(law.cdf(-0.4), abs=1e-4)
    assert found.equivalence == pytest.approx(law.cdf(0.1) - law.cdf(-0.1), abs=1e-4)


def test_without_an_mcid_nothing_is_said_of_it() -> None:
    found = decide(NORMAL, mcid=float("nan"), rope=0.1)
    assert np.isnan(found.beyond_mcid)
    assert np.isnan(found.harm_beyond_mcid)
    assert found.benefit > 0.9


def test_equal_tails() -> None:
    assert interval(SKEW, "eti", 0.9) == pytest.approx(stats.gamma.ppf([0.05, 0.95], 2), abs=1e-3)


def test_highest_density_has_equal_density_at_both_ends_and_the_probability_between() -> None:
    low, high = interval(SKEW, "hdi", 0.9)
    law = stats.gamma(2)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(0.9, abs=1e-3)
    assert law.pdf(low) == pytest.approx(law.pdf(high), abs=0.01)
