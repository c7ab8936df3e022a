"""Strategies of imputation that a method does not have, or that are named twice, are refused by rule."""

from collections.abc import Callable
from pathlib import Path

import pytest

from study.test_crosscheck_categorical import problems

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
