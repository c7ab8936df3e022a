"""A table as lines and columns: what every format needs to lay it out, whatever it writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pipanalysis.display.table_model import letters

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel

EMPTY = "No results: none of the planned analyses has a result for this table."
NUMBER = re.compile(r"([<>]?[\u2212-]?\d[\d,]*)(.*)", re.DOTALL)
"""a cell that starts with a number: up to its decimal point, and the rest"""
TOGETHER = re.compile(r"(?:\bn (?=\(%\)))?\([^()]{1,7}\)|\d+% Cr?I\b")
"""parts of a heading that no line ends within: what stands in short brackets, n (%), the level of an interval"""


WHOLE = 8
"""rows below one heading that stay on one page, at most; of more, the first two and the last two do"""


@dataclass(frozen=True)
class Line:
    """A line of a table: `group` and `heading` go over all columns, `row` has a cell a column."""

    kind: str
    label: str
    depth: int = 0
    cells: tuple[str, ...] = ()


def lines(model: TableModel) -> list[Line]:
    """Return the body of a table, line by line."""
    found = []
    for group in model.groups:
        if group.label and group.rows:
            found.append(Line("group", group.label))
        found += [Line("row" if row.cells else "heading", row.label, row.depth, row.cells) for row in group.rows]
    return found


def stay(body: list[Line], whole: int = WHOLE) -> list[bool]:
    """Return whether each line of a table stays on one page with the next.

    A heading does, so that none ends a page; a row with what it is divided into; and the rows below one heading, so
    many at most, since not every format can repeat the heading where they go on.
    """
    kept = [line.kind != "row" for line in body]
    rows: list[int] = []
    for i in range(len(body) + 1):
        if i < len(body) and not kept[i]:
            rows.append(i)
            continue
        for row in rows[:-1]:
            divided = body[row + 1].depth > body[row].depth
            kept[row] = len(rows) <= whole or divided or row in (rows[0], rows[-2])
        rows = []
    return kept


def spanners(model: TableModel) -> list[tuple[str, int]]:
    """Return the headings over the columns and how many columns each covers; [] where there are none."""
    if not any(column.spanner for column in model.columns):
        return []
    return [(label, len(list(covered))) for label, covered in groupby(model.columns, lambda column: column.spanner)]


def unbroken(heading: str) -> str:
    """Return the heading of a column with no-break spaces where no line should end, as in (95% CI) and n (%)."""
    return TOGETHER.sub(lambda part: part[0].replace(" ", "\u00a0"), heading)


def split(cell: str) -> tuple[str, str] | None:
    """Return a cell's text before and after the place that is aligned: the decimal point of its first number.

    A whole number is aligned at its end. None where the cell does not start with a number.
    """
    found = NUMBER.fullmatch(cell)
    return (found[1], found[2]) if found else None


def notes(model: TableModel) -> list[str]:
    """Return the notes below a table, then its footnotes with their letters."""
    return [*model.notes, *footnotes(model)]


def footnotes(model: TableModel) -> list[str]:
    """Return the footnotes of a table with their letters."""
    return [f"[{letters(i)}] {text}" for i, text in enumerate(model.footnotes)]
