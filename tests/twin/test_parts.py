"""Margins, patterns and identifiers: what is kept, and that too few units are never behind anything."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipanalysis.twin.identifiers import new_identifiers
from pipanalysis.twin.margins import common_values, discrete_margin, few_and_common, smooth_margin
from pipanalysis.twin.missingness import common_patterns

NAN = float("nan")
EVEN = (np.arange(10_000) + 0.5) / 10_000


@given(st.lists(st.floats(0, 1000), min_size=20, max_size=120), st.integers(3, 8))
@settings(max_examples=60)
def test_a_smoothed_margin_has_the_mean_and_sd_and_increases(values: list[float], min_cell: int) -> None:
    x = np.array(values)
    assume(x.std() > 1)
    drawn = smooth_margin(x, min_cell).quantile(EVEN)
    assert drawn.mean() == pytest.approx(x.mean(), abs=0.02 * x.std())
    assert drawn.std() == pytest.approx(x.std(), rel=0.02)
    assert (np.diff(drawn) >= 0).all()


def test_a_smoothed_margin_goes_through_means_of_neighbours_not_through_values() -> None:
    """1 to 10 by fives: the means 3 and 8 at one quarter and three quarters."""
    margin = smooth_margin(np.arange(1.0, 11), 5)
    assert len(margin.values) == 2
    assert margin.probabilities.tolist() == [0.25, 0.75]
    assert margin.values.mean() == pytest.approx(5.5)


def test_an_outlier_is_drawn_by_no_one_and_the_limits_and_the_grid_hold() -> None:
    x = np.append(np.random.default_rng(1).normal(50, 5, 99), 612.0)
    drawn = smooth_margin(x, 5, low=0, high=650, grid=0.5).quantile(EVEN)
    assert not (drawn == 612).any()
    assert drawn.min() >= 0
    assert np.allclose(drawn * 2, np.round(drawn * 2))


def test_a_code_of_too_few_units_becomes_the_commonest_one() -> None:
    codes = np.array([1.0] * 6 + [2.0] * 4 + [3.0] * 5 + [NAN])
    assert common_values(codes, 5) == {1.0: 1.0, 2.0: 1.0, 3.0: 3.0}
    assert common_values(codes[6:10], 5) == {}
    assert common_values(codes, 3, holders=np.arange(16) // 3) == {}  # six values of only two or three units
    assert not few_and_common(codes, 5)
    assert few_and_common(codes, 4)


def test_shares_are_kept() -> None:
    drawn = discrete_margin(np.array([0.0] * 30 + [1.0] * 50 + [2.0] * 20)).quantile(EVEN)
    assert np.bincount(drawn.astype(int)).tolist() == [3000, 5000, 2000]


def test_a_pattern_of_too_few_units_becomes_the_nearest_common_one() -> None:
    there = np.array([[1, 1, 1]] * 8 + [[1, 0, 0]] * 6 + [[0, 1, 1]] * 2 + [[0, 0, 0]] * 1, dtype=bool)
    patterns, of, merged = common_patterns(there, 5)
    assert patterns.tolist() == [[True, False, False], [True, True, True]]
    assert of.tolist() == [1] * 8 + [0] * 6 + [1] * 2 + [0]
    assert merged == 3


def test_where_no_pattern_is_common_all_have_what_most_have() -> None:
    there = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    patterns, of, merged = common_patterns(there, 5)
    assert patterns.tolist() == [[True, True, False]]
    assert of.tolist() == [0, 0, 0]
    assert merged == 3


@given(
    st.lists(st.from_regex(r"[A-Z]{0,3}-?[0-9]{1,4}[a-z]?", fullmatch=True), min_size=1, max_size=60, unique=True),
    st.integers(1, 200),
    st.integers(0, 1000),
)
@settings(max_examples=80)
def test_new_identifiers_are_new_distinct_and_of_the_form(real: list[str], n: int, seed: int) -> None:
    made = new_identifiers(real, n, np.random.default_rng(seed))
    assert len(made) == len(set(made)) == n
    assert not {m.casefold() for m in made} & {r.casefold() for r in real}


def test_the_form_is_the_commonest_one_with_its_zeros() -> None:
    made = new_identifiers(["D001", "D002", "d003", "X-17b"], 5, np.random.default_rng(1))
    assert all(len(m) == 4 and m[0] in "Dd" and m[1:].isdigit() for m in made)
    assert all(m.isdigit() and len(m) == 3 for m in new_identifiers(["1", "20", "100"], 5, np.random.default_rng(1)))
    assert new_identifiers(["Ann", "Bea"], 1, np.random.default_rng(1))[0] not in ("Ann", "Bea")
