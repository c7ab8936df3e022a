"""Reads one sheet of an Excel workbook as text."""

from __future__ import annotations

import datetime as dt
import math
import re
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.raw_table import RawTable, header_problems
from pipanalysis.study.study import RawFile
from pipanalysis.study.validation import nearest

MAX_UNPACKED_BYTES = 500_000_000
MAX_CELLS = 50_000_000
MAX_MERGED = 1_000_000
MAX_EXPANSION = 200
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref\s*=\s*[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})")


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
    # As stored, not as a rectangle: one stray cell in the last row and column would make 17 000 million of them.
    stored = {(cell.row, cell.column): cell.value for cell in sheet._cells.values() if cell.value is not None}
    numbers = sorted({row for row, _ in stored})
    if not numbers:
        raise DataError(Problem(where, "an empty sheet", "a header and rows"))
    first = {column: value for (row, column), value in stored.items() if row == numbers[0]}
    width = max(first)
    if len(numbers) * width > MAX_CELLS:
        raise DataError(Problem(where, f"{len(numbers)} rows and {width} columns", f"at most {MAX_CELLS} cells"))
    header = [first.get(column) for column in range(1, width + 1)]
    if problems := header_problems(header, where):
        raise DataError(problems)
    if len(numbers) == 1:
        raise DataError(Problem(where, "a header and no rows", "a row for each unit or visit"))
    hint = "the header must be the first row that is not blank"
    beyond = sorted({row for row, column in stored if column > width})
    problems = [
        Problem(f"{where}, row {row}", "a cell beyond the last named column", f"{width} columns", hint)
        for row in beyond
    ]
    problems += [
        Problem(
            f"{where}, row {row}, column {header[column - 1]!r}", "a formula", "a value", "paste the sheet as values"
        )
        for (row, column), value in sorted(stored.items(), key=lambda item: item[0])
        if row != numbers[0] and column <= width
        if isinstance(value, ArrayFormula | DataTableFormula) or (isinstance(value, str) and value.startswith("="))
    ]
    if problems:
        raise DataError(problems[:10])
    columns = {
        str(title).strip(): pa.array([_text(stored.get((row, column))) for row in numbers[1:]])
        for column, title in enumerate(header, start=1)
    }
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
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_EXPANSION * max(path.stat().st_size, 10_000):
                found = f"an archive that unpacks to {unpacked} bytes"
                raise DataError(Problem(name, found, "a workbook of the usual size"))
            for entry in entries:
                if entry.filename.startswith("xl/worksheets/"):
                    with suppress(zipfile.BadZipFile, zlib.error, RuntimeError):  # openpyxl says what is wrong with it
                        _check_merged(archive.read(entry), name)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise DataError(Problem(name, "not a workbook, or a damaged one", "an xlsx file")) from None


def _check_merged(sheet: bytes, name: str) -> None:
    """Refuse merged cells without end: openpyxl makes each of them when it opens the workbook."""
    from openpyxl.utils import range_boundaries

    for area in _MERGED.findall(sheet):
        left, top, right, bottom = range_boundaries(area.decode())
        if (right - left + 1) * (bottom - top + 1) > MAX_MERGED:
            raise DataError(Problem(name, f"merged cells {area.decode()}", "one value a cell"))


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
