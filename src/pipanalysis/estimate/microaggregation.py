"""Microaggregation: similar rows in small groups, of which only the means are shown.

MDAV, maximum distance to average vector, with groups of a fixed least size: the multivariate heuristic of
Domingo-Ferrer and Mateo-Sanz (2002, IEEE Transactions on Knowledge and Data Engineering 14:189-201) in the form of
Domingo-Ferrer and Torra (2005, Data Mining and Knowledge Discovery 11:195-212).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

    IntArray = NDArray[np.intp]

DECIMALS = 9
"""of distances in standard deviations: what is equal but for rounding is a tie, decided by the order of the values"""


def microaggregate(values: FloatArray, size: int) -> list[IntArray]:
    """Put similar rows together in groups of `size` to 2 * `size` - 1.

    Distances are Euclidean between columns that each have a variance of 1 (a constant column counts for nothing).
    While there are enough rows for two groups: a group of the row that is farthest from the mean of those that are left
    and its nearest ones; then, while there are again enough, one of the row farthest from that one, and its nearest.
    The rows that are left are the last group. Groups depend neither on the order of the rows (equal rows are
    exchangeable) nor on the columns' origin and unit.

    Takes O(n * groups) time and O(n) memory.

    Args:
        values: shape (n, columns), without NaN.
        size: rows of a group at least, 1 or more.

    Returns:
        The positions of each group's rows, in ascending order of the groups' means in the first column (then in the
        second, and so on); none where there are fewer rows than `size`.

    Raises:
        ValueError: a value is not finite, or `size` is below 1.
    """
    if not np.isfinite(values).all():
        raise ValueError("microaggregation of values that are not finite")
    if size < 1:
        raise ValueError(f"groups of at least {size} rows; 1 or more are allowed")
    n = len(values)
    if n < size:
        return []
    order = np.lexsort(values.T[::-1])
    place = _standardised(values[order])
    left = np.arange(n)
    groups: list[IntArray] = []

    def farthest(point: FloatArray) -> FloatArray:
        """Return the row that is farthest from a point, of those that are left."""
        found: FloatArray = place[left[np.argmax(_distances(place[left], point))]]
        return found

    def taken(point: FloatArray) -> IntArray:
        """Return those that are left, without the rows nearest to a point, which become a group."""
        distance = _distances(place[left], point)
        last = np.partition(distance, size - 1)[size - 1]
        nearest = distance < last
        nearest[np.flatnonzero(distance == last)[: size - nearest.sum()]] = True
        groups.append(left[nearest])
        rest: IntArray = left[~nearest]
        return rest

    while len(left) >= 2 * size:
        first = farthest(place[left].mean(axis=0))
        left = taken(first)
        if len(left) >= 2 * size:
            left = taken(farthest(first))
    groups.append(left)
    groups.sort(key=lambda own: tuple(place[own].mean(axis=0).round(DECIMALS)))
    return [order[own] for own in groups]


def _standardised(values: FloatArray) -> FloatArray:
    """Return columns of mean 0 and variance 1, constant ones as 0."""
    varies = np.ptp(values, axis=0) > 0
    spread = np.where(varies, values.std(axis=0), 1.0)
    result: FloatArray = np.where(varies, (values - values.mean(axis=0)) / spread, 0.0)
    return result


def _distances(rows: FloatArray, point: FloatArray) -> FloatArray:
    """Return the squared distances of rows from a point."""
    result: FloatArray = ((rows - point) ** 2).sum(axis=1).round(DECIMALS)
    return result
