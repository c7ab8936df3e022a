"""The verb `intake`: raw files in, checked tables, data queries and a record of what was read out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipanalysis.errors import DataError, Problem
from pipanalysis.files import read_parquet, sha256, write_csv, write_json, write_parquet
from pipanalysis.intake.duplicates import repeated_events
from pipanalysis.intake.extract import Extract, expected_columns, extract
from pipanalysis.intake.queries import Queries
from pipanalysis.intake.raw_table import RawTable
from pipanalysis.intake.read_file import read_file
from pipanalysis.intake.redcap import dictionary_problems
from pipanalysis.intake.schemas import check_tables
from pipanalysis.intake.tables import participants_and_visits
from pipanalysis.progress_bar import steps

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile


def intake(study: Study, *, closed: bool = False, progress: bool = False) -> str:
    """Read and check the raw files.

    Open and closed files (those that may reveal the arm) are never read in one run, and the allocation in none. Nothing
    is written unless every file could be read; what an earlier run wrote is removed first.

    Args:
        study: the configuration.
        closed: read the closed files instead of the open ones.
        progress: show a progress bar.

    Returns:
        What was done, in a line.

    Raises:
        DataError: every reason for which a file cannot be used.
    """
    layout = study.layout
    declared = [file for file in study.config.files if file.closed == closed]
    for path in _outputs(study, declared, closed=closed):
        path.unlink(missing_ok=True)
    files = [file for file in declared if file.required or (layout.raw / file.path).exists()]
    tables = read_files(study, files, progress=progress)
    queries = Queries()
    # Where no file has participant-level values, each may bring new units.
    defines = [] if closed else ([file for file in files if defines_participants(study, file)] or files)
    known = _known_from_checked(study) if closed else {}
    extracts: list[Extract] = []
    problems: list[Problem] = []
    for file in [*defines, *(file for file in files if file not in defines)]:
        try:
            extracts.append(extract(study, file, tables[file.name], known, queries, defines=file in defines))
        except DataError as error:
            problems.extend(error.problems)
            continue
        if file in defines:
            known |= {unit.casefold(): unit for unit in _units(extracts[-1])}
    if problems:
        raise DataError(problems)
    frames: dict[Path, pd.DataFrame] = {}
    for one in extracts:
        if one.events is not None and one.file.events is not None:
            frame, repeats = repeated_events(one.events, one.file.events.unique, one.name, queries)
            if repeats:
                one.set_aside["duplicate-row"] = repeats
            table = one.file.events.name
            to = layout.closed_events(table) if closed else layout.checked_events(table)
            frames[to] = frame.drop(columns="row")
    if not closed:
        participants, visits = participants_and_visits(study, extracts, queries)
        check_tables(study, participants, visits)
        frames |= {layout.checked_visits: visits, layout.checked_participants: participants}
    for to, frame in frames.items():
        write_parquet(to, frame)
    write_csv(layout.closed_queries if closed else layout.queries, queries.frame())
    record = _record(study, extracts, queries)
    write_json(layout.closed_record if closed else layout.intake_record, record)
    rows, n = sum(file["rows_read"] for file in record["files"]), sum(record["queries_by_rule"].values())
    listed = (layout.closed_queries if closed else layout.queries).relative_to(layout.root)
    return f"{len(files)} files, {rows} rows read, {n} data queries ({listed})"


def _outputs(study: Study, files: list[RawFile], *, closed: bool) -> list[Path]:
    layout = study.layout
    events = [file.events.name for file in files if file.events]
    if closed:
        return [layout.closed_queries, layout.closed_record, *(layout.closed_events(name) for name in events)]
    checked = [layout.checked_participants, layout.checked_visits, layout.queries, layout.intake_record]
    return [*checked, *(layout.checked_events(name) for name in events)]


def read_files(study: Study, files: list[RawFile], *, progress: bool) -> dict[str, RawTable]:
    """Read every file, and refuse all that cannot be used in one pass."""
    births = {v.name for v in study.config.variables if v.type == "date_of_birth"}
    tables: dict[str, RawTable] = {}
    problems: list[Problem] = []
    for file in steps(files, "reading", show=progress):
        born = [column.column or column.variable for column in file.columns if column.variable in births]
        try:
            tables[file.name] = read_file(study.layout, file, expected_columns(study, file), born)
            if file.redcap_dictionary:
                problems.extend(dictionary_problems(study, file))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return tables


def defines_participants(study: Study, file: RawFile) -> bool:
    """Tell whether a file holds participant-level variables, and so says which units there are."""
    return file.events is None and any(study.variables[c.variable].level == "participant" for c in file.columns)


def _units(one: Extract) -> list[str]:
    frames = [frame for frame in (one.participants, *one.visits) if frame is not None]
    return sorted({str(unit) for frame in frames for unit in frame["unit"].dropna()})


def _known_from_checked(study: Study) -> dict[str, str]:
    units = read_parquet(study.layout.checked_participants, columns=["unit"])["unit"]
    return {unit.casefold(): unit for unit in units}


def _record(study: Study, extracts: list[Extract], queries: Queries) -> dict[str, Any]:
    files = [
        {
            "file": one.name,
            "sha256": sha256(study.layout.raw / one.file.path),
            "rows_read": one.n_rows,
            "rows_set_aside": dict(sorted(one.set_aside.items())),
            "rows_without_a_value_for_their_visit": one.empty_visits,
            "rows_without_any_value": one.blank_rows,
        }
        for one in extracts
    ]
    return {"files": files, "queries_by_rule": queries.counts()}
