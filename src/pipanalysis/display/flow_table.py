"""The flow of participants in numbers: from screening to the analysis sets, by arm."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import marks, set_label
from pipanalysis.estimate.flow import EVERYONE

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

BEFORE = {
    "screened": "Screened",
    "excluded": "Excluded",
    "not_eligible": "Not eligible",
    "not_consented": "Eligible, did not consent",
    "consented": "Consented",
    "randomised": "Randomised",
}
AT_VISIT = {
    "assessed": ("Assessed", 1),
    "not_assessed": ("Not assessed", 1),
    "withdrawn": ("Withdrawn by then", 2),
    "missed": ("Not withdrawn, assessment missed", 2),
}


def flow_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the units at each stage of the trial: all together before randomisation, by arm after it."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    model.columns = [Column("All"), *(Column(arm.label) for arm in study.arms.values())]
    for name in table.analyses:
        rows = Counts(study, results, model, name)
        before = RowGroup("Before allocation")
        for stage, label in BEFORE.items():
            before.rows += rows.of(stage, label, 1 if stage.startswith("not_") else 0)
        after = RowGroup("Allocation")
        after.rows += rows.of("allocated", "Allocated", 0)
        after.rows += rows.of("treated", "Attended at least one session", 1)
        after.rows += rows.of("not_treated", "Attended no session", 1)
        model.groups += [before, after]
        for visit in study.visits.values():
            group = RowGroup(visit.label)
            for stage, (label, depth) in AT_VISIT.items():
                group.rows += rows.of(stage, label, depth - 1, visit.name)
            model.groups.append(group)
        analysed = RowGroup("Analysis sets")
        for chosen in study.plan.analysis_sets:
            analysed.rows += rows.of(f"in_set; set={chosen.name}", set_label(study, chosen.name), 0)
            analysed.rows += rows.of(f"not_in_set; set={chosen.name}", "Not in it", 1)
        model.groups.append(analysed)
    model.groups = [group for group in model.groups if group.rows]
    model.notes += [
        f"Numbers of {study.config.study.unit}s. Withdrawn by then: withdrawn on or before the day that the "
        "visit was due.",
        *table.footnotes,
    ]
    return model


class Counts:
    """Rows of a flow table, as they are found in the results."""

    def __init__(self, study: Study, results: ResultsIndex, model: TableModel, analysis: str) -> None:
        self._study, self._results, self._model, self._analysis = study, results, model, analysis
        self._contexts = results.contexts(analysis, EVERYONE)

    def of(self, stage: str, label: str, depth: int, visit: str = "") -> list[TableRow]:
        """Return the row of a stage and a row for each reason; none where there are no counts of it."""
        rows = [self._row(f"stage={stage}", label, depth, visit)]
        start = f"stage={stage}; reason="
        reasons = [context for context in self._contexts if context.startswith(start)]
        rows += [self._row(context, context.removeprefix(start), depth + 1, visit) for context in reasons]
        return [row for row in rows if row is not None]

    def _row(self, context: str, label: str, depth: int, visit: str) -> TableRow | None:
        cells, found = [], False
        said: list[str] = []
        for arm in ("", *self._study.arms):
            where = {"visit": visit, "arm": arm, "context": context}
            row = self._results.row(self._analysis, EVERYONE, "n_stage", **where)
            value = nan if row is None else float(row["stat"])
            found |= row is not None
            cells.append("" if row is None else rounding.count(value) if isfinite(value) else rounding.ABSENT)
            if row is not None:
                own = {"analysis": self._analysis, "visit": visit, "stage": context.removeprefix("stage=")}
                self._model.records.append(own | {"label": label, "arm": arm or "all", "n": value})
                said += noted(str(row["warning"]))
        return TableRow(label, tuple(cells), depth, tuple(dict.fromkeys(said))) if found else None
