"""One model, the same cells in every format."""

import io
import re
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from docx import Document
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st

from display.documents import office_pages, pandoc_rows, pdf_pages, pdf_places, pdflatex
from display.models import HARD, table
from pipanalysis.display.docx_document import docx_document
from pipanalysis.display.formats import DOCUMENTS
from pipanalysis.display.grid import EMPTY, WHOLE, Line, lines, notes, spanners, split, stay, unbroken
from pipanalysis.display.latex_document import HAIR, latex_document, latex_text
from pipanalysis.display.paper import (
    CM_PER_POINT,
    LANDSCAPE,
    PADDING,
    PORTRAIT,
    SIDE,
    WIDEST_TEXT,
    on_paper,
    sheet,
    text_width,
)
from pipanalysis.display.rtf_document import rtf_document
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow

CM = 72 / 2.54


def word_rows(content: bytes) -> list[list[str]]:
    """Return the text of each row of a document's one table."""
    tables = Document(io.BytesIO(content)).tables
    assert len(tables) == 1
    return [["".join(t.text or "" for t in tc.iter(qn("w:t"))) for tc in row._tr.tc_lst] for row in tables[0].rows]


def rtf_read(text: str) -> str:
    """Return what an RTF reader shows for text without control words other than \\u, which a substitute follows."""
    symbols = {"~": "\u00a0", "_": "\u2011"}
    units = re.sub(
        r"\\u(-?\d+) .|\\([\\{}~_])", lambda m: symbols.get(m[2], m[2]) if m[2] else chr(int(m[1]) % 65536), text
    )
    return units.encode("utf-16", "surrogatepass").decode("utf-16")


def rtf_rows(source: str) -> list[list[str]]:
    """Return the text of each table row of an RTF document, without the cell beside one that is shorter than others."""
    rows = []
    for row in source.split("\\trowd")[1:]:
        cells = re.findall(r"\\fs\d+\{\\f0(?:\\b)? (.*?)\}\\cell\n", row.split("\\row")[0], re.DOTALL)
        if "\\clhidemark" in row:
            assert cells.pop() == ""
        rows.append([rtf_read(cell) for cell in cells])
    return rows


def expected_body(model) -> list[list[str]]:  # type: ignore[no-untyped-def]
    return [[line.label, *line.cells] for line in lines(model)]


@pytest.mark.parametrize("label", ["Symptoms", HARD])
def test_word_and_rtf_hold_the_cells_of_the_model(label: str) -> None:
    model = table(label=label)
    for rows in (word_rows(docx_document(model)), rtf_rows(rtf_document(model))):
        assert rows[0] == ["SYNTHETIC DATA"]
        assert rows[1] == ["", "Arm one", ""]
        assert rows[2] == ["", *(f"Column {i} (95%\u00a0CI)" for i in range(3))]
        assert rows[3:-2] == expected_body(model)
        assert rows[-2:] == [[f"Note: {label}."], [f"[a] footnote {label}"]]


def test_word_and_rtf_are_read_alike_by_a_program_that_is_no_word_processor(tmp_path: Path) -> None:
    """By pandoc, whose reader of RTF takes two characters for the substitute of one that no space stands before."""
    model = table(label=HARD.removesuffix(" \U0001d538"))  # of RTF it reads no letter beyond 16 bits
    expected = [[cell for cell in row if cell] for row in word_rows(docx_document(model))]
    assert any("\u22123.11 (\u22126.66" in cell for row in expected for cell in row)
    for name, content in (("t.docx", docx_document(model)), ("t.rtf", rtf_document(model).encode("ascii"))):
        found = pandoc_rows(tmp_path, name, content)
        assert [[cell for cell in row if cell] for row in found] == expected


