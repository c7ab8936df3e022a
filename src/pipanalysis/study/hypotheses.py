"""Which hypotheses the families of the plan hold, in the order of their testing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import HypothesisFamily, Members


class Hypothesis(NamedTuple):
    """That an arm does not differ from the reference arm on an outcome at a visit, tested by an analysis."""

    analysis: str
    outcome: str
    visit: str
    arm: str


def hypotheses(study: Study, family: HypothesisFamily) -> list[Hypothesis]:
    """Return the hypotheses of a family in order: members, then outcomes, then visits, then arms."""
    return [hypothesis for members in family.members for hypothesis in members_hypotheses(study, members)]


def members_hypotheses(study: Study, members: Members) -> list[Hypothesis]:
    """Return the hypotheses that some members of a family stand for; unknown names stand for none."""
    analysis = next((a for a in study.plan.analyses if a.name == members.analysis), None)
    if analysis is None:
        return []
    covered = [outcome.name for outcome in study.analysis_outcomes(analysis)]
    outcomes = covered if members.outcomes == "all" else [name for name in members.outcomes if name in covered]
    found = []
    for outcome in outcomes:
        compared = [
            visit
            for visit in study.outcome_visits(outcome)
            if not study.visits[visit].baseline and (analysis.visits == "all" or visit in analysis.visits)
        ]
        visits = compared if members.visits == "all" else [visit for visit in members.visits if visit in compared]
        found += [Hypothesis(analysis.name, outcome, v, arm) for v in visits for arm in list(study.arms)[1:]]
    return found
