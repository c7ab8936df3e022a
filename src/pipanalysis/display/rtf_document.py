"""A table as RTF, for submissions and older word processors: header rows that repeat, decimal tab stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtflite.row import Border
from rtflite.row import Cell as RtfCell
from rtflite.rtf import RTFSyntaxGenerator

from pipanalysis.display.grid import EMPTY, notes
from pipanalysis.display.paper import INDENT, SIDE, TWIPS_PER_CM, Cell, Paper, Row, on_paper, sheet
from pipanalysis.display.rtf_parts import FlowingRow, Text, UnmarkedCell, paragraph_rtf, row_rtf, rtf_text
from pipanalysis.display.wording import mark_line, numbered_title

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel

CM_PER_INCH = 2.54
A4 = (21.0 / CM_PER_INCH, 29.7 / CM_PER_INCH)
"""width and height of a page, in inches"""
MARGIN, FOOTER = 2.0 / CM_PER_INCH, 0.5
"""from the edge of the page to the text, and to its header and footer, in inches"""
FONTS = "{\\fonttbl{\\f0\\froman\\fcharset0 Times New Roman;}}"
"""the one font: rtflite's table of ten has control words that RTF does not"""
TITLE = 11
"""size of the title's letters in points"""
THICK, THIN = 30, 15
"""of rules, in twips"""
PAGE = (
    rtf_text("\u2003Page ")
    + "{\\field{\\*\\fldinst PAGE}{\\fldrslt 1}} of {\\field{\\*\\fldinst NUMPAGES}{\\fldrslt 1}}"
)
END = "\\pard\\plain\\sb0\\sa0\\sl-20\\slmult0\\f0\\fs2\\par"
"""the least paragraph: a document does not end with a table"""


def rtf_document(model: TableModel) -> str:
    """Return a table as an RTF document in plain ASCII."""
    paper = on_paper(model)
    size = round(paper.size)
    width, height = reversed(A4) if paper.landscape else A4
    turned = "landscape" if paper.landscape else "portrait"
    title = rtf_text(numbered_title(model))
    footer = Text(text=rtf_text(mark_line(model.marks)) + PAGE, size=size, justification="c")
    parts = [
        RTFSyntaxGenerator.generate_document_start() + "\\ansicpg1252\\uc1\\deflang2057",
        FONTS,
        f"{{\\info{{\\title {title}}}}}",
        RTFSyntaxGenerator.generate_page_settings(width, height, [MARGIN] * 4 + [FOOTER] * 2, turned),
        f"{{\\footer{paragraph_rtf(footer)}}}",
        paragraph_rtf(Text(text=title, size=TITLE, format="b", keep=True, space_before=0, space_after=60)),
        *(_paragraph(line, size) for line in model.lead),
    ]
    rows = [] if model.empty else sheet(model, paper)
    covered = max((row.covered for row in rows), default=0)
    parts += [row_rtf(_row(row, paper, covered)) for row in rows]
    if model.empty:
        parts += [_paragraph(line, size) for line in (*model.marks, EMPTY)]
    elif rows[-1].note:
        return "\n".join([*parts, END, "}", ""])
    else:
        parts.append(paragraph_rtf(Text(text="", size=2, space_before=0, space_after=0)))
    parts += [_paragraph(note, size) for note in notes(model)]
    return "\n".join([*parts, "}", ""])


def _paragraph(text: str, size: int) -> str:
    return paragraph_rtf(Text(text=rtf_text(text), size=size, space_before=0, space_after=60))


def _row(row: Row, paper: Paper, covered: int) -> FlowingRow:
    cells, right = [], 0.0
    for cell in row.cells:
        right += cell.width
        cells.append(_cell(cell, right, row, paper))
    if row.covered < covered:
        # LibreOffice draws out a row that is shorter than others: an empty cell beside it, without a say in its height.
        cells.append(_cell(Cell("", paper.room - right), paper.room, row, paper, UnmarkedCell))
    return FlowingRow(row_cells=cells, header=row.header, height=2 * SIDE / CM_PER_INCH)


def _cell(cell: Cell, right: float, row: Row, paper: Paper, kind: type[RtfCell] = RtfCell) -> RtfCell:
    text = Text(
        text=rtf_text(cell.text),
        size=round(cell.size or paper.size),
        format="b" if cell.bold else None,
        justification="c" if cell.centred else "l",
        indent_left=round(INDENT * cell.depth * TWIPS_PER_CM),
        space_before=20,
        space_after=20,
        in_table=True,
        keep=row.keep,
        point=None if cell.point is None else round(cell.point * TWIPS_PER_CM),
    )
    return kind(
        text=text,
        width=right / CM_PER_INCH,
        vertical_justification="bottom" if row.header else "top",
        border_left=None,
        border_right=None,
        border_top=Border(width=THICK) if cell.above else None,
        border_bottom=Border(width=THIN) if cell.below else None,
    )
