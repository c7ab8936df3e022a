"""Which outcomes and visits an analysis of the plan covers, and what the plan asks for that cannot be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.errors import PlanError, Problem
from pipanalysis.study.hypotheses import hypotheses
from pipanalysis.study.plan import FAMILIES, WITHOUT_OUTCOMES
from pipanalysis.study.rules import RuleId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipanalysis.study.hypotheses import Hypothesis
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, HypothesisFamily, Outcome

MEANS = (
    "mixed_model",
    "growth",
    "mmrm",
    "clda",
    "reference_based",
    "ancova",
    "rerandomisation",
    "effect_size",
    "therapist",
    "cace",
)
"""methods that compare arms after baseline on outcomes that have a mean"""
TYPE_OF_METHOD = {
    "logistic": "binary",
    "gee": "binary",
    "bayes_logistic": "binary",
    "ordinal": "ordinal",
    "nominal": "nominal",
    "count": "count",
}
"""methods that compare arms after baseline on outcomes of one type: that type"""
P_VALUE_OF_METHOD = {
    "logistic": "measure=odds_ratio",
    "gee": "measure=odds_ratio",
    "ordinal": "measure=odds_ratio",
    "nominal": "test=all_levels",
    "count": "measure=rate_ratio",
}
"""context of the P value that tests a hypothesis of the plan's families; of other methods, that of the difference"""
BAYESIAN = FAMILIES["bayes"]
MODELS = tuple(dict.fromkeys((*MEANS, *TYPE_OF_METHOD, "dyadic", *BAYESIAN)))
"""methods that compare arms after baseline"""
CATEGORICAL = ("binary", "nominal")
UNSUITED: RuleId = "method-unsuited"
NO_MEMBERS: RuleId = "family-without-members"


def compared_visits(study: Study, analysis: Analysis, outcome: Outcome) -> list[str]:
    """Return the visits after baseline at which an analysis compares arms on an outcome, in time order."""
    baseline = study.baseline_visit
    return [
        visit
        for visit in study.outcome_visits(outcome.name)
        if (analysis.visits == "all" or visit in analysis.visits) and not (baseline and visit == baseline.name)
    ]


def described_visits(study: Study, analysis: Analysis, outcome: Outcome) -> list[str]:
    """Return the visits at which an analysis describes an outcome, in time order."""
    given = study.outcome_visits(outcome.name)
    return [visit for visit in given if analysis.visits == "all" or visit in analysis.visits]


def measured_at_baseline(study: Study, outcome: Outcome) -> bool:
    """Tell whether the outcome's instrument is given at the baseline visit."""
    return given_at_baseline(study, outcome.score)


def given_at_baseline(study: Study, score: str) -> bool:
    """Tell whether a score's instrument is given at the baseline visit."""
    baseline = study.baseline_visit
    return baseline is not None and baseline.name in study.instrument_visits(score.partition(".")[0])


def unsuitable(study: Study, analysis: Analysis, outcome: Outcome) -> str:
    """Return why an analysis's method cannot be applied to an outcome, "" where it can."""
    if analysis.method in ("descriptives", "completeness"):
        visits = described_visits(study, analysis, outcome)
        return "" if visits else "none of the analysis's visits is a visit of the outcome"
    score = study.scores[outcome.score]
    needed = TYPE_OF_METHOD.get(analysis.method)
    if needed and score.type != needed:
        return f"its score {outcome.score} is {score.type}, not {needed}"
    if not needed and score.type in CATEGORICAL:
        return f"its score {outcome.score} is {score.type}"
    if analysis.method == "ordinal" and score.better is None:
        return f"its score {outcome.score} does not say whether higher or lower is better"
    if not compared_visits(study, analysis, outcome):
        return "none of the analysis's visits is a visit of the outcome after baseline"
    if analysis.method in BAYESIAN and study.scores[outcome.score].better is None:
        return f"its score {outcome.score} does not say whether higher or lower is better"
    if analysis.method == "reliable_change" and study.scores[outcome.score].reliability is None:
        return f"its score {outcome.score} has no reliability"
    if analysis.method in ("clda", "growth", "reliable_change") and not measured_at_baseline(study, outcome):
        return "it is not measured at baseline"
    return ""


def suitable_outcomes(study: Study, analysis: Analysis) -> list[Outcome]:
    """Return the outcomes that an analysis is carried out on, in the plan's order.

    Where the plan says `all`, outcomes that the method does not suit are left out; where it lists them, `check_plan`
    has refused the plan.
    """
    return [outcome for outcome in study.analysis_outcomes(analysis) if not unsuitable(study, analysis, outcome)]


def tested_hypotheses(study: Study, family: HypothesisFamily) -> list[Hypothesis]:
    """Return the hypotheses of a family that its analyses test: outcomes that a method does not suit are left out."""
    analyses = {analysis.name: analysis for analysis in study.plan.analyses}
    return [
        hypothesis
        for hypothesis in hypotheses(study, family)
        if not unsuitable(study, analyses[hypothesis.analysis], study.outcomes[hypothesis.outcome])
    ]


