"""Data queries over time: new, still open, answered, resolved; none that was ever raised or answered is lost."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.progress.answers import CLOSING, Answer, latest

if TYPE_CHECKING:
    from pipanalysis.progress.snapshot import Snapshot

STATES = {
    "open": "Open",
    "still_there": "Answered as corrected, but still in the data",
    "confirmed": "Confirmed as correct",
    "cannot_resolve": "Cannot be resolved",
    "resolved": "Resolved: no longer in the data",
    "not_known": "Answered, but no such query is on record",
}
"""state → what it is called"""
OPEN = ("open", "still_there")
SEVERITIES = ("error", "warning", "info")
DETAILS = ["severity", "rule", "file", "row", "unit", "visit", "variable", "found", "allowed", "action", "group"]
COLUMNS = [
    "query_id",
    "state",
    "since_last",
    "first_seen",
    "age_days",
    *DETAILS,
    "answer",
    "answered_by",
    "answered_on",
    "note",
]


def query_log(queries: pd.DataFrame, earlier: list[Snapshot], answers: list[Answer], as_of: dt.date) -> pd.DataFrame:
    """Return a row for every query that was ever raised or answered, up to a day.

    Args:
        queries: today's, as text: query_id and ``DETAILS``.
        earlier: the snapshots of earlier days, in time order.
        answers: every answer on file.
        as_of: the day; answers dated later do not count yet.

    Returns:
        ``COLUMNS``. `since_last`: new, still or resolved, against the latest snapshot ("" where the query was gone
        already, and for all where there is none). `first_seen`: the first day on record with the query. `age_days`:
        since then. Sorted with the open ones first, by severity, then age.
    """
    today = {str(row["query_id"]): {str(k): str(v) for k, v in row.items()} for row in queries.to_dict("records")}
    seen: dict[str, dt.date] = {}
    details: dict[str, dict[str, str]] = {}
    for snapshot in earlier:
        for row in snapshot.queries:
            seen.setdefault(row["query_id"], snapshot.as_of)
            details[row["query_id"]] = row
    last = {row["query_id"] for row in earlier[-1].queries} if earlier else set()
    answered = latest(answers, as_of)
    rows = []
    for key in dict.fromkeys([*today, *details, *answered]):
        row = today.get(key) or details.get(key) or {}
        first = seen.get(key, as_of) if row else None
        answer = answered.get(key)
        rows.append(
            {
                "query_id": key,
                "state": _state(answer, there=key in today, known=bool(row)),
                "since_last": _since_last(there=key in today, before=key in last) if earlier else "",
                "first_seen": first.isoformat() if first else "",
                "age_days": (as_of - first).days if first else -1,
                **{name: str(row.get(name, "")) for name in DETAILS},
                "answer": answer.answer if answer else "",
                "answered_by": answer.by if answer else "",
                "answered_on": answer.on.isoformat() if answer and answer.on else "",
                "note": answer.note if answer else "",
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    rank = {name: i for i, name in enumerate([*SEVERITIES, ""])}
    order = pd.DataFrame(
        {
            "state": table["state"].map({name: i for i, name in enumerate(STATES)}),
            "severity": table["severity"].map(rank),
            "age": -table["age_days"],
            "nobody": table["unit"] == "",
            "unit": table["unit"],
            "id": table["query_id"],
        }
    ).sort_values(["state", "severity", "age", "nobody", "unit", "id"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def _state(answer: Answer | None, *, there: bool, known: bool) -> str:
    if not known:
        return "not_known"
    if not there:
        return "resolved"
    if answer is None:
        return "open"
    return answer.answer if answer.answer in CLOSING else "still_there"


def _since_last(*, there: bool, before: bool) -> str:
    if there:
        return "still" if before else "new"
    return "resolved" if before else ""


def open_queries(log: pd.DataFrame) -> pd.DataFrame:
    """Return the queries that wait for somebody."""
    return log[log["state"].isin(OPEN)]
