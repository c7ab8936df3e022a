"""How complete the outcomes are: by instrument, outcome, visit and arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow
from pipanalysis.display.wording import marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome


def completeness_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the units with a value: a group an instrument, a row an outcome, columns by visit and arm."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    visits = [visit for visit in study.visits if table.visits == "all" or visit in table.visits]
    model.columns = [Column(arm.label, study.visits[visit].label) for visit in visits for arm in study.arms.values()]
    for instrument in study.instruments.values():
        group = RowGroup(instrument.label)
        for outcome in study.plan.outcomes:
            chosen = table.outcomes == "all" or outcome.name in table.outcomes
            if chosen and outcome.score.partition(".")[0] == instrument.name:
                for name in table.analyses:
                    group.rows += _rows(study, results, model, name, outcome, visits)
        if group.rows:
            model.groups.append(group)
    model.notes += [
        f"{study.config.study.unit.capitalize()}s with a value, n (percentage of the analysis set in the arm). "
        "Blank: not assessed at the visit.",
        *table.footnotes,
    ]
    return model


def _rows(
    study: Study, results: ResultsIndex, model: TableModel, name: str, outcome: Outcome, visits: list[str]
) -> list[TableRow]:
    cells = []
    for visit in visits:
        for arm in study.arms:
            at = {"visit": visit, "arm": arm}
            s = results.stats(name, outcome.name, ("n", "n_missing", "percent_observed"), **at)
            if results.row(name, outcome.name, "n", **at) is None:
                cells.append("")
                continue
            cells.append(rounding.with_percent(s["n"], s["percent_observed"], study.displays.digits.percent))
            model.records.append({"analysis": name, "outcome": outcome.name, "label": outcome.label, **at, **s})
    return [TableRow(outcome.label, tuple(cells))] if any(cells) else []
