"""Funnel, recruitment, completeness, retention, ages and the chase list: by hand, by another count, by publication."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.progress.ages import ages_at_assessment
from pipanalysis.progress.chase import chase_list
from pipanalysis.progress.completeness import completeness
from pipanalysis.progress.data import ProgressData, read_progress
from pipanalysis.progress.double_coding import coder_agreement, coding_progress
from pipanalysis.progress.funnel import NOT_SAID, funnel
from pipanalysis.progress.recruitment import recruitment
from pipanalysis.progress.retention import retention, withdrawal_reasons
from progress import trials


def read(folder: Path, as_of: str, progress: dict[str, Any] | None = None, **tables: Any) -> ProgressData:
    chosen = trials.study(folder, progress)
    trials.write(chosen, **tables)
    return read_progress(chosen, as_of)


logged = st.fixed_dictionaries(
    {
        "site": st.sampled_from(["north", "south"]),
        "seen_on": st.none() | st.dates(dt.date(2020, 1, 1), dt.date(2020, 12, 31)),
        "fits": st.sampled_from(["0", "1", None]),
        "why_not": st.sampled_from(["1", "2", None]),
        "agreed": st.sampled_from(["0", "1", None]),
        "why_no": st.sampled_from(["1", None]),
        "joined": st.booleans(),
    }
)


@settings(max_examples=50)
@given(log=st.lists(logged, max_size=25))
def test_the_funnel_adds_up_and_equals_another_count(log: list[dict[str, Any]]) -> None:
    as_of = dt.date(2020, 9, 1)
    rows = [{**row, "unit": f"D{i}" if row["joined"] else None} for i, row in enumerate(log)]
    people = [{"unit": r["unit"], "site": r["site"], "randomised_on": "2020-08-01"} for r in rows if r["unit"]]
    with tempfile.TemporaryDirectory() as place:
        data = read(
            Path(place),
            as_of.isoformat(),
            people=people,
            log=[{k: v for k, v in r.items() if k != "joined"} for r in rows],
        )
    found = funnel(data)
    assert found is not None
    screened, eligible, consented, enrolled = found.steps
    for step, onward in ((screened, eligible), (eligible, consented), (consented, enrolled)):
        assert step.n == onward.n + sum(step.lost.values()) + step.waiting
    seen = [r for r in rows if r["seen_on"] is None or r["seen_on"] <= as_of]
    fit = [r for r in seen if r["fits"] == "1"]
    agreed = [r for r in fit if r["agreed"] == "1"]
    assert [s.n for s in found.steps] == [len(seen), len(fit), len(agreed), sum(r["joined"] for r in agreed)]
    labels = {"1": "Too old", "2": "Other", None: NOT_SAID}
    assert screened.lost == Counter(labels[r["why_not"]] for r in seen if r["fits"] == "0")
    assert eligible.lost == Counter({"1": "No time", None: NOT_SAID}[r["why_no"]] for r in fit if r["agreed"] == "0")
    assert found.enrolled == len(people)
    assert found.not_in_log == len(people) - enrolled.n


def test_recruitment_against_the_plan(tmp_path: Path) -> None:
    people = [{"unit": f"D{i}", "site": "north", "randomised_on": f"2020-0{1 + i % 6}-15"} for i in range(18)]
    people.append({"unit": "E1", "site": "south", "randomised_on": "2020-11-01"})
    data = read(tmp_path, "2020-07-01", people=people)
    found = recruitment(data)
    # 182 of the plan's 365 days are over: 40 x 182/365.
    assert found.planned_now == pytest.approx(40 * 182 / 365)
    assert (found.enrolled, found.target, found.state) == (18, 40, "going_on")
    assert int(found.cumulative.iloc[-1]) == 18
    assert found.cumulative.index[-1] == pd.Timestamp("2020-07-01")
    assert found.last_on == pd.Timestamp("2020-06-15")
    assert data.later["randomised"] == 1
    assert found.outlook is not None
    # Begun on 15 January: 15 of the 18 came after that day, in 168 days; prior of 1 unit at 40 in 365 days.
    assert (found.recent, found.recent_days) == (15, 168)
    assert found.outlook.rate.shape == 16
    assert found.outlook.rate.rate == pytest.approx(365 / 40 + 168)
    assert found.outlook.done_on is not None
    low, middle, high = found.outlook.done_on
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low < middle < high
    assert recruitment(data.of("south"), "south", n_groups=2).state == "no_target"
    assert recruitment(data.of("south"), "south", n_groups=2).outlook is None


def test_a_target_reached_and_a_recruitment_that_ended_short(tmp_path: Path) -> None:
    people = [
        {"unit": f"D{i}", "site": "north", "randomised_on": dt.date(2020, 1, 1) + dt.timedelta(days=i)}
        for i in range(41)
    ]
    reached = recruitment(read(tmp_path / "a", "2021-06-01", people=people))
    assert (reached.state, reached.reached_on) == ("reached", pd.Timestamp("2020-02-09"))
    assert reached.outlook is None
    short = recruitment(read(tmp_path / "b", "2021-12-31", people=people[:30]))
    assert (short.state, short.outlook) == ("ended_short", None)


def test_completeness_by_hand(tmp_path: Path) -> None:
    people = [{"unit": u, "site": "north", "randomised_on": "2020-01-10"} for u in ("D1", "D2", "D3", "D4")]
    visits = [
        {"unit": "D1", "visit": "baseline", "visited_on": "2020-01-05", "mood_1": 1, "mood_2": 2, "mood_3": 3},
        {"unit": "D2", "visit": "baseline", "visited_on": "2020-01-05", "mood_1": 1},
        {"unit": "D3", "visit": "baseline", "visited_on": "2020-01-05"},
        {"unit": "D4", "visit": "baseline", "visited_on": "2020-03-05", "mood_1": 1, "mood_2": 2, "mood_3": 3},
    ]
    table = completeness(read(tmp_path, "2020-02-01", people=people, visits=visits)).set_index("visit")
    first = table.loc["baseline"]
    assert [first[c] for c in ("done", "complete", "partial", "empty")] == [3, 1, 1, 1]
    assert first["percent"] == pytest.approx(100 / 3)
    assert table.loc["month6", "done"] == 0
    assert pd.isna(table.loc["month6", "percent"])


# Freireich et al. (1963), Blood 21:699: weeks in remission on 6-mercaptopurine, + for those still in remission; the
# Kaplan-Meier estimates: Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, section 1.1.
DURATIONS = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PUBLISHED = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}


def test_retention_is_the_published_kaplan_meier_curve(tmp_path: Path) -> None:
    as_of = dt.date(2020, 12, 1)
    people = []
    for i, text in enumerate(DURATIONS.split(" ")):
        weeks = int(text.removesuffix("+"))
        entered = as_of - dt.timedelta(days=weeks)  # days stand for the weeks, so that nobody's visits end first
        people.append(
            {"unit": f"D{i}", "site": "north", "randomised_on": entered, "left_on": None if "+" in text else as_of}
        )
    table = retention(read(tmp_path, as_of.isoformat(), people=people))
    found = {round(month * 30.4375): share for month, share in zip(table["month"], table["share"], strict=True)}
    assert found[0] == 1
    assert {day: round(found[day], 3) for day in PUBLISHED} == PUBLISHED
    assert table.loc[table["withdrawn"] > 0, "withdrawn"].sum() == 9


def test_reasons_for_withdrawal(tmp_path: Path) -> None:
    people = [
        {"unit": f"D{i}", "site": "north", "randomised_on": "2020-01-10", "left_on": left, "left_why": why}
        for i, (left, why) in enumerate(
            [("2020-02-01", "1"), ("2020-02-01", "1"), ("2020-02-02", None), ("2020-08-01", "2")]
        )
    ]
    assert withdrawal_reasons(read(tmp_path, "2020-06-01", people=people)) == {"Moved": 2, "Reason not recorded": 1}


def test_ages_by_hand(tmp_path: Path) -> None:
    people = [{"unit": f"D{i}", "site": "north", "randomised_on": "2020-01-10"} for i in range(5)]
    visits = [
        {"unit": f"D{i}", "visit": "baseline", "visited_on": "2020-01-09", "age": age}
        for i, age in enumerate([1, 2, 3, 4, 10])
    ]
    (row,) = ages_at_assessment(read(tmp_path, "2020-06-01", people=people, visits=visits)).to_dict("records")
    assert row == {"age": "Age", "visit": "baseline", "n": 5, "lowest": 1, "q1": 2, "median": 3, "q3": 4, "highest": 10}


def test_the_chase_list_has_the_most_urgent_first(tmp_path: Path) -> None:
    # As of 2020-08-01; 6-month windows close 28 days after the target and open 14 days before it.
    entered = {
        "closing": "2020-01-10",  # due 10 July, closes 7 August
        "overdue": "2020-01-02",  # due 2 July, closed 30 July
        "later": "2020-02-20",  # due 20 August, opens 6 August
        "open": "2020-02-01",  # due 1 August, closes 29 August
        "none": "2020-07-01",  # due 1 January
    }
    people = [{"unit": unit, "site": "north", "randomised_on": day} for unit, day in entered.items()]
    done = [{"unit": unit, "visit": "baseline", "visited_on": day, "rater": "R2"} for unit, day in entered.items()]
    table = chase_list(read(tmp_path, "2020-08-01", people=people, visits=done))
    assert list(zip(table["urgency"], table["unit"], table["days"], strict=True)) == [
        ("closing", "closing", 6),
        ("overdue", "overdue", -2),
        ("open", "open", 28),
        ("opening", "later", 5),
    ]
    assert set(table["assessor"]) == {"Rater 2"}
    assert set(table["visit"]) == {"month6"}


def test_second_coding_by_hand(tmp_path: Path) -> None:
    people = [{"unit": f"D{i}", "site": "north", "randomised_on": "2020-01-10"} for i in range(7)]
    items = {"mood_1": 1, "mood_2": 2, "mood_3": 3}
    visits = [
        {"unit": f"D{i}", "visit": "baseline", "visited_on": "2020-01-09", **items, "mood_1": i % 4} for i in range(7)
    ]
    twice = [{"unit": f"D{i}", "visit": "baseline", **items, "mood_1": i % 4} for i in range(5)]
    twice += [{"unit": "D6", "visit": "baseline"}, {"unit": "D0", "visit": "month6", **items}]
    data = read(tmp_path, "2020-06-01", people=people, visits=visits, twice=twice)
    (coded,) = coding_progress(data)
    # Half of 7 forms is 4; a coding without a value, and one of a visit that was not held, do not count.
    assert (coded.done, coded.wanted, coded.coded) == (7, 4, 5)
    (agreement,) = coder_agreement(data)
    assert (agreement.pairs, agreement.value) == (5, 1.0)
    few = read(tmp_path, "2020-06-01", people=people, visits=visits, twice=twice[:2])
    assert coder_agreement(few)[0].value is None
    assert "fewer than 5" in coder_agreement(few)[0].reason
