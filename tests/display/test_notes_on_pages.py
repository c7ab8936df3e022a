"""Pages of Word, RTF and LaTeX documents: notes stand below rows of their table, on one page with them."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from docx import Document

from display.documents import office_pages, office_pdf, pdf_pages, pdf_places, pdflatex
from display.models import table
from display.test_formats import CM, narrow, rtf_rows, word_rows, word_xml
from pipanalysis.display.docx_document import docx_document
from pipanalysis.display.formats import DOCUMENTS
from pipanalysis.display.grid import lines, notes, stay
from pipanalysis.display.latex_document import latex_document
from pipanalysis.display.paper import SIZES, on_paper, sheet, stay_with_notes
from pipanalysis.display.rtf_document import rtf_document
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow


def noted(rows: int, said: list[str], *, columns: int = 2, label: str = "T") -> TableModel:
    """A table of one group of rows, with notes, the last of which is `end of …`."""
    model = table(rows=0, columns=columns, label=label)
    cells = tuple("1" for _ in range(columns))
    model.groups = [RowGroup("", [TableRow(f"{label} row {i:03d}", cells) for i in range(rows)])]
    model.notes, model.footnotes = [*said, f"end of {label}."], []
    return model


def test_word_and_rtf_keep_the_last_rows_and_the_notes_together() -> None:
    model = noted(40, ["a note", "another"])
    kept = [*[True] * 3, *stay(lines(model))[:-1], True, True, True, False]  # head, rows, notes
    assert not all(kept[:-1])
    found = re.findall(r"<w:tr>.*?</w:tr>", word_xml(docx_document(model)))
    assert ["<w:keepNext/>" in row for row in found] == kept
    assert all("<w:cantSplit/>" in row for row in found)
    found = rtf_document(model).split("\\trowd")[1:]
    assert ["\\keepn" in row for row in found] == kept
    assert all("\\trkeep" in row for row in found)


def test_latex_lets_no_page_end_between_the_last_rows_and_the_notes() -> None:
    model = noted(40, ["a note", "another"])
    body = latex_document(model).split("\\endlastfoot\n")[1].split("\\end{longtable}")[0]
    last = body.splitlines()[-5:]  # the last row, the rule below it, three notes
    assert last[0].startswith("T row 039 & ")
    assert [line.endswith("\\\\*") for line in last] == [True, False, True, True, False]
    assert [part.startswith("{\\nobreak") for part in last[1].split("\\noalign")[1:]] == [True, True]  # about the rule
    assert "\\penalty0" in body
    assert "\\penalty0" not in body[body.index("T row 038") :]


def test_a_table_narrower_than_its_notes_keeps_its_widths() -> None:
    """Notes go on to the right side of the page, beyond the last column."""
    model = noted(3, ["a note"])
    paper = on_paper(model)
    assert paper.width < paper.room - 1
    xml = word_xml(docx_document(model))
    assert xml.count('<w:gridAfter w:val="1"/>') == 3 + 3  # head and rows
    grid = [int(width) for width in re.findall(r'<w:gridCol w:w="(\d+)"', xml)]
    assert len(grid) == 1 + 2 + 1
    assert sum(grid) == pytest.approx(paper.room * 20 * CM, abs=2)
    rights = [[int(n) for n in re.findall(r"\\cellx(\d+)", row)] for row in rtf_document(model).split("\\trowd")[1:]]
    assert {row[-1] for row in rights} == {round(paper.room * 20 * CM)}
    assert rights[-1] == rights[-2] == rights[0][-1:]
    assert rights[3][-2] == pytest.approx(paper.width * 20 * CM, abs=2)
    assert rtf_rows(rtf_document(model)) == word_rows(docx_document(model))


LENGTHS = range(70, 130, 6)
LONG = ["A note that goes on, " * 12] * 4


@pytest.mark.parametrize("form", ["docx", "rtf"])
def test_no_page_of_libreoffice_holds_only_notes(form: str, tmp_path: Path) -> None:
    """Tables of every length about that of two pages."""
    documents = {f"t{rows}.{form}": DOCUMENTS[form](noted(rows, LONG)) for rows in LENGTHS}
    for name, pages in office_pages(tmp_path, documents).items():
        last = int(name[1:].split(".")[0]) - 1
        assert "end of T." in pages[-1], name
        assert f"T row {last:03d}" in pages[-1], name
        assert f"T row {last - 1:03d}" in pages[-1], name
        assert pages[-1].index("A note that goes on") > pages[-1].index(f"T row {last:03d}"), name


@pytest.mark.parametrize("columns", [2, 12], ids=["upright", "turned"])
def test_no_page_of_latex_holds_only_notes(columns: int, tmp_path: Path) -> None:
    for rows in LENGTHS:
        source = latex_document(noted(rows, LONG, columns=columns))
        assert ("landscape" in source) == (columns == 12)
        pdflatex(tmp_path, "t", source)
        last = pdf_pages(tmp_path / "t.pdf")[-1]
        assert "end of T." in last, rows
        assert f"T row {rows - 1:03d}" in last, rows
        assert f"T row {rows - 2:03d}" in last, rows
        assert last.index("A note that goes on") > last.index(f"T row {rows - 1:03d}"), rows


@pytest.mark.parametrize("form", ["docx", "rtf"])
def test_nothing_stands_behind_the_notes_on_a_page_of_its_own(form: str, tmp_path: Path) -> None:
    """Tables of every length about that of a page: a document does not end with a table, but with a paragraph."""
    documents = {f"t{rows}.{form}": DOCUMENTS[form](noted(rows, [])) for rows in range(46, 62)}
    found = office_pages(tmp_path, documents)
    assert {len(pages) for pages in found.values()} == {1, 2}
    assert all("end of T." in pages[-1] for pages in found.values())
    body = Document(io.BytesIO(docx_document(noted(3, [])))).element.body
    assert [child.tag.rpartition("}")[2] for child in body][-3:] == ["tbl", "p", "sectPr"]


def test_rows_beside_wider_notes_are_as_high_as_others(tmp_path: Path) -> None:
    """LibreOffice ends a row that is shorter than others with an empty paragraph."""
    without = noted(9, [])
    without.notes = []
    documents = {"a.docx": docx_document(noted(9, [])), "b.docx": docx_document(without)}
    office_pages(tmp_path, documents)
    heights = []
    for name in documents:
        found = pdf_places(office_pdf(tmp_path, name))
        places = [float(y) for y in re.findall(r'yMin="([\d.]+)"[^>]*>row<', found)]
        heights.append(places[-1] - places[0])
    assert heights[0] == pytest.approx(heights[1], abs=0.05)  # LibreOffice places lines by twips, of 0.05 points


PER_LINE = "a note " * 26
"""somewhat less than a line of notes in the largest letters on a page that is turned"""


def nearly_a_page(many: int) -> TableModel:
    return noted(30, [f"N{i:02d} {PER_LINE}" for i in range(many)], columns=12)


def test_letters_of_notes_are_smaller_where_rows_would_else_not_go_on_their_page() -> None:
    sizes = []
    for many in range(10, 60):
        model = nearly_a_page(many)
        paper = on_paper(model)
        _, size = stay_with_notes(model, paper)
        sizes.append(size)
        below = [row.cells[0] for row in sheet(model, paper) if row.note]
        assert len(below) == (len(notes(model)) if size else 0)
        assert {cell.size for cell in below} <= {size}
    assert list(dict.fromkeys(sizes)) == [*SIZES, None]  # the more notes, the smaller
    model = nearly_a_page(10 + sizes.index(SIZES[-1]))
    assert f'<w:sz w:val="{2 * SIZES[-1]:g}"/>' in word_xml(docx_document(model))
    assert f"\\fs{2 * SIZES[-1]:g}{{\\f0 N00 " in rtf_document(model)
    assert f"\\fontsize{{{SIZES[-1]:g}}}" in latex_document(model)


def test_fewer_rows_stay_with_the_notes_where_there_is_no_room_for_more() -> None:
    """As of blocks of many rows: the first two stay together, and the last two, here with the notes."""
    rows = [[TableRow(f"{block} {i}", ("1",) * 12, 1) for i in range(8)] for block in ("A", "B")]
    stays = []
    for many in (2, 22):
        model = nearly_a_page(many)
        model.groups = [RowGroup("First", rows[0]), RowGroup("Last", rows[1])]
        kept, size = stay_with_notes(model, on_paper(model))
        assert size == SIZES[0]
        stays.append(kept)
    whole = [True] * 8 + [False]
    assert stays[0] == [*whole, *[True] * 9]
    assert stays[1] == [*whole, True, True, False, False, False, False, False, True, True]


@pytest.mark.parametrize("many", range(18, 50, 4))
def test_nothing_of_notes_of_nearly_a_page_is_below_the_page(many: int, tmp_path: Path) -> None:
    """A page of LaTeX is overfull where its lines stay together and do not fit."""
    model = nearly_a_page(many)
    said = pdflatex(tmp_path, "t", latex_document(model))
    assert "Overfull \\vbox" not in said
    pages = pdf_pages(tmp_path / "t.pdf")
    assert all(f"N{i:02d} a note" in "".join(pages) for i in range(many))
    assert ("T row 029" in pages[-1]) == (stay_with_notes(model, on_paper(model))[1] is not None)


def test_notes_longer_than_a_page_follow_the_table(tmp_path: Path) -> None:
    model = noted(5, [f"N{i:03d} {PER_LINE}" for i in range(150)])
    content = docx_document(model)
    assert [p.text for p in Document(io.BytesIO(content)).paragraphs][-151:] == notes(model)
    rows = re.findall(r"<w:tr>.*?</w:tr>", word_xml(content))
    assert len(rows) == 3 + 5
    assert "<w:keepNext/>" not in rows[-1]
    assert "\\keepn" not in rtf_document(model).split("\\trowd")[-1]
    pages = office_pages(tmp_path, {"t.docx": content, "r.rtf": rtf_document(model).encode()})
    pdflatex(tmp_path, "x", latex_document(model))
    for found in (*pages.values(), pdf_pages(tmp_path / "x.pdf")):
        assert len(found) > 2
        assert "T row 004" in found[0]
        assert all(f"N{i:03d} a note" in "".join(found) for i in range(150))


def test_the_title_of_a_short_table_is_on_the_page_of_its_rows(tmp_path: Path) -> None:
    """Notes that fill a page with the whole table, but not with its title above."""
    for many in range(40, 60, 2):
        model = noted(4, [f"N{i:03d} {'a note ' * 17}" for i in range(many)])
        pdflatex(tmp_path, "t", latex_document(model))
        first = pdf_pages(tmp_path / "t.pdf")[0]
        assert "Of T" in first, many
        assert "T row 000" in first, many


def in_words(rows: int) -> TableModel:
    """A table in which no cell but those of counts stands in a column of LaTeX alone."""
    model = narrow("Care")
    words = "words that take lines, " * 5
    model.columns.append(Column("Done", "", numbers=False))
    model.groups = [RowGroup("", [TableRow(f"Visit {i}", ("–", "12", words, words), 1) for i in range(rows)])]
    return model


def headed(rows: int) -> TableModel:
    """A table of columns of many widths."""
    model = table(rows=rows, columns=9)
    model.columns = [replace(one, label=one.label + "Long heading of it" * i) for i, one in enumerate(model.columns)]
    return model


@pytest.mark.parametrize(
    "model",
    [table(), headed(4), headed(90), in_words(4), in_words(230)],
    ids=["short", "headings", "long", "words", "long-words"],
)
def test_latex_settles_in_one_run(model: TableModel, tmp_path: Path) -> None:
    said = pdflatex(tmp_path, "t", latex_document(model))
    assert "Rerun" not in said
    assert "widths have changed" not in said
    once = pdf_pages(tmp_path / "t.pdf")
    assert "Rerun" not in pdflatex(tmp_path, "t", latex_document(model))
    assert pdf_pages(tmp_path / "t.pdf") == once
