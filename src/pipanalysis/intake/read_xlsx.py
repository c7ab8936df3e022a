"""Reads one sheet of an Excel workbook as text."""

from __future__ import annotations

import datetime as dt
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.raw_table import RawTable, header_problems
from pipanalysis.study.study import RawFile
from pipanalysis.study.validation import nearest

MAX_UNPACKED_BYTES = 2_000_000_000
MAX_EXPANSION = 200


def read_xlsx(file: RawFile, path: Path, name: str) -> RawTable:
    """Read a sheet.

    Raises:
        DataError: not a workbook, password-protected, an archive that unpacks to too much, no such sheet, merged or
            formula cells, a broken header, no rows.
    """
    _check_archive(path, name)
    import openpyxl
    from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

    try:
        book = openpyxl.load_workbook(path, data_only=False)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can break its reader anywhere
        raise DataError(Problem(name, f"cannot be read as a workbook: {error}", "an xlsx file")) from None
    sheets: dict[str, Any] = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets or file.sheet not in (None, *sheets):
        found = "no worksheet" if file.sheet is None else f"no sheet {file.sheet!r}"
        allowed = "one of: " + ", ".join(sheets) if sheets else "a sheet of cells"
        raise DataError(Problem(name, found, allowed, nearest(str(file.sheet), sheets)))
    sheet = next(iter(sheets.values())) if file.sheet is None else sheets[file.sheet]
    where = f"{name}, sheet {sheet.title!r}"
    if merged := [str(area) for area in sheet.merged_cells.ranges]:
        raise DataError([Problem(f"{where}, cells {area}", "merged cells", "one value a cell") for area in merged[:10]])
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    numbers = [number for number, row in enumerate(cells, start=1) if any(value is not None for value in row)]
    if not numbers:
        raise DataError(Problem(where, "an empty sheet", "a header and rows"))
    header = cells[numbers[0] - 1]
    while header and header[-1] is None:
        header.pop()
    width = len(header)
    if problems := header_problems(header, where):
        raise DataError(problems)
    if len(numbers) == 1:
        raise DataError(Problem(where, "a header and no rows", "a row for each unit or visit"))
    body = [cells[number - 1] for number in numbers[1:]]
    hint = "the header must be the first row that is not blank"
    problems = [
        Problem(f"{where}, row {number}", "a cell beyond the last named column", f"{width} columns", hint)
        for number, row in zip(numbers[1:], body, strict=True)
        if any(value is not None for value in row[width:])
    ]
    problems += [
        Problem(f"{where}, row {number}, column {header[j]!r}", "a formula", "a value", "paste the sheet as values")
        for number, row in zip(numbers[1:], body, strict=True)
        for j, value in enumerate(row[:width])
        if isinstance(value, ArrayFormula | DataTableFormula) or (isinstance(value, str) and value.startswith("="))
    ]
    if problems:
        raise DataError(problems[:10])
    columns = {str(column).strip(): pa.array([_text(row[j]) for row in body]) for j, column in enumerate(header)}
    return RawTable(name, columns, np.array(numbers[1:], dtype=np.int64))


def _check_archive(path: Path, name: str) -> None:
    """Refuse what is not an archive, or unpacks to far more than it holds, before anything is unpacked."""
    with path.open("rb") as handle:
        start = handle.read(8)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        hint = "remove the password, or save it as xlsx"
        raise DataError(Problem(name, "a password-protected or old (xls) workbook", "an xlsx file", hint))
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise DataError(Problem(name, "not a workbook, or a damaged one", "an xlsx file")) from None
    if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_EXPANSION * max(path.stat().st_size, 10_000):
        raise DataError(Problem(name, f"an archive that unpacks to {unpacked} bytes", "a workbook of the usual size"))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)
