"""One pass over the data: cross-products by pattern of observed visits.

With z = (x, y) stacked, everything that the likelihood and its derivatives need of the subjects with one pattern of
observed visits is C[j, k] = sum_i z_ij z_ik', for the pairs of visits j <= k. Patterns with few subjects are cheaper
as rows: their z stay as they are, padded with zeros at unobserved visits.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, CodeArray, DesignMatrix, FloatArray, IntArray, compact, packing
from pipanalysis.mmrm.errors import InvalidArrays

CHUNK_ROWS = 1 << 11  # rows gathered at once: they stay in the processor's cache, and memory is bounded
FEW_ROWS = 1 << 8  # so few that gathering all of them at once costs less time than memory


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the observations of each subject are.

    order: rows sorted by subject and visit, or None where they already are. starts: (n + 1,) position in that order of
    each subject's first row. subjects: the subjects' codes. visits: the rows' codes, in that order. pattern: (n,)
    pattern of each subject. observed: (P, t) visits of each pattern. group: (P,) group of each pattern; patterns are
    sorted by group.
    """

    order: IntArray | None
    starts: CodeArray
    subjects: CodeArray
    visits: CodeArray
    pattern: CodeArray
    observed: BoolArray
    group: IntArray
    counts: IntArray

    @property
    def n_subjects(self) -> int:
        """Subjects with at least one row."""
        return self.subjects.size

    def rows(self, positions: IntArray) -> IntArray:
        """Rows of the data of subjects of one pattern, given by position: (len(positions), m)."""
        m = int(self.starts[positions[0] + 1] - self.starts[positions[0]])
        at = self.starts[positions][:, None] + np.arange(m)
        return at if self.order is None else self.order[at]

    def subject_rows(self, position: int) -> IntArray:
        """Rows of the data of one subject, in the order of visits."""
        at = np.arange(self.starts[position], self.starts[position + 1])
        return at if self.order is None else self.order[at]


def lay_out(subject: CodeArray, visit: CodeArray, n_visits: int, group: CodeArray | None) -> Layout:
    """Find subjects and patterns.

    subject, visit, group: (n,) codes. Raises InvalidArrays where a subject has two rows for one visit or two groups.
    """
    key = np.multiply(subject, n_visits, dtype=np.intp) + visit
    step = key[1:] - key[:-1]
    order = None
    if step.size and step.min() < 0:
        order = np.argsort(key, kind="stable")
        key, subject, visit = key[order], subject[order], visit[order]
        step = key[1:] - key[:-1]
    if step.size and step.min() == 0:
        at = int(np.argmin(step))
        raise InvalidArrays([f"subject {key[at] // n_visits} has more than one row for visit {key[at] % n_visits}"])
    first = np.flatnonzero(subject[1:] != subject[:-1]) + 1
    starts = np.concatenate([[0], first, [key.size]])
    subjects = subject[starts[:-1]]
    subject_group = _group_of_subjects(group, order, starts, subjects)
    if n_visits + int(subject_group.max()).bit_length() <= 62:
        bits = np.add.reduceat(np.left_shift(1, visit, dtype=np.intp), starts[:-1])
        codes, pattern, counts = _distinct(bits + (subject_group << n_visits))
        observed = (codes[:, None] >> np.arange(n_visits)) & 1 > 0
        begins = compact(starts, key.size + 1)
        return Layout(order, begins, subjects, visit, pattern, observed, codes >> n_visits, counts)
    table = np.zeros((subjects.size, n_visits + 1), dtype=np.intp)
    table[:, 0] = subject_group
    table[np.repeat(np.arange(subjects.size), np.diff(starts)), visit.astype(np.intp) + 1] = 1
    unique, pattern, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    pattern = compact(pattern.reshape(-1), len(unique))
    return Layout(order, starts, subjects, visit, pattern, unique[:, 1:] > 0, unique[:, 0], counts)


def _distinct(codes: IntArray) -> tuple[IntArray, CodeArray, IntArray]:
    """Distinct values in order, the position of each code among them, and how often each occurs."""
    highest = int(codes.max())
    if highest > max(1024, codes.size):
        values, position, counts = np.unique(codes, return_inverse=True, return_counts=True)
        return values, compact(position, values.size), counts
    table = np.bincount(codes)
    values = np.flatnonzero(table)
    position = np.empty(highest + 1, dtype=np.intp)
    position[values] = np.arange(values.size)
    return values, compact(position, values.size)[codes], table[values]


