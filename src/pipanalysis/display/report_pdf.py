"""The report as PDF, set by Typst with the fonts that it brings; the same bytes each time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import singledispatch
from itertools import product, takewhile
from pathlib import Path

from pipanalysis.display.figure_model import EMPTY_FIGURE, FigureModel
from pipanalysis.display.grid import EMPTY, Line, footnotes, lines, spanners, split, unbroken
from pipanalysis.display.paper import HEAD, INDENT, PADDING, SIDE, TEXT_HEIGHT, Paper, on_paper, text_height
from pipanalysis.display.report_model import Grid, Items, Link, Paragraph, Report, Subheading, anchor, heading
from pipanalysis.display.table_model import TableModel
from pipanalysis.display.wording import mark_line

TALLEST = 20
"""height of a figure on a page at most, in centimetres; its title and notes stand on the same page"""
LEAST = 7
"""room for the beginning of a table on a page, in centimetres: with less, it begins on the next page"""
KEPT = 3
"""last rows of a table that stay with its notes on one page, at most, if they are whole"""
MOST_KEPT = 10
"""the same if they are the parts of one row"""
SMALL = (8.5, 7.5)
"""sizes of the notes' letters in points: the second where notes would else not go on a page with rows above them"""
GAP = "\u2003"
"""between footnotes"""
PREAMBLE = """
#set document(date: none)
#set text(font: "Libertinus Serif", size: 10pt, lang: "en", region: "GB", hyphenate: false)
#set par(justify: false)
#set table(stroke: none, inset: (x: 0pt, y: 2.6pt))
#show heading.where(level: 1): set text(14pt)
#show heading.where(level: 2): set text(11pt)
#show heading: set block(above: 1.4em, below: 0.7em)
#show link: set text(fill: rgb("#004b87"))
#show outline: set text(9pt)
#show outline: set par(leading: 0.5em, spacing: 0.5em)
""".strip()


def report_pdf(report: Report) -> bytes:
    """Return the report as PDF."""
    import typst

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for figure, picture in report.rendered.pictures.items():
            (folder / f"{figure}.svg").write_bytes(picture)
        source = folder / "report.typ"
        source.write_text(typst_source(report), encoding="utf-8")
        content = typst.compile(str(source), root=str(folder), ignore_system_fonts=True)
    if not isinstance(content, bytes):
        raise TypeError("Typst gave no single PDF")
    return content


