"""Who saw a unit most, and how many sessions it had attended by a visit."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from estimate import trials
from pipanalysis.estimate.sessions import SessionRecords, attended_by, read_sessions, therapists
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.files import write_parquet
from pipanalysis.study.study import StudyConfig

SESSIONS = {"table": "sessions", "attended": "attended", "arm": "treated", "therapist": "therapist", "date": "day"}


def records(*rows: tuple[str, str | None, int], dates: list[str | None] | None = None) -> SessionRecords:
    table = pd.DataFrame(rows, columns=["unit", "therapist", "attended"])
    table["attended"] = table["attended"] == 1
    if dates is not None:
        table["date"] = pd.to_datetime(pd.Series(dates))
    return SessionRecords(table, ())


def test_the_therapist_is_the_one_whose_sessions_were_attended_most() -> None:
    found = therapists(
        records(("a", "T1", 0), ("a", "T1", 0), ("a", "T1", 1), ("a", "T2", 1), ("a", "T2", 1), ("b", "T1", 1))
    )
    assert found.of == {"a": "T2", "b": "T1"}
    assert (found.several, found.tied) == (1, 0)


def test_a_tie_goes_to_the_one_who_offered_more_then_to_the_first_by_name() -> None:
    found = therapists(
        records(("a", "T1", 1), ("a", "T2", 1), ("a", "T2", 0), ("b", "T2", 1), ("b", "T1", 1), ("c", "T3", 1))
    )
    assert found.of == {"a": "T2", "b": "T1", "c": "T3"}
    assert (found.several, found.tied) == (2, 2)


def test_a_unit_that_attended_nothing_has_no_therapist() -> None:
    assert therapists(records(("a", "T1", 0), ("b", None, 1), ("c", "T1", 1))).of == {"c": "T1"}


def made(folder: Path, blinding: str = "open", closed: bool = True) -> TrialData:
    """A trial with sessions on disk, where they were not all given to the treated."""
    configuration = trials.study(
        [{"method": "therapist"}],
        visits={"baseline": 0, "month6": 6},
        variables=[{"name": "entered", "label": "E", "type": "date", "role": "randomisation_date"}],
        folder=folder,
    )
    config = configuration.config.model_dump()
    config["study"]["blinding"] = blinding
    config["sessions"] = SESSIONS
    after = {"measured": "after_randomisation"}
    variables: list[dict[str, Any]] = [
        {"name": "day", "label": "D", "type": "date", **after},
        {"name": "therapist", "label": "T", "type": "text", **after},
        {"name": "attended", "label": "A", "type": "category", "levels": {"0": "No", "1": "Yes"}, **after},
    ]
    events = {"name": "sessions", "variables": variables}
    config["files"].append({"name": "s", "path": "s.csv", "key": "id", "closed": closed, "events": events})
    study = type(configuration)(
        configuration.layout,
        StudyConfig.model_validate(config),
        configuration.instruments,
        configuration.plan,
        configuration.displays,
        None,
    )
    people = pd.DataFrame({"unit": ["a", "b", "c"], "arm": ["treated", "treated", "control"]})
    people["entered"] = pd.to_datetime("2020-01-31")
    long = pd.DataFrame({"unit": ["a"], "visit": ["month6"], "value": [1.0]})
    table = pd.DataFrame(
        [
            ("a", "2020-02-01", "T1", "1"),
            ("a", "2020-07-31", "T1", "1"),
            ("a", "2020-08-01", "T1", "1"),
            ("a", None, "T2", "1"),
            ("b", "2020-03-01", "T2", None),
            ("c", "2020-03-01", "T2", "1"),
            ("stranger", "2020-03-01", "T2", "1"),
        ],
        columns=["unit", "day", "therapist", "attended"],
    )
    table["day"] = pd.to_datetime(table["day"])
    place = study.layout.closed_events("sessions") if closed else study.layout.checked_events("sessions")
    place.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(place, table)
    return trials.trial(study, people, long)


def test_sessions_of_other_arms_and_without_attendance_are_told(tmp_path: Path) -> None:
    trial = made(tmp_path)
    declared = trial.study.config.sessions
    assert declared is not None
    found = read_sessions(trial, declared)
    assert found is not None
    assert found.table["unit"].tolist() == ["a", "a", "a", "a", "b"]
    assert found.table["attended"].tolist() == [True, True, True, True, False]
    assert found.notes == (
        "sessions of participants of other arms, not counted: 1",
        "sessions without a record of attendance, counted as not attended: 1",
    )


def test_sessions_count_up_to_the_visits_target_date(tmp_path: Path) -> None:
    """Six months after 31 January is 31 July; a session without a date counts."""
    trial = made(tmp_path)
    declared = trial.study.config.sessions
    assert declared is not None
    found = read_sessions(trial, declared)
    assert found is not None
    number, notes = attended_by(trial, found, "month6")
    assert dict(zip(trial.participants["unit"], number, strict=True)) == {"a": 3, "b": 0, "c": 0}
    assert notes == ["attended sessions without a date, counted: 1"]


def test_without_dates_every_session_counts(tmp_path: Path) -> None:
    trial = made(tmp_path)
    number, notes = attended_by(trial, records(("a", "T1", 1), ("a", "T1", 0), ("b", "T1", 1)), "month6")
    assert number.tolist() == [1, 1, 0]
    assert notes == []


@pytest.mark.parametrize(("closed", "read"), [(True, False), (False, True)])
def test_a_masked_study_never_opens_a_closed_table(tmp_path: Path, closed: bool, read: bool) -> None:
    trial = made(tmp_path, blinding="masked", closed=closed)
    if closed:
        trial.study.layout.closed_events("sessions").unlink()
    declared = trial.study.config.sessions
    assert declared is not None
    assert (read_sessions(trial, declared) is not None) == read