def _group_of_subjects(
    group: CodeArray | None, order: IntArray | None, starts: IntArray, subjects: CodeArray
) -> IntArray:
    if group is None:
        return np.zeros(subjects.size, dtype=np.intp)
    by_row = group if order is None else group[order]
    of_subject = by_row[starts[:-1]]
    if np.any(np.repeat(of_subject, np.diff(starts)) != by_row):
        at = int(np.argmax(np.repeat(of_subject, np.diff(starts)) != by_row))
        who = subjects[np.searchsorted(starts, at, side="right") - 1]
        raise InvalidArrays([f"subject {who} belongs to more than one group"])
    return of_subject.astype(np.intp)


@dataclass(frozen=True, slots=True)
class Rows:
    """Subjects of small patterns: z (n, t, q), zero where unobserved; their pattern (n,), sorted; bounds by pattern."""

    z: FloatArray
    pattern: IntArray
    patterns: IntArray
    bounds: IntArray


@dataclass(frozen=True, slots=True)
class ObservedPairs:
    """The pairs of visits j <= k that the patterns held as cross-products have, pattern by pattern.

    pattern (its position among those), row, column: of each pair. bounds: of each pattern's pairs. upper, lower: where
    [j, k] and [k, j] stand in (patterns, t, t) matrices. multiplicity: 2 where they differ.
    """

    pattern: IntArray
    row: IntArray
    column: IntArray
    bounds: IntArray
    upper: IntArray
    lower: IntArray
    multiplicity: FloatArray

    def pack(self, matrices: FloatArray) -> FloatArray:
        """Entries of symmetric (patterns, t, t) matrices, times multiplicity, so that dot products are traces."""
        return matrices.take(self.upper) * self.multiplicity


def observed_pairs(observed: BoolArray) -> ObservedPairs:
    """Find the pairs of `observed` (patterns, t)."""
    n, t = observed.shape
    triangle = packing(t)
    pattern, pair = np.nonzero(observed[:, triangle.row] & observed[:, triangle.column])
    row, column = triangle.row[pair], triangle.column[pair]
    upper, lower = (pattern * t + row) * t + column, (pattern * t + column) * t + row
    bounds = np.searchsorted(pattern, np.arange(n + 1))
    return ObservedPairs(pattern, row, column, bounds, upper, lower, triangle.multiplicity[pair])


