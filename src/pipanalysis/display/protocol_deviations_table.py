"""Deviations from the protocol and everything excluded, with counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import marks, set_label
from pipanalysis.estimate.flow import EVERYONE
from pipanalysis.intake.rules import RULES
from pipanalysis.study.terms import at_visit, mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

AT_VISIT = {
    "out_of_window": "Assessed out of the visit's window",
    "undated": "Assessed, whether in the window not known",
    "withdrawn": "Not assessed: withdrawn by then",
    "not_done": "Not assessed: missed",
}
SET_ASIDE = {
    "duplicate-row": "repeats another row",
    "no-unit": "without an identifier",
    "unknown-unit": "of nobody who was randomised",
    "unknown-visit": "of no planned visit",
}


def protocol_deviations_table(
    study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]
) -> TableModel:
    """Lay out deviations by arm and visit, then units left out of each analysis set, rows set aside, data queries."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    model.columns = [Column("All"), *(Column(arm.label) for arm in study.arms.values())]
    events = [event for event in study.plan.intercurrent_events if event.when]
    kinds = {f"deviation={kind}": label for kind, label in AT_VISIT.items()}
    kinds |= {f"event={event.name}": f"After: {mid_sentence(event.label)}" for event in events}
    for name in table.analyses:
        for visit in study.visits.values():
            group = RowGroup(visit.label)
            for context, label in kinds.items():
                counts = {
                    arm: results.row(name, EVERYONE, "n_affected", visit=visit.name, arm=arm, context=context)
                    for arm in study.arms
                }
                if any(counts.values()):
                    values = [float(row["stat"]) if row else float("nan") for row in counts.values()]
                    unread = dict.fromkeys(str(row["warning"]) for row in counts.values() if row)
                    cells = ("", *map(rounding.count, values))
                    group.rows.append(TableRow(label, cells, notes=noted(*unread)))
                    for arm, value in zip(counts, values, strict=True):
                        _record(model, name, f"{visit.label}: {label}", "n_affected", value, arm)
            model.groups.append(group)
        model.groups += _everyone(study, results, model, name)
    model.groups = [group for group in model.groups if group.rows]
    model.notes += [
        f"Deviations and what is left out of sets: numbers of {study.config.study.unit}s. Each step of an analysis set "
        "counts those that all steps before it kept. Rows set aside: of the files that everyone may read.",
        *(["After an intercurrent event: whether or not assessed."] if events else []),
        *table.footnotes,
    ]
    return model


def _everyone(study: Study, results: ResultsIndex, model: TableModel, name: str) -> list[RowGroup]:
    """Return the counts that are not by arm: by analysis set, by file, by rule."""
    groups = []
    contexts = sorted(results.contexts(name, EVERYONE))
    for chosen in study.plan.analysis_sets:
        group = RowGroup(f"Left out of: {set_label(study, chosen.name)}")
        start = f"excluded={chosen.name}; step="
        for context in contexts:
            if context.startswith(start):
                condition = context.removeprefix(start).partition("; ")[2]
                group.rows += _one(results, model, name, context, "n_affected", f"Not met: {_spelt(study, condition)}")
        groups.append(group)
    files = RowGroup("Rows of the raw files")
    for context in contexts:
        if context.startswith("file="):
            file, _, what = context.removeprefix("file=").partition("; ")
            if what == "read":
                files.rows += _one(results, model, name, context, "n_rows", f"{file}: read")
                start = f"file={file}; set aside="
                for aside in (one for one in contexts if one.startswith(start)):
                    why = aside.removeprefix(start)
                    label = f"set aside, {SET_ASIDE.get(why, why)}"
                    files.rows += _one(results, model, name, aside, "n_rows", label, 1)
    queries = RowGroup("Data queries by rule")
    for context in contexts:
        if context.startswith("rule="):
            rule = context.removeprefix("rule=")
            label = rule
            if rule in RULES:
                meaning = re.sub(r"\bunit\b", study.config.study.unit, RULES[rule].meaning)
                label = f"{meaning} ({rule})"
            queries.rows += _one(results, model, name, context, "n_queries", label[0].upper() + label[1:])
    return [*groups, files, queries]


def _spelt(study: Study, condition: str) -> str:
    """Return a condition with the labels of the visits and outcomes that it names."""
    labels = {f"at {visit.name}": at_visit(visit.label) for visit in study.visits.values()}
    labels |= {outcome.name: outcome.label for outcome in study.plan.outcomes}
    return re.sub(r"\bat \w+|\w+", lambda words: labels.get(words[0], words[0]), condition)


def _one(
    results: ResultsIndex, model: TableModel, name: str, context: str, stat: str, label: str, depth: int = 0
) -> list[TableRow]:
    value = results.stat(name, EVERYONE, stat, context=context)
    _record(model, name, label, stat, value, "all", context)
    return [TableRow(label, (rounding.count(value), *("" for _ in model.columns[1:])), depth)]


def _record(model: TableModel, name: str, label: str, stat: str, value: float, arm: str, context: str = "") -> None:
    model.records.append(
        {"analysis": name, "label": label, "context": context, "arm": arm, "statistic": stat, "value": value}
    )
