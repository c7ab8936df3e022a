"""Checks of visit dates against randomisation, each other and the windows; ages from a date of birth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.intake.queries import Queries
from pipanalysis.schedule import target_dates

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

DAYS_PER_MONTH = 30.4375


def age_in_months(born: pd.Series, on: pd.Series) -> pd.Series:
    """Return ages in months (of 30.4375 days) to one decimal: no finer, so that the date of birth goes no further."""
    days = (on.astype("datetime64[s]") - born.astype("datetime64[s]")).dt.days
    return (days / DAYS_PER_MONTH).round(1)


def check_visit_dates(study: Study, participants: pd.DataFrame, visits: pd.DataFrame, queries: Queries) -> pd.DataFrame:
    """Return the visits with impossible dates set missing, after checks that need more than one value.

    Args:
        study: visits, windows and the variables with a role.
        participants: a row per unit.
        visits: a row per unit and visit, with `file` and `row`.
        queries: collects the problems.
    """
    dated = study.variable_with_role("visit_date")
    if dated is None or dated.name not in visits or visits.empty:
        return visits
    randomised = study.variable_with_role("randomisation_date")
    visits = visits.copy()
    date = visits[dated.name].astype("datetime64[s]")
    baseline = study.baseline_visit.name if study.baseline_visit else None
    if randomised and randomised.name in participants:
        start = visits["unit"].map(participants.set_index("unit")[randomised.name]).astype("datetime64[s]")
        early = (visits["visit"] != baseline) & (date < start)
        for i in np.flatnonzero(early):
            _ask(
                queries, "visit-before-randomisation", visits.iloc[i], dated.name, f"on or after {start.iloc[i].date()}"
            )
        date = date.mask(early)
        visits[dated.name] = date
        for name, visit in study.visits.items():
            if visit.window is None:
                continue
            target = target_dates(start, visit)
            outside = (date < target - pd.Timedelta(days=visit.window.before)) | (
                date > target + pd.Timedelta(days=visit.window.after)
            )
            for i in np.flatnonzero(outside & (visits["visit"] == name)):
                low = (target.iloc[i] - pd.Timedelta(days=visit.window.before)).date()
                high = (target.iloc[i] + pd.Timedelta(days=visit.window.after)).date()
                _ask(queries, "visit-out-of-window", visits.iloc[i], dated.name, f"{low} to {high}")
    previous = date.groupby(visits["unit"]).ffill().groupby(visits["unit"]).shift()
    for i in np.flatnonzero(date < previous):
        _ask(
            queries,
            "visit-order",
            visits.iloc[i],
            dated.name,
            f"on or after the visit before, {previous.iloc[i].date()}",
        )
    return visits


def _ask(queries: Queries, rule: str, row: pd.Series, variable: str, allowed: str) -> None:
    found = str(pd.Timestamp(row[variable]).date())
    queries.add(
        rule,
        str(row["file"]),
        int(row["row"]),
        unit=row["unit"],
        visit=str(row["visit"]),
        variable=variable,
        found=found,
        allowed=allowed,
    )
