"""A table as one HTML page: great-tables for the table, nothing fetched from elsewhere, the same bytes each time."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_tables import GT

    from pipanalysis.display.table_model import TableModel

INDENT = "\u2003"
STYLE = """
body { font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.35rem; margin: 0.8rem 0; }
.mark { background: #fff3cd; border: 2px solid #b8860b; padding: 0.5rem 0.8rem; font-weight: 700; margin: 0.4rem 0; }
.lead, .notes, .footnotes { font-size: 0.875rem; line-height: 1.45; }
.notes p { margin: 0.35rem 0; }
.footnotes { list-style: none; padding: 0; }
.gt_table { width: 100% !important; font-size: 0.875rem !important; font-variant-numeric: tabular-nums; }
.gt_group_heading { font-weight: 700 !important; background: #eef2f5 !important; text-align: left; }
.gt_stub { white-space: normal; border-right: none !important; min-width: 11rem; }
td.gt_row { white-space: nowrap; }
td.gt_left { white-space: normal; }
""".strip()


def html_page(model: TableModel) -> str:
    """Return the page of a table; every text is escaped."""
    title = f"Table {model.number}. {model.title}"
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
        parts.append('<p class="empty">No results: none of the planned analyses has a result for this table.</p>')
    else:
        parts.append(_great_table(model).as_raw_html())
    parts += ['<section class="notes" aria-label="Notes">', *(f"<p>{escape(n)}</p>" for n in model.notes), "</section>"]
    if model.footnotes.texts:
        lines = [f"<li>[{model.footnotes.letter(text)}] {escape(text)}</li>" for text in list(model.footnotes.texts)]
        parts += ['<ul class="footnotes" aria-label="Footnotes">', *lines, "</ul>"]
    return "\n".join([*parts, "</body>", "</html>", ""])


def _great_table(model: TableModel) -> GT:
    import pandas as pd
    from great_tables import GT

    names = [f"c{i}" for i in range(len(model.columns))]
    rows = [
        [group.label, INDENT * row.depth + row.label, *(row.cells or ("",) * len(names))]
        for group in model.groups
        for row in group.rows
    ]
    frame = pd.DataFrame(rows, columns=["group", "label", *names])
    grouped = any(group.label for group in model.groups)
    table = GT(
        frame if grouped else frame.drop(columns="group"),
        rowname_col="label",
        groupname_col="group" if grouped else None,
        id=f"table-{model.name}",
    )
    table = table.cols_label(cases={n: c.label for n, c in zip(names, model.columns, strict=True)})
    for spanner in dict.fromkeys(column.spanner for column in model.columns if column.spanner):
        chosen = [n for n, c in zip(names, model.columns, strict=True) if c.spanner == spanner]
        table = table.tab_spanner(spanner, columns=chosen)
    numbers = [n for n, c in zip(names, model.columns, strict=True) if c.numbers]
    return table.cols_align("right", columns=numbers)
