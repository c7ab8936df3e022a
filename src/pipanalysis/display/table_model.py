"""A table before it has a format: columns, rows of text, notes, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from string import ascii_lowercase
from typing import Any

from pipanalysis.display.rounding import ABSENT


@dataclass(frozen=True)
class Column:
    """A column of cells.

    Attributes:
        label: its heading.
        spanner: heading over it and its neighbours with the same one; "" for none.
        numbers: whether its cells are numbers, which stand right.
    """

    label: str
    spanner: str = ""
    numbers: bool = True


@dataclass(frozen=True)
class TableRow:
    """A row: its label, a cell a column (none in a heading), how deep the label stands in, and what is said of it."""

    label: str
    cells: tuple[str, ...] = ()
    depth: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class RowGroup:
    """Rows under one heading ("" for none), and what is said of all of them."""

    label: str
    rows: list[TableRow] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def noted(*texts: str) -> tuple[str, ...]:
    """Return one note of all the texts that say something; none where none does."""
    said = "; ".join(text for text in texts if text)
    return (said,) if said else ()


def letters(position: int) -> str:
    """Return a, b, …, z, aa, ab, … for 0, 1, …"""
    high, low = divmod(position, 26)
    return (letters(high - 1) if high else "") + ascii_lowercase[low]


@dataclass
class TableModel:
    """A table.

    Attributes:
        name: of its files.
        number: in the catalogue of displays.
        title: without the number.
        marks: what must be said on its face: synthetic data, masked allocation.
        lead: lines between title and table: analysis set, estimand.
        columns: headings.
        groups: rows.
        notes: lines below the table.
        footnotes: lettered notes below them, made from what is said of rows and groups (`merged_notes`).
        records: the numbers at full precision, one record per line of the CSV file.
    """

    name: str
    number: str
    title: str
    marks: list[str]
    lead: list[str]
    columns: list[Column]
    groups: list[RowGroup] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    footnotes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def drop_columns_without_values(self) -> None:
        """Leave out the columns in which no row has a value."""
        rows = [row for group in self.groups for row in group.rows if row.cells]
        kept = [i for i in range(len(self.columns)) if any(row.cells[i] not in ("", ABSENT) for row in rows)]
        self.columns = [self.columns[i] for i in kept]
        for group in self.groups:
            group.rows = [
                replace(row, cells=tuple(row.cells[i] for i in kept)) if row.cells else row for row in group.rows
            ]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any(group.rows for group in self.groups)
