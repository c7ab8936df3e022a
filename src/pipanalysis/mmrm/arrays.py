"""Array types of the engine, and symmetric matrices stored as vectors."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

type FloatArray = np.ndarray[Any, np.dtype[np.float64]]
type IntArray = np.ndarray[Any, np.dtype[np.intp]]
type BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Packing:
    """The upper triangle of symmetric (n, n) matrices, row by row, as vectors of n (n + 1) / 2.

    row, column: position of each entry. full: (n, n) index into the vector. multiplicity: how often an entry stands in
    the matrix (1 on the diagonal, 2 off it), so that the inner product of two matrices is a weighted dot product.
    """

    n: int
    row: IntArray
    column: IntArray
    full: IntArray
    multiplicity: FloatArray

    def pack(self, matrices: FloatArray) -> FloatArray:
        """Turn (..., n, n) into (..., n (n + 1) / 2)."""
        return matrices[..., self.row, self.column]

    def unpack(self, vectors: FloatArray) -> FloatArray:
        """Turn (..., n (n + 1) / 2) into (..., n, n)."""
        return vectors[..., self.full]


@lru_cache(maxsize=64)
def packing(n: int) -> Packing:
    """Give the packing of (n, n) matrices."""
    row, column = np.triu_indices(n)
    full = np.zeros((n, n), dtype=np.intp)
    full[row, column] = full[column, row] = np.arange(row.size)
    return Packing(n, row, column, full, np.where(row == column, 1.0, 2.0))
