"""A table on A4 paper: page, column widths and rows of cells, for formats that place every cell themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from pipanalysis.display.grid import Line, lines, notes, spanners, split, stay, unbroken
from pipanalysis.display.wording import mark_line, numbered_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipanalysis.display.table_model import Column, TableModel

SIZES = (9.0, 8.0, 7.0)
"""font sizes in points, tried in turn until a table is as wide as its page"""
PORTRAIT, LANDSCAPE = 17.0, 25.7
"""width of the text on A4 in centimetres, with margins of 2 cm"""
TEXT_HEIGHT = (25.7, 17.0)
"""of a page upright and turned, in centimetres"""
TITLE = 12.0
"""size of the title's letters in points, at most"""
HEAD = 3.0
"""height of a table's head and of the headings that rows stand under, in centimetres, at most"""
FULL = 0.93
"""how much of a line is full of text that goes on in the next one, at least"""
CM_PER_POINT = 2.54 / 72
PADDING = 0.25
"""white space beside the text of a cell, in centimetres, both sides together"""
STUB = (4.0, 7.5)
"""narrowest and widest column of row labels in centimetres"""
INDENT = 0.3
"""how far a level of row labels stands in, in centimetres"""
TWIPS_PER_CM = 1440 / 2.54
SIDE = 0.1
"""white space between the side of a cell and its text, in centimetres"""
WIDEST_TEXT = 4.5
"""widest column of words in centimetres where a table is wider than its page; longer ones take several lines"""
BOLD = 1.1
"""how much wider bold letters are"""


@dataclass(frozen=True)
class Placed:
    """A column on paper, in centimetres.

    Attributes:
        width: of the column.
        point: from its left side to where decimal points stand; None where no cell is a number.
    """

    width: float
    point: float | None


@dataclass(frozen=True)
class Paper:
    """How a table lies on A4 paper.

    Attributes:
        landscape: whether the page is turned.
        size: of the font, in points.
        stub: width of the row labels' column in centimetres.
        columns: the others.
    """

    landscape: bool
    size: float
    stub: float
    columns: tuple[Placed, ...]

    @property
    def width(self) -> float:
        """Width of the whole table in centimetres."""
        return self.stub + sum(column.width for column in self.columns)

    @property
    def room(self) -> float:
        """Width of the page's text in centimetres."""
        return LANDSCAPE if self.landscape else PORTRAIT


def on_paper(model: TableModel) -> Paper:
    """Return page and column widths: words on one line where they fit, the largest font, upright where it fits."""
    body = lines(model)
    labels = max((text_width(line.label) + 0.8 * line.depth for line in body if line.kind == "row"), default=0.0)
    for widest in (LANDSCAPE, WIDEST_TEXT):
        for size in SIZES:
            em = size * CM_PER_POINT
            placed = [_place(column, i, body, em, widest) for i, column in enumerate(model.columns)]
            columns = _under_spanners(model, placed, em)
            taken = sum(column.width for column in columns)
            stub = min(max(labels * em + PADDING, STUB[0]), STUB[1])
            for landscape, room in ((False, PORTRAIT), (True, LANDSCAPE)):
                if stub + taken <= room:
                    return Paper(landscape, size, stub, columns)
    narrow = (LANDSCAPE - STUB[0]) / taken
    shrunk = tuple(Placed(c.width * narrow, None) for c in columns)
    return Paper(landscape=True, size=SIZES[-1], stub=STUB[0], columns=shrunk)


def _place(column: Column, position: int, body: list[Line], em: float, widest: float) -> Placed:
    cells = [line.cells[position] for line in body if line.kind == "row"]
    parts = [part for cell in cells if column.numbers and (part := split(cell))]
    head = max((text_width(before) for before, _ in parts), default=0.0) * em
    tail = max((text_width(after) for _, after in parts), default=0.0) * em
    whole = max((text_width(cell) for cell in cells), default=0.0) * em
    if not column.numbers:
        whole = min(whole, max([widest, *(_longest_word(cell) * em for cell in cells)]))
    words = _longest_word(unbroken(column.label)) * em * BOLD
    heading = text_width(column.label) * em * BOLD / 3
    width = max(head + tail, whole, words, heading, 1.0) + PADDING
    return Placed(width, (width - head - tail) / 2 + head if parts else None)


def _longest_word(text: str) -> float:
    return max(text_width(word) for word in re.split(r"[ \n]", text))


def _under_spanners(model: TableModel, columns: list[Placed], em: float) -> tuple[Placed, ...]:
    """Return columns as wide together as the longest word of the heading over them, and as a third of the heading."""
    found, start = [], 0
    for label, covered in spanners(model) or [("", len(columns))]:
        own = columns[start : start + covered]
        need = max(_longest_word(label), text_width(label) / 3) * em * BOLD + PADDING
        more = max(need - sum(column.width for column in own), 0.0) / covered
        for column in own:
            point = None if column.point is None else column.point + more / 2
            found.append(Placed(column.width + more, point))
        start += covered
    return tuple(found)


@dataclass(frozen=True)
class Cell:
    """A cell on paper; widths and places in centimetres.

    Attributes:
        text: in it.
        width: of all columns that it covers.
        span: how many columns it covers.
        bold: whether the text is.
        centred: where the text stands; else left.
        depth: how deep the text stands in.
        point: from the left side of the text to its decimal point; None where it is not aligned.
        above: whether a rule stands above it.
        below: whether a rule stands below it.
        size: of the font in points; None for that of the table.
    """

    text: str
    width: float
    span: int = 1
    bold: bool = False
    centred: bool = False
    depth: int = 0
    point: float | None = None
    above: bool = False
    below: bool = False
    size: float | None = None


