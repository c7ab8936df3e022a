"""Adjusted p values; expected values worked by hand from the definitions."""

import numpy as np
import pytest

from pipanalysis.mmrm.multiplicity import ADJUSTMENTS, adjust_p, interval_level
from pipanalysis.mmrm.problems import OptionError

P = np.array([0.01, 0.04, 0.03])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("none", [0.01, 0.04, 0.03]),
        ("bonferroni", [0.03, 0.12, 0.09]),
        ("sidak", [1 - 0.99**3, 1 - 0.96**3, 1 - 0.97**3]),
        ("holm", [0.03, 0.06, 0.06]),  # 3 x 0.01, 2 x 0.03, then the running maximum
        ("hochberg", [0.03, 0.04, 0.04]),  # 1 x 0.04, then the running minimum downwards
    ],
)
def test_adjusted_p_values(method: str, expected: list[float]) -> None:
    np.testing.assert_allclose(adjust_p(P, method), expected, rtol=1e-14)


@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_what_is_not_estimable_does_not_count(method: str) -> None:
    with_gap = adjust_p(np.array([0.01, np.nan, 0.04, 0.03]), method)
    assert np.isnan(with_gap[1])
    np.testing.assert_array_equal(with_gap[[0, 2, 3]], adjust_p(P, method))


def test_small_p_values_keep_their_digits() -> None:
    np.testing.assert_allclose(adjust_p(np.array([1e-30, 0.5]), "sidak")[0], 2e-30, rtol=1e-12)


def test_adjusted_values_do_not_exceed_one() -> None:
    for method in ADJUSTMENTS:
        assert adjust_p(np.array([0.9, 0.95, 1.0]), method).max() <= 1.0


def test_levels_of_simultaneous_intervals() -> None:
    assert interval_level(0.95, 5, "bonferroni") == pytest.approx(0.99)
    assert interval_level(0.95, 5, "holm") == pytest.approx(0.99)
    assert interval_level(0.95, 5, "sidak") ** 5 == pytest.approx(0.95)
    assert interval_level(0.95, 1, "bonferroni") == 0.95


def test_unknown_adjustment_is_refused() -> None:
    with pytest.raises(OptionError, match="none, bonferroni, sidak, holm, hochberg"):
        adjust_p(P, "tukey")
