import calendar
import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.derive.windows import STATES, assessments
from pipanalysis.schedule import target_dates
from pipanalysis.study.load import Study, load_study
from pipanalysis.study.study import Visit


@pytest.fixture(scope="module")
def pip(root: Path) -> Study:
    return load_study(root)


@pytest.mark.parametrize(
    ("start", "months", "due"),
    [
        ("2007-08-31", 6, "2008-02-29"),  # a leap year's February
        ("2006-08-31", 6, "2007-02-28"),
        ("2008-02-29", 12, "2009-02-28"),
        ("2006-01-15", 0, "2006-01-15"),
        ("2006-01-15", 1.5, "2006-03-02"),  # 15 February and 15 days (half of 30.4375, rounded)
    ],
)
def test_target_date(start: str, months: float, due: str) -> None:
    visit = Visit(name="v", label="V", months=months)
    assert target_dates(pd.Series(pd.to_datetime([start])), visit).iloc[0] == pd.Timestamp(due)


def test_state_of_each_visit(pip: Study) -> None:
    """Window at 6 months: 28 days before to 42 days after; both edges are inside."""
    due = pd.Timestamp("2006-07-15")
    days = {"u1": -28, "u2": -29, "u3": 42, "u4": 43}
    participants = pd.DataFrame(
        {
            "unit": ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"],
            "randomised": [True] * 8 + [False],
            "randomisation_date": pd.to_datetime(["2006-01-15"] * 8 + [None]),
            "withdrawal_date": pd.to_datetime([None] * 5 + ["2006-07-15", "2006-07-16", None, None]),
        }
    )
    visits = pd.DataFrame(
        {
            "unit": [*days, "u8"],
            "visit": "month6",
            "visit_date": [*(due + pd.Timedelta(days=n) for n in days.values()), pd.NaT],
        }
    )
    table = assessments(pip, participants, visits)
    assert len(table) == 8 * 3
    assert set(table["state"]) <= set(STATES)
    found = table[table["visit"] == "month6"].set_index("unit")
    assert found["state"].to_dict() == {
        "u1": "in_window",
        "u2": "out_of_window",
        "u3": "in_window",
        "u4": "out_of_window",
        "u5": "not_done",
        "u6": "withdrawn",
        "u7": "not_done",
        "u8": "undated",
    }
    assert found.loc["u4", "days_from_target"] == 43
    assert (table.loc[table["visit"] != "month6", "state"].isin(["not_done", "withdrawn"])).all()


def test_a_study_without_dates(root: Path) -> None:
    study = load_study(root / "examples" / "beat-the-blues")
    participants = pd.DataFrame({"unit": ["1", "2"], "randomised": True})
    visits = pd.DataFrame({"unit": ["1"], "visit": ["month2"]})
    table = assessments(study, participants, visits)
    assert table["state"].tolist() == ["not_done", "undated", *["not_done"] * 8]


DAYS = st.dates(dt.date(2003, 1, 1), dt.date(2009, 12, 31))


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@given(start=DAYS, months=st.integers(0, 36))
def test_target_date_by_the_calendar(start: dt.date, months: int) -> None:
    visit = Visit(name="v", label="V", months=months)
    due = target_dates(pd.Series(pd.to_datetime([start])), visit).iloc[0]
    assert due.date() == months_later(start, months)


@given(
    start=DAYS,
    visited=st.dictionaries(st.sampled_from(["baseline", "month6", "month12"]), st.none() | st.integers(-400, 400)),
    left=st.none() | st.integers(0, 800),
)
def test_every_visit_has_the_one_state_that_its_dates_say(
    pip: Study, start: dt.date, visited: dict[str, int | None], left: int | None
) -> None:
    due = {visit.name: months_later(start, int(visit.months)) for visit in pip.visits.values()}
    came = {name: None if days is None else due[name] + dt.timedelta(days) for name, days in visited.items()}
    gone = None if left is None else start + dt.timedelta(left)
    participants = pd.DataFrame(
        {
            "unit": ["u"],
            "randomised": [True],
            "randomisation_date": pd.to_datetime([start]),
            "withdrawal_date": pd.to_datetime([gone]),
        }
    )
    held = pd.DataFrame(
        {"unit": ["u"] * len(came), "visit": list(came), "visit_date": pd.to_datetime(list(came.values()))}
    )
    table = assessments(pip, participants, held.astype({"unit": "str", "visit": "str"})).set_index("visit")
    assert list(table.index) == list(pip.visits)
    for name, visit in pip.visits.items():
        assert visit.window is not None
        if name in came:
            date = came[name]
            low, high = (due[name] + dt.timedelta(d) for d in (-visit.window.before, visit.window.after))
            expected = "undated" if date is None else "in_window" if low <= date <= high else "out_of_window"
        else:
            expected = "withdrawn" if gone is not None and gone <= due[name] else "not_done"
        assert table.loc[name, "state"] == expected
