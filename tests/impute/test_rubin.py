"""Rubin's rules: limits, algebra, and figures worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.impute.rubin import pool


def test_by_hand() -> None:
    """Three imputations: 1, 2, 3 of variance 4, 5, 6; 20 degrees of freedom were nothing missing.

    Within 5, between 1, total 5 + 4/3 = 19/3; share 4/19; old df 2 (19/4)^2 = 45.125; observed
    21/23 * 20 * 15/19 = 14.41648; pooled 1 / (1/45.125 + 1/14.41648) = 10.92589; missing information
    4/19 + 15/19 * 2 / 13.92589.
    """
    found = pool(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), 20)
    assert found.value == 2
    assert found.std_error == pytest.approx(np.sqrt(19 / 3))
    assert found.df == pytest.approx(10.92589, abs=1e-5)
    assert found.mcse == pytest.approx(np.sqrt(1 / 3))
    assert found.missing_information == pytest.approx(4 / 19 + 15 / 19 * 2 / 13.92589, abs=1e-6)


def test_nothing_imputed_is_the_complete_analysis() -> None:
    found = pool(np.full((5, 2), 0.1 + 0.2), np.full((5, 2), 9.0), 17)
    np.testing.assert_array_equal(found.std_error, [3, 3])
    np.testing.assert_array_equal(found.df, [17, 17])
    np.testing.assert_array_equal(found.mcse, [0, 0])
    np.testing.assert_array_equal(found.missing_information, [0, 0])


def test_many_imputations_lose_the_share_of_information_that_is_between_them() -> None:
    """As M grows the fraction is B / (W + B), but for 2 / (df + 3); degrees of freedom those of Barnard and Rubin."""
    rng = np.random.default_rng(3)
    found = pool(rng.normal(0, 2, 200_000), np.full(200_000, 12.0), 1e6)
    assert found.missing_information == pytest.approx(0.25, abs=0.003)
    # Four Monte Carlo errors: of the variance between sqrt(2 / M), 0.32%, which by the formula are 0.15% here.
    assert found.df == pytest.approx(1 / (0.25**2 / 200_000 + 1 / 0.75e6), rel=4 * 0.0015)
    small = pool(rng.normal(0, 2, 200_000), np.full(200_000, 12.0), 30)
    assert small.df == pytest.approx(31 / 33 * 30 * 0.75, rel=0.01)


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=30),
    st.floats(0.01, 100),
    st.floats(2, 500),
    st.floats(0.1, 10),
    st.floats(-50, 50),
)
def test_bounds_and_change_of_scale(values: list[float], within: float, df: float, factor: float, shift: float) -> None:
    estimates, variances = np.array(values), np.full(len(values), within)
    found = pool(estimates, variances, df)
    assert found.std_error >= np.sqrt(within) * (1 - 1e-12)
    assert 0 <= found.missing_information <= 1
    assert 0 < found.df <= df * (1 + 1e-12)
    other = pool(shift + factor * estimates, factor**2 * variances, df)
    assert other.value == pytest.approx(shift + factor * found.value, abs=1e-6)
    assert other.std_error == pytest.approx(factor * found.std_error, rel=1e-6)
    if np.ptp(estimates) > 1e-6:
        assert other.df == pytest.approx(found.df, rel=1e-5)


@pytest.mark.parametrize("shapes", [((1, 2), (1, 2)), ((3, 2), (3, 1)), ((0,), (0,))])
def test_what_cannot_be_pooled(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="two or more of one"):
        pool(np.zeros(shapes[0]), np.ones(shapes[1]), 10)
