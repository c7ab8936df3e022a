"""Groups of similar rows: their sizes, and what they do and do not depend on."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipanalysis.estimate.microaggregation import microaggregate
from pipanalysis.estimate.trial_data import FloatArray

SIZES = st.integers(1, 12)


@st.composite
def scores(draw: st.DrawFn) -> FloatArray:
    """Whole numbers, as scores are, with many ties and at times columns that are constant."""
    shape = draw(st.tuples(st.integers(0, 70), st.integers(1, 4)))
    widest = draw(st.sampled_from([0, 1, 4, 60]))
    return draw(arrays(np.float64, shape, elements=st.integers(0, widest).map(float)))


def means(values: FloatArray, size: int) -> FloatArray:
    """The means of the groups, shape (groups, columns)."""
    found = [values[own].mean(axis=0) for own in microaggregate(values, size)]
    return np.array(found).reshape(-1, values.shape[1])


def test_a_line_of_seven_by_hand() -> None:
    """Mean 65 / 7 = 9.3: 21 is farthest and takes 20; of the rest 0 is farthest from 21 and takes 1; three are left."""
    line = np.array([11.0, 21, 0, 2, 20, 1, 10])
    values = np.column_stack([np.full(7, 3.0), line])  # a constant column counts for nothing
    assert [sorted(line[own]) for own in microaggregate(values, 2)] == [[0, 1], [2, 10, 11], [20, 21]]


def test_a_plane_of_six_by_hand() -> None:
    """Two high, two low and two between, in columns of the same variance.

    The mean is (5, 5); (9, 10) and (10, 9) are farthest, at a squared distance of 41: the first by their values is
    taken. The other is its nearest, at 2. Farthest from (9, 10) is then (1, 1), at 145, before (2, 2), at 113.
    """
    values = np.array([[10.0, 9], [1, 1], [5, 3], [9, 10], [2, 2], [3, 5]])
    found = microaggregate(values, 2)
    assert [sorted(own.tolist()) for own in found] == [[1, 4], [2, 5], [0, 3]]


def plain(values: FloatArray, size: int) -> set[frozenset[int]]:
    """MDAV as Domingo-Ferrer and Torra (2005) write it: two groups at a time while there are 3 * size rows or more."""
    place = (values - values.mean(axis=0)) / values.std(axis=0)
    left, groups = list(range(len(values))), set()

    def distance(i: int, point: FloatArray) -> float:
        return float(np.sqrt(((place[i] - point) ** 2).sum()))

    def group(i: int) -> None:
        near = sorted(left, key=lambda j: distance(j, place[i]))[:size]
        groups.add(frozenset(near))
        for j in near:
            left.remove(j)

    while len(left) >= 3 * size:
        centre = place[left].mean(axis=0)
        r = max(left, key=lambda i: distance(i, centre))
        s = max(left, key=lambda i: distance(i, place[r]))
        group(r)
        group(s)
    if len(left) >= 2 * size:
        centre = place[left].mean(axis=0)
        group(max(left, key=lambda i: distance(i, centre)))
    groups.add(frozenset(left))
    return groups


@pytest.mark.parametrize(("n", "size"), [(10, 3), (38, 10), (57, 10), (60, 10), (200, 5), (9, 5)])
def test_groups_are_those_of_the_published_steps(n: int, size: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, 3)) @ np.diag([1.0, 40.0, 0.01]) + [5, -300, 0]
    assert {frozenset(own.tolist()) for own in microaggregate(values, size)} == plain(values, size)


@given(scores(), SIZES)
def test_every_row_is_in_one_group_of_size_to_twice_size_less_1(values: FloatArray, size: int) -> None:
    groups = microaggregate(values, size)
    if len(values) < size:
        assert groups == []
        return
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(values)))
    assert all(size <= len(own) < 2 * size for own in groups)
    assert len(groups) == len(values) // size


@given(scores(), SIZES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(values: FloatArray, size: int, random: Random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    assert np.array_equal(means(values[order], size), means(values, size))


@given(scores(), SIZES, st.sampled_from([0.1, 0.25, 3.0, 1000.0]), st.integers(-500, 500))
def test_origin_and_unit_of_a_column_do_not_matter(values: FloatArray, size: int, unit: float, origin: int) -> None:
    factor, shift = np.ones(values.shape[1]), np.zeros(values.shape[1])
    factor[0], shift[-1] = unit, origin
    moved = values * factor + shift
    found = [own.tolist() for own in microaggregate(moved, size)]
    assert found == [own.tolist() for own in microaggregate(values, size)]
    assert means(moved, size) == pytest.approx(means(values, size) * factor + shift, abs=1e-9)


@given(scores(), SIZES)
def test_the_groups_have_the_mean_of_all(values: FloatArray, size: int) -> None:
    groups = microaggregate(values, size)
    if groups:
        n = [len(own) for own in groups]
        assert np.average(means(values, size), axis=0, weights=n) == pytest.approx(values.mean(axis=0), abs=1e-9)


@given(scores(), SIZES)
def test_groups_ascend_by_their_means_at_the_first_column(values: FloatArray, size: int) -> None:
    first = means(values, size)[:, 0]
    assert (np.diff(first) >= -1e-6).all()


def test_values_that_are_missing_and_groups_of_none_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        microaggregate(np.array([[1.0, np.nan], [2, 3]]), 1)
    with pytest.raises(ValueError, match="at least 0 rows"):
        microaggregate(np.ones((3, 2)), 0)
