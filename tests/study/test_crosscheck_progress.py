"""Mistakes in progress.yaml, and attempts to show what may reveal the arm, are refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study
from progress import trials

REVIEW = {"score": "mood.total", "visit": "month6", "difference": 2, "sd": 4}


def log(**changes: Any) -> dict[str, Any]:
    return {"screening": {**trials.PROGRESS["screening"], **changes}}


def acts(**changes: Any) -> dict[str, Any]:
    return {"activities": {"table": "log", "date": "seen_on", "kind": "why_not", **changes}}


@pytest.mark.parametrize(
    ("progress", "where", "found", "allowed"),
    [
        ({"listings": {"variables": ["secret"]}}, "listings.variables[0]", "'secret' may reveal the arm", "left_on"),
        (log(table="sessions"), "screening.table", "'sessions' may reveal the arm", "one of: log, twice"),
        (acts(table="sessions"), "activities.table", "'sessions' may reveal the arm", "one of: log, twice"),
        (log(table="logg"), "screening.table", "'logg'", "one of: log, twice"),
        (log(eligible="fit"), "screening.eligible", "'fit'", "fits"),
        (log(date="fits"), "screening.date", "'fits', a category", "a date"),
        (log(yes="Y"), "screening.yes", "'Y', not a code of eligible", "one of: 0, 1"),
        ({"group": "rater"}, "group", "'rater'", "site"),
        ({"group": "left_on"}, "group", "'left_on', a date", "a category"),
        ({"enrolment": "site"}, "enrolment", "'site', a category", "a date"),
        ({"assessor": "site"}, "assessor", "'site'", "rater"),
        ({"double_coding": [{"instrument": "moood", "share": 0.2}]}, "double_coding[0].instrument", "'moood'", "mood"),
        (
            {"blinded_summaries": {"allowed": True, "scores": ["mood.sum"]}},
            "blinded_summaries.scores[0]",
            "'mood.sum'",
            "mood.total",
        ),
        ({"sample_size": {**REVIEW, "score": "mood.sum"}}, "sample_size.score", "'mood.sum'", "mood.total"),
        ({"sample_size": {**REVIEW, "visit": "month9"}}, "sample_size.visit", "'month9'", "month6"),
        (
            acts(targets=[{"group": "east", "kind": "1", "people": 3}]),
            "activities.targets[0].group",
            "'east'",
            "north, south",
        ),
        (
            acts(targets=[{"group": "north", "kind": "3", "people": 3}]),
            "activities.targets[0].kind",
            "'3'",
            "one of: 1, 2",
        ),
        (
            acts(together={"kind": "9", "identifier": "why_no", "most": 5}),
            "activities.together.kind",
            "'9'",
            "one of: 1, 2",
        ),
        (acts(vouchers={"issued": "agreeed", "value": 10}), "activities.vouchers.issued", "'agreeed'", "agreed"),
        ({"as_of": "soon"}, "as_of", "'soon'", ""),
        ({"colour": "red"}, "colour", "unknown key 'colour'", "as_of"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, progress: dict[str, Any], where: str, found: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        trials.study(tmp_path, progress)
    problem = caught.value.problems[0]
    assert "config/progress.yaml" in problem.where
    assert where.replace("[", ".").replace("]", "") in problem.where.replace("[", ".").replace("]", "")
    assert found in problem.found
    assert allowed in problem.allowed


def test_a_review_of_the_sample_size_is_for_two_arms(tmp_path: Path) -> None:
    arms = [*trials.STUDY["arms"], {"name": "third", "label": "Third"}]
    with pytest.raises(ConfigError, match="a study of 3 arms"):
        trials.study(tmp_path, {"sample_size": REVIEW}, arms=arms)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    trials.study(tmp_path)
    (tmp_path / "config" / "progress.yaml").unlink()
    progress = load_study(tmp_path).progress
    assert progress.as_of == "latest_in_data"
    assert not progress.blinded_summaries.allowed


def test_a_study_without_analysis_has_no_arms_no_allocation_and_no_plan(tmp_path: Path) -> None:
    about = {**trials.STUDY["study"], "analysis": False}
    with pytest.raises(ConfigError) as caught:
        trials.study(tmp_path, study=about)
    assert {p.where.rpartition("/")[2].partition(",")[0] for p in caught.value.problems} == {
        "analysis.yaml",
        "displays.yaml",
    }
    for name in ("analysis.yaml", "displays.yaml"):
        (tmp_path / "config" / name).unlink()
    with pytest.raises(ConfigError) as caught:
        load_study(tmp_path)
    assert {p.found for p in caught.value.problems} == {"given, and study.analysis is false"}


def test_a_study_with_analysis_needs_arms_and_an_allocation(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        trials.study(tmp_path, arms=[], allocation=None, sessions=None)
    assert {"0 of `arms`", "0 of `allocation`"} <= {p.found for p in caught.value.problems}
