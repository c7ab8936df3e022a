"""Tables made for tests: every kind of row and cell, and text that formats may trip over."""

from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow

HARD = 'Angst ‒ ärztlich; Größe µ, α ≤ β², Čapek & Ólafur\'s "Ω" 100% #1_x {y} \\n ~^ <b>|</b> 𝔸'
"""accents, Greek, signs, a letter beyond 16 bits, and the special characters of HTML, XML, RTF and LaTeX"""


def table(
    *,
    rows: int = 3,
    columns: int = 3,
    label: str = "Symptoms",
    marks: tuple[str, ...] = ("SYNTHETIC DATA",),
    empty: bool = False,
) -> TableModel:
    """Return a table of two groups, with a heading and rows of numbers of every form."""
    model = TableModel("shown", "1", f"Of {label}", list(marks), [f"Lead: {label}"], [])
    model.columns = [Column(f"Column {i} (95% CI)", "Arm one" if i < 2 else "") for i in range(columns)]
    forms = ("−3.11 (−6.66 to 0.45)", "12.5 (1.0)", "<0.001", "45 (3)", "–", "not estimated", "")
    for group in ("Group A", "Group B"):
        body = [TableRow(f"{label} heading")] if rows else []
        body += [
            TableRow(f"{label} {group[-1]}{i}", tuple(forms[(i + j) % len(forms)] for j in range(columns)), 1)
            for i in range(rows)
        ]
        model.groups.append(RowGroup(group, [] if empty else body))
    model.notes = [f"Note: {label}."]
    model.footnotes = [f"footnote {label}"]
    model.records = [{"analysis": "one", "estimate": 1.5}]
    return model
