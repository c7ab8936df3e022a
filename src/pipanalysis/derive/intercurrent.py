"""From which visit on a unit's values lie after each intercurrent event of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from pipanalysis.files import read_parquet
from pipanalysis.study.event_tables import event_path

if TYPE_CHECKING:
    from pipanalysis.study.estimands import IntercurrentEvent, When
    from pipanalysis.study.load import Study


def after_column(event: str) -> str:
    """Return the participants' column that holds the first visit after an event."""
    return f"after_{event}"


def with_intercurrent_events(
    study: Study, participants: pd.DataFrame, assessments: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add the first visit after each intercurrent event that has a date.

    A visit is after the event when its assessment was on a later day; a visit without a date of assessment when it was
    due on a later day. Baseline is never after an event, and events before randomisation are not intercurrent.

    Args:
        study: the plan's events, and where their dates stand.
        participants: one row per randomised unit.
        assessments: a row per unit and visit: target_date, visit_date.

    Returns:
        The participants with a column ``after_EVENT`` for each event with a date: name of the first visit after it,
        missing where there is none. And by event what was found: units with the event (`units`) and units with one
        before randomisation that does not count (`before_randomisation`); or `not_read`, where the event stands in a
        closed table and the allocation is masked.

    Raises:
        DataError: an event table is missing or damaged.
    """
    found: dict[str, Any] = {}
    for event in study.plan.intercurrent_events:
        if event.when is None:
            continue
        dates = _dates(study, event.when, participants)
        if dates is None:
            participants = participants.assign(**{after_column(event.name): pd.Series(None, participants.index, "str")})
            found[event.name] = {"not_read": True}
            continue
        first, before = _first_dates(study, dates, participants)
        participants = participants.assign(
            **{
                after_column(event.name): participants["unit"]
                .map(_first_visits(study, first, assessments))
                .astype("str")
            }
        )
        found[event.name] = {"units": len(first), "before_randomisation": before}
    return participants, found


def events_not_read(study: Study) -> list[IntercurrentEvent]:
    """Return the events whose dates stand in a closed table while the allocation is masked."""
    dated = [event for event in study.plan.intercurrent_events if event.when and event.when.table]
    return [event for event in dated if event.when and event.when.table and event_path(study, event.when.table) is None]


def _dates(study: Study, when: When, participants: pd.DataFrame) -> pd.DataFrame | None:
    """Return unit and date of every such event, None where they may not be read."""
    if when.table is None:
        return participants[["unit", when.date]].set_axis(["unit", "date"], axis=1).dropna()
    path = event_path(study, when.table)
    if path is None:
        return None
    rows = read_parquet(path, columns=list(dict.fromkeys(["unit", when.date, *when.values])))
    for name, codes in when.values.items():
        rows = rows[rows[name].astype("str").isin(codes)]
    return rows[["unit", when.date]].set_axis(["unit", "date"], axis=1).dropna()


def _first_dates(study: Study, dates: pd.DataFrame, participants: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return unit → date of its first event since randomisation, and how many units had one before that."""
    dates = dates[dates["unit"].isin(set(participants["unit"]))]
    randomised = study.variable_with_role("randomisation_date")
    before = 0
    if randomised is not None:
        begun = _dates_of(dates["unit"], participants.set_index("unit")[randomised.name])
        early = (dates["date"] < begun).to_numpy()
        before = int(dates.loc[early, "unit"].nunique())
        dates = dates[~early]
    return dates.groupby("unit")["date"].min(), before


def _first_visits(study: Study, first: pd.Series, assessments: pd.DataFrame) -> pd.Series:
    """Return unit → first visit after its event, of the units that have one."""
    baseline = study.baseline_visit.name if study.baseline_visit else None
    follow_up = [visit for visit in study.visits if visit != baseline]
    order = {visit: i for i, visit in enumerate(follow_up)}
    visits = assessments[assessments["visit"].isin(follow_up)]
    when = visits["visit_date"].fillna(visits["target_date"])
    later = visits[(when > _dates_of(visits["unit"], first)).to_numpy()]
    earliest = later["visit"].map(order).groupby(later["unit"]).min()
    return earliest.map(dict(enumerate(follow_up)))


def _dates_of(units: pd.Series, dates: pd.Series) -> pd.Series:
    """Return the date of each unit; `map` cannot look units up among no dates."""
    return pd.Series(dates.reindex(units).to_numpy(), units.index)
