"""Checks of the analyses that read event tables: sessions, harms, use of services and measurement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.event_tables import COUNTED, OF_SESSIONS, event_file, table_variables
from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import HarmsSource, ScreeningLog
    from pipanalysis.study.study import Variable

KIND_METHODS: dict[str, tuple[str, ...]] = {
    "harms": ("adherence", "harms"),
    "service_use": ("service_use",),
    "measurement": ("measurement",),
    "change": ("reliable_change",),
    "growth": ("growth",),
    "therapists": ("therapist", "ancova", "mmrm", "mixed_model"),
    "cace": ("cace", "ancova", "mmrm", "mixed_model"),
    "imputation": ("reference_based", "mmrm", "clda", "mixed_model", "ancova"),
    "moderators": ("mmrm",),
    "dyadic": ("dyadic",),
    "flow": ("flow",),
    "completeness": ("completeness",),
    "protocol_deviations": ("protocol_deviations",),
    "double_programming": ("double_programming",),
}
"""kinds of table that lay out the results of these methods alone"""


def check_event_analyses(study: Study) -> Iterator[Finding]:
    """Find analyses of event tables whose table or variables are not there, and tables that cannot show them."""
    file = "analysis.yaml"
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i)
        if analysis.method in OF_SESSIONS:
            sessions = study.config.sessions
            if sessions is None:
                yield (
                    file,
                    (*at, "method"),
                    analysis.method,
                    "study.yaml must say where sessions are recorded",
                    "source-missing",
                )
            else:
                yield from _required(study, sessions.table, (*at, "method"))
                if analysis.method == "bayes_therapist" and sessions.therapist is None:
                    needed = "study.yaml, sessions, therapist: the variable that says who gave a session"
                    yield file, (*at, "method"), "bayes_therapist", needed, "source-missing"
        if analysis.method == "measurement":
            yield from _measurement(study, analysis.analysis_set, at)
        if analysis.screening is not None:
            yield from _screening(study, analysis.method, analysis.screening, (*at, "screening"))
        if analysis.method == "recruitment" and study.variable_with_role("randomisation_date") is None:
            allowed = "a variable of study.yaml with role: randomisation_date"
            yield file, (*at, "method"), "recruitment without a date of randomisation", allowed, "source-missing"
        if analysis.method in COUNTED:
            if analysis.events is None:
                yield (
                    file,
                    at,
                    f"{analysis.name!r} without events",
                    "events: the event table and its variables",
                    "option-unsuited",
                )
            else:
                yield from _harms(study, analysis.events, (*at, "events"))
        elif analysis.events is not None:
            yield file, (*at, "events"), f"events of method {analysis.method}", one_of(COUNTED), "option-unsuited"
    methods = {analysis.name: analysis.method for analysis in study.plan.analyses}
    for i, table in enumerate(study.displays.tables):
        shown = KIND_METHODS.get(table.kind)
        for name in table.analyses:
            if shown and name in methods and methods[name] not in shown:
                found = f"{name!r}, of method {methods[name]}"
                allowed = f"analyses of method {' or '.join(shown)}"
                yield "displays.yaml", ("tables", i, "analyses"), found, allowed, "display-unsuited"


def _measurement(study: Study, analysis_set: str, at: Location) -> Iterator[Finding]:
    """Find what would let an analysis of all arms together depend on the allocation."""
    chosen = next((one for one in study.plan.analysis_sets if one.name == analysis_set), None)
    if chosen is not None and chosen.min_sessions is not None:
        found = f"{analysis_set!r}, which is known only with the allocation"
        yield "analysis.yaml", (*at, "analysis_set"), found, "an analysis set without min_sessions", "method-unsuited"
    for instrument in study.instruments.values():
        file = event_file(study, instrument.double_coded) if instrument.double_coded else None
        if file is not None and file.closed:
            found = f"table {instrument.double_coded!r}, of a closed file"
            yield (
                f"instruments/{instrument.name}.yaml",
                ("double_coded",),
                found,
                "a table of a file that is not closed",
            )


def _required(study: Study, table: str, at: Location) -> Iterator[Finding]:
    held = event_file(study, table)
    if held is not None and not held.required:
        found = f"table {table!r}, of a file that may be absent"
        yield "analysis.yaml", at, found, "a table of a file with required: true", "source-missing"


def _harms(study: Study, source: HarmsSource, at: Location) -> Iterator[Finding]:
    held = event_file(study, source.table)
    if held is None or held.events is None:
        tables = [file.events.name for file in study.config.files if file.events]
        yield "analysis.yaml", (*at, "table"), repr(source.table), one_of(tables)
        return
    yield from _required(study, source.table, (*at, "table"))
    if not held.events.key_required:
        found = f"table {source.table!r}, whose rows need not belong to a unit"
        yield "analysis.yaml", (*at, "table"), found, "an event table of the randomised units", "option-unsuited"
    variables = table_variables(study, held)
    named: list[tuple[str, str]] = [("flags", flag) for flag in source.flags]
    named += [(key, name) for key, name in (("category", source.category), ("date", source.date)) if name]
    for key, name in named:
        if name not in variables:
            yield "analysis.yaml", (*at, key), repr(name), one_of(variables)
        elif wrong := _wrong(variables[name], key):
            yield "analysis.yaml", (*at, key), repr(name), wrong, "option-unsuited"
    if source.date and study.variable_with_role("randomisation_date") is None:
        found = f"date {source.date!r} in a study without a date of randomisation"
        yield (
            "analysis.yaml",
            (*at, "date"),
            found,
            "a variable of study.yaml with role: randomisation_date",
            "source-missing",
        )


def _screening(study: Study, method: str, log: ScreeningLog, at: Location) -> Iterator[Finding]:
    if method != "flow":
        yield "analysis.yaml", at, f"screening of method {method}", "method: flow", "option-unsuited"
        return
    held = event_file(study, log.table)
    if held is None or held.events is None:
        tables = [file.events.name for file in study.config.files if file.events]
        yield "analysis.yaml", (*at, "table"), repr(log.table), one_of(tables)
        return
    yield from _required(study, log.table, (*at, "table"))
    if held.closed:
        found = f"table {log.table!r}, of a closed file"
        yield "analysis.yaml", (*at, "table"), found, "a table of a file that is not closed", "option-unsuited"
    variables = table_variables(study, held)
    for key in ("eligible", "consented", "ineligible_reason", "declined_reason"):
        name = getattr(log, key)
        if name is None:
            continue
        if name not in variables:
            yield "analysis.yaml", (*at, key), repr(name), one_of(variables)
        elif wrong := _wrong(variables[name], "category" if key.endswith("reason") else "flags"):
            yield "analysis.yaml", (*at, key), repr(name), wrong, "option-unsuited"


def _wrong(variable: Variable, key: str) -> str:
    """Return what the variable must be and is not, "" where it is."""
    if key == "date":
        return "" if variable.type == "date" else "a date"
    if variable.type != "category" or not variable.levels:
        return "a category with levels"
    return "a category of which one level is 1" if key == "flags" and "1" not in variable.levels else ""
