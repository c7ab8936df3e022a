"""Checks of single analyses: names once, options that the method has, covariates, and whether estimand and role fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

FILE = "analysis.yaml"
BY_VISIT = ("mmrm", "mixed_model", "reference_based", "gee", "bayes_mmrm", "bayes_joint", "bayes_therapist")
METHODS_OF_OPTION: dict[str, tuple[str, ...]] = {
    "baseline_by_visit": BY_VISIT,
    "covariance": ("mmrm", "clda"),
    "fallback": ("mmrm", "clda"),
    "df": ("mmrm", "clda", "dyadic"),
    "strategies": ("reference_based",),
    "imputations": ("reference_based",),
    "standard_error": ("ancova",),
    "allocations": ("rerandomisation",),
    "bootstrap": ("logistic",),
    "courses": ("descriptives",),
    "working_correlation": ("gee",),
    "reference_level": ("nominal",),
}
"""options that do nothing in an analysis by another method"""
WITHOUT_OUTCOMES = ("dyadic", "double_programming")
"""methods that find their outcomes elsewhere"""


def check_analyses(study: Study) -> Iterator[Finding]:
    """Find names given twice or not at all, options without effect, unsuited covariates and estimands."""
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i)
        yield from _lists(analysis, at)
        yield from _options(analysis, at)
        for j, name in enumerate(analysis.covariates):
            yield from _covariate(study, analysis, name, (*at, "covariates", j))
        yield from _estimand(study, analysis, at)
        yield from _primary(study, analysis, at)


def _lists(analysis: Analysis, at: Location) -> Iterator[Finding]:
    for key in ("outcomes", "visits", "covariates", "strategies"):
        names: list[str] | Literal["all"] = getattr(analysis, key)
        if names == "all":
            continue
        if not names and key != "covariates":
            found = f"{analysis.name!r} with {key}: []"
            yield FILE, (*at, key), found, f"at least one, or {key}: all", "method-unsuited"
        for j, name in repeated(names):
            yield FILE, (*at, key, j), f"{name} twice", "each name once", "repeated-name"


def _options(analysis: Analysis, at: Location) -> Iterator[Finding]:
    for option, methods in METHODS_OF_OPTION.items():
        if option in analysis.model_fields_set and analysis.method not in methods:
            found = f"{option} of an analysis by {analysis.method}"
            yield FILE, (*at, option), found, f"method: {' or '.join(methods)}, or no {option}", "option-unsuited"
    if analysis.method in WITHOUT_OUTCOMES and "outcomes" in analysis.model_fields_set:
        where = "dyad" if analysis.method == "dyadic" else "analyses"
        found = f"outcomes of an analysis by {analysis.method}"
        yield FILE, (*at, "outcomes"), found, f"no outcomes: they are those of `{where}`", "option-unsuited"


def _covariate(study: Study, analysis: Analysis, name: str, at: Location) -> Iterator[Finding]:
    ages = [variable.age_name for variable in study.config.variables if variable.age_name]
    if "." in name:
        yield from _score(study, analysis, name, at)
        return
    variable = study.variables.get(name)
    if variable is None and name not in ages:
        scores = [outcome.score for outcome in study.plan.outcomes if outcome.name == name]
        allowed = one_of([*study.variables, *ages, *(scores or study.scores)])
        yield FILE, at, repr(name), allowed
    elif variable and (variable.measured != "before_randomisation" or variable.level != "participant"):
        allowed = "a participant-level variable measured before randomisation"
        yield FILE, at, repr(name), allowed, "covariate-after-randomisation"
    elif variable and variable.closed:
        allowed = "a participant-level variable of a file that is not closed"
        yield FILE, at, repr(name), allowed, "covariate-after-randomisation"


def _score(study: Study, analysis: Analysis, name: str, at: Location) -> Iterator[Finding]:
    """Find scores that are no baseline values, are categories, or are adjusted for already."""
    if name not in study.scores:
        yield FILE, at, repr(name), one_of(study.scores)
        return
    baseline = study.baseline_visit
    if baseline is None or baseline.name not in study.instrument_visits(name.partition(".")[0]):
        found = f"{name}: not given at a visit before randomisation"
        yield FILE, at, found, "a score given at baseline", "covariate-after-randomisation"
    if study.scores[name].type == "nominal":
        yield FILE, at, f"{name}: nominal", "a score that is a number", "method-unsuited"
    own = [analysis.baseline_score] if analysis.baseline_score else []
    own = own or [outcome.score for outcome in study.analysis_outcomes(analysis)]
    if analysis.baseline and name in own:
        found = f"{name}, whose baseline value is adjusted for already"
        yield FILE, at, found, "another score, or baseline: false", "repeated-name"


def _estimand(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    """Find effects in a principal stratum that the method does not estimate, and the other way about."""
    estimand = next((one for one in study.plan.estimands if one.name == analysis.estimand), None)
    if estimand is None:
        return
    of_stratum = [one.event for one in estimand.intercurrent_events if one.strategy == "principal_stratum"]
    if (analysis.method == "cace") == bool(of_stratum):
        return
    if of_stratum:
        found = f"{estimand.name}, whose strategy for {of_stratum[0]} is principal_stratum, by {analysis.method}"
        allowed = "method: cace, or an estimand without a principal stratum"
    else:
        found = f"{estimand.name}, without a principal stratum, by cace"
        allowed = "an estimand whose strategy for not taking the treatment is principal_stratum"
    yield FILE, (*at, "estimand"), found, allowed, "estimand-unsuited"


def _primary(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    """Find primary analyses of outcomes that are not primary."""
    if analysis.role != "primary":
        return
    other = [outcome.name for outcome in study.analysis_outcomes(analysis) if outcome.role != "primary"]
    if other:
        found = f"primary analysis {analysis.name!r} of {', '.join(other)}, not primary outcome{'s' * (len(other) > 1)}"
        yield FILE, (*at, "role"), found, "outcomes with role: primary, or another role", "primary-unsuited"
