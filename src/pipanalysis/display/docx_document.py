"""A table as a Word document: a real, editable table with header rows that repeat; the same bytes each time."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from pipanalysis.display.grid import EMPTY, notes
from pipanalysis.display.paper import INDENT, SIDE, TWIPS_PER_CM, Cell, Paper, Row, on_paper, sheet
from pipanalysis.display.wording import mark_line, numbered_title

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph

    from pipanalysis.display.table_model import TableModel

FONT = "Times New Roman"
EPOCH = dt.datetime(2000, 1, 1)
"""the date of everything in a document: Word's properties and zip entries, which have no time zone"""
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
END = (
    f'<w:p {WORD}><w:pPr><w:spacing w:before="0" w:after="0" w:line="20" w:lineRule="exact"/>'
    '<w:rPr><w:sz w:val="2"/></w:rPr></w:pPr></w:p>'
)
"""the least paragraph: a document of Word does not end with a table"""
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""characters that XML cannot hold"""


def docx_document(model: TableModel) -> bytes:
    """Return a table as the bytes of a Word document.

    The marks are the table's first header row, so that they stay with it when it is pasted elsewhere, and stand in the
    footer of every page. The notes are its last rows where a page has room for them below others. Numbers stand on
    decimal tab stops.
    """
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import parse_xml

    document = Document()
    paper = on_paper(model)
    _set_up(document, model, paper)
    _paragraph(document, numbered_title(model), "Caption")
    for line in model.lead:
        _paragraph(document, line)
    if model.empty:
        for mark in model.marks:
            _paragraph(document, mark).runs[0].bold = True
        _paragraph(document, EMPTY)
    rows = [] if model.empty else sheet(model, paper)
    if rows:
        body = document.element.body
        body.insert(len(body) - 1, parse_xml(_table(model, paper, rows)))
    if any(row.note for row in rows):
        body.insert(len(body) - 1, parse_xml(END))
    else:
        for note in notes(model):
            _paragraph(document, note)
    footer = document.sections[0].footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    footer.add_run(_clean(mark_line(model.marks)))
    for text in ("\u2003Page ", "PAGE", " of ", "NUMPAGES"):
        if text.isupper():
            field = f'<w:fldSimple {WORD} w:instr="{text}"><w:r><w:t>1</w:t></w:r></w:fldSimple>'
            footer._p.append(parse_xml(field))
        else:
            footer.add_run(text)
    return _same_bytes(document)


def _paragraph(document: Document, text: str, style: str = "BodyText") -> Paragraph:
    """Add a paragraph; by its style's id, for a style that is named is looked for among all of them each time."""
    paragraph = document.add_paragraph(_clean(text))
    paragraph._p.style = style
    return paragraph


def _set_up(document: Document, model: TableModel, paper: Paper) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt, RGBColor

    section = document.sections[0]
    section.page_width, section.page_height = (Cm(29.7), Cm(21)) if paper.landscape else (Cm(21), Cm(29.7))
    section.orientation = WD_ORIENT.LANDSCAPE if paper.landscape else WD_ORIENT.PORTRAIT
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Cm(2))
    # LibreOffice puts an empty paragraph of style Normal at the end of each row that is shorter than others.
    spaced = (("Normal", paper.size, 0, 0), ("Body Text", paper.size, 3, 3), ("Caption", 11.0, 0, 3))
    for name, size, before, after in spaced:
        style = document.styles[name]
        style.font.name, style.font.size = FONT, Pt(size)
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.rPr.rFonts
        for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
            fonts.set(qn(script), FONT)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(after)
        style.paragraph_format.line_spacing = 1.0
    document.styles["Caption"].paragraph_format.keep_with_next = True
    properties = document.core_properties
    properties.title, properties.subject = _clean(numbered_title(model)), _clean(mark_line(model.marks))
    properties.author = properties.last_modified_by = "pipanalysis"
    properties.comments, properties.language = "", "en-GB"
    properties.created = properties.modified = properties.last_printed = EPOCH


def _table(model: TableModel, paper: Paper, rows: list[Row]) -> str:
    widths = [paper.stub, *(column.width for column in paper.columns)]
    covered = max(row.covered for row in rows)
    widths += [paper.room - paper.width] * (covered - len(widths))
    grid = "".join(f'<w:gridCol w:w="{_twips(width)}"/>' for width in widths)
    side = _twips(SIDE)
    return (
        f'<w:tbl {WORD}><w:tblPr><w:tblW w:w="{_twips(sum(widths))}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
        f'<w:tblCellMar><w:left w:w="{side}" w:type="dxa"/><w:right w:w="{side}" w:type="dxa"/></w:tblCellMar>'
        f'<w:tblLook w:firstRow="1" w:firstColumn="1"/><w:tblCaption w:val="{_quoted(numbered_title(model))}"/>'
        f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(_row(row, covered) for row in rows)}</w:tbl>"
    )


def _row(row: Row, covered: int) -> str:
    after = covered - row.covered
    short = f'<w:gridAfter w:val="{after}"/>' if after else ""
    header = "<w:tblHeader/>" if row.header else ""
    place = "bottom" if row.header else "top"
    cells = "".join(_cell(cell, "<w:keepNext/>" if row.keep else "", place) for cell in row.cells)
    return f"<w:tr><w:trPr>{short}<w:cantSplit/>{header}</w:trPr>{cells}</w:tr>"


def _cell(cell: Cell, kept: str, place: str) -> str:
    above = '<w:top w:val="single" w:sz="12" w:color="000000"/>' if cell.above else ""
    below = '<w:bottom w:val="single" w:sz="6" w:color="000000"/>' if cell.below else ""
    borders = f"<w:tcBorders>{above}{below}</w:tcBorders>" if above or below else ""
    span = f'<w:gridSpan w:val="{cell.span}"/>' if cell.span > 1 else ""
    point = _twips(cell.point) if cell.point is not None else 0
    tab = f'<w:tabs><w:tab w:val="decimal" w:pos="{point}"/></w:tabs>' if point else ""
    size = f'<w:sz w:val="{round(2 * cell.size)}"/>' if cell.size else ""
    indent = f'<w:ind w:left="{_twips(INDENT * cell.depth)}"/>' if cell.depth else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{_twips(cell.width)}" w:type="dxa"/>{span}{borders}<w:vAlign w:val="{place}"/>'
        f'</w:tcPr><w:p><w:pPr>{kept}{tab}<w:spacing w:before="20" w:after="20"/>{indent}'
        f'<w:jc w:val="{"center" if cell.centred else "left"}"/></w:pPr>'
        f"<w:r><w:rPr>{'<w:b/>' if cell.bold else ''}{size}</w:rPr>"
        f'<w:t xml:space="preserve">{escape(_clean(cell.text))}</w:t></w:r></w:p></w:tc>'
    )


def _twips(centimetres: float) -> int:
    return round(centimetres * TWIPS_PER_CM)


def _clean(text: str) -> str:
    return NOT_XML.sub("\ufffd", text)


def _quoted(text: str) -> str:
    return escape(_clean(text), {'"': "&quot;"})


def _same_bytes(document: Document) -> bytes:
    """Return the document with the entries of its zip archive sorted and dated alike."""
    draft, final = io.BytesIO(), io.BytesIO()
    document.save(draft)
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(final, "w", zipfile.ZIP_DEFLATED) as target:
        names = sorted(source.namelist(), key=lambda name: (name != "[Content_Types].xml", name))
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, source.read(name))
    return final.getvalue()
