"""Event tables that the analyses of the plan use: which raw file holds each, and whether the analysis may read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis
    from pipanalysis.study.study import RawFile, Variable


COUNTED = ("harms", "service_use")
"""methods that count the events of a table by arm"""
OF_SESSIONS = ("adherence", "therapist", "cace", "bayes_therapist")
"""methods that read the sessions"""


def event_file(study: Study, table: str) -> RawFile | None:
    """Return the raw file that holds an event table, None where none does."""
    return next((file for file in study.config.files if file.events and file.events.name == table), None)


def table_variables(study: Study, file: RawFile) -> dict[str, Variable]:
    """Return the variables that stand in an event table, by name: its own, and those of the study that it uses."""
    known = study.variables | {variable.name: variable for variable in (file.events.variables if file.events else ())}
    return {column.variable: known[column.variable] for column in file.columns if column.variable in known}


def event_path(study: Study, table: str) -> Path | None:
    """Return where the checked event table stands; None where the study is masked and the table is closed.

    Raises:
        KeyError: no file holds the table.
    """
    file = event_file(study, table)
    if file is None:
        raise KeyError(table)
    if not file.closed:
        return study.layout.checked_events(table)
    return None if study.masked else study.layout.closed_events(table)


def analysis_table(study: Study, analysis: Analysis) -> str | None:
    """Return the event table that an analysis reads (sessions, harms, services), None for other methods."""
    if analysis.method in OF_SESSIONS:
        return study.config.sessions.table if study.config.sessions else None
    return analysis.events.table if analysis.method in COUNTED and analysis.events else None


def double_coded(study: Study) -> dict[str, str]:
    """Return instrument → event table of its second codings, of the instruments whose file is there to be read.

    A closed file is never read for this: what it holds may reveal the arm.
    """
    held = {i.name: event_file(study, i.double_coded) for i in study.instruments.values() if i.double_coded}
    return {
        name: file.events.name
        for name, file in held.items()
        if file is not None and file.events and not file.closed and _present(study, file)
    }


def _present(study: Study, file: RawFile) -> bool:
    return file.required or (study.layout.raw / file.path).exists()


def family_tables(study: Study, family: str) -> list[Path]:
    """Return the checked tables that a method family reads beside participants and scores.

    None of them is a closed one while the study is masked.
    """
    if family == "measurement":
        tables = dict.fromkeys(double_coded(study).values())
        return [study.layout.checked_visits, *(study.layout.checked_events(table) for table in tables)]
    if family == "flow":
        return _flow_tables(study)
    named = [analysis_table(study, analysis) for analysis in study.family_analyses(family)]
    paths = [event_path(study, table) for table in dict.fromkeys(named) if table is not None]
    return [path for path in paths if path is not None]


def intercurrent_tables(study: Study) -> list[Path]:
    """Return the checked tables in which the dates of intercurrent events stand; no closed one while masked."""
    named = [event.when.table for event in study.plan.intercurrent_events if event.when]
    paths = [event_path(study, table) for table in dict.fromkeys(named) if table is not None]
    return [path for path in paths if path is not None]


def _flow_tables(study: Study) -> list[Path]:
    """Return what the counts of flow and deviations are made from, beside participants and scores."""
    at, analyses = study.layout, study.family_analyses("flow")
    paths = [at.assessments] if any(a.method in ("flow", "protocol_deviations") for a in analyses) else []
    if any(a.method == "protocol_deviations" for a in analyses):
        paths += [at.derive_counts, at.intake_record]
    tables = [analysis.screening.table for analysis in analyses if analysis.screening]
    if study.config.sessions and any(a.method == "flow" for a in analyses):
        tables.append(study.config.sessions.table)
    found = [event_path(study, table) for table in dict.fromkeys(tables)]
    return paths + [path for path in found if path is not None]
