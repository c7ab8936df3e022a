"""The state of the study's data on a given day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.derive.windows import assessments
from pipanalysis.files import read_parquet
from pipanalysis.progress import events
from pipanalysis.progress.events import NO_GROUP, dates_of, labels, name_of, of_unit
from pipanalysis.progress.inputs import event_tables, needs_scores, read_queries, read_record
from pipanalysis.progress.visit_states import visit_states
from pipanalysis.study.crosscheck_progress import group_levels

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

NO_DAY = pd.Timestamp(dt.date(1970, 1, 1))
"""as-of date of data that hold no date"""


@dataclass(frozen=True)
class ProgressData:
    """What was known of the study on a day, for all its groups (sites) or one of them.

    Attributes:
        study: the configuration.
        as_of: the day; whatever is dated later has not happened yet. `NO_DAY` where the latest date was asked for and
            the data hold none.
        people: a row per unit received: unit, group, enrolled, enrolled_on, withdrawn_on, withdrawn_reason.
        visits: a row per enrolled unit and planned visit, as `derive.windows.assessments`, with done,
            group, assessor, withdrawn_on and state (one of `visit_states.STATES`).
        forms: a row per assessment done and instrument given at it: unit, visit, group, instrument, items, answered.
        screening: a row per person screened: unit, group, date, eligible, consented (True, False, None), reasons.
        activities: a row per person and activity: unit, group, date, kind, together, voucher.
        codings: instrument → second codings (unit, visit, group and items).
        queries: the data queries of intake, with group; every column text.
        scores: long scores of the assessments done; None where the page shows no outcome.
        raw_visits: the checked visits of the assessments done, with items.
        files: raw files read, with checksums.
        later: what is dated after `as_of` → how many records.
        undated: what has no date although it needs one → how many records.
    """

    study: Study
    as_of: pd.Timestamp
    people: pd.DataFrame
    visits: pd.DataFrame
    forms: pd.DataFrame
    screening: pd.DataFrame | None
    activities: pd.DataFrame | None
    codings: dict[str, pd.DataFrame]
    queries: pd.DataFrame
    scores: pd.DataFrame | None
    raw_visits: pd.DataFrame
    files: list[dict[str, Any]] = field(default_factory=list)
    later: dict[str, int] = field(default_factory=dict)
    undated: dict[str, int] = field(default_factory=dict)

    @cached_property
    def enrolled(self) -> pd.DataFrame:
        """The people who are in the study."""
        return self.people[self.people["enrolled"]]

    def of(self, group: str) -> ProgressData:
        """Return the data of one group alone."""

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[(frame["group"] == group).to_numpy(dtype=bool)]

        return replace(
            self,
            people=own(self.people),
            visits=own(self.visits),
            forms=own(self.forms),
            screening=None if self.screening is None else own(self.screening),
            activities=None if self.activities is None else own(self.activities),
            codings={name: own(frame) for name, frame in self.codings.items()},
            queries=own(self.queries),
            scores=None,
            raw_visits=own(self.raw_visits),
        )


def groups(study: Study, data: ProgressData) -> dict[str, str]:
    """Return name → label of the groups: all of the configuration, and one for what belongs to none, if need be."""
    known = group_levels(study)
    frames = [data.people, *([data.screening] if data.screening is not None else [])]
    if known and any((frame["group"] == NO_GROUP).any() for frame in frames):
        return {**known, NO_GROUP: "Not known"}
    return known


def read_progress(study: Study, as_of: str | None = None) -> ProgressData:
    """Read what is known of the study, as of a day.

    Args:
        study: the configuration.
        as_of: a date as YYYY-MM-DD, `today` or `latest_in_data`; default: what progress.yaml says.

    Raises:
        DataError: a file is missing or damaged.
    """
    layout = study.layout
    everyone = _people(study, read_parquet(layout.checked_participants))
    held = read_parquet(layout.checked_visits)
    tables = {name: read_parquet(layout.checked_events(name)) for name in event_tables(study)}
    log, acts = study.progress.screening, study.progress.activities
    screening = events.screening(study, tables[log.table], everyone) if log and log.table in tables else None
    activities = events.activities(study, tables[acts.table], everyone) if acts and acts.table in tables else None
    dated = study.variable_with_role("visit_date")
    visit_date = held[dated.name] if dated and dated.name in held else pd.Series(pd.NaT, index=held.index)
    held = held.assign(date=visit_date.astype("datetime64[ns]"))
    day = _day(as_of or str(study.progress.as_of), everyone, held, screening, activities)
    later: dict[str, int] = {}
    people = _people_on(everyone, day, study.progress.enrolled, later)
    done = _held_on(study, people, held, day, later)
    visits = _visits(study, people, done, day)
    done = done.merge(visits.loc[visits["done"], ["unit", "visit", "group"]], on=["unit", "visit"], how="inner")
    screening = None if screening is None else _until(screening, day, "screened", later)
    activities = None if activities is None else _until(activities, day, "activities", later)
    scores = read_parquet(layout.scores, ["unit", "visit", "score", "value"]) if needs_scores(study) else None
    return ProgressData(
        study=study,
        as_of=day,
        people=people,
        visits=visits,
        forms=_forms(study, done),
        screening=screening,
        activities=activities,
        codings={
            coding.instrument: _codings(tables[name], visits)
            for coding in study.progress.double_coding
            if (name := str(study.instruments[coding.instrument].double_coded)) in tables
        },
        queries=_queries(read_queries(layout.queries), people, everyone, held, day),
        scores=None if scores is None else _among_done(scores, done),
        raw_visits=done,
        files=read_record(layout.intake_record),
        later={what: n for what, n in later.items() if n},
        undated=_undated(study, people, visits),
    )


def _day(
    wanted: str, people: pd.DataFrame, held: pd.DataFrame, screening: pd.DataFrame | None, acts: pd.DataFrame | None
) -> pd.Timestamp:
    if wanted == "today":
        return pd.Timestamp(dt.date.today())
    if wanted != "latest_in_data":
        return pd.Timestamp(dt.date.fromisoformat(wanted))
    dates = [people["enrolled_on"], people["withdrawn_on"], held["date"]]
    dates += [frame["date"] for frame in (screening, acts) if frame is not None]
    latest = pd.concat([d.astype("datetime64[ns]") for d in dates]).max()
    return NO_DAY if pd.isna(latest) else latest.normalize()


def _people(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return the units received; who is enrolled is what intake says, or who has the date of another enrolment."""
    progress = study.progress
    group = study.variables.get(progress.group) if progress.group else study.variable_with_role("site")
    entered = progress.enrolment or name_of(study.variable_with_role("randomisation_date"))
    reason = study.variable_with_role("withdrawal_reason")
    enrolled_on = dates_of(table, entered)
    there = enrolled_on.notna() if progress.enrolment else table["randomised"]
    groups_of = table[group.name] if group and group.name in table else pd.Series(NO_GROUP, index=table.index)
    columns = {
        "unit": table["unit"].astype("object"),
        "group": groups_of.astype("object").where(groups_of.notna(), NO_GROUP),
        "enrolled": there.to_numpy(dtype=bool),
        "enrolled_on": enrolled_on,
        "withdrawn_on": dates_of(table, name_of(study.variable_with_role("withdrawal_date"))),
        "withdrawn_reason": labels(reason, table[reason.name]) if reason and reason.name in table else "",
    }
    for name in progress.listings.variables:
        if name in table and name not in columns:
            variable = study.variables[name]
            columns[name] = labels(variable, table[name]) if variable.type == "category" else table[name]
    return pd.DataFrame(columns)


