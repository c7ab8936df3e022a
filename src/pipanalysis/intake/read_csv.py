"""Reads a delimited text file as text, and says plainly why one cannot be read."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.raw_table import MAX_CELL, RawTable, header_problems
from pipanalysis.study.study import RawFile

MAX_BLANK_LINES = 1000
"""before the header: Arrow takes minutes and gigabytes to pass over millions"""
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")
_CSV_ERRORS = {
    "end of data": "a quotation mark that does not close",
    "expected after": "a quotation mark that closes within a cell",
    "field limit": f"a cell of more than {MAX_CELL} characters",
}
_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_BINARY = {
    b"PK\x03\x04": "a zip or xlsx file",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip file",
}


def read_csv(file: RawFile, path: Path, name: str) -> RawTable:
    """Read a delimited text file.

    Args:
        file: its encoding and delimiter.
        path: where it is.
        name: how messages call it.

    Raises:
        DataError: not text, not in its encoding, another delimiter, a broken header, rows of unequal length, quotation
            marks that do not close, a cell of excessive length.
    """
    data = path.read_bytes()
    text = _decoded(data, file.encoding or "utf-8-sig", name)
    if (blank := _leading_blank(text).count("\n")) > MAX_BLANK_LINES:
        raise DataError(Problem(name, f"{blank} blank lines before the header", f"at most {MAX_BLANK_LINES}"))
    delimiter = file.delimiter or ","
    header = _header(text, delimiter, name)
    # Arrow reads on to the end of the file where a quotation mark does not close, and drops one within a cell.
    if '"' in text and (problems := _unreadable(text, delimiter, name)):
        raise DataError(problems)
    rows = _row_numbers(text)
    try:
        table = pa.csv.read_csv(
            io.BytesIO(f"{text}\n".encode()),
            read_options=pa.csv.ReadOptions(use_threads=False, column_names=header, skip_rows=1 + blank),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            _unreadable(text, delimiter, name) or Problem(name, f"not a csv file: {error}", "a csv file")
        ) from None
    if table.num_rows == 0:
        raise DataError(Problem(name, "a header and no rows", "a row for each unit or visit"))
    if rows is not None and len(rows) != table.num_rows:
        rows = None
    numbers = np.arange(2, table.num_rows + 2) if rows is None else rows
    columns = {column: table.column(column).combine_chunks() for column in table.column_names}
    return RawTable(name, columns, numbers)


def _decoded(data: bytes, encoding: str, name: str) -> str:
    if not data.strip():
        raise DataError(Problem(name, "an empty file", "a header and rows"))
    for mark, kind in _MARKS.items():
        if data.startswith(mark) and not _letters(encoding).startswith(_letters(kind)):
            hint = "set encoding: utf-8-sig" if kind == "UTF-8" else "save it as UTF-8, or set encoding"
            raise DataError(Problem(name, f"a file in {kind}", f"text in {encoding}", hint))
    for mark, kind in _BINARY.items():
        if data.startswith(mark):
            raise DataError(Problem(name, kind, "a csv file", "set the file's format, or save it as csv"))
    try:
        text = data.decode(encoding)
    except LookupError:
        raise DataError(
            Problem(name, f"encoding {encoding!r}", "an encoding that Python knows, as utf-8 or cp1252")
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"line {line}: byte 0x{data[error.start]:02x} is not {encoding}"
        raise DataError(
            Problem(name, found, f"text in {encoding}", "cp1252 is usual for files saved by Windows")
        ) from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(
            Problem(name, f"line {line}: a NUL character", "text", "the file is damaged or not a text file")
        )
    text = text.removeprefix("\ufeff")
    return text if "\n" in text else text.replace("\r", "\n")


def _letters(encoding: str) -> str:
    return encoding.lower().replace("-", "").replace("_", "")


def _leading_blank(text: str) -> str:
    return _BLANK_LINES.match(text).group()  # type: ignore[union-attr]


def _header(text: str, delimiter: str, name: str) -> list[str]:
    first = text[len(_leading_blank(text)) :].partition("\n")[0].rstrip("\r")
    try:
        header = [column.strip() for column in next(csv.reader([first], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise DataError(Problem(f"{name}, row 1", f"not a csv header: {error}", "column names")) from None
    if len(header) == 1:
        other = max((";", ",", "\t", "|"), key=first.count)
        if other != delimiter and first.count(other):
            hint = f"the header holds {first.count(other)} of {other!r}: set delimiter"
            raise DataError(Problem(name, f"one column only with delimiter {delimiter!r}", "several columns", hint))
    if problems := header_problems(header, name):
        raise DataError(problems)
    return header


def _row_numbers(text: str) -> np.ndarray | None:
    """Return the line of each row where blank lines shift them; None where the rows simply follow the header."""
    if not re.search(r"\n[ \t]*\r?\n[^\r\n]", text) and not text[:1].isspace():
        return None
    lines = text.split("\n")  # not splitlines, which ends a line at a form feed or U+2028 within a cell too
    filled = [number for number, line in enumerate(lines, start=1) if line.strip()]
    return np.array(filled[1:], dtype=np.int64)


def _unreadable(text: str, delimiter: str, name: str) -> list[Problem]:
    """Return a problem for each row whose cells are not as many as the header's (the first ten) or cannot be told."""
    problems: list[Problem] = []
    width, line = 0, 1
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            width = width or (len(row) if any(cell.strip() for cell in row) else 0)
            if width and row and len(row) != width:
                cells = f"{len(row)} cell{'' if len(row) == 1 else 's'}"
                hint = "the header must be the first line that is not blank"
                problems.append(Problem(f"{name}, line {line}", cells, f"{width}, as the header has", hint))
            if len(problems) == 10:
                break
            line = reader.line_num + 1
    except csv.Error as error:
        found = next((told for part, told in _CSV_ERRORS.items() if part in str(error)), str(error))
        problems.append(Problem(f"{name}, line {line}", found, "cells with closed quotation marks"))
    return problems
