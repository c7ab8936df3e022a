"""Options that a method does not have, or with values that cannot be, are refused by rule: strategies and courses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.study.load import load_study
from pipanalysis.study.published import PUBLISHED
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
    listed = problems(study_folder(root / "tests" / "fixtures" / "acupuncture"), file, old, new)
    assert len(listed) == (0 if found is None else 1)
    if found is not None:
        assert found in listed[0].found
        assert listed[0].rule == rule
        assert "courses" in listed[0].where


@pytest.mark.parametrize("data", ["real", "example", "twin"])
def test_courses_of_single_units_are_not_of_confidential_data(
    study_folder: Callable[..., Path], root: Path, data: str
) -> None:
    folder = study_folder(root)
    assert "single" in [analysis.courses for analysis in load_study(folder).plan.analyses]
    (folder / "config" / "simulation.yaml").unlink()
    (listed,) = problems(folder, "study.yaml", "data: synthetic", f"data: {data}")
    assert (listed.found, listed.rule) == (f"courses: single, where study.data is {data}", UNSUITED)
    assert listed.allowed.startswith("5 or more")
    assert listed.allowed.endswith("or study.published names published data")


NAMED = "  published: beat_the_blues\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (NAMED, "", [("courses", "courses: single, where study.data is real")]),
        (
            "data: real",
            "data: twin",
            [
                ("study.published", "beat_the_blues, and the data are twin"),
                ("courses", "courses: single, where study.data is twin"),
            ],
        ),
        ("path: bdi.csv", "path: bdi2.csv", [("files[0].path", "'bdi2.csv'")]),
        ("path: allocation.csv", "path: arms.csv", [("allocation.path", "'arms.csv'")]),
    ],
)
def test_published_data_are_named_and_have_the_files_of_their_entry(
    study_folder: Callable[..., Path], root: Path, old: str, new: str, expected: list[tuple[str, str]]
) -> None:
    listed = problems(study_folder(root / "examples" / "beat-the-blues"), "study.yaml", old, new)
    assert [problem.found for problem in listed] == [found for _, found in expected]
    for problem, (where, _) in zip(listed, expected, strict=True):
        assert problem.where.endswith(where)


def test_an_unknown_name_is_refused_and_those_of_the_register_are_offered(
    study_folder: Callable[..., Path], root: Path
) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    (listed,) = problems(folder, "study.yaml", NAMED, "  published: beat_the_blue\n")
    assert listed.where.endswith("study.published")
    assert listed.found == "'beat_the_blue'"
    assert listed.allowed == f"one of: {', '.join(PUBLISHED)}"
    assert listed.hint == "did you mean 'beat_the_blues'?"


def test_no_name_makes_a_confidential_study_one_of_published_data(
    study_folder: Callable[..., Path], root: Path
) -> None:
    """With the name of an entry and courses of single units, its files are refused for not being the entry's."""
    folder = study_folder(root / "tests" / "fixtures" / "acupuncture")
    plan = folder / "config" / PLAN
    plan.write_text(plan.read_text(encoding="utf-8").replace(COURSES, "courses: single"), encoding="utf-8")
    listed = problems(folder, "study.yaml", "  data: real\n", f"  data: real\n{NAMED}")
    assert [problem.found for problem in listed] == ["'patients.csv'", "'headache.csv'"]
    assert {problem.allowed for problem in listed} == {"a file of beat_the_blues: bdi.csv, allocation.csv"}