def test_word_repeats_the_header_and_names_the_table() -> None:
    content = docx_document(table())
    document = Document(io.BytesIO(content))
    headers = [
        row._tr.trPr is not None and row._tr.trPr.find(qn("w:tblHeader")) is not None for row in document.tables[0].rows
    ]
    assert headers[:3] == [True] * 3
    assert not any(headers[3:])
    assert document.paragraphs[0].text == "Table 1. Of Symptoms"
    assert document.paragraphs[0].style.name == "Caption"
    assert "SYNTHETIC DATA" in document.sections[0].footer.paragraphs[0].text


def test_rtf_repeats_the_header_and_is_ascii() -> None:
    source = rtf_document(table(label=HARD))
    source.encode("ascii")
    # RTF 1.9.1, "Table Definitions": \\trhdr among the row's properties, before its cells, from the first row on.
    headers = ["\\trhdr" in row.partition("\\cl")[0] for row in source.split("\\trowd")[1:]]
    assert headers[:3] == [True] * 3
    assert not any(headers[3:])
    assert source.count("\\trhdr") == 3
    assert source.count("{") - source.count("\\{") == source.count("}") - source.count("\\}")


@given(st.text(st.characters(codec="utf-8")))
@settings(max_examples=25)
def test_any_text_makes_a_word_document(text: str) -> None:
    assert word_rows(docx_document(table(label=text)))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "50% of {a_b} & #1 ~ ^ \\ $",
            r"50\% of \{a\_b\} \& \#1 \textasciitilde{} \textasciicircum{} \textbackslash{} \$",
        ),
        ("−3 – <0.001", r"\ensuremath{-}3 \textendash{} \textless{}0.001"),
        ("αΩς", r"\ensuremath{\alpha}\ensuremath{\Omega}\ensuremath{\varsigma}"),
        ("ΆΒο λ", r"ABo \ensuremath{\lambda}"),
        ("é Č ß", "é Č ß"),
        ("e\u0301 ș € …", "é ș € …"),
        ("א 𝔸", "{[}U+05D0{]} {[}U+1D538{]}"),
        ("10⁻⁸²", r"10\textsuperscript{\ensuremath{-}}\textsuperscript{8}\textsuperscript{2}"),
    ],
)
def test_latex_text(text: str, written: str) -> None:
    assert latex_text(text) == written


