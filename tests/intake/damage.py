"""Damaged files of several formats, made the same way each time."""

from __future__ import annotations

import io
import random
import zipfile

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from intake.studies import workbook


def noise(size: int) -> bytes:
    """Return random bytes, the same each time."""
    return random.Random(20240501).randbytes(size)


def half(whole: bytes) -> bytes:
    """Return the first half of a file."""
    return whole[: len(whole) // 2]


def one_wrong_byte(whole: bytes, position: int) -> bytes:
    """Return a file with all bits of one byte set."""
    return whole[:position] + b"\xff" + whole[position + 1 :]


def packed(name: str, data: bytes) -> bytes:
    """Return a zip archive of one file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return held.getvalue()


def damaged_workbook(rows: list[list[str]]) -> bytes:
    """Return a workbook whose archive is whole and whose sheet cannot be unpacked."""
    whole = bytearray(workbook(rows))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        part = archive.getinfo("xl/worksheets/sheet1.xml")
    start = part.header_offset + 30 + len(part.filename)
    whole[start : start + 40] = bytes([0xFF]) * 40
    return bytes(whole)


def parquet_with_a_broken_text(frame: pd.DataFrame) -> bytes:
    """Return a Parquet file whose text P3 is not UTF-8."""
    held = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(frame), held, use_dictionary=False, compression="none")
    return held.getvalue().replace(b"P3", b"P\xff")
