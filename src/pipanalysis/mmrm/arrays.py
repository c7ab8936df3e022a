"""Array types of the engine, and symmetric matrices stored as vectors."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

type FloatArray = np.ndarray[Any, np.dtype[np.float64]]
type IntArray = np.ndarray[Any, np.dtype[np.intp]]
type CodeArray = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
type BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


def compact(codes: CodeArray, number: int) -> CodeArray:
    """Codes from 0 to `number` - 1, and -1 where missing, in the smallest integer type that holds them.

    Arrays with an entry per row are what a model holds most of. Widen before arithmetic that leaves the range.
    """
    return codes.astype(np.min_scalar_type(-max(number, 1)), copy=False)


class DesignMatrix:
    """The design matrix (n, p) of a fit, held while the fit passes over the data and made again if it is needed later.

    It is the largest array of a fit, and marginal means, contrasts and tests do without it. make: gives it again, or
    None to hold it for good.
    """

    __slots__ = ("_make", "_values")

    def __init__(self, values: FloatArray, make: Callable[[], FloatArray] | None = None) -> None:
        self._values: FloatArray | None = values
        self._make = make

    @property
    def values(self) -> FloatArray:
        """The matrix, made again if it was let go."""
        if self._values is None:
            assert self._make is not None
            self._values = self._make()
        return self._values

    def release(self) -> None:
        """Let go of the matrix if it can be made again."""
        if self._make is not None:
            self._values = None


@dataclass(frozen=True, slots=True)
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
