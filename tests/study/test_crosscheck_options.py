"""Options that a method does not have, or with values that cannot be, are refused by rule: strategies and courses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.study.load import load_study
from study.test_crosscheck_categorical import problems

PLAN, COURSES, UNSUITED = "analysis.yaml", "courses: 10", "option-unsuited"
STRATEGIES = "    strategies: [mar, j2r, cir, cr]\n"


@pytest.mark.parametrize(
    ("old", "new", "found", "rule"),
    [
        (
            "    method: clda\n",
            f"    method: clda\n{STRATEGIES}",
            "strategies of an analysis by clda",
            "option-unsuited",
        ),
        (STRATEGIES, "    strategies: [mar, j2r, mar]\n", "mar twice", "repeated-name"),
        (STRATEGIES, "    strategies: [locf]\n", "locf", ""),
        (STRATEGIES, "    strategies: []\n", "[]", ""),
    ],
)
def test_strategies_that_cannot_be(
    study_folder: Callable[..., Path], root: Path, old: str, new: str, found: str, rule: str
) -> None:
    listed = problems(study_folder(root), "analysis.yaml", old, new)
    assert len(listed) == 1
    assert found in listed[0].found
    assert listed[0].rule == rule
    assert "strategies" in listed[0].where


def test_an_imputation_in_a_table_of_effects_is_refused(study_folder: Callable[..., Path], root: Path) -> None:
    listed = problems(study_folder(root), "displays.yaml", "growth, ancova, rerandomisation,", "dropout, ancova,")
    assert ["a table of kind imputation" in problem.allowed for problem in listed] == [True]


@pytest.mark.parametrize(
    ("file", "old", "new", "found", "rule"),
    [
        (PLAN, "    method: ancova\n", "    method: ancova\n    courses: 10\n", "courses of an analysis by", UNSUITED),
        (PLAN, COURSES, "courses: 4", "4", ""),
        (PLAN, COURSES, "courses: 101", "101", ""),
        (PLAN, COURSES, "courses: single", "courses: single, where study.data is real", UNSUITED),
        ("displays.yaml", "tables:\n", "disclosure: {min_cell: 11}\ntables:\n", "courses: 10, below", UNSUITED),
        ("displays.yaml", "tables:\n", "disclosure: {min_cell: 10}\ntables:\n", None, ""),
    ],
)
def test_courses_are_of_units_enough(
    study_folder: Callable[..., Path], root: Path, file: str, old: str, new: str, found: str | None, rule: str
) -> None:
    listed = problems(study_folder(root / "examples" / "beat-the-blues"), file, old, new)
    assert len(listed) == (0 if found is None else 1)
    if found is not None:
        assert found in listed[0].found
        assert listed[0].rule == rule
        assert "courses" in listed[0].where


@pytest.mark.parametrize("data", ["real", "example", "twin"])
def test_courses_of_single_units_are_of_a_synthetic_study_alone(
    study_folder: Callable[..., Path], root: Path, data: str
) -> None:
    folder = study_folder(root)
    assert "single" in [analysis.courses for analysis in load_study(folder).plan.analyses]
    (folder / "config" / "simulation.yaml").unlink()
    (listed,) = problems(folder, "study.yaml", "data: synthetic", f"data: {data}")
    assert (listed.found, listed.rule) == (f"courses: single, where study.data is {data}", UNSUITED)
    assert listed.allowed.startswith("5 or more")
