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
from pipanalysis.intake.raw_table import RawTable, header_problems
from pipanalysis.study.study import RawFile

_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
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
        DataError: not text, not in its encoding, another delimiter, a broken header, rows of unequal length.
    """
    data = path.read_bytes()
    text = _decoded(data, file.encoding or "utf-8-sig", name)
    delimiter = file.delimiter or ","
    header = _header(text, delimiter, name)
    rows = _row_numbers(text)
    try:
        table = pa.csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=pa.csv.ReadOptions(column_names=header, skip_rows=1 + _leading_blank(text)),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            _ragged(text, delimiter, name) or Problem(name, f"not a csv file: {error}", "a csv file")
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
        if data.startswith(mark) and not encoding.lower().replace("-", "").startswith("utf16"):
            raise DataError(
                Problem(name, f"a file in {kind}", f"text in {encoding}", "save it as UTF-8, or set encoding")
            )
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
    return text


def _leading_blank(text: str) -> int:
    return len(re.match(r"(?:[ \t]*\r?\n)*", text).group().splitlines())  # type: ignore[union-attr]


def _header(text: str, delimiter: str, name: str) -> list[str]:
    first = text.lstrip("\r\n \t").partition("\n")[0].rstrip("\r")
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
    lines = text.splitlines()
    filled = [number for number, line in enumerate(lines, start=1) if line.strip()]
    return np.array(filled[1:], dtype=np.int64)


def _ragged(text: str, delimiter: str, name: str) -> list[Problem]:
    """Return a problem for each row that has more or fewer cells than the header (the first ten)."""
    problems: list[Problem] = []
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        width = len(next(row for row in reader if row))
        for row in reader:
            if row and len(row) != width:
                problems.append(
                    Problem(f"{name}, line {reader.line_num}", f"{len(row)} cells", f"{width}, as the header has")
                )
            if len(problems) == 10:
                break
    except csv.Error as error:
        problems.append(Problem(f"{name}, line {reader.line_num}", f"{error}", "cells with closed quotation marks"))
    return problems
