"""The whole page's sections, of all sites or of one, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.progress.page_model import Section, Tile, number_table, percent, several
from pipanalysis.progress.query_log import OPEN, open_queries
from pipanalysis.progress.sections_activities import activities_section
from pipanalysis.progress.sections_follow_up import (
    ages_section,
    completeness_section,
    retention_section,
    visits_section,
)
from pipanalysis.progress.sections_quality import coding_section, pooled_section, queries_section, sample_size_section
from pipanalysis.progress.sections_recruitment import funnel_section, recruitment_section
from pipanalysis.progress.snapshot import Change

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData
    from pipanalysis.progress.recruitment import Recruitment


@dataclass(frozen=True)
class Context:
    """What the sections of every scope need beside the data.

    Attributes:
        groups: name → label of all groups.
        kinds: code → label of the kinds of activity.
        log: every data query (`query_log`).
        chase: what to chase, with a column `group`.
        compared: there is an earlier page to compare with.
        recruiting: the study as a whole is still recruiting.
    """

    groups: dict[str, str]
    kinds: dict[str, str]
    log: pd.DataFrame
    chase: pd.DataFrame
    compared: bool
    recruiting: bool


def sections(data: ProgressData, group: str | None, context: Context) -> list[Section]:
    """Return the sections of a scope.

    Args:
        data: of all groups or of one.
        group: the group; None for all.
        context: what they need beside.
    """
    whole = group is None
    log = context.log if whole else context.log[(context.log["group"] == group).to_numpy(dtype=bool)]
    to_do = context.chase if whole else context.chase[(context.chase["group"] == group).to_numpy(dtype=bool)]
    recruited, numbers = recruitment_section(
        data, group, n_groups=max(len(context.groups), 1), going_on=context.recruiting
    )
    own = context.groups if group is None else {group: context.groups[group]}
    follow_up: list[Section | None] = []
    if data.study.visits:
        assessed, states = visits_section(data)
        follow_up = [assessed, completeness_section(data), retention_section(data, whole=whole), ages_section(data)]
    else:
        states = pd.DataFrame()
        follow_up = [activities_section(data, own, context.kinds), retention_section(data, whole=whole)]
    found = [
        _glance(data, numbers, states, log, to_do),
        recruited,
        funnel_section(data, whole=whole),
        *follow_up,
        queries_section(log, compared=context.compared),
        coding_section(data, whole=whole),
    ]
    found += [pooled_section(data), sample_size_section(data)] if whole else []
    return [section for section in found if section is not None]


def _glance(
    data: ProgressData, numbers: Recruitment, states: pd.DataFrame, log: pd.DataFrame, to_do: pd.DataFrame
) -> Section:
    progress = data.study.progress
    behind = numbers.planned_now is not None and numbers.enrolled < 0.9 * numbers.planned_now
    target = f" of {numbers.target:,}" if numbers.target else ""
    planned = f"plan by now: {numbers.planned_now:.0f}" if numbers.planned_now is not None else ""
    tiles = [
        Tile(
            progress.enrolled.capitalize(),
            f"{numbers.enrolled:,}{target}",
            planned,
            "attention" if behind else "plain",
            "recruitment",
        )
    ]
    if "urgency" in to_do:
        urgent = to_do["urgency"].isin(["Closes soon", "Overdue"]).sum()
        note = f"{urgent} close soon or are overdue" if len(to_do) else "nothing waiting"
        tiles.append(Tile("To chase", f"{len(to_do):,}", note, "attention" if urgent else "good", "chase"))
    else:
        tiles.append(Tile("To do", f"{len(to_do):,}", "people to meet, vouchers to issue", "plain", "chase"))
    if not states.empty:
        overdue, missed = int(states["overdue"].sum()), int(states["missed"].sum())
        done = int(states.filter(like="done").to_numpy().sum())
        tiles.append(Tile("Assessments done", f"{done:,}", f"{overdue} overdue, {missed} missed", "plain", "visits"))
    gone = int(data.enrolled["withdrawn_on"].notna().sum())
    tiles.append(Tile("Withdrawn", f"{gone:,}", percent(gone, numbers.enrolled), "plain", "retention"))
    waiting = open_queries(log)
    errors, new = int((waiting["severity"] == "error").sum()), int((waiting["since_last"] == "new").sum())
    note = f"{several(errors, 'error')}{f', {new} new' if new else ''}"
    tiles.append(Tile("Open data queries", f"{len(waiting):,}", note, "plain", "query-counts"))
    return Section("glance", "At a glance", tiles=tiles)


def changes_section(changes: list[Change], files: list[str] | None, since: str) -> Section:
    """Return what changed since the last page, for all sites together or for one.

    Args:
        changes: counts then and now.
        files: raw files that differ; None where that is not said.
        since: the last page's date, in words; "" where there is none.
    """
    title = "What changed since last time"
    if not since:
        return Section("changes", title, ["This is the first page on record. The next one will say what has changed."])
    if not changes:
        return Section("changes", title, [f"There is nothing to compare with on the page of {since}."])
    moved = [change for change in changes if change.now != change.before]
    rows = [[c.what, c.before, c.now, f"{c.now - c.before:+,}"] for c in moved]
    lead = [f"Since the page of {since}:" if moved else f"Nothing counted here has changed since the page of {since}."]
    tables = [number_table("Counts that changed", ["What", "Then", "Now", "Change"], rows, open=True)] if moved else []
    notes = []
    if files is not None:
        notes = [f"Data files that are new or differ: {', '.join(files)}." if files else "No data file differs."]
    return Section("changes", title, lead, tables=tables, notes=notes)


def counts(data: ProgressData, states: pd.DataFrame, log: pd.DataFrame) -> dict[str, int]:
    """Return what is remembered of the data for the next page."""
    study, found = data.study, {}
    if data.screening is not None:
        eligible = data.screening["eligible"].eq(True)
        found["Screened"] = len(data.screening)
        found["Eligible"] = int(eligible.sum())
        found["Consented"] = int((eligible & data.screening["consented"].eq(True)).sum())
    found[study.progress.enrolled.capitalize()] = len(data.enrolled)
    found["Withdrawn"] = int(data.enrolled["withdrawn_on"].notna().sum())
    for name, row in states.iterrows():
        label = study.visits[str(name)].label
        found[f"{label}: done"] = int(row.filter(like="done").sum())
        found[f"{label}: missed"] = int(row["missed"])
    if data.activities is not None:
        found["Took part"] = data.activities["unit"].nunique()
    found["Open data queries"] = int(log["state"].isin(OPEN).sum())
    return found
