"""Reliable and clinically significant change from baseline by arm and visit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import marks, outcome_label

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

KINDS = {
    "improved": "Improved",
    "unchanged": "Unchanged",
    "deteriorated": "Deteriorated",
    "recovered": "Recovered",
    "clinical_at_baseline": "In clinical range at baseline",
}


def change_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out reliable change: a heading an outcome, under it a row a visit and arm."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    model.columns = [Column("n"), *(Column(f"{label}, n (%)") for label in KINDS.values())]
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain == domain.name and (table.outcomes == "all" or outcome.name in table.outcomes):
                for name in table.analyses:
                    group.rows += _outcome(study, table, results, model, name, outcome)
        if group.rows:
            model.groups.append(group)
    unit = study.config.study.unit
    model.notes += [
        f"n: {unit}s with a value at baseline and at the visit. Improved, deteriorated: by more than the smallest "
        "reliable change, z × SD × √(2(1 − reliability)), with the standard deviation at baseline of all arms "
        "together. Recovered: improved, and from the clinical range to outside it. No test is made.",
        *table.footnotes,
    ]
    return model


def _outcome(
    study: Study, table: Table, results: ResultsIndex, model: TableModel, name: str, outcome: Outcome
) -> list[TableRow]:
    shown = [v for v in study.visits if v in results.visits(name, outcome.name)]
    shown = [visit for visit in shown if table.visits == "all" or visit in table.visits]
    if not shown:
        return []
    note = _basis(study, results, name, outcome)
    rows = [TableRow(outcome_label(study, outcome), notes=noted(note))]
    for visit in shown:
        for arm in study.arms.values():
            n = results.stat(name, outcome.name, "n", visit=visit, arm=arm.name)
            record = {"analysis": name, "outcome": outcome.name, "visit": visit, "arm": arm.name, "n": n}
            cells = [rounding.count(n)]
            for kind in KINDS:
                where = {"visit": visit, "arm": arm.name, "context": f"change={kind}"}
                count, percent = results.stats(name, outcome.name, ("n_level", "percent"), **where).values()
                known = results.row(name, outcome.name, "n_level", **where) is not None
                cells.append(rounding.with_percent(count, percent, study.displays.digits.percent) if known else "")
                record |= {f"n_{kind}": count, f"percent_{kind}": percent}
            model.records.append(record)
            rows.append(TableRow(f"{study.visits[visit].label}: {arm.label}", tuple(cells), 1))
    return rows


def _basis(study: Study, results: ResultsIndex, name: str, outcome: Outcome) -> str:
    """Return what the change of an outcome is judged by: reliability, smallest reliable change, clinical range."""
    score, digits = study.scores[outcome.score], study.displays.digits
    least = results.row(name, outcome.name, "reliable_change")
    reliability = results.stat(name, outcome.name, "reliability")
    said = [f"Reliability {rounding.fixed(reliability, digits.effect_size)}"]
    if score.reliability:
        assumed = "; assumed" if score.reliability.status == "assumed" else ""
        said[0] += f" ({score.reliability.kind}{assumed})"
    said.append(f"smallest reliable change {rounding.fixed(least['stat'] if least else float('nan'), digits.estimate)}")
    if score.clinical and score.clinical.at_least is not None:
        said.append(f"clinical range: {score.clinical.at_least:g} or more{_in_brackets(score.clinical.status)}")
    elif score.clinical:
        said.append(f"clinical range: {score.clinical.at_most:g} or less{_in_brackets(score.clinical.status)}")
    else:
        said.append("no clinical range is given, so no recovery")
    if least and least["error"]:
        said.append(str(least["error"]))
    return "; ".join(said)


def _in_brackets(status: str | None) -> str:
    return " (assumed)" if status == "assumed" else ""
