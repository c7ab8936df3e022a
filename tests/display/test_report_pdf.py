"""Pages of the PDF report: what belongs together stands on one page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from display.documents import pdf_pages
from display.models import table
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.report_model import Block, Paragraph, Rendered, Report, Section
from pipanalysis.display.report_pdf import report_pdf
from pipanalysis.display.table_model import RowGroup, TableRow

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="7in" height="%din"><rect width="9" height="9"/></svg>'


def found(blocks: list[Block], pictures: dict[str, bytes], tmp_path: Path) -> list[str]:
    """Return the text of each page of a report of one section."""
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(Report("R", "", ["MARK"], [Section("s", "S", blocks)], Rendered(pictures))))
    return pdf_pages(path)[1:]  # without the list of contents


def test_no_table_begins_at_the_foot_of_a_page(tmp_path: Path) -> None:
    """Paragraphs of another length before each, so that they begin at every height of a page."""
    blocks: list[Block] = []
    for i in range(30):
        model = table(rows=8, columns=2, label=f"T{i:02d}")
        blocks += [Paragraph("words " * 16 * (1 + i * 7 % 30)), model]
    shown = found(blocks, {}, tmp_path)
    assert len(shown) > 10
    for i in range(30):
        first = next(page for page in shown if f"Of T{i:02d}" in page)
        assert all(f"T{i:02d} A{row}" in first for row in range(3)), i


def test_notes_stand_below_their_figure_on_one_page(tmp_path: Path) -> None:
    blocks: list[Block] = []
    heights = [2 + i * 5 % 9 for i in range(12)]
    for i, height in enumerate(heights):
        note = f"Note of F{i:02d}, " + "which goes on for some lines, " * 12 + f"end of F{i:02d}."
        blocks.append(
            FigureModel(f"f{i}", str(i), f"Picture F{i:02d}", [], notes=[note], size=(7.0, height), draw=lambda _: None)
        )
    shown = found(blocks, {f"f{i}": PICTURE % height for i, height in enumerate(heights)}, tmp_path)
    for i in range(len(heights)):
        page = next(page for page in shown if f"Picture F{i:02d}" in page)
        assert re.search(rf"Note of F{i:02d}.*end of F{i:02d}\.", page, re.DOTALL), i


def test_no_heading_of_a_table_stands_alone_at_the_foot_of_a_page(tmp_path: Path) -> None:
    model = table(columns=2, rows=0)
    for i in range(120):
        rows = [TableRow(f"Row R{i:03d} {j}", ("1", "2"), 1) for j in range(1 + i * 3 % 5)]
        model.groups.append(RowGroup(f"Group G{i:03d}", [TableRow(f"Heading H{i:03d}"), *rows]))
    shown = found([model], {}, tmp_path)
    assert len(shown) > 5
    for i in range(120):
        page = next(page for page in shown if f"Group G{i:03d}" in page)
        assert f"Heading H{i:03d}" in page
        assert f"Row R{i:03d} 0" in page


@pytest.mark.parametrize("columns", [2, 9], ids=["upright", "turned"])
def test_no_page_holds_only_notes(columns: int, tmp_path: Path) -> None:
    """Tables of every length about that of a page, with notes below them: at least a row stands on the notes' page."""
    blocks: list[Block] = []
    for i in range(24):
        model = table(rows=5 + i, columns=columns, label=f"T{i:02d}")
        model.notes += ["A note that goes on, " * 12] * 3 + [f"end of T{i:02d}."]
        blocks.append(model)
    shown = found(blocks, {}, tmp_path)
    for i in range(24):
        page = next(page for page in shown if f"end of T{i:02d}." in page)
        assert f"footnote T{i:02d}" in page, i
        assert f"T{i:02d} B{4 + i}" in page, i
        assert f"T{i:02d} B{2 + i}" in page, i


@pytest.mark.parametrize(
    ("columns", "lines"), [(2, range(44, 62, 2)), (9, range(22, 40, 2))], ids=["upright", "turned"]
)
def test_notes_of_nearly_a_page_stand_below_rows_and_none_is_cut(columns: int, lines: range, tmp_path: Path) -> None:
    """Each note is about a line; notes that need the room are set smaller, and what is longer goes on overleaf."""
    per_line = "a note " * (17 if columns == 2 else 26)
    for many in lines:
        model = table(rows=12, columns=columns, label="T")
        model.notes = [f"N{i:02d} {per_line}" for i in range(many)]
        shown = found([model], {}, tmp_path)
        assert all(f"N{i:02d} a note" in "".join(shown) for i in range(many)), many
        last = shown[-1]
        assert "T B11" in last or many > lines[0] * 1.25, many
    assert "T B11" not in last


def test_the_parts_of_a_row_stay_with_it_above_the_notes(tmp_path: Path) -> None:
    blocks: list[Block] = []
    for i in range(24):
        model = table(rows=0, columns=2, label=f"T{i:02d}")
        model.groups[0].rows = [TableRow(f"T{i:02d} row {j}", ("1", "2")) for j in range(35 + i)]
        model.groups[0].rows += [TableRow(f"T{i:02d} whole", ("1", "2"))]
        model.groups[0].rows += [TableRow(f"T{i:02d} part {j}", ("1", "2"), 1) for j in range(4)]
        model.notes = [f"end of T{i:02d}."]
        blocks.append(model)
    shown = found(blocks, {}, tmp_path)
    for i in range(24):
        page = next(page for page in shown if f"end of T{i:02d}." in page)
        assert f"T{i:02d} whole" in page, i


def test_notes_longer_than_a_page_are_all_there(tmp_path: Path) -> None:
    model = table(rows=3, columns=2)
    model.notes = [f"Note N{i:03d}, " + "which goes on, " * 20 for i in range(60)]
    shown = "".join(found([model], {}, tmp_path))
    assert all(f"Note N{i:03d}" in shown for i in range(60))


def test_rows_that_go_on_stand_below_their_headings_again(tmp_path: Path) -> None:
    model = table(rows=0, columns=2)
    for i in range(6):
        rows = [TableRow(f"Row R{i}{j:02d}", ("1", "2"), 1) for j in range(40)]
        model.groups.append(RowGroup(f"Group G{i}", [TableRow(f"Heading H{i}"), *rows]))
    shown = found([model], {}, tmp_path)
    assert len(shown) > 3
    for page in shown:
        for i in sorted(set(re.findall(r"Row R(\d)", page))):
            assert f"Group G{i}" in page
            assert f"Heading H{i}" in page


def test_sections_of_words_follow_one_another_and_displays_begin_a_page(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    words = [Section(f"s{i}", f"Words {i}", [Paragraph(f"said {i}")]) for i in range(3)]
    sections = [*words, Section("t", "Tables", [table()])]
    path.write_bytes(report_pdf(Report("R", "", ["MARK"], sections, Rendered({}))))
    contents, first, second = pdf_pages(path)
    assert "Tables" in contents
    assert all(f"said {i}" in first for i in range(3))
    assert "Of Symptoms" in second
