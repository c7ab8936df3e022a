"""Reads SPSS, Stata, SAS and Parquet files as text; user-defined missing values become empty."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.raw_table import RawTable, header_problems, numbers_as_text
from pipanalysis.study.study import RawFile


def read_statistical(file: RawFile, path: Path, name: str, kind: str) -> RawTable:
    """Read a file of a statistics package.

    Args:
        file: its encoding.
        path: where it is.
        name: how messages call it.
        kind: sav, dta, sas7bdat or parquet.

    Raises:
        DataError: the file is damaged, or has no rows.
    """
    frame, user_missing = (_parquet(path, name), {}) if kind == "parquet" else _packaged(file, path, name, kind)
    if frame.empty:
        raise DataError(Problem(name, "no rows", "a row for each unit or visit"))
    if problems := header_problems(frame.columns, name):
        raise DataError(problems)
    columns = {str(column): _text(frame[column], user_missing.get(column, [])) for column in frame.columns}
    return RawTable(name, columns, np.arange(1, len(frame) + 1))


def _packaged(file: RawFile, path: Path, name: str, kind: str) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Read a file in a process of its own, since one wrong byte can make the library crash and not only raise."""
    # Stata's and SAS's own missing values are empty anyway; kept, they would be letters among numbers.
    options: dict[str, Any] = {"user_missing": True} if kind == "sav" else {}
    if file.encoding:
        options["encoding"] = file.encoding
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        try:
            read = child.submit(_read, kind, path, options).result()
        except BrokenProcessPool:
            read = "its reader crashed on it"
    if isinstance(read, str):
        raise DataError(Problem(name, f"cannot be read: {read}", f"a whole {kind} file"))
    return read


def _read(kind: str, path: Path, options: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, list[Any]]] | str:
    """Return a file's values and the ranges of its user-defined missing values by column, or why it cannot be read."""
    import pyreadstat

    readers: dict[str, Any] = {
        "sav": pyreadstat.read_sav,
        "dta": pyreadstat.read_dta,
        "sas7bdat": pyreadstat.read_sas7bdat,
    }
    try:
        frame, metadata = readers[kind](path, **options)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can break its reader anywhere
        return str(error)
    single = [column for column, held in metadata.readstat_variable_types.items() if held == "float"]
    frame = frame.astype(dict.fromkeys(single, np.float32)).infer_objects()
    return frame, {column: list(spans) for column, spans in (metadata.missing_ranges or {}).items()}


def _parquet(path: Path, name: str) -> pd.DataFrame:
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        table.validate(full=True)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can break its reader anywhere
        found = str(error).partition("\n")[0]
        raise DataError(Problem(name, f"cannot be read: {found}", "a whole Parquet file")) from None
    return frame


def _text(values: pd.Series, user_missing: list[Any]) -> pa.Array:
    """Return a column as text; the values within its user-defined missing ranges as empty text."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return pa.array(values.dt.strftime("%Y-%m-%d").fillna(""), type=pa.string())
    if pd.api.types.is_integer_dtype(values) and not user_missing:
        return pa.array(values.astype("str").where(values.notna(), ""), type=pa.string())
    if pd.api.types.is_numeric_dtype(values):
        held = np.float32 if values.dtype == np.float32 else np.float64
        numbers = values.to_numpy(dtype=held, na_value=np.nan).copy()
        for span in user_missing:
            numbers[(numbers >= float(span["lo"])) & (numbers <= float(span["hi"]))] = np.nan
        return numbers_as_text(numbers)
    lost = {str(span["lo"]) for span in user_missing}
    texts = ["" if _absent(value) or str(value) in lost else str(value) for value in values]
    return pa.array(texts, type=pa.string())


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
