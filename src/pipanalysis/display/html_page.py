"""A table as one HTML page: great-tables for the table, nothing fetched from elsewhere, the same bytes each time."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pipanalysis.display.grid import EMPTY, footnotes, split, unbroken
from pipanalysis.display.paper import text_width
from pipanalysis.display.wording import numbered_title

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel

WIDEST_HEADING = 60
"""letters of a heading within a table that is set on one line"""
CH_PER_EM = 2.1
"""widths in the unit of the digit 0, which is half an em in Times, and a little room"""
STYLE = """
body { font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.35rem; margin: 0.8rem 0; }
.mark { background: #fff3cd; border: 2px solid #b8860b; padding: 0.5rem 0.8rem; font-weight: 700; margin: 0.4rem 0; }
.lead, .notes, .footnotes { font-size: 0.875rem; line-height: 1.45; }
.notes p { margin: 0.35rem 0; }
.footnotes { list-style: none; padding: 0; }
.gt_table { width: auto !important; min-width: 45%; font-size: 0.875rem !important; }
.gt_table td { font-variant-numeric: tabular-nums; }
.gt_group_heading { font-weight: 700 !important; background: #eef2f5 !important; text-align: left; }
.gt_stub { white-space: normal; border-right: none !important; min-width: 11rem; }
.gt_row { padding-top: 4px !important; padding-bottom: 4px !important; vertical-align: top !important; }
td.gt_row { white-space: nowrap; }
td.gt_row.gt_left:not(.gt_stub) { white-space: normal; min-width: 15em; }
.in { display: inline-block; }
.gt_row:has(> .over) { overflow: visible !important; }
.over { display: inline-block; width: 0; white-space: nowrap; }
.h { display: inline-block; text-align: right; }
.t { display: inline-block; text-align: left; white-space: pre; }
""".strip()


def html_page(model: TableModel, table: str) -> str:
    """Return the page of a table, whose rows are HTML already; every text is escaped."""
    title = numbered_title(model)
    parts = [
        "<!doctype html>",
        '<html lang="en-GB">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{STYLE}\n</style>",
        "</head>",
        "<body>",
        *(f'<p class="mark" role="note">{escape(mark)}</p>' for mark in model.marks),
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="lead">{escape(line)}</p>' for line in model.lead),
    ]
    if model.empty:
        parts.append(f'<p class="empty">{EMPTY}</p>')
    else:
        parts.append(table)
    parts += ['<section class="notes" aria-label="Notes">', *(f"<p>{escape(n)}</p>" for n in model.notes), "</section>"]
    if model.footnotes:
        lines = [f"<li>{escape(note)}</li>" for note in footnotes(model)]
        parts += ['<ul class="footnotes" aria-label="Footnotes">', *lines, "</ul>"]
    return "\n".join([*parts, "</body>", "</html>", ""])


def great_table(model: TableModel) -> str:
    """Return the table proper as HTML, with the style that it needs."""
    # Cell by cell, as great-tables sets them, a frame of polars is five times as fast as one of pandas.
    import polars as pl
    from great_tables import GT

    names = [f"c{i}" for i in range(len(model.columns))]
    numbers = [column.numbers for column in model.columns]
    rows = []
    for group in model.groups:
        for row in group.rows:
            cells = row.cells or ("",) * len(names)
            shown = [_cell(cell) if number else escape(cell) for cell, number in zip(cells, numbers, strict=True)]
            label = _indented(row.label, row.depth) if row.cells else _over_the_row(row.label)
            rows.append([group.label, label, *shown])
    frame = pl.DataFrame(rows, schema=dict.fromkeys(["group", "label", *names], pl.String), orient="row")
    grouped = any(group.label for group in model.groups)
    table = GT(
        frame if grouped else frame.drop("group"),
        rowname_col="label",
        groupname_col="group" if grouped else None,
        id=f"table-{model.name}",
    )
    table = table.cols_label(cases={n: unbroken(c.label) for n, c in zip(names, model.columns, strict=True)})
    for spanner in dict.fromkeys(column.spanner for column in model.columns if column.spanner):
        chosen = [n for n, c in zip(names, model.columns, strict=True) if c.spanner == spanner]
        table = table.tab_spanner(spanner, columns=chosen)
    table = table.fmt_passthrough(columns=["label", *names], escape=False)
    table = table.cols_align("center", columns=[n for n, c in zip(names, model.columns, strict=True) if c.numbers])
    return f"<style>\n{_alignment(model)}\n</style>\n{table.as_raw_html()}"


def _over_the_row(label: str) -> str:
    """Return the label of a heading, which goes over the empty cells beside it unless it is longer than most tables."""
    return f'<span class="over">{escape(label)}</span>' if len(label) <= WIDEST_HEADING else escape(label)


def _indented(label: str, depth: int) -> str:
    """Return a row's label, which stands in by its depth with every line that it wraps to."""
    return f'<span class="in" style="padding-left: {depth}em">{escape(label)}</span>' if depth else escape(label)


def _cell(text: str) -> str:
    """Return a cell whose text is split where it is aligned."""
    parts = split(text)
    if parts is None:
        return escape(text)
    return f'<span class="h">{escape(parts[0])}</span><span class="t">{escape(parts[1])}</span>'


def _alignment(model: TableModel) -> str:
    """Return the style that gives the two parts of the cells of a column one width each."""
    rules = []
    for position, column in enumerate(model.columns):
        cells = [row.cells[position] for group in model.groups for row in group.rows if row.cells]
        parts = [part for cell in cells if column.numbers and (part := split(cell))]
        for side, name in enumerate("ht"):
            width = max((text_width(part[side]) for part in parts), default=0.0)
            if width:
                place = f"#table-{model.name} td:nth-child({position + 2}) .{name}"
                rules.append(f"{place} {{ min-width: {CH_PER_EM * width:.1f}ch; }}")
    return "\n".join(rules)