def test_latex_has_a_line_per_row_and_repeats_its_head() -> None:
    model = table()
    source = latex_document(model)
    head, body = source.split("\\endhead")
    assert "SYNTHETIC DATA" in head.split("\\begin{longtable}")[1]
    rows = [line for line in body.split("\\end{longtable}")[0].splitlines() if line.endswith(("\\\\", "\\\\*"))]
    assert len(rows) == len(lines(model)) + len(notes(model))
    first = next(row for row in rows if "Symptoms A0" in row)
    assert "\\ensuremath{-}3 & .11" in first
    for row in rows:
        taken = sum(int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", row))
        parts = len(re.findall(r"(?<!\\)&", row)) + 1
        assert parts - row.count("\\multicolumn") + taken == 1 + 2 * len(model.columns)


@pytest.mark.parametrize("form", list(DOCUMENTS))
@pytest.mark.parametrize("marks", [(), ("SYNTHETIC DATA", "MASKED ALLOCATION")])
def test_marks_stand_in_every_format(form: str, marks: tuple[str, ...]) -> None:
    content = DOCUMENTS[form](table(marks=marks))
    if form == "docx":
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            content = parts.read("word/document.xml") + b"".join(
                parts.read(name) for name in parts.namelist() if "footer" in name
            )
    for mark in ("SYNTHETIC DATA", "MASKED ALLOCATION"):
        # in the table itself and, where there are pages, on each of them
        assert content.decode().count(mark) == (0 if mark not in marks else 1 if form == "html" else 2)


@pytest.mark.parametrize("form", list(DOCUMENTS))
def test_the_same_model_gives_the_same_bytes(form: str) -> None:
    assert DOCUMENTS[form](table()) == DOCUMENTS[form](table())


@pytest.mark.parametrize("form", list(DOCUMENTS))
def test_no_results_take_one_line(form: str) -> None:
    content = DOCUMENTS[form](table(empty=True))
    if form == "docx":
        assert EMPTY in [p.text for p in Document(io.BytesIO(content)).paragraphs]
        assert not Document(io.BytesIO(content)).tables
    else:
        assert EMPTY in content.decode()


@pytest.mark.parametrize("columns", [1, 4, 9, 14])
@pytest.mark.parametrize("label", ["Short", HARD, "Parenting stress: a very long label of a subscale " * 4])
def test_a_table_is_never_wider_than_its_page(columns: int, label: str) -> None:
    model = table(columns=columns, label=label)
    paper = on_paper(model)
    assert paper.width <= (LANDSCAPE if paper.landscape else PORTRAIT) + 1e-9
    assert paper.landscape == (columns > 4)
    for row in sheet(model, paper):
        width = sum(cell.width for cell in row.cells)
        assert width == pytest.approx(paper.room if row.note and paper.room > paper.width + SIDE else paper.width)
        assert row.covered == columns + 1 + (width > paper.width + SIDE)
        assert all(0 < cell.point < cell.width for cell in row.cells if cell.point is not None)


def narrow(word: str) -> TableModel:
    """A table of two columns of counts under a heading each, one of them much wider than the counts."""
    model = table(columns=0)
    model.columns = [Column("n", "Usual care"), Column("n", word), Column("Said", "", numbers=False)]
    model.groups = [RowGroup("", [TableRow("Visit", ("12", "9", "three words here, " * 30), 1)])]
    return model


def test_headings_over_narrow_columns_keep_their_words_whole() -> None:
    word = "Psychotherapeutically"
    paper = on_paper(narrow(word))
    assert paper.columns[1].width > text_width(word) * paper.size * CM_PER_POINT
    point = paper.columns[1].point
    assert point is not None
    assert point < paper.columns[1].width - 0.1  # the number stays below the middle of its heading
    assert abs(point - paper.columns[1].width / 2) < 0.5


def test_words_take_several_lines_where_a_table_would_be_wider_than_its_page() -> None:
    paper = on_paper(narrow("Care"))
    assert all(placed.point is not None for placed in paper.columns[:2])  # the numbers keep their alignment
    assert paper.columns[2].width == pytest.approx(WIDEST_TEXT + PADDING)
    assert not paper.landscape


def test_latex_wraps_labels_and_words_within_their_columns() -> None:
    model = narrow("Care")
    row = next(line for line in latex_document(model).splitlines() if "three words here" in line)
    assert row.startswith("\\leftskip=0.3cm\\relax Visit & 12 &  & 9 & ")
    width = round(on_paper(model).columns[2].width, 2) - SIDE - HAIR
    assert f"\\multicolumn{{2}}{{p{{{width:.3f}cm}}@{{\\hspace{{{SIDE:.2f}cm}}}}}}{{\\raggedright" in row


def test_decimal_points_of_a_column_stand_at_one_place() -> None:
    model = table(rows=7)
    places: dict[int, set[float]] = {}
    for row in sheet(model, on_paper(model)):
        for i, cell in enumerate(row.cells):
            if cell.point is not None:
                places.setdefault(i, set()).add(cell.point)
    assert set(places) == {1, 2, 3}
    assert all(len(found) == 1 for found in places.values())


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("−3.11 (−6.66 to 0.45)", ("−3", ".11 (−6.66 to 0.45)")),
        ("<0.001", ("<0", ".001")),
        ("1,234 (5%)", ("1,234", " (5%)")),
        ("5/38 (13%)", ("5", "/38 (13%)")),
        ("–", None),
        ("", None),
        ("not estimated", None),
    ],
)
def test_where_a_cell_is_aligned(cell: str, parts: tuple[str, str] | None) -> None:
    assert split(cell) == parts


def test_spanners_cover_all_columns() -> None:
    model = table(columns=5)
    assert spanners(model) == [("Arm one", 2), ("", 3)]


