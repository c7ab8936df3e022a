"""A table as RTF, for submissions and older word processors: header rows that repeat, decimal tab stops.

Written by hand, as RTF's own table rows: rtflite breaks tables into pages itself, by counting rows, so that a table
would not flow again when it is edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.display.grid import EMPTY, notes
from pipanalysis.display.paper import INDENT, SIDE, TWIPS_PER_CM, Cell, Paper, Row, on_paper, sheet
from pipanalysis.display.wording import mark_line, numbered_title

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel

A4 = (11906, 16838)
MARGIN = 1134
END = "\\pard\\plain\\sb0\\sa0\\sl-20\\slmult0\\f0\\fs2\\par"
"""the least paragraph: a document does not end with a table"""


def rtf_document(model: TableModel) -> str:
    """Return a table as an RTF document in plain ASCII."""
    paper = on_paper(model)
    width, height = reversed(A4) if paper.landscape else A4
    turned = "\\landscape" if paper.landscape else ""
    parts = [
        "{\\rtf1\\ansi\\ansicpg1252\\uc1\\deff0\\deflang2057",
        "{\\fonttbl{\\f0\\froman\\fcharset0 Times New Roman;}}",
        f"{{\\info{{\\title {rtf_text(numbered_title(model))}}}}}",
        f"\\paperw{width}\\paperh{height}\\margl{MARGIN}\\margr{MARGIN}\\margt{MARGIN}\\margb{MARGIN}{turned}",
        f"{{\\footer\\pard\\qc\\f0\\fs{round(2 * paper.size)} {rtf_text(mark_line(model.marks))}\\u8195?Page "
        "{\\field{\\*\\fldinst PAGE}{\\fldrslt 1}} of {\\field{\\*\\fldinst NUMPAGES}{\\fldrslt 1}}\\par}",
        f"\\pard\\keepn\\sa60\\f0\\fs22\\b {rtf_text(numbered_title(model))}\\b0\\par",
        f"\\fs{round(2 * paper.size)}",
        *(_paragraph(line) for line in model.lead),
    ]
    rows = [] if model.empty else sheet(model, paper)
    covered = max((row.covered for row in rows), default=0)
    parts += [_row(row, paper, covered) for row in rows]
    if model.empty:
        parts += [_paragraph(line) for line in (*model.marks, EMPTY)]
    elif rows[-1].note:
        return "\n".join([*parts, END, "}", ""])
    else:
        parts.append("\\pard\\sb0\\sa0\\fs4\\par" + f"\\fs{round(2 * paper.size)}")
    parts += [_paragraph(note) for note in notes(model)]
    return "\n".join([*parts, "}", ""])


def _paragraph(text: str) -> str:
    return f"\\pard\\widctlpar\\sb0\\sa60 {rtf_text(text)}\\par"


def _row(row: Row, paper: Paper, covered: int) -> str:
    flags = "\\trhdr" if row.header else ""
    place = "\\clvertalb" if row.header else "\\clvertalt"
    definition, content, right = [f"\\trowd\\trgaph{_twips(SIDE)}\\trleft0\\trkeep{flags}"], [], 0.0
    for cell in row.cells:
        right += cell.width
        rules = ("\\clbrdrt\\brdrs\\brdrw30" if cell.above else "") + (
            "\\clbrdrb\\brdrs\\brdrw15" if cell.below else ""
        )
        definition.append(f"{rules}{place}\\cellx{_twips(right)}")
        content.append(_cell(cell, paper, keep=row.keep))
    if row.covered < covered:
        # LibreOffice draws out a row that is shorter than others: an empty cell beside it, without a say in its height.
        definition.append(f"{place}\\clhidemark\\cellx{_twips(paper.room)}")
        content.append(_cell(Cell("", paper.room - right), paper, keep=row.keep))
    return "".join(definition) + "\n" + "\n".join(content) + "\\row"


def _cell(cell: Cell, paper: Paper, *, keep: bool) -> str:
    kept = "\\keepn" if keep else ""
    indent = f"\\li{_twips(INDENT * cell.depth)}" if cell.depth else ""
    tab = f"\\tqdec\\tx{_twips(cell.point)}" if cell.point is not None else ""
    place = "\\qc" if cell.centred else "\\ql"
    text = f"{{\\b {rtf_text(cell.text)}}}" if cell.bold else rtf_text(cell.text)
    size = round(2 * (cell.size or paper.size))
    return f"\\pard\\intbl{kept}{place}\\sb20\\sa20{indent}{tab}\\f0\\fs{size} {text}\\cell"


def _twips(centimetres: float) -> int:
    return round(centimetres * TWIPS_PER_CM)


def rtf_text(text: str) -> str:
    """Return text for RTF: its own characters escaped, all beyond ASCII as numbers, line ends as spaces."""
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character in "\\{}":
        return "\\" + character
    if character < " ":
        return " "
    if character < "\x7f":
        return character
    units = character.encode("utf-16-le", "replace")
    codes = [int.from_bytes(units[i : i + 2], "little", signed=True) for i in range(0, len(units), 2)]
    return "".join(f"\\u{code}?" for code in codes)