def typst_source(report: Report) -> str:
    """Return the report in Typst's language; every text is a string of it, so that nothing in it is markup."""
    said = typst_text(mark_line(report.marks))
    parts = [
        PREAMBLE,
        f"#set document(title: {typst_string(report.title)})",
        '#set page(paper: "a4", margin: 2cm, numbering: "1 / 1", '
        f'header: align(center, text(8pt, weight: "bold", fill: rgb("#6b4a00"))[{said}]))',
        f'#text(18pt, weight: "bold")[{typst_text(report.title)}]',
        f"\n{typst_text(report.subtitle)}\n" if report.subtitle else "",
        "#outline(depth: 2)",
    ]
    for i, section in enumerate(report.sections):
        # Displays begin on a page of their own; sections of words follow one another.
        if not i or any(isinstance(block, TableModel | FigureModel) for block in section.blocks):
            parts.append("#pagebreak(weak: true)")
        parts.append(f"#heading(level: 1)[{typst_text(section.title)}] <{section.name}>")
        parts += [as_typst(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def typst_string(text: str) -> str:
    """Return a text as a string of Typst."""
    escaped = "".join(_character(character) for character in text)
    return f'"{escaped}"'


def _character(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    return " " if character < " " else character


def typst_text(text: str) -> str:
    """Return a text as it stands within content of Typst."""
    return f"#{typst_string(text)}"


@singledispatch
def as_typst(block: object) -> str:
    """Return a block of the report in Typst's language."""
    raise TypeError(block)


@as_typst.register
def _(block: Paragraph) -> str:
    lead = f"#strong[{typst_text(block.lead)}] " if block.lead else ""
    return lead + typst_text(block.text)


@as_typst.register
def _(block: Items) -> str:
    return f"#list({', '.join(f'[{as_typst(item)}]' for item in block.items)})"


@as_typst.register
def _(block: Subheading) -> str:
    return f"#heading(level: 2, outlined: false)[{typst_text(block.text)}]"


@as_typst.register
def _(block: Grid) -> str:
    header = ", ".join(f"[*{typst_text(text)}*]" for text in block.header)
    rows = "\n".join(", ".join(f"[{_words(cell)}]" for cell in row) + "," for row in block.rows)
    columns = ", ".join(["auto"] * len(block.header))
    return (
        f"#text(9pt)[#table(columns: ({columns}), column-gutter: 12pt, inset: (x: 0pt, y: 1.8pt), "
        f"table.hline(), table.header({header}), "
        f"table.hline(stroke: 0.5pt),\n{rows}\ntable.hline())]"
    )


def _words(cell: str | tuple[Link, ...]) -> str:
    if isinstance(cell, str):
        return typst_text(cell)
    return ", ".join(f"#link(<{link.target}>)[{typst_text(link.text)}]" for link in cell)


@as_typst.register
def _(block: FigureModel) -> str:
    parts = [_titled(block)]
    if block.empty:
        return "\n\n".join([*parts, EMPTY_FIGURE])
    width, height = block.size
    size = f"height: {TALLEST}cm" if height * 2.54 > TALLEST else f"width: calc.min(17cm, {width:.2f}in)"
    alternative = typst_string(block.alternative)
    parts.append(f'#image("{block.name}.svg", {size}, fit: "contain", alt: {alternative})')
    content = "\n\n".join([*parts, _small(block.notes)])
    return f"#block(breakable: false)[{content}]"


def _small(texts: Sequence[str], last: str = "", size: float = SMALL[0]) -> str:
    """Return the lines beside a table or figure, in small letters close together; `last` is in Typst's language."""
    content = "\n\n".join([*(typst_text(text) for text in texts), last])
    return f"#[#set text({size:g}pt)\n#set par(spacing: 0.7em)\n{content}]"


def _titled(block: TableModel | FigureModel) -> str:
    return f"#heading(level: 2)[{typst_text(heading(block))}] <{anchor(block)}>"


@as_typst.register
def _(block: TableModel) -> str:
    paper = on_paper(block)
    parts = [_titled(block), _small(block.lead)]
    if block.empty:
        parts += [EMPTY, _below(block)]
    else:
        rows, size = _kept(block, paper)
        parts.append(f"#text({paper.size:g}pt)[{_table(block, paper, rows, size)}]")
        parts += [] if rows else [_below(block)]
    content = "\n\n".join(parts)
    if paper.landscape:
        return f"#page(flipped: true)[\n{content}\n]"
    room = f"#block(height: {LEAST}cm, breakable: false, above: 0pt, below: 0pt)[]\n#v(-{LEAST}cm)"
    return f"{room}\n{content}"


def _below(block: TableModel, size: float = SMALL[0]) -> str:
    """Return the notes below a table; its footnotes follow one another, since a line to each would take whole pages."""
    marked = [note.partition(" ") for note in footnotes(block)]
    run_in = GAP.join(f"*{typst_text(letter)}*\u00a0{typst_text(text)}" for letter, _, text in marked)
    return _small(block.notes, run_in, size)


def _table(model: TableModel, paper: Paper, kept: int, size: float) -> str:
    """Return a table; where rows are kept with the notes, the notes are its last row, in letters of a size in points.

    Each column of ours is two columns of Typst, which meet at the decimal point. A column of no width stands first: a
    cell of it goes over the rows that are kept and the notes, and it does not break.
    """
    widths = ["0cm", f"{paper.stub:.2f}cm"]
    for placed in paper.columns:
        point = placed.width / 2 if placed.point is None else placed.point
        widths += [f"{point:.2f}cm", f"{placed.width - point:.2f}cm"]
    every = len(widths)
    head = ["table.hline()"]
    over = spanners(model)
    if over:
        cells = ["[], []"]
        start = 2
        for label, covered in over:
            stroke = ", stroke: (bottom: 0.5pt)" if label else ""
            inside = f"*{typst_text(label)}*" if label else ""
            cells.append(f"table.cell(colspan: {2 * covered}, align: center + bottom{stroke})[{inside}]")
            start += 2 * covered
        head.append(", ".join(cells))
    cells = ["[], []"]
    for column in model.columns:
        place, side = ("center", SIDE) if column.numbers else ("left", 0.0)
        inside = f"*{typst_text(unbroken(column.label))}*"
        cells.append(f"table.cell(colspan: 2, align: {place} + bottom, inset: (x: {side:g}cm))[{inside}]")
    head += [", ".join(cells), "table.hline(stroke: 0.5pt)"]
    found = lines(model)
    first = len(found) - kept
    body = []
    for i, line in enumerate(found):
        bound = f"table.cell(rowspan: {kept + 1}, breakable: false)[], " if i == first else "[], "
        # Headings go over all columns; below the first row that is kept, its bound stands in the first column.
        body.append(("" if line.kind != "row" or i > first else bound) + _line(line, model, paper, every))
    body.append("table.hline(),")
    if kept:
        inside = f"#block(width: {paper.room}cm)[{_below(model, size)}]"
        body.append(f"table.cell(colspan: {every - 1}, align: left, inset: (top: 9pt))[{inside}]")
    return f"#table(columns: ({', '.join(widths)}), table.header({', '.join(head)}),\n" + "\n".join(body) + ")"


def _kept(model: TableModel, paper: Paper) -> tuple[int, float]:
    """Return how many of the last rows stay on a page with the notes, and the size of the notes' letters in points.

    None do where there are no notes, or more than go on a page with them. They stand below one heading, and the first
    of them is not the part of a row before it, where there is room for that.
    """
    said = [*model.notes, GAP.join(footnotes(model))]
    rows = list(takewhile(lambda line: line.kind == "row", reversed(lines(model))))
    if not any(said) or not rows:
        return 0, SMALL[0]
    whole = [i + 1 for i, row in enumerate(rows) if row.depth == min(row.depth for row in rows)]
    most = max((count for count in whole if count <= KEPT), default=min(whole[0], MOST_KEPT))
    heights = [text_height([row.label], paper.size, paper.stub - PADDING - INDENT * row.depth) for row in rows]
    for count, size in product(sorted({most, min(most, KEPT)}, reverse=True), SMALL):
        if HEAD + sum(heights[:count]) + text_height(said, size, paper.room) <= TEXT_HEIGHT[paper.landscape]:
            return count, size
    return 0, SMALL[0]


def _line(line: Line, model: TableModel, paper: Paper, every: int) -> str:
    label = typst_text(line.label)
    if line.depth:
        label = f"#pad(left: {INDENT * line.depth:.1f}cm)[{label}]"
    if line.kind != "row":
        # A header, so that no heading stands alone at the foot of a page, and that it stands again where its rows go on
        # on the next one; a deeper one ends where a higher one begins.
        level, label = (2, f"*{label}*") if line.kind == "group" else (3 + line.depth, label)
        return f"table.header(level: {level}, table.cell(colspan: {every}, align: left)[{label}]),"
    cells = [f"table.cell(align: left, inset: (right: {PADDING / 2:g}cm))[{label}]"]
    for text, column, placed in zip(line.cells, model.columns, paper.columns, strict=True):
        parts = split(text) if placed.point is not None else None
        if parts:
            cells.append(f"table.cell(align: right)[{typst_text(parts[0])}]")
            cells.append(f"table.cell(align: left)[{typst_text(parts[1])}]")
        else:
            place = "center" if column.numbers else "left"
            cells.append(f"table.cell(colspan: 2, align: {place})[{typst_text(text) if text else ''}]")
    return ", ".join(cells) + ","