@dataclass(frozen=True)
class Row:
    """Cells side by side; a header repeats on every page, and a row that is kept stays with the next one.

    A note goes over all columns and on to the right side of the page.
    """

    cells: tuple[Cell, ...]
    header: bool = False
    keep: bool = False
    note: bool = False

    @property
    def covered(self) -> int:
        """How many columns its cells cover."""
        return sum(cell.span for cell in self.cells)


def sheet(model: TableModel, paper: Paper) -> list[Row]:
    """Return the rows of a table on paper: marks, spanners and headings as headers, the body, notes that stay with it.

    The marks are a row of the table, so that they stay with it when it is pasted elsewhere.
    """
    widths = [paper.stub, *(column.width for column in paper.columns)]
    rows = []
    if model.marks:
        rows.append(Row((Cell(mark_line(model.marks), paper.width, len(widths), bold=True),), header=True, keep=True))
    over = spanners(model)
    if over:
        cells, start = [Cell("", widths[0], above=True)], 1
        for label, covered in over:
            width = sum(widths[start : start + covered])
            cells.append(Cell(label, width, covered, bold=True, centred=True, above=True, below=bool(label)))
            start += covered
        rows.append(Row(tuple(cells), header=True, keep=True))
    headings = [Cell("", widths[0], above=not over, below=True)]
    headings += [
        Cell(unbroken(column.label), width, bold=True, centred=column.numbers, above=not over, below=True)
        for column, width in zip(model.columns, widths[1:], strict=True)
    ]
    rows.append(Row(tuple(headings), header=True, keep=True))
    body = lines(model)
    last = len(body) - 1
    kept, size = stay_with_notes(model, paper)
    rows += [_row(line, model, widths, paper, below=i == last, keep=kept[i]) for i, line in enumerate(body)]
    beyond = paper.room - paper.width > SIDE
    wide = paper.room if beyond else paper.width
    cells = [Cell(text, wide, len(widths) + beyond, size=size) for text in ([] if size is None else notes(model))]
    return rows + [Row((cell,), keep=i < len(cells), note=True) for i, cell in enumerate(cells, 1)]


def stay_with_notes(model: TableModel, paper: Paper) -> tuple[list[bool], float | None]:
    """Return whether each line of a table stays on one page with the next, and the size of the letters of its notes.

    Notes are the last rows of the table and stay on a page with those above them, so that no page holds only notes:
    LibreOffice keeps rows of a table together, but not always the last ones with a paragraph below the table. Where a
    page has no room for the rows that stay together and the notes, fewer rows stay, or the letters are smaller; where
    it has none even for these, the size is None: the notes go on below the table.
    """
    body, said = lines(model), notes(model)
    kept = stay(body)
    first = _start(kept)
    # The marks stand above the table and below the page.
    room = TEXT_HEIGHT[paper.landscape] - HEAD - 2 * text_height([mark_line(model.marks)], paper.size, paper.room)
    sizes = [size for size in SIZES if size <= paper.size]
    for size, tail in product(sizes, (kept, stay(body, whole=0))):
        found = [*kept[:first], *tail[first:-1], True]
        start = _start(found)
        taken = sum(_line_height(line, paper) for line in body[start:]) + text_height(said, size, paper.room)
        if not start:  # all of the table: its title stays above it
            taken += text_height([numbered_title(model)], TITLE, paper.room)
            taken += text_height(model.lead, paper.size, paper.room)
        if said and taken <= room:
            return found, size
    return kept, None


def _start(kept: list[bool]) -> int:
    """Return the first of the lines that stay on one page with the last."""
    return next((i + 1 for i in reversed(range(len(kept) - 1)) if not kept[i]), 0)


def _line_height(line: Line, paper: Paper) -> float:
    """Return about how high a line is: as the highest of its cells."""
    if line.kind != "row":
        return text_height([line.label], paper.size, paper.width - PADDING - INDENT * line.depth)
    words = [(line.label, paper.stub - INDENT * line.depth)]
    words += [(text, one.width) for text, one in zip(line.cells, paper.columns, strict=True) if one.point is None]
    return max(text_height([text], paper.size, width - PADDING) for text, width in words)


def text_height(texts: Sequence[str], size: float, width: float) -> float:
    """Return about how high texts below one another are in centimetres, in letters of a size in points."""
    em = size * CM_PER_POINT
    return sum(-(-text_width(text) * em // (FULL * width)) for text in texts) * 1.4 * em


def _row(line: Line, model: TableModel, widths: list[float], paper: Paper, *, below: bool, keep: bool) -> Row:
    if line.kind != "row":
        bold = line.kind == "group"
        one = Cell(line.label, paper.width, len(widths), bold=bold, depth=line.depth, below=below)
        return Row((one,), keep=keep)
    cells = [Cell(line.label, widths[0], depth=line.depth, below=below)]
    for text, placed, column in zip(line.cells, paper.columns, model.columns, strict=True):
        if placed.point is not None and split(text):
            cells.append(Cell(text, placed.width, point=placed.point - SIDE, below=below))
        else:
            cells.append(Cell(text, placed.width, centred=column.numbers, below=below))
    return Row(tuple(cells), keep=keep)


@cache  # each format of a table asks for the same texts, several times
def text_width(text: str) -> float:
    """Return about how wide a text is in Times, in units of the font size."""
    return sum(_character(character) for character in text)


@cache
def _character(character: str) -> float:
    if character in "\u00a0 .,;:|!'()[]/-ijlt":
        return 0.33 if character in "()[]-" else 0.28
    if character.isdigit():
        return 0.5
    if character in "mwMW%@\u2003\u2014":
        return 0.85
    if character in "\u2212<>=+":
        return 0.57
    return 0.7 if character.isupper() else 0.48
