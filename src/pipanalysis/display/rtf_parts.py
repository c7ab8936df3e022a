"""Rows, cells and texts of an RTF table: those of rtflite, with what a table needs to flow over pages by itself.

rtflite's own documents break pages by counting rows and write the header rows again on each. A table that is edited, or
opened with another paper or font, would then break in the wrong places. So its rows say here what a word processor
needs to break pages: which repeat, which are not divided and which stay with the next.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from rtflite.row import Cell, Row, TextContent

if TYPE_CHECKING:
    from collections.abc import MutableSequence


class Text(TextContent):
    """The text of a cell or paragraph, in RTF already (`rtf_text`): rtflite leaves braces and accents as they are.

    Attributes:
        in_table: whether it is a cell's.
        keep: whether its row or paragraph stays on a page with the next.
        point: from the left side of the text to its decimal tab stop, in twips; None for no stop.
    """

    convert: bool = False
    hyphenation: bool = False
    in_table: bool = False
    keep: bool = False
    point: int | None = None

    def _get_paragraph_formatting(self) -> str:
        table = "\\intbl" if self.in_table else "\\widctlpar"
        kept = "\\keepn" if self.keep else ""
        stop = f"\\tqdec\\tx{self.point}" if self.point is not None else ""
        return f"{table}{kept}{super()._get_paragraph_formatting()}{stop}"


class UnmarkedCell(Cell):
    """An empty cell without a say in the height of its row."""

    def _as_rtf(self) -> str:
        return f"\\clhidemark{super()._as_rtf()}"


class FlowingRow(Row):
    """A row that no page divides.

    Attributes:
        header: whether it stands again at the top of every page.
    """

    justification: str = "l"
    header: bool = False

    def _as_rtf(self) -> MutableSequence[str]:
        first, *cells = super()._as_rtf()
        return [f"{first}\\trkeep{'\\trhdr' if self.header else ''}", *cells]


def row_rtf(row: FlowingRow) -> str:
    """Return a row as RTF."""
    return "\n".join(row._as_rtf())


def paragraph_rtf(text: Text) -> str:
    """Return a paragraph as RTF."""
    return text._as_rtf("paragraph")


def rtf_text(text: str) -> str:
    """Return text for RTF: its own characters escaped, all beyond ASCII as numbers, line ends as spaces.

    After each number stands what a reader shows that does not know it, by a space from it: without one, pandoc's takes
    the digit after it too, and -4.50 becomes -.50.
    """
    return "".join(_character(character) for character in text)


NATIVE = {"\\": "\\\\", "{": "\\{", "}": "\\}", "\u00a0": "\\~", "\u2011": "\\_"}
"""characters that RTF has symbols for"""
PLAIN = {"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u00d7": "x"}
"""ASCII that stands for characters which have no decomposition into it"""


@cache
def _character(character: str) -> str:
    if character in NATIVE:
        return NATIVE[character]
    if character < " ":
        return " "
    if character < "\x7f":
        return character
    first = unicodedata.normalize("NFKD", character)[0]
    plain = PLAIN.get(first, first if first.isascii() and first.isalnum() else "?")
    units = character.encode("utf-16-le", "replace")
    codes = [int.from_bytes(units[i : i + 2], "little", signed=True) for i in range(0, len(units), 2)]
    return "".join(f"\\u{code} {plain}" for code in codes)