def check_plan(study: Study, family: str) -> None:
    """Refuse what the family's analyses ask for and cannot be done.

    Raises:
        PlanError: every such request of every analysis of the family.
    """
    problems = [problem for analysis in study.family_analyses(family) for problem in _problems(study, analysis)]
    if problems:
        raise PlanError(problems)


def check_whole_plan(study: Study) -> None:
    """Refuse all that the plan asks for and cannot be done, in one pass.

    Raises:
        PlanError: every problem of every analysis and family of hypotheses.
    """
    problems = [problem for analysis in study.plan.analyses for problem in _problems(study, analysis)]
    if problems:
        raise PlanError(problems)
    check_families(study)


def check_families(study: Study) -> None:
    """Refuse hypotheses of the plan's families that their analyses cannot test.

    Raises:
        PlanError: every outcome that a family lists and the analysis's method does not suit, and every family that
            has nothing to test.
    """
    problems = [problem for analysis in study.plan.analyses for problem in _listed(study, analysis)]
    for family in study.plan.families:
        if not tested_hypotheses(study, family):
            where = f"config/analysis.yaml, family {family.name}, members"
            problems.append(
                Problem(where, "none that its analyses can test", "at least one hypothesis", rule=NO_MEMBERS)
            )
    if problems:
        raise PlanError(problems)


def _listed(study: Study, analysis: Analysis) -> Iterator[Problem]:
    for family in study.plan.families:
        for members in family.members:
            if members.analysis != analysis.name or members.outcomes == "all":
                continue
            for name in members.outcomes:
                if reason := unsuitable(study, analysis, study.outcomes[name]):
                    where = f"config/analysis.yaml, family {family.name}, outcomes"
                    yield Problem(where, f"{name}: {reason}", f"an outcome that {analysis.method} suits", rule=UNSUITED)


def _problems(study: Study, analysis: Analysis) -> Iterator[Problem]:
    where = f"config/analysis.yaml, analysis {analysis.name}"
    if analysis.method == "baseline":
        yield from _characteristics(study, where)
    if analysis.method == "dyadic":
        yield from _model(study, analysis, where)
    if analysis.method in WITHOUT_OUTCOMES:
        return
    if analysis.outcomes != "all":
        for outcome in study.analysis_outcomes(analysis):
            if reason := unsuitable(study, analysis, outcome):
                allowed = f"an outcome that {analysis.method} suits"
                yield Problem(f"{where}, outcomes", f"{outcome.name}: {reason}", allowed, rule=UNSUITED)
    elif not suitable_outcomes(study, analysis):
        yield Problem(
            f"{where}, outcomes",
            "no outcome of the plan suits it",
            f"an outcome that {analysis.method} suits",
            rule=UNSUITED,
        )
    yield from _listed(study, analysis)
    yield from _model(study, analysis, where)


def _model(study: Study, analysis: Analysis, where: str) -> Iterator[Problem]:
    """Find visits at which arms cannot be compared, and covariates that are no numbers or categories."""
    baseline = study.baseline_visit
    if analysis.method in MODELS and analysis.visits != "all" and baseline and baseline.name in analysis.visits:
        yield Problem(f"{where}, visits", repr(baseline.name), "visits after baseline", rule=UNSUITED)
    for name in analysis.covariates:
        variable = study.variables.get(name)
        if variable is not None and variable.type not in ("number", "integer", "category"):
            found = f"{name}: a {variable.type.replace('_', ' ')}"
            hint = f"its age is {variable.age_name!r}" if variable.age_name else ""
            yield Problem(f"{where}, covariates", found, "a number, integer, category or age", hint, UNSUITED)


def _characteristics(study: Study, where: str) -> Iterator[Problem]:
    where = "config/analysis.yaml, baseline_characteristics"
    if not study.plan.baseline_characteristics:
        yield Problem(where, "none", "at least one, since the plan has an analysis that describes them", rule=UNSUITED)
    for name in study.plan.baseline_characteristics:
        if name in study.scores:
            if study.baseline_visit is None:
                yield Problem(where, name, "a variable or age: the study has no baseline visit", rule=UNSUITED)
            elif study.baseline_visit.name not in study.instrument_visits(name.partition(".")[0]):
                found = f"{name}: not given at {study.baseline_visit.name}"
                yield Problem(where, found, "a score given at baseline", rule=UNSUITED)
        elif variable := study.variables.get(name):
            allowed = "a participant-level number, integer or category measured before randomisation"
            if variable.type not in ("number", "integer", "category"):
                yield Problem(where, f"{name}: a {variable.type.replace('_', ' ')}", allowed, rule=UNSUITED)
            elif variable.level != "participant" or variable.measured != "before_randomisation" or variable.closed:
                found = f"{name}: not known before randomisation, or not a participant's"
                yield Problem(where, found, allowed, rule=UNSUITED)
