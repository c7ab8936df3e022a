"""Analyses of binary, ordinal, nominal and count outcomes that cannot be carried out are refused, by rule."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import PipError, Problem
from pipanalysis.estimate.planning import check_whole_plan
from pipanalysis.study.load import load_study

GEE = "    method: gee\n"
COUNT = "    method: count\n"


@pytest.fixture
def folder(study_folder: Callable[..., Path], root: Path) -> Path:
    return study_folder(root)


def problems(folder: Path, file: str, old: str, new: str) -> list[Problem]:
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        check_whole_plan(load_study(folder))
    except PipError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("old", "new", "found", "rule"),
    [
        (GEE, f"{GEE}    bootstrap: 1999\n", "bootstrap of an analysis by gee", "option-unsuited"),
        (COUNT, f"{COUNT}    reference_level: B\n", "reference_level of an analysis by count", "option-unsuited"),
        (
            "    method: ordinal\n",
            "    method: ordinal\n    working_correlation: exchangeable\n",
            "working_correlation of an analysis by ordinal",
            "option-unsuited",
        ),
        ("reference_level: B", "reference_level: E", "'E'", "unknown-name"),
        (
            "outcomes: [bsi_pst]",
            "outcomes: [cesd_total]",
            "score cesd.total is continuous, not count",
            "method-unsuited",
        ),
        (
            "    outcomes: [reflective_functioning]",
            "    outcomes: [attachment]",
            "score strange_situation.classification is nominal, not ordinal",
            "method-unsuited",
        ),
        ("    outcomes: [attachment]", "    outcomes: [cesd_case]", "is binary, not nominal", "method-unsuited"),
    ],
)
def test_what_a_method_cannot_do_is_refused(folder: Path, old: str, new: str, found: str, rule: str) -> None:
    refused = problems(folder, "analysis.yaml", old, new)
    assert [(found in problem.found, problem.rule) for problem in refused] == [(True, rule)]


def test_an_ordinal_score_says_which_direction_is_better(folder: Path) -> None:
    refused = problems(folder, "instruments/rf.yaml", ", better: higher", "")
    (ordinal,) = [problem for problem in refused if "ordinal" in problem.where + problem.found]
    assert "does not say whether higher or lower is better" in ordinal.found
    assert ordinal.rule == "method-unsuited"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("analyses: [classification", "analyses: [binary, classification", "binary, in a table of kind categories"),
        ("analyses: [symptom_count]", "analyses: [symptom_count, ordinal]", "ordinal, in a table of kind counts"),
        (
            "analyses: [primary, secondary]",
            "analyses: [primary, secondary, symptom_count]",
            "symptom_count, in a table of",
        ),
    ],
)
def test_a_table_shows_analyses_of_its_kind(folder: Path, old: str, new: str, found: str) -> None:
    (refused,) = problems(folder, "displays.yaml", old, new)
    assert found in refused.found
    assert refused.rule == "display-unsuited"
