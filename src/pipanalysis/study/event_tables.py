"""Event tables that the analyses of the plan use: which raw file holds each, and whether the analysis may read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis
    from pipanalysis.study.study import RawFile


def event_file(study: Study, table: str) -> RawFile | None:
    """Return the raw file that holds an event table, None where none does."""
    return next((file for file in study.config.files if file.events and file.events.name == table), None)


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
    """Return the event table that an adherence or harms analysis describes, None for other methods."""
    if analysis.method == "adherence":
        return study.config.sessions.table if study.config.sessions else None
    return analysis.events.table if analysis.method == "harms" and analysis.events else None


def family_tables(study: Study, family: str) -> list[Path]:
    """Return the checked event tables that a method family reads, none that is closed while the study is masked."""
    named = [analysis_table(study, analysis) for analysis in study.family_analyses(family)]
    paths = [event_path(study, table) for table in dict.fromkeys(named) if table is not None]
    return [path for path in paths if path is not None]
