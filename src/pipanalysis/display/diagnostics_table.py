"""How every fit ended: status, what was fitted in the end, size, and what the reader must know."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_labels import method_label
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis_label, marks, set_label

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

STATISTICS = ("n_units", "n_observations", "variance_residual", "icc", "aic")
STATUSES = {
    "ok": "As planned",
    "boundary": "A variance at zero",
    "reduced": "Simpler than planned",
    "failed": "Failed",
}
COUNTED = {
    "ok": "as planned",
    "boundary": "with a variance at zero",
    "reduced": "simpler than planned",
    "failed": "failed",
}
"""how a fit ended → the same after a number of fits"""


def diagnostics_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the fits of the table's analyses: a group an analysis, a row a fit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.columns = [
        Column("Ended", numbers=False),
        Column("Fitted", numbers=False),
        Column(f"{study.config.study.unit.capitalize()}s"),
        Column("Observations"),
        Column("Residual variance"),
        Column("ICC"),
        Column("AIC"),
    ]
    ended: dict[str, int] = {}
    for name in table.analyses:
        chosen = next(analysis for analysis in study.plan.analyses if analysis.name == name)
        group = RowGroup(f"{analysis_label(study, name)}, {chosen.role} ({set_label(study, chosen.analysis_set)})")
        for outcome in study.plan.outcomes:
            if not (table.outcomes == "all" or outcome.name in table.outcomes):
                continue
            for fit in _in_time(study, results.rows(name, outcome.name, "fit_status")):
                status = str(fit["stat_label"])
                ended[status] = ended.get(status, 0) + 1
                group.rows.append(_row(study, results, model, name, outcome.name, outcome.label, fit))
        if group.rows:
            model.groups.append(group)
    if ended:
        said = ", ".join(f"{ended[status]} {COUNTED[status]}" for status in STATUSES if status in ended)
        model.notes.append(f"Fits: {said}. ICC: intraclass correlation. AIC: Akaike's information criterion.")
    model.notes += table.footnotes
    return model


def _in_time(study: Study, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = {visit: i for i, visit in enumerate(study.visits)}
    return sorted(rows, key=lambda row: (order.get(row["visit"], -1), row["context"]))


def _row(
    study: Study,
    results: ResultsIndex,
    model: TableModel,
    name: str,
    outcome: str,
    label: str,
    fit: dict[str, Any],
) -> TableRow:
    at = {"visit": str(fit["visit"]), "context": str(fit["context"])}
    s = results.stats(name, outcome, STATISTICS, **at)
    digits = study.displays.digits
    shown = [rounding.count(s["n_units"]), rounding.count(s["n_observations"])]
    for stat, places in (("variance_residual", digits.estimate), ("icc", digits.effect_size), ("aic", digits.mean)):
        shown.append(rounding.fixed(s[stat], places) if isfinite(s[stat]) else "")
    text = label + (f", {study.visits[at['visit']].label}" if at["visit"] in study.visits else "")
    notes = noted(str(fit["error"]), str(fit["warning"]))
    own = {"analysis": name, "outcome": outcome, "label": label, "visit": at["visit"], "method": fit["method"]}
    ended = {"fit_status": fit["stat_label"], "warning": fit["warning"], "error": fit["error"]}
    model.records.append(own | s | ended)
    cells = (STATUSES[str(fit["stat_label"])], method_label(str(fit["method"])), *shown)
    return TableRow(text, cells, notes=notes)
