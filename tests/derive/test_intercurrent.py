"""The first visit after an intercurrent event, against small trials worked out by hand."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from estimate import trials
from pipanalysis.derive.intercurrent import events_not_read, with_intercurrent_events
from pipanalysis.files import write_parquet
from pipanalysis.study.load import Study
from pipanalysis.study.study import RawFile

VISITS = {"baseline": 0.0, "month6": 6.0, "month12": 12.0}
VARIABLES: list[dict[str, Any]] = [
    {"name": "randomised_on", "label": "Date", "type": "date", "role": "randomisation_date"},
    {"name": "stopped_on", "label": "Stopped", "type": "date", "measured": "after_randomisation"},
]
PEOPLE = pd.DataFrame({"unit": list("abcdef"), "randomised_on": pd.Timestamp("2020-01-10")})
DUE = {"baseline": "2020-01-10", "month6": "2020-07-10", "month12": "2021-01-10"}
ASSESSMENTS = pd.DataFrame(
    [(unit, visit, pd.Timestamp(day), pd.Timestamp(day)) for unit in "abcdef" for visit, day in DUE.items()],
    columns=["unit", "visit", "target_date", "visit_date"],
)


def study(when: dict[str, Any], *, folder: Path = Path("trial"), closed: bool = False, blinding: str = "open") -> Study:
    events = {"name": "log", "variables": [{"name": "on", "label": "On", "type": "date"}]}
    events["variables"].append({"name": "kind", "label": "Kind", "type": "category", "levels": {"1": "A", "2": "B"}})
    made = trials.study(
        [{"method": "ancova"}],
        visits=VISITS,
        variables=VARIABLES,
        plan={"intercurrent_events": [{"name": "stop", "label": "Stopping", "when": when}]},
        folder=folder,
    )
    file = RawFile.model_validate({"name": "log", "path": "log.csv", "key": "id", "closed": closed, "events": events})
    about = made.config.study.model_copy(update={"blinding": blinding})
    config = made.config.model_copy(update={"files": [file], "study": about})
    return Study(made.layout, config, made.instruments, made.plan, made.displays, None)


def after(people: pd.DataFrame) -> dict[str, str]:
    return dict(people.set_index("unit")["after_stop"].dropna())


def test_a_date_of_the_participants() -> None:
    stopped = ["2020-03-01", "2020-07-10", "2020-07-11", None, "2020-01-09", "2021-06-01"]
    people = PEOPLE.assign(stopped_on=pd.to_datetime(stopped))
    found, counts = with_intercurrent_events(study({"date": "stopped_on"}), people, ASSESSMENTS)
    # b stopped on the day of the visit at 6 months, which is not after it; e before randomisation; f after all visits.
    assert after(found) == {"a": "month6", "b": "month12", "c": "month12"}
    assert counts == {"stop": {"units": 4, "before_randomisation": 1}}


def test_a_visit_without_a_date_is_held_by_when_it_was_due() -> None:
    undated = ASSESSMENTS.assign(visit_date=pd.NaT)
    people = PEOPLE.assign(stopped_on=pd.to_datetime(["2020-07-09", *[None] * 5]))
    assert after(with_intercurrent_events(study({"date": "stopped_on"}), people, undated)[0]) == {"a": "month6"}
    late = ASSESSMENTS.copy()
    late.loc[(late["unit"] == "a") & (late["visit"] == "month6"), "visit_date"] = pd.Timestamp("2020-07-01")
    assert after(with_intercurrent_events(study({"date": "stopped_on"}), people, late)[0]) == {"a": "month12"}


def test_nobody_has_the_event() -> None:
    people = PEOPLE.assign(stopped_on=pd.Series(pd.NaT, PEOPLE.index, dtype="datetime64[ns]"))
    found, counts = with_intercurrent_events(study({"date": "stopped_on"}), people, ASSESSMENTS)
    assert after(found) == {}
    assert counts == {"stop": {"units": 0, "before_randomisation": 0}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"a": "month6", "b": "month6", "c": "month12"}),
        ({"kind": ["2"]}, {"a": "month12", "b": "month6"}),
    ],
)
def test_the_first_row_of_an_event_table(
    tmp_path: Path, values: dict[str, list[str]], expected: dict[str, str]
) -> None:
    chosen = study({"table": "log", "date": "on", "values": values}, folder=tmp_path)
    rows = pd.DataFrame(
        {
            "unit": ["a", "a", "b", "c", "d", "stranger", "b"],
            "on": pd.to_datetime(
                ["2020-08-01", "2020-02-01", "2020-03-01", "2020-09-01", "2019-12-01", "2020-03-01", None]
            ),
            "kind": ["2", "1", "2", "1", "2", "2", "2"],
        }
    )
    write_parquet(chosen.layout.checked_events("log"), rows)
    found, counts = with_intercurrent_events(chosen, PEOPLE, ASSESSMENTS)
    assert after(found) == expected
    assert counts["stop"] == {"units": len(expected), "before_randomisation": 1}


def test_a_closed_table_is_not_opened_while_masked(tmp_path: Path) -> None:
    when = {"table": "log", "date": "on"}
    masked = study(when, folder=tmp_path, closed=True, blinding="masked")
    found, counts = with_intercurrent_events(masked, PEOPLE, ASSESSMENTS)
    assert after(found) == {}
    assert counts == {"stop": {"not_read": True}}
    assert [event.name for event in events_not_read(masked)] == ["stop"]
    assert events_not_read(study(when, folder=tmp_path, closed=True)) == []
