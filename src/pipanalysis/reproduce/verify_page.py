"""A verification as one HTML page: verdict, counts, every difference; every text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipanalysis.reproduce.verify import Verification

SHOWN = 1000
STYLE = """
body { font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
.verdict { border: 2px solid; padding: 0.7rem 0.9rem; font-weight: 700; }
.good { border-color: #1b5e20; background: #e8f5e9; } .bad { border-color: #8b1a1a; background: #fdecea; }
.mark { background: #fff3cd; border: 2px solid #b8860b; padding: 0.5rem 0.8rem; font-weight: 700; }
table { border-collapse: collapse; font-size: 0.875rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #d0d7de; padding: 0.3rem 0.5rem; text-align: left; vertical-align: top; }
td.n { text-align: right; width: 8rem; }
""".strip()
AGREEMENT = {
    "identical": "identical",
    "rounding": "equal to rounding",
    "monte_carlo": "within Monte Carlo error",
}


def verification_page(found: Verification) -> str:
    """Return the page."""
    kind = "good" if found.good else "bad"
    title = "Verification of published results"
    parts = [
        "<!doctype html>",
        '<html lang="en-GB">',
        f'<head><meta charset="utf-8"><title>{title}</title>',
        f"<style>\n{STYLE}\n</style></head>",
        "<body>",
        f"<h1>{title}</h1>",
    ]
    if found.synthetic:
        parts.append('<p class="mark" role="note">SYNTHETIC DATA: made-up people with made-up effects.</p>')
    parts.append(f'<p class="verdict {kind}" role="status">{escape(found.verdict)}</p>')
    if found.compared:
        rows = [(AGREEMENT[name], found.numbers[name]) for name in AGREEMENT]
        parts += ["<h2>Numbers compared</h2>", *_counts(rows)]
    parts += ["<h2>Published results against themselves: found right</h2>", *_counts(sorted(found.checks.items()))]
    if found.findings:
        parts.append(f"<h2>Differences and contradictions ({len(found.findings)})</h2>")
        parts.append("<table><thead><tr><th>Kind</th><th>Where</th><th>Published</th><th>Here</th></tr></thead><tbody>")
        for finding in found.findings[:SHOWN]:
            cells = (finding.kind, finding.where, finding.published, finding.here)
            parts.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        parts.append("</tbody></table>")
        if len(found.findings) > SHOWN:
            parts.append(f"<p>{len(found.findings) - SHOWN} more are not shown.</p>")
    if found.told:
        parts += ["<h2>What else differs</h2>", "<ul>", *(f"<li>{escape(line)}</li>" for line in found.told), "</ul>"]
    return "\n".join([*parts, "</body>", "</html>", ""])


def _counts(rows: list[tuple[str, int]]) -> list[str]:
    body = [f'<tr><td>{escape(name)}</td><td class="n">{n}</td></tr>' for name, n in rows]
    return ["<table><tbody>", *body, "</tbody></table>"]
