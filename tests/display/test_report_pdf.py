"""Pages of the PDF report: what belongs together stands on one page."""

from __future__ import annotations

import re
from pathlib import Path

from display.models import table
from display.test_report import pages
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.report_model import Block, Paragraph, Rendered, Report, Section
from pipanalysis.display.report_pdf import report_pdf
from pipanalysis.display.table_model import RowGroup, TableRow

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="7in" height="%din"><rect width="9" height="9"/></svg>'


def found(blocks: list[Block], pictures: dict[str, bytes], tmp_path: Path) -> list[str]:
    """Return the text of each page of a report of one section."""
    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(Report("R", "", ["MARK"], [Section("s", "S", blocks)], Rendered(pictures))))
    return list(pages(path))[1:]  # without the list of contents


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
