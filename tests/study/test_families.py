"""Families of hypotheses with a mistake are refused; without one they hold the hypotheses in the order written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.hypotheses import hypotheses
from pipanalysis.study.load import Study, load_study


@pytest.fixture
def load(study_folder: Callable[..., Path], root: Path) -> Callable[[str], Study]:
    """Return a function that loads Beat the Blues with families of hypotheses in its plan."""

    def loaded(families: str) -> Study:
        folder = study_folder(root / "examples" / "beat-the-blues")
        with (folder / "config" / "analysis.yaml").open("a", encoding="utf-8") as plan:
            plan.write("families:\n" + families)
        return load_study(folder)

    return loaded


def one(name: str, members: str = "{analysis: primary}", rest: str = "method: holm") -> str:
    return f"  - {{name: {name}, label: L, members: [{members}], {rest}}}\n"


LATE = "{analysis: primary, visits: [month8]}"
EARLY = "{analysis: primary, visits: [month2, month3]}"


def test_hypotheses_stand_in_the_order_of_the_members(load: Callable[[str], Study]) -> None:
    members = "{analysis: primary, visits: [month8, month2]}, {analysis: ancova, outcomes: [bdi]}"
    study = load(one("first", members, "method: fixed_sequence"))
    found = [(h.analysis, h.visit, h.arm) for h in hypotheses(study, study.plan.families[0])]
    ancova = [("ancova", f"month{month}", "beat_the_blues") for month in (2, 3, 5, 8)]
    assert found == [("primary", "month8", "beat_the_blues"), ("primary", "month2", "beat_the_blues"), *ancova]


@pytest.mark.parametrize(
    ("families", "where", "found", "hint"),
    [
        (one("a", ""), "families[0].members", "a without members", ""),
        (one("a", "{analysis: primry}"), "families[0].members[0].analysis", "'primry'", "'primary'"),
        (one("a", "{analysis: hedges_g}"), "families[0].members[0].analysis", "'hedges_g'", ""),
        (
            one("a", "{analysis: primary, outcomes: [bd]}"),
            "families[0].members[0].outcomes[0]",
            "'bd'",
            "'bdi'",
        ),
        (
            one("a", "{analysis: primary, visits: [month2, month7]}"),
            "families[0].members[0].visits[1]",
            "'month7'",
            "'month8'",
        ),
        (one("a", "{analysis: primary, visits: [baseline]}"), "families[0].members[0].visits[0]", "'baseline'", ""),
        (one("a", "{analysis: primary, visits: []}"), "families[0].members[0]", "no hypothesis", ""),
        (
            one("a", "{analysis: primary, outcomes: [bdi], visits: []}"),
            "families[0].members[0].outcomes[0]",
            "bdi at no visit",
            "",
        ),
        (
            one("a", LATE) + one("b"),
            "families[1].members[0]",
            "primary bdi month8 beat_the_blues is in the family a already",
            "",
        ),
        (one("a", f"{LATE}, {LATE}"), "families[0].members[1]", "is in the family a already", ""),
        (one("a", LATE) + one("a", EARLY), "families[1].name", "'a'", ""),
        (
            one("early", EARLY) + one("late", LATE, "method: holm, after: erly"),
            "families[1].after",
            "'erly'",
            "'early'",
        ),
        (one("a", LATE, "method: holm, after: a"), "families[0].after", "a after a", ""),
        (
            one("a", LATE, "method: holm, after: b") + one("b", EARLY, "method: holm, after: a"),
            "families[0].after",
            "a after b after a",
            "",
        ),
        (one("a", LATE, "method: hom"), "families[0].method", "'hom'", "'holm'"),
        (one("a", LATE, "method: holm, gate: any"), "families[0].gate", "gate: any without after", ""),
        (
            one("a", LATE) + one("b", EARLY, "method: holm, after: a, gate: any"),
            "families[1].gate",
            "gate: any after a, whose method is holm",
            "",
        ),
    ],
)
def test_a_mistake_is_named(load: Callable[[str], Study], families: str, where: str, found: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(families)
    said = str(caught.value)
    problem = next((part for part in said.split("\nconfig/") if f", {where}\n" in part), None)
    assert problem is not None, said
    assert problem.startswith("analysis.yaml, line ")
    assert f"found:   {found}" in problem or found in problem
    if hint:
        assert f"did you mean {hint}?" in problem


def test_a_circle_is_told_once(load: Callable[[str], Study]) -> None:
    circle = one("a", LATE, "method: holm, after: b") + one("b", EARLY, "method: holm, after: a")
    with pytest.raises(ConfigError, match="configuration: 1 problem\n"):
        load(circle)


def test_an_analysis_by_subgroup_has_no_hypothesis_of_its_own(study_folder: Callable[..., Path], root: Path) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    plan = folder / "config" / "analysis.yaml"
    text = plan.read_text(encoding="utf-8").replace("covariance: us", "subgroup: drug\n    covariance: us", 1)
    plan.write_text(text + "families:\n" + one("a"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"families\[0\]\.members\[0\]\.analysis\n  found:   'primary'"):
        load_study(folder)
