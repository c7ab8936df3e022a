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
    """A row: its label, how deep the label stands in, and a cell a column (none in a row that is a heading)."""

    label: str
    cells: tuple[str, ...] = ()
    depth: int = 0


@dataclass
class RowGroup:
    """Rows under one heading ("" for none)."""

    label: str
    rows: list[TableRow] = field(default_factory=list)


@dataclass
class Footnotes:
    """Notes by letter; the same words get the same letter."""

    texts: list[str] = field(default_factory=list)

    def letter(self, text: str) -> str:
        """Return the letter of a note."""
        if text not in self.texts:
            self.texts.append(text)
        return letters(self.texts.index(text))

    def mark(self, *texts: str) -> str:
        """Return what points from a label to one note of all the texts that say something; nothing where none does."""
        said = "; ".join(text for text in texts if text)
        return f" [{self.letter(said)}]" if said else ""


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
        footnotes: lettered notes below them.
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
    footnotes: Footnotes = field(default_factory=Footnotes)
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
