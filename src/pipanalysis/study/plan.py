"""``config/analysis.yaml``: the statistical analysis plan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Model, Name, ScoreName, Sourced


class Domain(Model):
    """A group of outcomes that are reported together."""

    name: Name
    label: str


class Outcome(Sourced):
    """A variable that arms are compared on."""

    name: Name
    label: str
    domain: Name
    score: ScoreName
    """the score that it is, as instrument.score"""
    role: Literal["primary", "secondary", "exploratory"] = "secondary"
    visits: list[Name] | Literal["all"] = "all"
    """visits at which it is analysed (default: those of its instrument)"""


class AnalysisSet(Model):
    """Which randomised units an analysis includes: those that meet every condition given."""

    name: Name
    label: str
    any_outcome_after_baseline: list[Name] = []
    """at least one of these outcomes is observed at a visit after baseline"""
    complete_visits: list[Name] = []
    """an assessment took place at each of these visits"""
    in_window: bool = False
    """those assessments were within their windows"""
    not_withdrawn: bool = False
    """no withdrawal date"""
    min_sessions: Annotated[int, Field(ge=0)] | None = None
    """at least so many sessions attended, for the arm that is offered sessions (known only with the allocation)"""


class IntercurrentEvent(Model):
    """An event after randomisation that changes what the outcome means, and what is done about it (ICH E9(R1))."""

    event: str
    strategy: Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment", "principal_stratum"]


class Estimand(Sourced):
    """What is estimated (ICH E9(R1)): five attributes, printed above each table that rests on it."""

    name: Name
    label: str
    population: str
    treatments: str
    variable: str
    intercurrent_events: list[IntercurrentEvent] = []
    summary: str
    """the population-level summary measure, as difference in means"""


FAMILIES: dict[str, tuple[str, ...]] = {
    "describe": ("descriptives", "baseline", "effect_size"),
    "mixed_model": ("mixed_model",),
    "ancova": ("ancova",),
    "mmrm": ("mmrm", "clda"),
    "binary": ("logistic",),
}
"""Methods by family: one step of the workflow carries out all analyses of a family."""


class Analysis(Model):
    """One analysis of the plan: a method applied to outcomes, in an analysis set, for an estimand.

    Methods: `descriptives` (by arm and visit), `baseline` (participants' characteristics by arm), `mixed_model` (random
    intercept for the unit, statsmodels), `mmrm` (unstructured or other covariance, small-sample degrees of freedom),
    `clda` (constrained longitudinal: baseline is an outcome, equal in the arms), `ancova` (one visit at a time),
    `effect_size` (Hedges' g), `logistic` (binary outcomes one visit at a time: odds ratio, standardised risks, their
    difference and ratio).
    """

    name: Name
    label: str
    method: Literal["descriptives", "baseline", "mixed_model", "mmrm", "clda", "ancova", "effect_size", "logistic"]
    role: Literal["primary", "secondary", "sensitivity", "supplementary", "exploratory", "descriptive"]
    estimand: Name | None = None
    analysis_set: Name
    outcomes: list[Name] | Literal["all"] = "all"
    visits: list[Name] | Literal["all"] = "all"
    """visits after baseline at which arms are compared (descriptives: visits described)"""
    baseline: bool = True
    """adjust for the outcome's baseline value (where it has one)"""
    baseline_score: ScoreName | None = None
    """logistic: the score whose baseline value is adjusted for (default: the outcome's own)"""
    baseline_by_visit: bool = True
    """the adjustment for baseline differs between visits (models of all visits)"""
    strata: bool = True
    """adjust for the stratification variables"""
    covariates: list[Name] = []
    """further variables or scores at baseline, measured before randomisation"""
    covariance: Literal["us", "toep", "toeph", "ar1", "ar1h", "cs", "csh", "ad", "adh"] = "us"
    """mmrm and clda: the visits' covariance structure"""
    fallback: list[Literal["toep", "toeph", "ar1", "ar1h", "cs", "csh", "ad", "adh"]] = []
    """mmrm and clda: structures tried in turn where the first does not converge"""
    df: Literal["kenward-roger", "kenward-roger-linear", "satterthwaite", "between-within", "residual"] = (
        "kenward-roger"
    )
    """mmrm and clda: degrees of freedom"""
    standard_error: Literal["model", "HC3"] = "model"
    """ancova: model-based or heteroscedasticity-consistent"""
    prespecified: bool = True


class Plan(Model):
    """The whole of ``config/analysis.yaml``."""

    conf_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    domains: Annotated[list[Domain], Field(min_length=1)]
    outcomes: Annotated[list[Outcome], Field(min_length=1)]
    analysis_sets: Annotated[list[AnalysisSet], Field(min_length=1)]
    estimands: list[Estimand] = []
    baseline_characteristics: list[Name | ScoreName] = []
    """variables of study.yaml and scores at baseline that describe the participants"""
    analyses: Annotated[list[Analysis], Field(min_length=1)]
