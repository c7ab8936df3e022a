"""Adjusted P values for the displays: where a comparison's stands, and what was adjusted how, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.hypotheses import hypotheses
from pipanalysis.study.terms import at_visit

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import HypothesisFamily

METHODS = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bonferroni": "Bonferroni",
    "benjamini_hochberg": "Benjamini-Hochberg (false discovery rate)",
    "fixed_sequence": "fixed sequence",
    "none": "not adjusted within the family",
}


def adjusted_row(
    study: Study, results: ResultsIndex, analysis: str, outcome: str, visit: str, contrast: str
) -> dict[str, Any] | None:
    """Return the row of a comparison's adjusted P value, None where the comparison is in no family."""
    where = {"visit": visit, "contrast": contrast}
    rows = (
        results.row(analysis, outcome, "p_value_adjusted", context=f"family={family.name}", **where)
        for family in study.plan.families
    )
    return next((row for row in rows if row is not None), None)


def families_shown(study: Study, table: Table, results: ResultsIndex) -> list[HypothesisFamily]:
    """Return the families of hypotheses that a table of effects has rows of, in the plan's order."""
    outcomes = [name for name in study.outcomes if table.outcomes == "all" or name in table.outcomes]
    visits = [name for name in study.visits if table.visits == "all" or name in table.visits]
    contrasts = [contrast_name(arm, study.reference_arm.name) for arm in list(study.arms)[1:]]
    found = {
        row["context"]
        for name in table.analyses
        for outcome in outcomes
        for visit in visits
        for contrast in contrasts
        if (row := adjusted_row(study, results, name, outcome, visit, contrast)) is not None
    }
    return [family for family in study.plan.families if f"family={family.name}" in found]


def families_note(study: Study, families: list[HypothesisFamily]) -> str:
    """Return what the adjusted P values are adjusted for, as a line of notes."""
    labels = {family.name: family.label for family in study.plan.families}
    percent = rounding.fixed(100 * (1 - study.plan.conf_level), 2).rstrip("0").removesuffix(".")
    said = []
    for family in families:
        text = f"{family.label}: {METHODS[family.method]}, {_hypotheses(study, family)}"
        if family.after:
            before = f"'{labels[family.after]}' is rejected"
            share = "whole" if family.gate == "all" else "in part, at that part's share of the level"
            text += f", tested where {before} {share}"
        said.append(text)
    return (
        f"Adjusted P: the smallest level at which the plan's procedure rejects, so at most {percent}% where it rejects "
        f"at {percent}%. {'; '.join(said)}. The level is held in each family with those before it, not over families "
        "side by side. Other P values, and confidence intervals, are not adjusted."
    )


def _hypotheses(study: Study, family: HypothesisFamily) -> str:
    """Return how many hypotheses a family has, or in which order they are tested where the order counts."""
    found = hypotheses(study, family)
    if family.method != "fixed_sequence":
        return "1 hypothesis" if len(found) == 1 else f"{len(found)} hypotheses"
    arms = len(study.arms) > 2
    each = [
        f"{study.outcomes[one.outcome].label} {at_visit(study.visits[one.visit].label)}"
        + (f" in {study.arms[one.arm].label}" if arms else "")
        for one in found
    ]
    return "in the order " + ", then ".join(each)
