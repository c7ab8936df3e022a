from pathlib import Path

import pandas as pd
import pytest

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
