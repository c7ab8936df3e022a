"""The verb `progress`: the trial manager's page and the lists behind it, from data before the allocation alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.errors import ConfigError, Problem
from pipanalysis.files import write_text
from pipanalysis.progress import lists
from pipanalysis.progress.answers import read_answers
from pipanalysis.progress.data import NO_DAY, ProgressData, groups, read_progress
from pipanalysis.progress.events import NO_GROUP
from pipanalysis.progress.listings import write_listing
from pipanalysis.progress.outputs import site_names
from pipanalysis.progress.page import WHOLE, Page, render
from pipanalysis.progress.page_model import List, Section, Table, day, several
from pipanalysis.progress.query_log import query_log
from pipanalysis.progress.recruitment import recruitment
from pipanalysis.progress.sections import Context, changes_section, counts, sections
from pipanalysis.progress.snapshot import Snapshot, before, changed_files, changes, read_history, record
from pipanalysis.progress.spreadsheet import write_safe_csv
from pipanalysis.progress.visit_states import state_counts
from pipanalysis.progress_bar import steps
from pipanalysis.study.event_tables import event_file

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

MADE_UP = {
    "synthetic": "SYNTHETIC DATA: a made-up trial. Nothing here is about real people, and nothing here is a finding.",
    "example": "EXAMPLE DATA: made-up people. Nothing here is about real people, and nothing here is a finding.",
    "twin": "SYNTHETIC TWIN: made-up people in the shape of confidential data. Nothing here is about real people, and "
    "nothing here is a finding.",
}


def progress(study: Study, *, as_of: str | None = None, show: bool = False) -> str:
    """Write the page, the lists as CSV and XLSX, and a workbook for each site.

    Args:
        study: the configuration.
        as_of: a date as YYYY-MM-DD, `today` or `latest_in_data`; default: what progress.yaml says.
        show: show a progress bar.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: `as_of` is no date.
        DataError: a file is missing or damaged, or the answers to queries cannot be understood.
    """
    layout = study.layout
    data = read_progress(study, checked_day(as_of))
    today = data.as_of.date()
    history = read_history(layout.progress_history)
    earlier = before(history, today)
    answers = read_answers(layout.raw / study.progress.query_answers)
    log = query_log(data.queries, earlier, answers, today)
    names = groups(study, data)
    parts = {name: data.of(name) for name in names}
    now = Snapshot(
        today,
        _counts_of(data, log),
        {str(file["file"]): str(file["sha256"]) for file in data.files},
        [{str(k): str(v) for k, v in row.items()} for row in data.queries.to_dict("records")],
        {name: _counts_of(part, log[(log["group"] == name).to_numpy(dtype=bool)]) for name, part in parts.items()},
    )
    shown = _lists(data, log, names)
    marks = [MADE_UP[study.config.study.data]] if study.config.study.data in MADE_UP else []
    recruiting = recruitment(data).state in ("going_on", "no_target")
    context = Context(names, _kinds(study), log, shown[0].frame, bool(earlier), recruiting)
    by_scope: dict[str, list[Section]] = {WHOLE: sections(data, None, context)}
    for name in steps(list(names), "sites", show=show):
        by_scope[name] = sections(parts[name], name, context)
    last = earlier[-1] if earlier else None
    since = day(last.as_of) if last else ""
    by_scope[WHOLE].insert(1, changes_section(changes(now, last), changed_files(now, last), since))
    for name in names:
        by_scope[name].insert(1, changes_section(changes(now, last, name), None, since))
    by_scope[WHOLE].append(_about(data))
    written = _write_lists(data, names, shown, log, marks)
    page = Page(
        title=study.config.study.title,
        subtitle=_subtitle(data, as_of),
        marks=marks,
        group_label=group_label(study),
        scopes={WHOLE: "All", **names},
        sections=by_scope,
        lists={"changes": shown[0], "query-counts": shown[1]},
        files=written,
    )
    write_text(layout.progress_page, render(page))
    record(layout.progress_history, now, history)
    enrolled = f"{several(len(data.enrolled), study.config.study.unit)} {study.progress.enrolled}"
    when = "; the data hold no date" if data.as_of == NO_DAY else f" as of {today.isoformat()}"
    return (
        f"{enrolled}, {len(shown[0].frame)} to chase, "
        f"{now.counts['Open data queries']} open queries{when} "
        f"({layout.progress_page.relative_to(layout.root)})"
    )


def checked_day(as_of: str | None) -> str | None:
    """Return the wanted day as `read_progress` takes it.

    Raises:
        ConfigError: it is no date.
    """
    if as_of in (None, "", "today", "latest_in_data"):
        return as_of or None
    try:
        return dt.date.fromisoformat(str(as_of)).isoformat()
    except ValueError:
        allowed = "a date as YYYY-MM-DD, today or latest_in_data"
        raise ConfigError(Problem("--as-of", repr(as_of), allowed)) from None


def group_label(study: Study) -> str:
    """Return what the page is filtered by."""
    name = study.progress.group
    variable = study.variables[name] if name else study.variable_with_role("site")
    return variable.label if variable else ""


def _counts_of(part: ProgressData, log: pd.DataFrame) -> dict[str, int]:
    return counts(part, state_counts(part) if part.study.visits else pd.DataFrame(), log)


def _kinds(study: Study) -> dict[str, str]:
    plan = study.progress.activities
    file = event_file(study, plan.table) if plan else None
    if plan is None or file is None or file.events is None:
        return {}
    return next((dict(v.levels) for v in file.events.variables if v.name == plan.kind), {})


def _lists(data: ProgressData, log: pd.DataFrame, names: dict[str, str]) -> list[List]:
    label = group_label(data.study)
    first = lists.chase if data.study.visits else lists.tasks
    return [first(data, names, label), lists.queries(data, log, names, label)]


def _write_lists(
    data: ProgressData, names: dict[str, str], shown: list[List], log: pd.DataFrame, marks: list[str]
) -> dict[str, str]:
    """Write the files beside the page; return their paths with what each is."""
    study, layout = data.study, data.study.layout
    written: dict[Path, str] = {}
    chase = shown[0].frame[list(shown[0].columns)].rename(columns=shown[0].columns)
    raised = log.drop(columns="group")
    frames = {"chase": (chase, "To do"), "queries": (raised, "Every data query ever raised or answered")}
    if study.visits:
        frames["assessments"] = (lists.assessments(data, names).drop(columns="group"), "Every planned assessment")
    for name, (frame, what) in frames.items():
        write_safe_csv(layout.progress_list(name), frame)
        written[layout.progress_list(name)] = f"{what} (CSV)"
    write_listing(layout.progress_workbook, data, None, names, shown, marks)
    written[layout.progress_workbook] = "Everything (Excel)"
    for name in site_names(study):
        path = layout.progress_site(name)
        write_listing(path, data.of(name), name, names, shown, [*marks, f"{names[name]}: {day(data.as_of)}"])
        written[path] = f"{names[name]} (Excel, to send out)"
    return {path.relative_to(layout.progress_page.parent).as_posix(): what for path, what in written.items()}


def _subtitle(data: ProgressData, as_of: str | None) -> list[str]:
    how = as_of or str(data.study.progress.as_of)
    why = {"latest_in_data": "the latest date in the data", "today": "the day this page was made"}.get(
        how, "as asked for"
    )
    about = data.study.config.study
    when = f"State of the data on {day(data.as_of)} ({why})."
    if data.as_of == NO_DAY:
        when = "The data hold no date, so this is the state of no particular day."
    said = [when, "Blinded: nothing here is by arm."]
    if not data.study.analysed:
        said[1] = "A study without arms and without analysis."
    return [*([about.registration] if about.registration else []), *said]


def _about(data: ProgressData) -> Section:
    rows = [[str(f["file"]), f"{f['rows_read']:,}", str(f["sha256"])[:16]] for f in data.files]
    tables = [
        Table("Data files read", ["File", "Rows", "Checksum (SHA-256, first 16)"], rows, frozenset({1}), open=False)
    ]
    lead = ["Made from the data as received; whatever is dated after the day above is left out."]
    for what, n in data.later.items():
        lead.append(f"Left out: {n} {what} dated later.")
    for what, n in data.undated.items():
        lead.append(f"Counted although the date is not known: {n} {what}.")
    unknown = int((data.people["group"] == NO_GROUP).sum()) if data.study.config.sites else 0
    if unknown:
        of = several(unknown, data.study.config.study.unit)
        lead.append(f"{of} without a known site: in the totals, and under 'Not known'.")
    return Section("about", "About this page", lead, tables=tables)
