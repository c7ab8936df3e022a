"""The report as PDF, set by Typst with the fonts that it brings; the same bytes each time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path

from pipanalysis.display.figure_model import EMPTY_FIGURE, FigureModel
from pipanalysis.display.grid import EMPTY, Line, lines, notes, spanners, split
from pipanalysis.display.paper import INDENT, Paper, on_paper
from pipanalysis.display.report_model import Grid, Link, Paragraph, Report, Subheading, anchor, heading
from pipanalysis.display.table_model import TableModel
from pipanalysis.display.wording import mark_line

TALLEST = 20
"""height of a figure on a page at most, in centimetres; its title and notes stand on the same page"""
LEAST = 7
"""room for the beginning of a table on a page, in centimetres: with less, it begins on the next page"""
PREAMBLE = """
#set document(date: none)
#set text(font: "Libertinus Serif", size: 10pt, lang: "en", region: "GB", hyphenate: false)
#set par(justify: false)
#set table(stroke: none, inset: (x: 0pt, y: 2.6pt))
#show heading.where(level: 1): set text(14pt)
#show heading.where(level: 2): set text(11pt)
#show heading: set block(above: 1.4em, below: 0.7em)
#show link: set text(fill: rgb("#004b87"))
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
    for section in report.sections:
        parts.append(f"#pagebreak(weak: true)\n#heading(level: 1)[{typst_text(section.title)}] <{section.name}>")
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
    return typst_text(block.text)


@as_typst.register
def _(block: Subheading) -> str:
    return f"#heading(level: 2, outlined: false)[{typst_text(block.text)}]"


@as_typst.register
def _(block: Grid) -> str:
    header = ", ".join(f"[*{typst_text(text)}*]" for text in block.header)
    rows = "\n".join(", ".join(f"[{_words(cell)}]" for cell in row) + "," for row in block.rows)
    columns = ", ".join(["auto"] * len(block.header))
    return (
        f"#text(9pt)[#table(columns: ({columns}), column-gutter: 12pt, table.hline(), table.header({header}), "
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


def _small(texts: Sequence[str]) -> str:
    """Return the lines beside a table or figure, in small letters close together."""
    content = "\n\n".join(typst_text(text) for text in texts)
    return f"#[#set text(8.5pt)\n#set par(spacing: 0.7em)\n{content}]"


def _titled(block: TableModel | FigureModel) -> str:
    return f"#heading(level: 2)[{typst_text(heading(block))}] <{anchor(block)}>"


@as_typst.register
def _(block: TableModel) -> str:
    paper = on_paper(block)
    parts = [_titled(block), _small(block.lead)]
    if block.empty:
        parts.append(EMPTY)
    else:
        parts.append(f"#text({paper.size:g}pt)[{_table(block, paper)}]")
    content = "\n\n".join([*parts, _small(notes(block))])
    if paper.landscape:
        return f"#page(flipped: true)[\n{content}\n]"
    room = f"#block(height: {LEAST}cm, breakable: false, above: 0pt, below: 0pt)[]\n#v(-{LEAST}cm)"
    return f"{room}\n{content}"


def _table(model: TableModel, paper: Paper) -> str:
    # Each column of ours is two of Typst, which meet at the decimal point.
    widths = [f"{paper.stub:.2f}cm"]
    for placed in paper.columns:
        point = placed.width / 2 if placed.point is None else placed.point
        widths += [f"{point:.2f}cm", f"{placed.width - point:.2f}cm"]
    every = len(widths)
    head = ["table.hline()"]
    over = spanners(model)
    if over:
        cells = ["[]"]
        start = 1
        for label, covered in over:
            stroke = ", stroke: (bottom: 0.5pt)" if label else ""
            inside = f"*{typst_text(label)}*" if label else ""
            cells.append(f"table.cell(colspan: {2 * covered}, align: center + bottom{stroke})[{inside}]")
            start += 2 * covered
        head.append(", ".join(cells))
    cells = ["[]"]
    for column in model.columns:
        place = "center" if column.numbers else "left"
        cells.append(f"table.cell(colspan: 2, align: {place} + bottom)[*{typst_text(column.label)}*]")
    head += [", ".join(cells), "table.hline(stroke: 0.5pt)"]
    body = "\n".join(_line(line, model, paper, every) for line in lines(model))
    return f"#table(columns: ({', '.join(widths)}), table.header({', '.join(head)}),\n{body}\ntable.hline())"


def _line(line: Line, model: TableModel, paper: Paper, every: int) -> str:
    label = typst_text(line.label)
    if line.depth:
        label = f"#pad(left: {INDENT * line.depth:.1f}cm)[{label}]"
    if line.kind != "row":
        # A header, so that no heading stands alone at the foot of a page; a deeper one ends where a higher one begins.
        level, label = (2, f"*{label}*") if line.kind == "group" else (3 + line.depth, label)
        return f"table.header(level: {level}, repeat: false, table.cell(colspan: {every}, align: left)[{label}]),"
    cells = [f"table.cell(align: left)[{label}]"]
    for text, column, placed in zip(line.cells, model.columns, paper.columns, strict=True):
        parts = split(text) if placed.point is not None else None
        if parts:
            cells.append(f"table.cell(align: right)[{typst_text(parts[0])}]")
            cells.append(f"table.cell(align: left)[{typst_text(parts[1])}]")
        else:
            place = "center" if column.numbers else "left"
            cells.append(f"table.cell(colspan: 2, align: {place})[{typst_text(text) if text else ''}]")
    return ", ".join(cells) + ","