def _people_on(people: pd.DataFrame, day: pd.Timestamp, enrolled: str, later: dict[str, int]) -> pd.DataFrame:
    """Return the people received by a day, without what they did later."""
    not_yet, still_in = people["enrolled_on"] > day, people["withdrawn_on"] > day
    later[enrolled], later["withdrawals"] = int(not_yet.sum()), int((still_in & ~not_yet).sum())
    table = people[~not_yet].copy()
    still = still_in[~not_yet]
    table.loc[still, "withdrawn_on"] = pd.NaT
    table.loc[still, "withdrawn_reason"] = ""
    return table.reset_index(drop=True)


def _held_on(
    study: Study, people: pd.DataFrame, held: pd.DataFrame, day: pd.Timestamp, later: dict[str, int]
) -> pd.DataFrame:
    """Return the assessments held by a day; one without a date counts once its window has opened."""
    if held.empty or not study.visits:
        return held.iloc[:0]
    opened = assessments(study, _as_derive(study, people), held.iloc[:0]).set_index(["unit", "visit"])["window_open"]
    due = pd.Series(opened.reindex(pd.MultiIndex.from_frame(held[["unit", "visit"]])).to_numpy(), index=held.index)
    after = held["date"] > day
    later["assessments"] = int(after.sum())
    return held[~after & (held["date"].notna() | ~(due > day))]