def test_html_gives_both_parts_of_a_number_the_width_of_the_widest() -> None:
    page = DOCUMENTS["html"](table()).decode()
    assert '<span class="h">−3</span><span class="t">.11 (−6.66 to 0.45)</span>' in page
    assert "#table-shown td:nth-child(2) .h { min-width:" in page


def test_libreoffice_opens_the_documents(tmp_path: Path) -> None:
    """Where it is installed: every page has the mark, and every row is there, in order."""
    model = table(rows=60)
    model.columns.append(Column("n", "Psychotherapeutically"))
    for group in model.groups:
        group.rows = [replace(row, cells=(*row.cells, "9")) if row.cells else row for row in group.rows]
    for document, pages in office_pages(
        tmp_path, {f"t.{name}": DOCUMENTS[name](model) for name in ("docx", "rtf")}
    ).items():
        name, text = document.removeprefix("t."), "\f".join(pages)
        assert len(pages) > 1
        for page in pages[:-1]:
            # LibreOffice 7 repeats the header rows of Word documents; \\trhdr of RTF it neither reads nor writes.
            assert page.count("SYNTHETIC DATA") == (2 if name == "docx" or page == pages[0] else 1)
            assert ("Column 2" in page) == (name == "docx" or page == pages[0])
            assert page.count("Psychotherapeutically") == page.count("Column 2")  # no heading is broken within a word
        places = [text.index(f"Symptoms {line.label.split()[-1]} ") for line in lines(model) if line.kind == "row"]
        assert all(before < after for before, after in pairwise(places))


def test_pdflatex_sets_letters_of_any_script_as_their_code_points(tmp_path: Path) -> None:
    label = "מדד — العربية 中 𝔸 e\u0301 o\u0308 Łódź ș €"
    pdflatex(tmp_path, "any", latex_document(table(label=label)))  # stops at a letter that it does not know
    said = " ".join(pdf_pages(tmp_path / "any.pdf"))
    for shown in ("[U+05DE]", "[U+0639]", "[U+4E2D]", "[U+1D538]"):
        assert shown in said


def test_pdflatex_sets_the_document_within_its_page(tmp_path: Path) -> None:
    """Where it is installed: no error, and nothing wider than the page, the marks included."""
    hard = HARD.replace("𝔸", "").replace("‒", "–") + " √(2(1 − r)) ≈ 3 × 10⁻¹¹; "
    for name, model in (("two", table(columns=2, label=hard, marks=(hard * 4,))), ("wrapped", narrow("Care"))):
        assert "Overfull" not in pdflatex(tmp_path, name, latex_document(model))
        places = pdf_places(tmp_path / f"{name}.pdf")
        (height,) = {float(n) for n in re.findall(r'<page width="[\d.]+" height="([\d.]+)"', places)}
        lowest = max(float(n) for n in re.findall(r'yMax="([\d.]+)"', places))
        assert lowest < height - CM / 2


def of_many_rows() -> TableModel:
    """A table of blocks of every length from 1 to 23 rows under headings, some pages of them."""
    model = table(columns=2, rows=0)
    for i in range(60):
        rows = [TableRow(f"R{i:02d}.{j:02d}", ("1", "2"), 1) for j in range(1 + i * 7 % 23)]
        model.groups.append(
            RowGroup(f"Group G{i // 4:02d}" if i % 4 == 0 else "", [TableRow(f"Block H{i:02d}"), *rows])
        )
    return model


def test_rows_that_stay_together() -> None:
    """No heading ends a page, short blocks are whole, and of long ones two rows or more stand on either side."""
    model = of_many_rows()
    body = lines(model)
    may_end = [i for i, kept in enumerate(stay(body)) if not kept]
    assert all(body[i].kind == "row" for i in may_end)
    for i in range(60):
        rows = [n for n, line in enumerate(body) if line.label.startswith(f"R{i:02d}")]
        ends = [n for n in may_end if n in rows]
        assert ends == (rows[1:-2] if len(rows) > WHOLE else []) + rows[-1:]
    divided = [Line("row", "Site", 0, ("1",)), *(Line("row", f"Part {i}", 1, ("1",)) for i in range(3))] * 4
    assert [i for i, kept in enumerate(stay(divided)) if not kept] == [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 15]


