"""The report as one HTML file that holds everything: it works offline, on a narrow screen and in print."""

from __future__ import annotations

import base64
from functools import singledispatch
from html import escape

from pipanalysis.display.figure_files import figure_frame
from pipanalysis.display.figure_model import EMPTY_FIGURE, FigureModel
from pipanalysis.display.grid import EMPTY, footnotes
from pipanalysis.display.paper import on_paper
from pipanalysis.display.report_model import (
    Grid,
    Items,
    Link,
    Paragraph,
    Rendered,
    Report,
    Section,
    Subheading,
    anchor,
    heading,
)
from pipanalysis.display.table_model import TableModel
from pipanalysis.display.wording import mark_line

SCALES = ((30, 0.9), (60, 1.4))
"""narrowest and widest picture: at most so many rem, and at most so many times its size"""
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font-family: system-ui, sans-serif; line-height: 1.5; color: #1a1a1a; background: #fff; margin: 0; }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 90rem; margin: 0 auto; }
.mark { background: #fff3cd; border-bottom: 2px solid #b8860b; padding: 0.4rem 1rem; font-weight: 700; margin: 0;
  max-width: none; position: sticky; top: 0; z-index: 2; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: #fff; padding: 0.5rem; z-index: 3; }
nav { padding: 1rem; font-size: 0.85rem; position: sticky; top: 2.5rem; align-self: start;
  max-height: calc(100vh - 3rem); overflow-y: auto; }
nav ul { list-style: none; padding-left: 0.8rem; margin: 0.2rem 0; }
nav > ul { padding-left: 0; }
nav li { margin: 0.25rem 0; }
a { color: #004b87; }
main { padding: 1rem 1.5rem; min-width: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.3rem; border-bottom: 1px solid #ccc; margin-top: 2.5rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.4rem; }
h2, h3 { scroll-margin-top: 4rem; }
p { max-width: 46rem; margin: 0.5rem 0; }
main > ul, main section > ul { box-sizing: border-box; max-width: 46rem; margin: 0.5rem 0; padding-left: 1.2rem; }
.lead, .notes { font-size: 0.85rem; }
.scroll { overflow-x: auto; margin: 0.6rem 0; }
.scroll > div { overflow: visible !important; }
.scroll img { width: 100%; height: auto; display: block; }
table.plain { border-collapse: collapse; font-size: 0.85rem; }
table.plain th, table.plain td { border-bottom: 1px solid #ccc !important; padding: 0.25rem 0.8rem 0.25rem 0;
  text-align: left; vertical-align: top; }
details { font-size: 0.85rem; margin: 0.4rem 0; }
.gt_table { font-size: 0.85rem !important; margin-left: 0 !important; }
.gt_table td { font-variant-numeric: tabular-nums; }
.gt_group_heading { font-weight: 700 !important; background: #eef2f5 !important; text-align: left; }
.gt_stub { white-space: normal; border-right: none !important; min-width: 9rem; }
.gt_row { padding-top: 4px !important; padding-bottom: 4px !important; vertical-align: top !important; }
td.gt_row { white-space: nowrap; }
.in { display: inline-block; }
.gt_row:has(> .over) { overflow: visible !important; }
.over { display: inline-block; width: 0; white-space: nowrap; }
.h { display: inline-block; text-align: right; }
.t { display: inline-block; text-align: left; white-space: pre; }
@media (max-width: 60rem) {
  .page { display: block; }
  nav { position: static; max-height: 45vh; border-bottom: 1px solid #ccc; }
  main { padding: 0.8rem; }
  .mark { font-size: 0.8rem; }
}
@media print {
  nav, .skip, details { display: none; }
  .page { display: block; }
  .mark { position: static; }
  .scroll { overflow: visible; }
  .scroll img { min-width: 0 !important; max-height: 23cm; object-fit: contain; object-position: left; }
  html { font-size: 9pt; }
  .gt_table, table.plain { font-size: 7pt !important; }
  .gt_row { padding-top: 1px !important; padding-bottom: 1px !important; }
  .gt_stub { min-width: 0; }
  .wide { page: wide; }
  .gt_row, .gt_col_heading { padding-left: 2px !important; padding-right: 2px !important; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
""".strip()


def report_html(report: Report) -> str:
    """Return the report as one HTML page; every text is escaped, nothing is fetched from elsewhere."""
    said = mark_line(report.marks)
    running = said.replace("\\", "").replace('"', "'").replace("<", "").replace("\n", " ")
    every = f'@top-center {{ content: "{running}"; font: bold 8pt sans-serif; }}'
    printed = f"@page {{ size: A4; margin: 1.8cm 1.5cm; {every} }}\n@page wide {{ size: A4 landscape; }}"
    parts = [
        "<!doctype html>",
        '<html lang="en-GB">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(report.title)}</title>",
        f"<style>\n{STYLE}\n{printed}\n</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#main">To the report</a>',
        f'<header class="mark">{escape(said)}</header>' if said else "",
        '<div class="page">',
        _navigation(report),
        '<main id="main" tabindex="-1">',
        f"<h1>{escape(report.title)}</h1>",
        f"<p>{escape(report.subtitle)}</p>" if report.subtitle else "",
    ]
    for section in report.sections:
        parts += [
            f'<section aria-labelledby="{section.name}">',
            f'<h2 id="{section.name}">{escape(section.title)}</h2>',
        ]
        parts += [as_html(block, report.rendered) for block in section.blocks]
        parts.append("</section>")
    return "\n".join([part for part in parts if part] + ["</main>", "</div>", "</body>", "</html>", ""])


def _navigation(report: Report) -> str:
    items = [
        f'<li><a href="#{section.name}">{escape(section.title)}</a>{_listed(section)}</li>'
        for section in report.sections
    ]
    return f'<nav aria-label="Contents"><ul>{"".join(items)}</ul></nav>'


def _listed(section: Section) -> str:
    displays = [block for block in section.blocks if isinstance(block, TableModel | FigureModel)]
    links = "".join(f'<li><a href="#{anchor(block)}">{escape(heading(block))}</a></li>' for block in displays)
    return f"<ul>{links}</ul>" if links else ""


@singledispatch
def as_html(block: object, rendered: Rendered) -> str:
    """Return a block of the report as HTML; `rendered` holds its figures and tables."""
    raise TypeError(block)


@as_html.register
def _(block: Paragraph, rendered: Rendered) -> str:
    return f"<p>{_running(block)}</p>"


def _running(block: Paragraph) -> str:
    lead = f"<strong>{escape(block.lead)}</strong> " if block.lead else ""
    return lead + escape(block.text)


@as_html.register
def _(block: Items, rendered: Rendered) -> str:
    return f"<ul>{''.join(f'<li>{_running(item)}</li>' for item in block.items)}</ul>"


@as_html.register
def _(block: Subheading, rendered: Rendered) -> str:
    return f"<h3>{escape(block.text)}</h3>"


@as_html.register
def _(block: Grid, rendered: Rendered) -> str:
    header = "".join(f'<th scope="col">{escape(text)}</th>' for text in block.header)
    rows = "".join("<tr>" + "".join(f"<td>{_words(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
    table = f'<table class="plain"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>'
    return _scrolled(table, block.label)


def _words(cell: str | tuple[Link, ...]) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return ", ".join(f'<a href="#{link.target}">{escape(link.text)}</a>' for link in cell)


def _scrolled(content: str, label: str) -> str:
    """Return content that can be scrolled sideways, by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{content}</div>'


@as_html.register
def _(block: TableModel, rendered: Rendered) -> str:
    wide = not block.empty and on_paper(block).landscape
    parts = [f'<div class="{"wide" if wide else "upright"}">']
    parts.append(f'<h3 id="{anchor(block)}">{escape(heading(block))}</h3>')
    parts += [f'<p class="lead">{escape(line)}</p>' for line in block.lead]
    parts.append(f"<p>{EMPTY}</p>" if block.empty else _scrolled(rendered.tables[block.name], heading(block)))
    parts += [f'<p class="notes">{escape(line)}</p>' for line in block.notes]
    parts += [f'<p class="notes">{escape(note)}</p>' for note in footnotes(block)]
    parts.append("</div>")
    return "\n".join(parts)


@as_html.register
def _(block: FigureModel, rendered: Rendered) -> str:
    title = f'<h3 id="{anchor(block)}">{escape(heading(block))}</h3>'
    if block.empty:
        return f"{title}\n<p>{EMPTY_FIGURE}</p>"
    picture = base64.b64encode(rendered.pictures[block.name]).decode()
    # All figures at one scale, so that the letters of a small one are not larger.
    least, most = (f"min({rem}rem, {scale * block.size[0]:.2f}in)" for rem, scale in SCALES)
    image = (
        f'<img src="data:image/svg+xml;base64,{picture}" alt="{escape(block.alternative)}" '
        f'style="min-width: {least}; max-width: {most}">'
    )
    notes = "".join(f'<p class="notes">{escape(line)}</p>' for line in block.notes)
    numbers = figure_frame(block).drop(columns="mark", errors="ignore")
    table = numbers.to_html(index=False, border=0, classes="plain", na_rep="", float_format=repr)
    details = f"<details><summary>Numbers of figure {escape(block.number)}</summary>"
    details += _scrolled(table, f"Numbers of figure {block.number}") + "</details>"
    return f"{title}\n{_scrolled(image, heading(block))}\n{notes}\n{details}"
