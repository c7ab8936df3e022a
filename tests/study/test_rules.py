"""Each rule of the plan: a plan that breaks it is refused by its id; the documentation lists them all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError, PipError
from pipanalysis.estimate.planning import check_whole_plan
from pipanalysis.study.load import load_study
from pipanalysis.study.rules import RULES, WARNED, warning_of

PLAN = "analysis.yaml"
ANCOVA = "    method: ancova\n"
OF_ALL = "role: descriptive, analysis_set: all_randomised"
FAMILIES = "conf_level: 0.95\n\nfamilies:\n"


def family(name: str, members: str, rest: str = "method: holm") -> str:
    return f"  - {{name: {name}, label: L, members: [{members}], {rest}}}\n"


EARLY, LATE = "{analysis: primary, visits: [month2]}", "{analysis: primary, visits: [month8]}"
BREAKS = {
    "unknown-name": (PLAN, "estimand: treatment_policy", "estimand: treatment"),
    "repeated-name": (PLAN, "label: Depression}\n", "label: Depression}\n  - {name: depression, label: D}\n"),
    "repeated-label": ("study.yaml", "label: 8 months", "label: 5 months"),
    "covariate-after-randomisation": (PLAN, ANCOVA, f"{ANCOVA}    covariates: [satisfaction]\n"),
    "subgroup-after-randomisation": (PLAN, "subgroup: drug", "subgroup: satisfaction"),
    "subgroup-unsuited": (PLAN, "    method: mmrm\n    role: exploratory", "    method: ancova\n    role: exploratory"),
    "intercurrent-event-unhandled": (PLAN, "\nestimands:\n", "  - {name: death, label: Death}\n\nestimands:\n"),
    "intercurrent-event-undated": (PLAN, "strategy: treatment_policy", "strategy: hypothetical"),
    "estimand-missing": (PLAN, "    estimand: treatment_policy\n", ""),
    "estimand-unsuited": (PLAN, "strategy: treatment_policy", "strategy: principal_stratum"),
    "primary-unsuited": (PLAN, "score: bdi.total, role: primary", "score: bdi.total, role: secondary"),
    "family-without-members": (
        PLAN,
        "conf_level: 0.95\n",
        FAMILIES + family("a", "{analysis: primary, visits: []}"),
    ),
    "hypothesis-in-two-families": (
        PLAN,
        "conf_level: 0.95\n",
        FAMILIES + family("a", LATE) + family("b", "{analysis: primary}"),
    ),
    "gate-leads-nowhere": (
        PLAN,
        "conf_level: 0.95\n",
        FAMILIES + family("a", LATE, "method: holm, after: b") + family("b", EARLY, "method: holm, after: a"),
    ),
    "method-unsuited": (PLAN, ANCOVA, f"{ANCOVA}    visits: [baseline, month8]\n"),
    "option-unsuited": (PLAN, ANCOVA, f"{ANCOVA}    baseline_score: bdi.total\n"),
    "source-missing": (PLAN, f"method: descriptives, {OF_ALL}, courses: single", f"method: adherence, {OF_ALL}"),
    "cluster-after-randomisation": (
        PLAN,
        ANCOVA,
        f"{ANCOVA}    standard_error: cluster\n    cluster: satisfaction\n",
    ),
    "moderator-unsuited": (PLAN, "subgroup: drug", "moderator: drug"),
    "prior-unsuited": (PLAN, "effect: [{mean: 0, sd: 0.2}]", "effect: [{mean: 0, sd: 0.2, weight: 0.9}]"),
    "display-unsuited": ("displays.yaml", "analyses: [primary", "analyses: [by_drug, primary"),
}
SATISFACTION = """variables:
  - {name: satisfaction, label: S, type: category, level: participant, measured: after_randomisation, levels: {a: A}}
"""
BY_DRUG = """
  - name: by_drug
    label: By drug
    method: mmrm
    role: exploratory
    analysis_set: all_randomised
    subgroup: drug
