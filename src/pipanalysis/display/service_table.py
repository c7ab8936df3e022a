"""Services used by arm: units with any contact and contacts per unit, by kind of service."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.harms_table import counting_warning, kinds_of_event, share_with_limits
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.event_tables import analysis_table

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

ANY = ("n_set", "n_affected", "proportion", "conf_low", "conf_high", "n_events", "event_rate")
PER_UNIT = ("mean", "sd", "median", "q1", "q3")
RISK = ("risk_difference", "conf_low", "conf_high")
MEANS = ("estimate", "conf_low", "conf_high")


def service_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the use of services: a group an analysis, a row a kind of contact."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    level = f"{rounding.level(study.plan.conf_level)} CI"
    unit = study.config.study.unit
    for arm in study.arms.values():
        model.columns += [
            Column(f"Any, n (%; {level})", arm.label),
            Column(f"Contacts per {unit}, mean (SD)", arm.label),
            Column("Median (quartiles)", arm.label),
        ]
    for name in list(study.arms)[1:]:
        over = f"Difference, {study.arms[name].label}" if len(study.arms) > 2 else "Difference"
        model.columns += [Column(f"Any, percentage points ({level})", over), Column(f"Contacts ({level})", over)]
    for name in table.analyses:
        chosen = analysis(study, name)
        source = analysis_table(study, chosen) or ""
        warning = counting_warning(results, name, source)
        group = RowGroup(chosen.label, notes=noted(warning))
        for context, label, depth in kinds_of_event(study, results, name, source, "contact"):
            group.rows.append(TableRow(label, _cells(study, results, model, name, source, context), depth))
        model.groups.append(group)
    model.notes += [
        f"Contacts on record from randomisation on; a {unit} without any counts with none. Proportions and means are "
        f"of all {unit}s of the analysis set in the arm.",
        *table.footnotes,
    ]
    return model


def _cells(
    study: Study, results: ResultsIndex, model: TableModel, name: str, source: str, context: str
) -> tuple[str, ...]:
    digits, cells = study.displays.digits, []
    per_unit = f"per_unit {context}".strip()
    start = {"analysis": name, "table": source, "context": context}
    for arm in study.arms:
        s = results.stats(name, source, ANY, arm=arm, context=context)
        d = results.stats(name, source, PER_UNIT, arm=arm, context=per_unit)
        quartiles = rounding.interval(d["q1"], d["q3"], digits.mean)
        median = f"{rounding.fixed(d['median'], digits.mean)} ({quartiles})"
        cells += [
            share_with_limits(s["n_affected"], s, digits.percent),
            rounding.with_spread(d["mean"], d["sd"], digits.mean, digits.sd),
            median if isfinite(d["median"]) else rounding.ABSENT,
        ]
        model.records.append(start | {"arm": arm, "contrast": ""} | s | d)
    for arm in list(study.arms)[1:]:
        contrast = contrast_name(arm, study.reference_arm.name)
        risk = results.stats(name, source, RISK, contrast=contrast, context=context)
        means = results.stats(name, source, MEANS, contrast=contrast, context=per_unit)
        points = [100 * value for value in risk.values()]
        cells += [
            rounding.with_interval(points[0], points[1], points[2], digits.percent + 1),
            rounding.with_interval(means["estimate"], means["conf_low"], means["conf_high"], digits.estimate),
        ]
        limits = {"contacts_low": means["conf_low"], "contacts_high": means["conf_high"]}
        difference = {"contacts_difference": means["estimate"]} | limits
        model.records.append(start | {"arm": "", "contrast": contrast} | risk | difference)
    return tuple(cells)
