"""Data columns as arrays: numbers, or codes with the labels of their levels."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, CodeArray, FloatArray, compact

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Numeric:
    """A numeric column: `values` of shape (n,), NaN where missing."""

    values: FloatArray

    @property
    def missing(self) -> BoolArray:
        """Rows without a value."""
        return np.isnan(self.values)

    def take(self, rows: "CodeArray | BoolArray | slice[int, int, None]") -> "Numeric":
        """The column at `rows`."""
        return Numeric(self.values[rows])


@dataclass(frozen=True, slots=True)
class Categorical:
    """A factor: `codes` of shape (n,) into `levels`, -1 where missing; read columns have them compact."""

    codes: CodeArray
    levels: tuple[str, ...]

    @property
    def missing(self) -> BoolArray:
        """Rows without a value."""
        return self.codes < 0

    def take(self, rows: "CodeArray | BoolArray | slice[int, int, None]") -> "Categorical":
        """The column at `rows`, with all levels."""
        return Categorical(self.codes[rows], self.levels)

    def drop_unused(self) -> "Categorical":
        """The same column without levels that no row has."""
        counts = np.bincount(self.codes, minlength=len(self.levels))
        if counts.all():
            return self
        used = np.flatnonzero(counts)
        remap = np.full(len(self.levels), -1, dtype=np.intp)
        remap[used] = np.arange(used.size)
        return Categorical(compact(remap, used.size)[self.codes], tuple(self.levels[i] for i in used))


type Column = Numeric | Categorical


def label(value: object) -> str:
    """Text of a level: whole numbers without a decimal point, everything else as `str` gives it."""
    if isinstance(value, float | np.floating) and math.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return str(value)


def read_column(series: "pd.Series[Any]", *, factor: bool = False, levels: Sequence[str] | None = None) -> Column:
    """Read a pandas column.

    Numbers become `Numeric`; categories, text and booleans `Categorical`. `factor` makes numbers a factor too,
    with levels in numeric order. Levels of a categorical dtype keep their order, text is sorted. With `levels`
    the column is coded against those; a value outside raises KeyError with the offending values.
    """
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes: CodeArray = series.array.codes.copy()
        found = [label(v) for v in dtype.categories]
    elif pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) and not factor:
        if levels is None:
            # a copy: a fit must not change when its data are edited later
            return Numeric(series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True))
        codes, found = _factorise(series)
    elif pd.api.types.is_object_dtype(dtype) and not factor and levels is None and _all_numbers(series):
        return Numeric(np.array([np.nan if pd.isna(v) else float(v) for v in series]))
    else:
        codes, found = _factorise(series)
    if len(set(found)) < len(found):  # 1 and "1" in one column
        codes, found = _merge(codes, found)
    return Categorical(codes, tuple(found)) if levels is None else _recode(codes, found, levels)


def read_identifier(series: "pd.Series[Any]") -> tuple[CodeArray, Any]:
    """Codes in order of first appearance (-1 where missing) and the array of their values.

    For columns with as many levels as subjects, where sorting and labelling would cost more than the fit.
    """
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.array.codes.copy(), series.dtype.categories.to_numpy()
    codes, values = series.array.factorize()
    return compact(codes, len(values)), values


def _factorise(series: "pd.Series[Any]") -> tuple[CodeArray, list[str]]:
    raw_codes, uniques = series.array.factorize()
    values = uniques.tolist()
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:  # mixed types in one column
        order = sorted(range(len(values)), key=lambda i: label(values[i]))
    rank = np.empty(len(values) + 1, dtype=np.intp)
    rank[order] = np.arange(len(values))
    rank[-1] = -1  # pandas codes missing values as -1
    codes = compact(rank, len(values))[raw_codes]
    if all(type(v) is str for v in values):
        return codes, [values[i] for i in order]
    return codes, [label(values[i]) for i in order]


def _merge(codes: CodeArray, labels: list[str]) -> tuple[CodeArray, list[str]]:
    unique = list(dict.fromkeys(labels))
    position = {name: i for i, name in enumerate(unique)}
    remap = np.array([*(position[name] for name in labels), -1], dtype=np.intp)
    return compact(remap, len(unique))[codes], unique


def _recode(codes: CodeArray, labels: list[str], levels: Sequence[str]) -> Categorical:
    position = {name: i for i, name in enumerate(levels)}
    present = np.bincount(codes[codes >= 0], minlength=len(labels))
    unknown = [name for name, n in zip(labels, present, strict=True) if n and name not in position]
    if unknown:
        raise KeyError(", ".join(unknown))
    remap = np.array([*(position.get(name, -1) for name in labels), -1], dtype=np.intp)
    return Categorical(compact(remap, len(levels))[codes], tuple(levels))


def _all_numbers(values: Iterable[object]) -> bool:
    import pandas as pd

    return all((isinstance(v, int | float | np.number) and not isinstance(v, bool)) or pd.isna(v) for v in values)  # type: ignore[call-overload]
