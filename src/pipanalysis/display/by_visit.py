"""What tables of comparisons have in common: analyses side by side, by domain, outcome and visit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipanalysis.display.table_model import RowGroup, TableModel, TableRow
from pipanalysis.display.wording import analysis, estimand_line, outcome_label

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

    MakeRow = Callable[[Study, ResultsIndex, TableModel, Outcome, str, str, str, str], TableRow | list[TableRow] | None]
    """study, results, model, outcome, visit, analysis, arm, label of the row → row or rows, None where not planned"""


def place_of(outcome: Outcome, visit: str, name: str, contrast: str) -> dict[str, Any]:
    """Return the part of a record that says what its numbers belong to."""
    return {
        "domain": outcome.domain,
        "outcome": outcome.name,
        "label": outcome.label,
        "visit": visit,
        "analysis": name,
        "contrast": contrast,
    }


def fill(study: Study, table: Table, results: ResultsIndex, model: TableModel, make_row: MakeRow) -> list[str]:
    """Fill a table with a row per outcome, visit, analysis and arm compared, with its estimands, and what is absent.

    Returns:
        The analyses that are shown, in the table's order.
    """
    absent = []
    shown: set[str] = set()
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain != domain.name or not (table.outcomes == "all" or outcome.name in table.outcomes):
                continue
            present = [name for name in table.analyses if results.visits(name, outcome.name)]
            if not present:
                absent.append(outcome.label)
                continue
            shown.update(present)
            group.rows += _outcome_rows(study, table, results, model, outcome, present, make_row)
        model.groups.append(group)
    chosen = [analysis(study, name) for name in table.analyses if name in shown]
    used = {a.estimand for a in chosen}
    model.lead = [estimand_line(study.plan, estimand) for estimand in study.plan.estimands if estimand.name in used]
    if absent:
        model.notes.append(f"No effect is estimated here for: {', '.join(absent)}.")
    return [a.name for a in chosen]


def _outcome_rows(
    study: Study,
    table: Table,
    results: ResultsIndex,
    model: TableModel,
    outcome: Outcome,
    present: list[str],
    make_row: MakeRow,
) -> list[TableRow]:
    rows = [TableRow(outcome_label(study, outcome))]
    for visit in study.visits:
        if not (table.visits == "all" or visit in table.visits):
            continue
        for name in present:
            for arm in list(study.arms)[1:]:
                label = study.visits[visit].label
                if len(present) > 1:
                    label += f": {analysis(study, name).label}"
                if len(study.arms) > 2:
                    label += f", {study.arms[arm].label}"
                row = make_row(study, results, model, outcome, visit, name, arm, label)
                if row is not None:
                    rows += [row] if isinstance(row, TableRow) else row
    return rows
