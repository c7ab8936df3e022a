"""Mistakes in the analyses that describe harms, measurement and change are named with their place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study

EVENTS = "events: {table: adverse_events, category: event_type, flags: [serious], date: event_date}"


def refused(folder: Path, file: str, old: str, new: str) -> str:
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_study(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("analysis.yaml", "table: adverse_events", "table: adverse_event", "did you mean 'adverse_events'?"),
        ("analysis.yaml", "category: event_type", "category: event_typ", "did you mean 'event_type'?"),
        ("analysis.yaml", "flags: [serious]", "flags: [event_date]", "a category with levels"),
        ("analysis.yaml", "date: event_date}", "date: serious}", "a date"),
        ("analysis.yaml", "table: adverse_events", "table: screening", "an event table of the randomised units"),
        ("analysis.yaml", f"    {EVENTS}\n", "", "events: the event table and its variables"),
        ("analysis.yaml", "method: adherence", "method: harms", "'sessions_attended' without events"),
        ("analysis.yaml", "method: harms", "method: baseline", "events of method baseline"),
        ("study.yaml", "path: adverse_events.csv", "path: adverse_events.csv\n    required: false", "may be absent"),
        (
            "analysis.yaml",
            "method: measurement, role: descriptive, analysis_set: all_randomised",
            "method: measurement, role: descriptive, analysis_set: per_protocol",
            "known only with the allocation",
        ),
        ("instruments/rf.yaml", "double_coded: double_coding", "double_coded: sessions", "that is not closed"),
        ("displays.yaml", "analyses: [measurement]", "analyses: [primary]", "analyses of method measurement"),
        ("instruments/cesd.yaml", "clinical: {at_least: 16,", "clinical: {at_most: 16,", "begins on the better side"),
        ("instruments/cesd.yaml", "clinical: {at_least: 16,", "clinical: {at_least: 61,", "0 to 60, the score's range"),
        ("instruments/cesd.yaml", "clinical: {at_least: 16,", "clinical: {", "one of at_least and at_most"),
        ("instruments/cesd.yaml", "reliability: {value: 0.85,", "reliability: {value: 1,", "a number below 1"),
        (
            "instruments/cesd.yaml",
            "    better: lower\n    reliability",
            "    reliability",
            "without a direction of benefit",
        ),
        ("displays.yaml", "analyses: [reliable_change]", "analyses: [primary]", "analyses of method reliable_change"),
        ("displays.yaml", "[routine_care]", "[adverse_events]", "analyses of method service_use"),
        ("displays.yaml", "kind: checks", "kind: growth", "analyses of method growth"),
        ("displays.yaml", "kind: growth", "kind: checks", "analyses with checks"),
        (
            "analysis.yaml",
            "    allocations: 100_000",
            "    allocations: 100_000\n    checks: true",
            "checks of method rerandom",
        ),
        ("displays.yaml", "[sessions_attended, ", "[primary, ", "analyses of method adherence or harms"),
    ],
)
def test_a_mistake_is_named(study_folder: Callable[..., Path], file: str, old: str, new: str, found: str) -> None:
    said = refused(study_folder(), file, old, new)
    assert found in said


def test_adherence_needs_to_know_where_sessions_are(study_folder: Callable[..., Path]) -> None:
    sessions = (
        "sessions:\n  table: sessions\n  attended: attended\n  arm: pip\n  therapist: therapist\n  date: session_date\n"
    )
    said = refused(study_folder(), "study.yaml", sessions, "")
    assert "study.yaml must say where sessions are recorded" in said


def test_all_that_is_wrong_with_sessions_is_said_at_once(study_folder: Callable[..., Path]) -> None:
    told = "attended: attended\n  arm: pip\n  therapist: therapist\n"
    said = refused(study_folder(), "study.yaml", told, "attended: came\n  arm: cbt\n  therapist: seen_by\n")
    for found in ("'came'", "'seen_by'", "'cbt'"):
        assert f"found:   {found}" in said
