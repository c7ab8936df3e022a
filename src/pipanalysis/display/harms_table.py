"""Adherence and harms by arm: units with events, events, and sessions offered and attended."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.event_tables import analysis_table, event_file

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EVENTS = ("n_set", "n_affected", "proportion", "conf_low", "conf_high", "n_events", "event_rate")
SESSIONS = ("n", "mean", "sd", "median", "q1", "q3", "min", "max")
REACHED = ("n_level", "proportion", "conf_low", "conf_high")
DIFFERENCE = ("risk_difference", "conf_low", "conf_high")


def harms_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the adherence and harms analyses of the table, a group of rows each, in the table's order."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        model.columns += [
            Column(f"n (%; {level})", arm.label),
            Column(f"Events (per {study.config.study.unit})", arm.label),
        ]
    others = list(study.arms)[1:]
    model.columns += [
        Column(f"Difference, percentage points ({level})", "" if len(others) == 1 else study.arms[arm].label)
        for arm in others
    ]
    for name in table.analyses:
        chosen = analysis(study, name)
        source = analysis_table(study, chosen) or ""
        warning = counting_warning(results, name, source)
        notes = noted(warning)
        group = RowGroup(chosen.label, notes=notes)
        rows = _adherence if chosen.method == "adherence" else _harms
        group.rows += rows(study, results, model, name, source)
        model.groups.append(group)
    unit = study.config.study.unit
    model.notes += [f"Proportions are of all {unit}s of the analysis set in the arm.", *table.footnotes]
    return model


def counting_warning(results: ResultsIndex, name: str, source: str) -> str:
    """Return what the reader must know about an analysis: every one of its rows that counts units says it."""
    return next((str(row["warning"]) for row in results.rows(name, source, "n_set") if row["warning"]), "")


def kinds_of_event(
    study: Study, results: ResultsIndex, name: str, source: str, event: str = "event"
) -> list[tuple[str, str, int]]:
    """Return context, label and depth of each kind of event: any, flagged, then categories as configured."""
    found = set(results.contexts(name, source))
    chosen = analysis(study, name).events
    file = event_file(study, source)
    own = {v.name: v for v in file.events.variables} if file is not None and file.events else {}
    known = study.variables | own
    lines = [("", f"Any {event}", 0)]
    lines += [
        (f"flag={flag}", f"Any {event}, {known[flag].label.lower()}", 0) for flag in (chosen.flags if chosen else [])
    ]
    if chosen and chosen.category:
        labels = dict.fromkeys(known[chosen.category].levels.values())
        lines += [(f"level={label}", label, 1) for label in labels]
    return [line for line in lines if line[0] in found or not line[0]]


def _harms(study: Study, results: ResultsIndex, model: TableModel, name: str, source: str) -> list[TableRow]:
    digits = study.displays.digits
    rows = []
    for context, label, depth in kinds_of_event(study, results, name, source):
        cells: list[str] = []
        for arm in study.arms:
            s = results.stats(name, source, EVENTS, arm=arm, context=context)
            cells.append(share_with_limits(s["n_affected"], s, digits.percent))
            rate = rounding.fixed(s["event_rate"], digits.estimate)
            events = rounding.count(s["n_events"])
            cells.append(f"{events} ({rate})" if isfinite(s["n_events"]) else rounding.ABSENT)
            model.records.append(_record(name, source, label, context) | {"arm": arm} | s)
        for arm in list(study.arms)[1:]:
            contrast = contrast_name(arm, study.reference_arm.name)
            d = results.stats(name, source, DIFFERENCE, contrast=contrast, context=context)
            points = [_percent(value) for value in d.values()]
            cells.append(rounding.with_interval(points[0], points[1], points[2], digits.percent + 1))
            model.records.append(_record(name, source, label, context) | {"contrast": contrast} | d)
        rows.append(TableRow(label, tuple(cells), depth))
    return rows


def _adherence(study: Study, results: ResultsIndex, model: TableModel, name: str, source: str) -> list[TableRow]:
    digits, sessions = study.displays.digits, study.config.sessions
    arm = sessions.arm if sessions else ""
    unit = study.config.study.unit
    n_set = results.stat(name, source, "n_set", arm=arm)
    model.records.append(_record(name, source, f"{unit}s offered sessions", "") | {"arm": arm, "n_set": n_set})
    lines = [(f"{unit.capitalize()}s offered sessions, n", rounding.count(n_set), 0)]
    for what in ("offered", "attended"):
        context = f"sessions={what}"
        s = results.stats(name, source, SESSIONS, arm=arm, context=context)
        model.records.append(_record(name, source, f"Sessions {what}", context) | {"arm": arm} | s)
        median = rounding.fixed(s["median"], digits.mean)
        quartiles = rounding.interval(s["q1"], s["q3"], digits.mean)
        lines += [
            (
                f"Sessions {what} per {unit}, mean (SD)",
                rounding.with_spread(s["mean"], s["sd"], digits.mean, digits.sd),
                0,
            ),
            ("median (quartiles)", f"{median} ({quartiles})" if isfinite(s["median"]) else rounding.ABSENT, 1),
            ("range", rounding.interval(s["min"], s["max"], 0), 1),
        ]
    for context in sorted(results.contexts(name, source), key=lambda text: (len(text), text)):
        if context.startswith("at_least="):
            s = results.stats(name, source, REACHED, arm=arm, context=context)
            label = f"{context.removeprefix('at_least=')} or more sessions attended"
            model.records.append(_record(name, source, label, context) | {"arm": arm} | s)
            lines.append((label, share_with_limits(s["n_level"], s, digits.percent), 0))
    return [TableRow(label, _in_arm(study, arm, text), depth) for label, text, depth in lines]


def _in_arm(study: Study, arm: str, text: str) -> tuple[str, ...]:
    """Return the cells of a row with a text in one arm alone; the others are not offered sessions."""
    cells = [cell for own in study.arms for cell in ((text if own == arm else "", ""))]
    return tuple(cells + [""] * (len(study.arms) - 1))


def share_with_limits(count: float, s: dict[str, float], digits: int) -> str:
    """Return `n (percentage%; limits)`."""
    if not isfinite(count):
        return rounding.ABSENT
    limits = rounding.interval(_percent(s["conf_low"]), _percent(s["conf_high"]), digits)
    return f"{rounding.count(count)} ({rounding.fixed(_percent(s['proportion']), digits)}%; {limits})"


def _percent(proportion: float) -> float:
    return 100 * proportion


def _record(name: str, source: str, label: str, context: str) -> dict[str, Any]:
    """Return the start of a record, with every statistic that a line may have and none given."""
    statistics = dict.fromkeys((*EVENTS, *SESSIONS, *REACHED, *DIFFERENCE), nan)
    return {
        "analysis": name,
        "table": source,
        "label": label,
        "context": context,
        "arm": "",
        "contrast": "",
    } | statistics
