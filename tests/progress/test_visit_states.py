"""Every dyad in exactly one state for each visit: edges of windows, leap days, withdrawals; against another count."""

from __future__ import annotations

import calendar
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.progress.data import read_progress
from pipanalysis.progress.visit_states import STATES, follow_up_rate, state_counts
from progress import trials

LATE = 28


def state_of(
    tmp_path: Path, as_of: str, person: dict[str, Any], visits: list[dict[str, Any]] | None = None
) -> dict[str, str]:
    chosen = trials.study(tmp_path)
    trials.write(chosen, [{"unit": "D1", "site": "north", **person}], [{"unit": "D1", **v} for v in visits or []])
    data = read_progress(chosen, as_of)
    return dict(zip(data.visits["visit"], data.visits["state"], strict=True))


# Randomised 2020-01-10: the 6-month visit is due 2020-07-10, its window 2020-06-26 to 2020-08-07.
@pytest.mark.parametrize(
    ("as_of", "state"),
    [
        ("2020-06-25", "expected"),
        ("2020-06-26", "due"),
        ("2020-08-07", "due"),
        ("2020-08-08", "overdue"),
        ("2020-09-04", "overdue"),
        ("2020-09-05", "missed"),
    ],
)
def test_not_done_at_the_edges_of_the_window(tmp_path: Path, as_of: str, state: str) -> None:
    assert state_of(tmp_path, as_of, {"randomised_on": "2020-01-10"})["month6"] == state


@pytest.mark.parametrize(
    ("visited_on", "state"),
    [
        ("2020-06-25", "done_out_of_window"),
        ("2020-06-26", "done_in_window"),
        ("2020-08-07", "done_in_window"),
        ("2020-08-08", "done_out_of_window"),
        (None, "done_undated"),
    ],
)
def test_done_at_the_edges_of_the_window(tmp_path: Path, visited_on: str | None, state: str) -> None:
    visits = [{"visit": "month6", "visited_on": visited_on}]
    assert state_of(tmp_path, "2020-12-31", {"randomised_on": "2020-01-10"}, visits)["month6"] == state


@pytest.mark.parametrize(
    ("left_on", "as_of", "state"),
    [
        ("2020-02-01", "2020-02-01", "withdrawn"),
        ("2020-02-01", "2020-01-31", "expected"),  # not yet, on that day
        ("2020-09-04", "2020-12-31", "withdrawn"),  # the last day on which it could be done
        ("2020-09-05", "2020-12-31", "missed"),  # it was missed before they left
    ],
)
def test_withdrawn_unless_missed_before(tmp_path: Path, left_on: str, as_of: str, state: str) -> None:
    assert state_of(tmp_path, as_of, {"randomised_on": "2020-01-10", "left_on": left_on})["month6"] == state


def test_an_assessment_done_before_withdrawal_stays_done(tmp_path: Path) -> None:
    visits = [{"visit": "month6", "visited_on": "2020-07-10"}]
    states = state_of(tmp_path, "2021-06-01", {"randomised_on": "2020-01-10", "left_on": "2020-07-20"}, visits)
    assert (states["month6"], states["month12"]) == ("done_in_window", "withdrawn")


def test_an_assessment_dated_later_than_the_as_of_date_has_not_been_done(tmp_path: Path) -> None:
    visits = [{"visit": "month6", "visited_on": "2020-07-10"}]
    assert state_of(tmp_path, "2020-07-09", {"randomised_on": "2020-01-10"}, visits)["month6"] == "due"
    assert state_of(tmp_path, "2020-07-10", {"randomised_on": "2020-01-10"}, visits)["month6"] == "done_in_window"


def test_leap_days(tmp_path: Path) -> None:
    # 29 February 2020 and 12 months: 28 February 2021, so the window closes on 28 March.
    assert state_of(tmp_path, "2021-03-28", {"randomised_on": "2020-02-29"})["month12"] == "due"
    assert state_of(tmp_path, "2021-03-29", {"randomised_on": "2020-02-29"})["month12"] == "overdue"
    # 31 August 2023 and 6 months: 29 February 2024; opens 15 February.
    assert state_of(tmp_path, "2024-02-14", {"randomised_on": "2023-08-31"})["month6"] == "expected"
    assert state_of(tmp_path, "2024-02-15", {"randomised_on": "2023-08-31"})["month6"] == "due"


