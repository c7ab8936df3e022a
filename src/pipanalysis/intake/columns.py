"""Cleans a text column: each distinct text is parsed once, whatever the number of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from pipanalysis.intake.parse import Parsed, Parser


@dataclass(frozen=True)
class Cleaned:
    """A column made into values.

    Attributes:
        values: (n,) float64, text (None where missing) or datetime64 (NaT where missing).
        issues: row position, text found, and the rule it breaks with what is allowed.
    """

    values: np.ndarray
    issues: list[tuple[int, str, Parsed]]


def clean(texts: pa.Array, parser: Parser, missing: frozenset[str], kind: str) -> Cleaned:
    """Parse a column.

    Args:
        texts: (n,) text.
        parser: of one text without the spaces around it.
        missing: texts that stand for a missing value.
        kind: number, text or date.

    Returns:
        Values, and an issue for each row whose text breaks a rule.
    """
    encoded = texts.dictionary_encode()
    distinct: list[str] = [text if text is not None else "" for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    if encoded.indices.null_count:
        distinct.append("")
        codes = np.where(np.isnan(codes.astype(float)), len(distinct) - 1, codes).astype(np.int64)
    parsed = [Parsed(None) if text.strip() in missing else parser(text.strip()) for text in distinct]
    broken = np.array([one.rule is not None for one in parsed], dtype=bool)
    issues = []
    if broken.any():
        issues = [(int(row), distinct[codes[row]], parsed[codes[row]]) for row in np.flatnonzero(broken[codes])]
    return Cleaned(_values(parsed, kind)[codes], issues)


def _values(parsed: list[Parsed], kind: str) -> np.ndarray:
    values = [one.value for one in parsed]
    if kind == "number":
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kind == "date":
        return np.array(
            [np.datetime64("NaT", "s") if value is None else value for value in values], dtype="datetime64[s]"
        )
    return np.array(values, dtype=object)


def kind_of(variable_type: str) -> str:
    """Return how the values of a variable's or item's type are held: number, date or text."""
    if variable_type in ("number", "integer"):
        return "number"
    return "date" if variable_type in ("date", "date_of_birth") else "text"


def empty_column(kind: str, n: int) -> pd.Series:
    """Return a column of missing values of a kind."""
    if kind == "number":
        return pd.Series(np.full(n, np.nan))
    if kind == "date":
        return pd.Series(np.full(n, np.datetime64("NaT"), dtype="datetime64[s]"))
    return pd.Series([None] * n, dtype="str")


def as_column(values: np.ndarray, kind: str) -> pd.Series:
    """Return cleaned values as a column of the checked tables."""
    return pd.Series(values, dtype="str") if kind == "text" else pd.Series(values)