def _as_derive(study: Study, people: pd.DataFrame) -> pd.DataFrame:
    """Return the people under the names that `derive` knows them by."""
    names = {
        study.progress.enrolment or name_of(study.variable_with_role("randomisation_date")): "enrolled_on",
        name_of(study.variable_with_role("withdrawal_date")): "withdrawn_on",
    }
    own = {name: people[column] for name, column in names.items() if name is not None}
    return pd.DataFrame({"unit": people["unit"].astype("str"), "randomised": people["enrolled"], **own})


def _visits(study: Study, people: pd.DataFrame, held: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return a row per enrolled unit and planned visit."""
    if not study.visits:
        return pd.DataFrame(
            {name: pd.Series(dtype="object") for name in ("unit", "visit", "group", "assessor")}
        ).assign(done=pd.Series(dtype=bool), visit_date=pd.Series(dtype="datetime64[ns]"))
    table = assessments(study, _as_derive(study, people), held.drop(columns=["date"]))
    table = table.drop(columns="state")
    keys = pd.MultiIndex.from_frame(held[["unit", "visit"]].astype("object"))
    table["unit"], table["visit"] = table["unit"].astype("object"), table["visit"].astype("object")
    at = keys.get_indexer(pd.MultiIndex.from_frame(table[["unit", "visit"]]))
    table["done"] = at >= 0
    table["group"] = of_unit(people, "group", table["unit"])
    table["withdrawn_on"] = of_unit(people, "withdrawn_on", table["unit"])
    by = study.progress.assessor
    told = labels(study.variables[by], held[by]).to_numpy() if by and by in held else np.full(len(held), "")
    table["assessor"] = np.where(at >= 0, told[at] if len(told) else "", "")
    return table.assign(state=visit_states(table, day, study.progress.follow_up.late_days))


def _forms(study: Study, done: pd.DataFrame) -> pd.DataFrame:
    """Return how many items of each form were answered, at the assessments done."""
    pieces = []
    for instrument in study.instruments.values():
        given = done[done["visit"].isin(study.instrument_visits(instrument.name)).to_numpy(dtype=bool)]
        if given.empty:
            continue
        names = [instrument.item_variable(item) for item in instrument.item_names()]
        there = [name for name in names if name in given]
        answered = given[there].notna().sum(axis=1).to_numpy() if there else np.zeros(len(given), dtype=int)
        pieces.append(
            given[["unit", "visit", "group"]].assign(instrument=instrument.name, items=len(names), answered=answered)
        )
    columns = ["unit", "visit", "group", "instrument", "items", "answered"]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=columns)


def _until(table: pd.DataFrame, day: pd.Timestamp, what: str, later: dict[str, int]) -> pd.DataFrame:
    after = table["date"] > day
    later[what] = int(after.sum())
    return table[~after].reset_index(drop=True)


def _codings(table: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Return the second codings of assessments done."""
    done = visits.loc[visits["done"], ["unit", "visit", "group"]]
    own = table.assign(unit=table["unit"].astype("object"), visit=table["visit"].astype("object"))
    return own.merge(done, on=["unit", "visit"], how="inner")


def _among_done(scores: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    scores = scores.assign(unit=scores["unit"].astype("object"), visit=scores["visit"].astype("object"))
    keys = done[["unit", "visit"]].astype("object")
    return scores.merge(keys, on=["unit", "visit"], how="inner").assign(score=lambda t: t["score"].astype("object"))


def _queries(
    queries: pd.DataFrame, people: pd.DataFrame, everyone: pd.DataFrame, held: pd.DataFrame, day: pd.Timestamp
) -> pd.DataFrame:
    """Return the queries about what had happened by a day: not those of people or assessments that came later."""
    unit = queries["unit"].astype("object")
    dates = pd.Series(held["date"].to_numpy(), index=pd.MultiIndex.from_frame(held[["unit", "visit"]].astype("object")))
    at = pd.MultiIndex.from_arrays([unit, queries["visit"].astype("object")])
    later_visit = dates.reindex(at).to_numpy() > day.to_datetime64()
    later_person = unit.isin(set(everyone["unit"]) - set(people["unit"])).to_numpy(dtype=bool)
    table = queries[~later_visit & ~later_person].reset_index(drop=True)
    found = of_unit(people, "group", table["unit"])
    return table.assign(group=found.where(found.notna(), NO_GROUP))


def _undated(study: Study, people: pd.DataFrame, visits: pd.DataFrame) -> dict[str, int]:
    counts = {
        f"{study.progress.enrolled} without a date": int((people["enrolled"] & people["enrolled_on"].isna()).sum()),
        "assessments without a date": int((visits["done"] & visits["visit_date"].isna()).sum()),
    }
    return {what: n for what, n in counts.items() if n}