def test_word_and_rtf_keep_the_rows_that_stay_together_with_the_next() -> None:
    model = of_many_rows()
    model.notes, model.footnotes = [], []
    expected = [True] * 3 + stay(lines(model))
    rows = re.findall(r"<w:tr>.*?</w:tr>", word_xml(docx_document(model)))
    assert [row.count("<w:keepNext/>") == row.count("<w:p>") for row in rows] == expected
    assert [row.count("<w:keepNext/>") == 0 for row in rows] == [not kept for kept in expected]
    found = rtf_document(model).split("\\trowd")[1:]
    assert [row.split("\\row")[0].count("\\keepn") > 0 for row in found] == expected


def test_latex_pages_begin_with_the_headings_that_their_rows_are_under(tmp_path: Path) -> None:
    model = of_many_rows()
    model.notes = ["A note that goes on, " * 20] * 40  # longer than a page
    pdflatex(tmp_path, "t", latex_document(model))
    pages = pdf_pages(tmp_path / "t.pdf")
    above = {}
    group = heading = ""
    for line in lines(model):
        group = line.label if line.kind == "group" else group
        heading = line.label if line.kind == "heading" else heading
        above[line.label] = {"group": "", "heading": group, "row": f"{group}: {heading}"}[line.kind]
    told = []
    for page in pages:
        said = re.match(r" *(.*) \(continued\)\n", page)
        found = re.findall(r"Group G\d\d|Block H\d\d|R\d\d\.\d\d", page.removeprefix(said[0] if said else ""))
        told.append(above[found[0]] if found else "")
        assert (said[1] if said else "") == told[-1]
        assert not found or found[-1].startswith("R")
    assert len([text for text in told if ": " in text]) > 3
    assert told[0] == ""
    assert told[-1] == ""


@pytest.mark.parametrize(
    ("heading", "parts"),
    [
        ("Difference (95% CI)", ["Difference", "(95% CI)"]),
        ("Routine care (N = 38)", ["Routine", "care", "(N = 38)"]),
        ("Improved, n (%)", ["Improved,", "n (%)"]),
        ("n (missing)", ["n", "(missing)"]),
        ("n (%; 95% CI)", ["n", "(%;", "95% CI)"]),
        ("AIC (P against the planned one)", ["AIC", "(P", "against", "the", "planned", "one)"]),
        ("Mean (SD) or n (%)", ["Mean", "(SD)", "or", "n (%)"]),
    ],
)
def test_no_line_of_a_heading_ends_within_short_brackets(heading: str, parts: list[str]) -> None:
    found = unbroken(heading)
    assert [part.replace("\u00a0", " ") for part in found.split(" ")] == parts
    model = TableModel("t", "1", "T", [], [], [Column(heading)], [RowGroup("", [TableRow("one", ("1",))])])
    assert sheet(model, on_paper(model))[0].cells[1].text == found
    assert latex_text(found) in latex_document(model)
    assert found in DOCUMENTS["html"](model).decode()


def test_a_row_whose_label_takes_several_lines_begins_at_its_top() -> None:
    """In every format alike; headings end at the rule below them."""
    model = table()
    for row in re.findall(r"<w:tr>.*?</w:tr>", word_xml(docx_document(model))):
        place = "bottom" if "w:tblHeader" in row else "top"
        assert set(re.findall(r'w:vAlign w:val="(\w+)"', row)) == {place}
    for definition in re.findall(r"\\trowd.*?\\pard", rtf_document(model), re.DOTALL):
        place = "b" if "trhdr" in definition else "t"
        assert set(re.findall(r"\\clvertal(\w)", definition)) == {place}


def word_xml(content: bytes) -> str:
    """Return the body of a Word document as XML."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("word/document.xml").decode()
