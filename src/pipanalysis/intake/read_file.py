"""Opens a raw file safely and hands it to the reader of its format."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.identifiers import identifier_columns, identifier_kind
from pipanalysis.intake.raw_table import MAX_CELL, RawTable
from pipanalysis.study.layout import Layout
from pipanalysis.study.study import RawFile
from pipanalysis.study.validation import nearest

FORMATS = ("csv", "xlsx", "sav", "dta", "sas7bdat", "parquet")


def read_file(layout: Layout, file: RawFile, expected: list[str], births: list[str]) -> RawTable:
    """Read a raw file and refuse what no later step could make sense of.

    Args:
        layout: the study folder.
        file: the file's configuration.
        expected: columns that the configuration names.
        births: columns declared as a date of birth that an age is made from.

    Raises:
        DataError: the file is missing, unreadable or damaged; lacks a named column; holds a direct identifier
            or a cell of excessive length.
    """
    name = f"data/raw/{file.path}"
    path = _checked_path(layout.raw, file.path, name)
    kind = file.format or path.suffix.lower().lstrip(".")
    kind = {"txt": "csv", "tsv": "csv", "xlsm": "xlsx", "zsav": "sav"}.get(kind, kind)
    if kind == "csv":
        from pipanalysis.intake.read_csv import read_csv

        table = read_csv(file, path, name)
    elif kind == "xlsx":
        from pipanalysis.intake.read_xlsx import read_xlsx

        table = read_xlsx(file, path, name)
    elif kind in FORMATS:
        from pipanalysis.intake.read_statistical import read_statistical

        table = read_statistical(file, path, name, kind)
    else:
        raise DataError(
            Problem(name, f"a file that ends in {path.suffix!r}", "one of: " + ", ".join(FORMATS), "set format")
        )
    problems = [
        Problem(name, f"no column {column!r}", "columns: " + ", ".join(table.columns), nearest(column, table.columns))
        for column in dict.fromkeys(expected)
        if column not in table.columns
    ]
    problems += identifier_columns(name, table.columns, births)
    problems += _long_cells(table) or _identifiers(table)
    if problems:
        raise DataError(problems)
    return table


def _checked_path(raw: Path, relative: str, name: str) -> Path:
    path = raw / relative
    if not path.exists():
        raise DataError(Problem(name, "no such file", "the file that study.yaml names"))
    if not path.resolve().is_relative_to(raw.resolve()):
        raise DataError(Problem(name, "a link that leads out of data/raw", "a file in data/raw"))
    if not path.is_file():
        raise DataError(Problem(name, "a folder", "a file"))
    if not os.access(path, os.R_OK):
        raise DataError(Problem(name, "a file that may not be read", "a readable file"))
    if path.stat().st_size == 0:
        raise DataError(Problem(name, "an empty file", "a header and rows"))
    return path


def _long_cells(table: RawTable) -> list[Problem]:
    problems = []
    for column, values in table.columns.items():
        lengths = pc.utf8_length(values)
        if (pc.max(lengths).as_py() or 0) > MAX_CELL:
            row = table.rows[pc.index(pc.greater(lengths, MAX_CELL), True).as_py()]
            found = f"a cell of {pc.max(lengths).as_py()} characters"
            problems.append(Problem(f"{table.name}, column {column!r}, row {row}", found, f"at most {MAX_CELL}"))
    return problems


def _identifiers(table: RawTable) -> list[Problem]:
    """Return a problem for each column that holds direct identifiers: where and of what kind, never the text itself."""
    problems = []
    for column, values in table.columns.items():
        encoded = values.dictionary_encode()
        lengths = pc.utf8_length(encoded.dictionary)
        if not len(lengths) or (pc.max(lengths).as_py() or 0) < 5:
            continue
        kinds = {
            i: kind for i, text in enumerate(encoded.dictionary.to_pylist()) if (kind := identifier_kind(text or ""))
        }
        if not kinds:
            continue
        hit = pc.is_in(encoded.indices, value_set=pa.array(list(kinds), type=encoded.indices.type)).to_numpy(
            zero_copy_only=False
        )
        rows = table.rows[hit]
        shown = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
        where = f"{table.name}, column {column!r}, row{'s' if len(rows) > 1 else ''} {shown}"
        problems.append(Problem(where, " and ".join(sorted(set(kinds.values()))), "no direct identifier"))
    return problems