def test_without_a_date_of_randomisation_nothing_is_due_yet_and_it_is_said(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path)
    trials.write(chosen, [{"unit": "D1", "site": "north", "randomised": True, "randomised_on": None}])
    data = read_progress(chosen, "2021-01-01")
    assert set(data.visits["state"]) == {"expected"}
    assert data.undated == {"randomised without a date": 1}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_days_do_not_move_with_the_time_zone(tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert state_of(tmp_path, "2020-06-26", {"randomised_on": "2020-01-10"})["month6"] == "due"
        assert state_of(tmp_path, "2020-06-25", {"randomised_on": "2020-01-10"})["month6"] == "expected"
    finally:
        monkeypatch.undo()
        time.tzset()


def months_on(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def by_hand(
    as_of: dt.date, randomised: dt.date, left: dt.date | None, visited: dt.date | None, visit: dict[str, Any]
) -> str:
    """The state of a visit by comparing dates one by one."""
    target = months_on(randomised, visit["months"])
    opens = target - dt.timedelta(days=visit["window"]["before"])
    closes = target + dt.timedelta(days=visit["window"]["after"])
    if visited is not None and visited <= as_of:
        return "done_in_window" if opens <= visited <= closes else "done_out_of_window"
    if left is not None and left <= as_of and (left - closes).days <= LATE:
        return "withdrawn"
    if as_of < opens:
        return "expected"
    if as_of <= closes:
        return "due"
    return "overdue" if (as_of - closes).days <= LATE else "missed"


days = st.dates(dt.date(2019, 11, 1), dt.date(2021, 12, 31))
person = st.fixed_dictionaries(
    {
        "site": st.sampled_from(["north", "south", None]),
        "randomised_on": st.dates(dt.date(2020, 1, 1), dt.date(2021, 3, 1)),
        "left_on": st.none() | days,
        "visited": st.fixed_dictionaries({v["name"]: st.none() | days for v in trials.STUDY["visits"]}),
    }
)


@settings(max_examples=60)
@given(people=st.lists(person, max_size=12), as_of=days)
def test_counts_equal_another_count_and_every_dyad_is_counted_once(
    people: list[dict[str, Any]], as_of: dt.date
) -> None:
    rows = [{**p, "unit": f"D{i}"} for i, p in enumerate(people)]
    held = [
        {"unit": row["unit"], "visit": name, "visited_on": day}
        for row in rows
        for name, day in row["visited"].items()
        if day is not None
    ]
    with tempfile.TemporaryDirectory() as place:
        chosen = trials.study(Path(place))
        trials.write(chosen, [{k: v for k, v in row.items() if k != "visited"} for row in rows], held)
        data = read_progress(chosen, as_of.isoformat())
    expected: dict[tuple[str, str], int] = {}
    inside = [row for row in rows if row["randomised_on"] <= as_of]
    for row in inside:
        for visit in trials.STUDY["visits"]:
            state = by_hand(as_of, row["randomised_on"], row["left_on"], row["visited"][visit["name"]], visit)
            expected[visit["name"], state] = expected.get((visit["name"], state), 0) + 1
    counts = state_counts(data)
    assert set(counts.columns) == set(STATES)
    assert {(str(v), str(s)): int(n) for v, row in counts.iterrows() for s, n in row.items() if n} == expected
    assert (counts.sum(axis=1) == len(inside)).all()
    by_site = sum(state_counts(data.of(site)) for site in ("north", "south", ""))
    pd.testing.assert_frame_equal(by_site, counts)


def test_follow_up_is_of_those_decided() -> None:
    counts = pd.DataFrame(0, index=["month6"], columns=list(STATES))
    counts.loc["month6", ["done_in_window", "done_out_of_window", "missed", "withdrawn", "due", "expected"]] = [
        6,
        2,
        1,
        1,
        5,
        9,
    ]
    rate = follow_up_rate(counts).loc["month6"]
    assert (rate["done"], rate["decided"], rate["percent"]) == (8, 10, 80)
