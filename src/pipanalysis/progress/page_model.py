"""What the page is made of, before it is HTML: sections of sentences, figures, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Tone = Literal["plain", "good", "attention"]


@dataclass(frozen=True)
class Tile:
    """A figure that stands by itself, with what it means."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text; the columns named in `numbers` are set to the right.

    Attributes:
        caption: what it shows.
        columns: headings; the first column names the row.
        rows: cells as text.
        numbers: positions of columns of numbers.
        open: shown at once, rather than behind a click.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]
    numbers: frozenset[int] = frozenset()
    open: bool = True


@dataclass(frozen=True)
class Bar:
    """A bar of a chart made of HTML: how many, of how many, and what was lost on the way to the next one."""

    label: str
    n: int
    of: int
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Heat:
    """A table whose cells are shaded by a percentage.

    Attributes:
        caption: what it shows.
        columns: headings of the cells.
        rows: label, and a percentage for each column; None for a cell that cannot be, -1 for one with nothing in it.
    """

    caption: str
    columns: list[str]
    rows: list[tuple[str, list[float | None]]]


@dataclass(frozen=True)
class Section:
    """A part of the page, for all sites or for one.

    Attributes:
        name: its anchor.
        title: its heading.
        lead: sentences that say how things stand.
        tiles: figures.
        bars: a chart of bars.
        heat: a table with shaded cells.
        chart: rows of the chart of this name (`charts.py`); None for a section without one.
        tables: the numbers.
        notes: how they were counted.
    """

    name: str
    title: str
    lead: list[str] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    heat: Heat | None = None
    chart: list[dict[str, Any]] | None = None
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class List:
    """A list that can be searched and sorted.

    Attributes:
        name: its section's anchor, and its file's name.
        title: its heading.
        lead: what it holds.
        columns: key → heading, of those shown.
        frame: the rows; a column `group` says whose they are; further columns are shown when a row is opened.
        more: key → heading, of what is shown when a row is opened.
        views: name → (label, column, values): which rows a choice shows; the first is chosen at first.
        filters: columns with a choice of their own: one value, or all.
        empty: what is said where it has no row.
    """

    name: str
    title: str
    lead: list[str]
    columns: dict[str, str]
    frame: pd.DataFrame
    more: dict[str, str] = field(default_factory=dict)
    views: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    empty: str = "Nothing."


def day(date: Any) -> str:
    """Return a date in words, as 5 March 2016; a dash for none."""
    return "–" if date is None or pd.isna(date) else f"{date.day} {date:%B %Y}"


def iso(date: Any) -> str:
    """Return a date as YYYY-MM-DD, "" for none."""
    return "" if date is None or pd.isna(date) else f"{date:%Y-%m-%d}"


def iso_dates(dates: pd.Series) -> pd.Series:
    """Return dates as YYYY-MM-DD, "" for none."""
    text: pd.Series = dates.dt.strftime("%Y-%m-%d").astype("object").fillna("")
    return text


def percent(part: float, whole: float) -> str:
    """Return a whole percentage, a dash where there is nothing to take it of."""
    return f"{100 * part / whole:.0f}%" if whole else "–"


def several(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 dyad, 2 dyads."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def number_table(caption: str, columns: list[str], rows: Sequence[Sequence[Any]], *, open: bool = False) -> Table:
    """Return a table whose columns after the first hold numbers."""
    cells = [[_cell(value) for value in row] for row in rows]
    return Table(caption, columns, cells, frozenset(range(1, len(columns))), open)


def _cell(value: Any) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