"""


@pytest.fixture
def folder(study_folder: Callable[..., Path], root: Path) -> Path:
    """Beat the Blues with a variable that is measured after randomisation, and an analysis by subgroup."""
    made = study_folder(root / "examples" / "beat-the-blues")
    study, plan = made / "config" / "study.yaml", made / "config" / PLAN
    text = study.read_text(encoding="utf-8")
    assert text.count("\nvariables:\n") == 1
    study.write_text(text.replace("variables:\n", SATISFACTION, 1), encoding="utf-8")
    alone = plan.read_text(encoding="utf-8").replace("analyses: [primary, ancova]", "analyses: [primary]")
    plan.write_text(alone.rstrip() + BY_DRUG, encoding="utf-8")
    return made


def rules_broken(folder: Path) -> set[str]:
    try:
        check_whole_plan(load_study(folder))
    except PipError as error:
        return {problem.rule for problem in error.problems}
    return set()


def test_the_plan_without_a_mistake_breaks_no_rule(folder: Path) -> None:
    assert rules_broken(folder) == set()


@pytest.mark.parametrize("rule", sorted(RULES.keys() - WARNED))
def test_a_plan_that_breaks_a_rule_is_refused_by_its_id(folder: Path, rule: str) -> None:
    file, old, new = BREAKS[rule]
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert rules_broken(folder) == {rule}


def test_the_refusal_prints_the_rule(folder: Path) -> None:
    path = folder / "config" / PLAN
    path.write_text(path.read_text(encoding="utf-8").replace("      - {event: stopping,", "      - {event: stoping,"))
    with pytest.raises(ConfigError) as caught:
        load_study(folder)
    assert "rule:    intercurrent-event-unhandled" in str(caught.value)
    assert "'treatment_policy' says nothing about 'stopping' (Stopping the programme or taking drugs)" in str(
        caught.value
    )
    assert "did you mean 'stopping'?" in str(caught.value)


def test_the_documentation_lists_every_rule_as_it_is(root: Path) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (root / "docs" / "plan-rules.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert [(row[0].strip("`"), row[1]) for row in rows] == list(RULES.items())


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("covariate-after-randomisation", ["'satisfaction'", "measured before randomisation"]),
        ("subgroup-after-randomisation", ["'satisfaction'", "a participant-level category measured before"]),
        ("intercurrent-event-unhandled", ["says nothing about 'death' (Death)"]),
        ("family-without-members", ["families[0].members[0]", "no hypothesis", "at which the analysis compares arms"]),
        ("cluster-after-randomisation", ["'satisfaction'", "known before randomisation"]),
    ],
)
def test_the_message_says_what_was_found_what_is_allowed_and_the_rule(folder: Path, rule: str, said: list[str]) -> None:
    file, old, new = BREAKS[rule]
    path = folder / "config" / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PipError) as caught:
        check_whole_plan(load_study(folder))
    text = str(caught.value)
    assert "config/analysis.yaml" in text
    assert f"rule:    {rule}" in text
    assert all(part in text for part in said), text


MISTAKES = {
    "a family of nothing": (
        "conf_level: 0.95\n",
        FAMILIES + family("a", ""),
        ["families[0].members", "a without members", "rule:    family-without-members"],
    ),
    "an outcome twice": (
        ANCOVA,
        f"{ANCOVA}    outcomes: [bdi, bdi]\n",
        ["outcomes[1]", "bdi twice", "each name once", "rule:    repeated-name"],
    ),
    "no outcome": (ANCOVA, f"{ANCOVA}    outcomes: []\n", ["with outcomes: []", "at least one, or outcomes: all"]),
    "a covariate twice": (ANCOVA, f"{ANCOVA}    covariates: [drug, drug]\n", ["covariates[1]", "drug twice"]),
    "an outcome as covariate": (
        ANCOVA,
        f"{ANCOVA}    covariates: [bdi]\n",
        ["covariates[0]", "'bdi'", "bdi.total", "rule:    unknown-name"],
    ),
    "its own baseline as covariate": (
        ANCOVA,
        f"{ANCOVA}    covariates: [bdi.total]\n",
        ["bdi.total, whose baseline value is adjusted for already", "baseline: false"],
    ),
    "an option of another method": (
        ANCOVA,
        f"{ANCOVA}    covariance: cs\n",
        ["covariance of an analysis by ancova", "method: mmrm or clda", "rule:    option-unsuited"],
    ),
    "a level in per cent": ("conf_level: 0.95\n", "conf_level: 95\n", ["conf_level", "95", "a number below 1"]),
    "a number in words": (
        ANCOVA,
        f"{ANCOVA}    bootstrap: many\n",
        ["bootstrap", "'many'", "a whole number"],
    ),
    "a name for a list": (ANCOVA, f"{ANCOVA}    outcomes: bdi\n", ["outcomes\n", "'bdi'", "a list or 'all'"]),
    "an unknown key": (
        ANCOVA,
        f"{ANCOVA}    covarience: cs\n",
        ["unknown key 'covarience'", "did you mean 'covariance'?"],
    ),
    "a margin of the wrong sign": (
        ANCOVA,
        f"{ANCOVA}    margins: [{{outcome: bdi, margin: -5, kind: equivalence}}]\n",
        ["margins[0].margin", "-5", "a number above 0"],
    ),
    "a margin as wide as the scale": (
        ANCOVA,
        f"{ANCOVA}    margins: [{{outcome: bdi, margin: 63, kind: equivalence}}]\n",
        ["margins[0].margin", "63 of bdi, whose scale is from 0 to 63", "less than 63", "rule:    option-unsuited"],
    ),
    "deltas that descend": (
        ANCOVA,
        f"{ANCOVA}    delta_adjustments: [{{outcome: bdi, deltas: [5, 0]}}]\n",
        ["delta_adjustments[0].deltas", "[5, 0]", "deltas ascend"],
    ),
    "a moderator's value off its scale": (
        "    subgroup: drug\n",
        "    moderator: bdi.total\n    moderator_at: [10, 64]\n",
        ["moderator_at[1]", "64", "a value that bdi.total can have, 0 to 63", "rule:    moderator-unsuited"],
    ),
    "a principal stratum by a mixed model": (
        "strategy: treatment_policy",
        "strategy: principal_stratum",
        ["whose strategy for stopping is principal_stratum, by mmrm", "method: cace", "rule:    estimand-unsuited"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_the_words_of_the_plan(folder: Path, mistake: str) -> None:
    old, new, said = MISTAKES[mistake]
    path = folder / "config" / PLAN
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PipError) as caught:
        check_whole_plan(load_study(folder))
    text = str(caught.value)
    assert "config/analysis.yaml, line " in text
    assert all(part in text for part in said), text


def test_a_score_at_baseline_can_be_a_covariate(folder: Path) -> None:
    path = folder / "config" / PLAN
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace(ANCOVA, f"{ANCOVA}    baseline: false\n    covariates: [bdi.total]\n", 1), encoding="utf-8"
    )
    assert rules_broken(folder) == set()


def test_a_subgroup_variable_that_is_missing_is_refused_with_those_there_are(folder: Path) -> None:
    path = folder / "config" / PLAN
    path.write_text(path.read_text(encoding="utf-8").replace("subgroup: drug", "subgroup: drugs"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(folder)
    text = str(caught.value)
    assert "subgroup" in text
    assert "'drugs'" in text
    assert "did you mean 'drug'?" in text
    assert "rule:    unknown-name" in text


def test_a_warning_begins_with_its_rule_in_words() -> None:
    assert warning_of("weak-instrument", "F 3.2") == "weak instrument: F 3.2"


def test_the_documentation_says_which_rules_warn(root: Path) -> None:
    text = (root / "docs" / "plan-rules.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    assert {row[0].strip("`") for row in rows if row[3] == "warning"} == set(WARNED)
    assert {row[3] for row in rows} == {"refusal", "warning"}
