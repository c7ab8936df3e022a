"""A raw file as read: text columns and the row number that a reader of the file sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipanalysis.errors import Problem

MAX_CELL = 131_072
"""characters in one cell, as in Python's csv module: more is a damaged file"""


@dataclass(frozen=True)
class RawTable:
    """A raw file's content.

    Attributes:
        name: how messages call the file.
        columns: text by column name, each of one length; empty text where the cell is empty.
        rows: (n,) row numbers as a reader of the file sees them (the header is row 1).
    """

    name: str
    columns: dict[str, pa.Array]
    rows: np.ndarray


def header_problems(header: Iterable[object], name: str) -> list[Problem]:
    """Return a problem for each column without a name or with a name that another one has, the first twenty."""
    problems = []
    seen: dict[str, int] = {}
    for position, column in enumerate(header, start=1):
        text = "" if column is None else str(column).strip()
        if not text:
            problems.append(
                Problem(f"{name}, column {position}", "no column name in the header", "a name for every column")
            )
        elif text in seen:
            found = f"column {text!r} in places {seen[text]} and {position}"
            problems.append(Problem(name, found, "each column once"))
        else:
            seen[text] = position
    return problems[:20]


def numbers_as_text(values: np.ndarray) -> pa.Array:
    """Return numbers as the shortest text that reads back to them; empty text for NaN."""
    distinct, codes = np.unique(values, return_inverse=True)
    texts = ["" if np.isnan(v) else (str(int(v)) if v == np.floor(v) and abs(v) < 1e15 else str(v)) for v in distinct]
    return pa.array(texts, type=pa.string()).take(pa.array(codes.ravel()))
