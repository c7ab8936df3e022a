"""Files that open in a spreadsheet: nothing in a cell is taken for a formula, and the same rows give the same bytes."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from pipanalysis.files import whole_file, write_csv

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
EPOCH = (1980, 1, 1, 0, 0, 0)
WIDEST = 60
"""characters: no column is wider"""


def neutral(value: Any) -> Any:
    """Return a cell's value so that no spreadsheet takes it for a formula: text that could start one gets a quote.

    Numbers stay numbers. Characters that a spreadsheet file cannot hold become a replacement character.
    """
    if not isinstance(value, str):
        return value
    text = NOT_XML.sub("\ufffd", value)
    return "'" + text if text.startswith(FORMULA) else text


def write_safe_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a list as CSV."""
    write_csv(path, frame.map(neutral))


def write_workbook(path: Path, sheets: dict[str, pd.DataFrame], marks: list[str], made: dt.date) -> None:
    """Write a workbook, a sheet for each frame, with headings that stay in view.

    Args:
        path: of the workbook.
        sheets: name → rows; columns named as the headings.
        marks: lines above each sheet's table.
        made: the date that its properties name.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    book.properties.creator = "pipanalysis"
    bold = Font(bold=True)
    for name, frame in sheets.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = f"A{len(marks) + 2}"
        for i, column in enumerate(frame.columns):
            longest = max([len(str(column)), *(len(str(v)) for v in frame[column].head(500))])
            sheet.column_dimensions[_letter(i)].width = min(longest + 2, WIDEST)
        for line in [[mark] for mark in marks] + [list(frame.columns)]:
            cells = [WriteOnlyCell(sheet, value=neutral(value)) for value in line]
            for cell in cells:
                cell.font = bold
            sheet.append(cells)
        for row in frame.to_numpy(dtype=object).tolist():
            sheet.append([neutral(value) for value in row])
        last = f"{_letter(max(len(frame.columns) - 1, 0))}{len(marks) + 1 + len(frame)}"
        sheet.auto_filter.ref = f"A{len(marks) + 1}:{last}"
    buffer = io.BytesIO()
    book.save(buffer)
    with whole_file(path) as aside:
        aside.write_bytes(_steady(buffer.getvalue(), made))


def _letter(position: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(position + 1))


def _steady(content: bytes, made: dt.date) -> bytes:
    """Return the workbook with fixed times in its archive and its properties, its parts in the order of their names."""
    stamp = f"{made.isoformat()}T00:00:00Z".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            part = zipfile.ZipInfo(name, EPOCH)
            part.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(part, data)
    return out.getvalue()