@dataclass(frozen=True, slots=True)
class CrossProducts:
    """The data as the likelihood needs them.

    observed (P, t), counts (P,) and group (P,) of each pattern. large: patterns held as cross-products; products:
    (len(pairs), q (q + 1) / 2), for each of their `pairs`, a triangle packed. rows: the other patterns, or None.
    """

    n_visits: int
    n_columns: int
    observed: BoolArray
    counts: FloatArray
    group: IntArray
    large: IntArray
    pairs: ObservedPairs
    products: FloatArray
    rows: Rows | None


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of the data and how they become z: (X transform, y - X offset) root of the weight; y is divided by scale."""

    design: DesignMatrix
    y: FloatArray
    root_weight: FloatArray | None
    transform: FloatArray
    offset: FloatArray
    scale: float

    @property
    def n_columns(self) -> int:
        """Columns of z."""
        return self.offset.size + 1

    def z(self, rows: IntArray) -> FloatArray:
        """Give z for rows of any shape: (..., p + 1)."""
        flat = rows.reshape(-1)
        weight = None if self.root_weight is None else self.root_weight[flat]
        return self._z(self.design.values[flat], self.y[flat], weight).reshape(*rows.shape, -1)

    def all_z(self) -> FloatArray:
        """Give z for all rows, without a copy of X: (n, p + 1)."""
        return self._z(self.design.values, self.y, self.root_weight)

    def _z(self, X: FloatArray, y: FloatArray, root_weight: FloatArray | None) -> FloatArray:
        z = np.empty((len(X), X.shape[1] + 1))
        np.matmul(X, self.transform, out=z[:, :-1])
        z[:, -1] = (y - X @ self.offset) / self.scale
        if root_weight is not None:
            z *= root_weight[:, None]
        return z


def accumulate(layout: Layout, source: Source) -> CrossProducts:
    """Make the pass over the data."""
    n_visits, n_columns = layout.observed.shape[1], source.n_columns
    # m visits of q columns: n subjects cost n m (m + q) q as rows, m^2 q^2 as cross-products
    sizes = layout.observed.sum(1)
    as_rows = layout.counts * (sizes + n_columns) <= 2 * sizes * n_columns
    if np.count_nonzero(as_rows) * (n_visits * n_columns) ** 2 <= source.design.values.size:
        as_rows[:] = False  # so few that a path of their own would cost more
    large, small = np.flatnonzero(~as_rows), np.flatnonzero(as_rows)
    by_pattern = np.argsort(layout.pattern, kind="stable")
    ends = np.cumsum(layout.counts)
    pairs = observed_pairs(layout.observed[large])
    rows = None
    if small.size:
        members = np.concatenate([by_pattern[ends[p] - layout.counts[p] : ends[p]] for p in small])
        starts = np.concatenate([[0], np.cumsum(layout.counts[small])[:-1]])
        z = _pad(layout, source, members, n_visits, n_columns)
        rows = Rows(z, np.repeat(small, layout.counts[small]), small, starts)
    make = _products_at_once if layout.starts[-1] <= FEW_ROWS else _products_by_chunks
    products = make(layout, source, by_pattern, large, pairs)
    return CrossProducts(
        n_visits, n_columns, layout.observed, layout.counts.astype(float), layout.group, large, pairs, products, rows
    )


def _products_by_chunks(
    layout: Layout, source: Source, by_pattern: IntArray, large: IntArray, pairs: ObservedPairs
) -> FloatArray:
    """Packed cross-products of the patterns `large`, a part of the rows at a time; `by_pattern`: subjects so sorted."""
    q = source.n_columns
    products = np.empty((pairs.row.size, packing(q).row.size))
    ends = np.cumsum(layout.counts)
    at_once = min(CHUNK_ROWS, int(layout.starts[-1]) // 4)
    for position, p in enumerate(large):
        members = by_pattern[ends[p] - layout.counts[p] : ends[p]]
        m = int(np.count_nonzero(layout.observed[p]))
        size = max(1, at_once // m)
        total = _gram(layout, source, members[:size])
        for begin in range(size, members.size, size):
            total += _gram(layout, source, members[begin : begin + size])
        _pack(total, m, q, products[pairs.bounds[position] : pairs.bounds[position + 1]])
    return products


def _gram(layout: Layout, source: Source, members: IntArray) -> FloatArray:
    """Cross-products (m q, m q) of subjects of one pattern."""
    z = source.z(layout.rows(members)).reshape(members.size, -1)
    return np.asarray(z.T @ z)


def _products_at_once(
    layout: Layout, source: Source, by_pattern: IntArray, large: IntArray, pairs: ObservedPairs
) -> FloatArray:
    """The same of few rows: brought to scale together, and sorted by pattern. The design matrix is let go."""
    z = source.all_z()
    source.design.release()
    q = z.shape[1]
    _permute(z, _rows_of(layout, by_pattern)[0])
    products = np.empty((pairs.row.size, packing(q).row.size))
    sizes = layout.observed.sum(1)
    ends = np.cumsum(layout.counts * sizes)
    for position, p in enumerate(large):
        m = int(sizes[p])
        own = z[ends[p] - layout.counts[p] * m : ends[p]].reshape(-1, m * q)
        _pack(own.T @ own, m, q, products[pairs.bounds[position] : pairs.bounds[position + 1]])
    return products


def _permute(z: FloatArray, rows: IntArray) -> None:
    """Put the rows of z into the order `rows`, column by column: no second z is needed."""
    for column in z.T:
        column[:] = column[rows]


def _pack(total: FloatArray, m: int, q: int, out: FloatArray) -> None:
    """Write the symmetric blocks of the (m q, m q) cross-products of m visits, both triangles packed."""
    here, mirrored = _packed_entries(m, q)
    total.take(here, out=out)
    out += total.take(mirrored)
    out *= 0.5


@lru_cache(maxsize=64)
def _packed_entries(m: int, q: int) -> tuple[IntArray, IntArray]:
    """Where C[j, k][a, b] and C[j, k][b, a] stand in the (m q, m q) cross-products, both triangles packed."""
    pairs, triangle = packing(m), packing(q)
    j, k, a, b = pairs.row[:, None], pairs.column[:, None], triangle.row, triangle.column
    return (j * q + a) * (m * q) + k * q + b, (j * q + b) * (m * q) + k * q + a


def _rows_of(layout: Layout, members: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of the data of subjects given by position, subject by subject; and their positions when sorted."""
    begins = layout.starts[members]
    lengths = layout.starts[members + 1] - begins
    ends = np.cumsum(lengths)
    at = np.arange(ends[-1]) + np.repeat(begins - ends + lengths, lengths)
    return at if layout.order is None else layout.order[at], at


def _pad(layout: Layout, source: Source, members: IntArray, n_visits: int, n_columns: int) -> FloatArray:
    """z of subjects given by position, (len(members), t, q), zero at unobserved visits."""
    rows, at = _rows_of(layout, members)
    owner = np.repeat(np.arange(members.size), layout.starts[members + 1] - layout.starts[members])
    z = np.zeros((members.size, n_visits, n_columns))
    z[owner, layout.visits[at]] = source.z(rows)
    return z
