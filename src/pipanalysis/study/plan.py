"""``config/analysis.yaml``: the statistical analysis plan."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipanalysis.study.base import Label, Model, Name, ScoreName, Sourced
from pipanalysis.study.bayes_plan import BayesPlan
from pipanalysis.study.estimands import Estimand, IntercurrentEvent


class Domain(Model):
    """A group of outcomes that are reported together."""

    name: Name
    label: Label


class Outcome(Sourced):
    """A variable that arms are compared on."""

    name: Name
    label: Label
    domain: Name
    score: ScoreName
    """the score that it is, as instrument.score"""
    role: Literal["primary", "secondary", "exploratory"] = "secondary"
    visits: list[Name] | Literal["all"] = "all"
    """visits at which it is analysed (default: those of its instrument)"""


class AnalysisSet(Model):
    """Which randomised units an analysis includes: those that meet every condition given."""

    name: Name
    label: Label
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


FAMILIES: dict[str, tuple[str, ...]] = {
    "describe": ("descriptives", "baseline", "effect_size", "reliable_change"),
    "mixed_model": ("mixed_model", "growth"),
    "ancova": ("ancova", "rerandomisation"),
    "mmrm": ("mmrm", "clda", "reference_based"),
    "binary": ("logistic", "gee"),
    "categorical": ("ordinal", "nominal", "count"),
    "safety": ("adherence", "harms", "service_use"),
    "measurement": ("measurement",),
    "treatment_received": ("therapist", "cace"),
    "association": ("dyadic",),
    "flow": ("flow", "protocol_deviations", "completeness", "recruitment"),
    "double": ("double_programming",),
    "bayes": ("bayes_mmrm", "bayes_joint", "bayes_logistic", "bayes_therapist"),
}
"""Methods by family: one step of the workflow carries out all analyses of a family."""
WITHOUT_OUTCOMES = (
    "baseline",
    "adherence",
    "harms",
    "service_use",
    "measurement",
    "dyadic",
    "flow",
    "protocol_deviations",
    "recruitment",
    "double_programming",
)
"""methods that describe something other than the plan's outcomes"""
EVENT_FAMILIES = ("safety", "measurement", "treatment_received", "flow", "bayes")
"""families that read event tables beside participants and scores"""
BLINDED_FAMILIES = ("measurement",)
"""families that describe all arms together, and never read the allocation"""

FEWEST_IN_A_COURSE = 5
"""units whose mean course may be shown, at least"""
USUAL_IN_A_COURSE = 10
"""units of a course at least where single ones were asked for and cannot be shown: the usual UK threshold"""


class HarmsSource(Model):
    """Where the events of an analysis of harms or use of services stand."""

    table: Name
    """event table of study.yaml; a closed one is read only where the allocation is"""
    category: Name | None = None
    """category variable of the table: what kind of event it was"""
    flags: list[Name] = []
    """category variables of the table that are 1 for events to be counted by themselves too (serious ones)"""
    date: Name | None = None
    """date variable of the table: events before randomisation are not counted"""


class ScreeningLog(Model):
    """Which variables of a screening log say what became of the units before randomisation."""

    table: Name
    """event table of study.yaml, a row per unit screened, not of a closed file"""
    eligible: Name
    """category variable that is 1 where the unit was eligible"""
    consented: Name
    """category variable that is 1 where it was and consented"""
    ineligible_reason: Name | None = None
    """category variable: why not eligible"""
    declined_reason: Name | None = None
    """category variable: why not consented"""


class Margin(Sourced):
    """The largest difference between arms in an outcome that does not matter, fixed before the data are seen."""

    outcome: Name
    """an outcome of the analysis, whose score says which direction is better"""
    margin: Annotated[float, Field(gt=0)]
    """in units of the outcome"""
    kind: Literal["non_inferiority", "equivalence"]
    """non_inferiority: the arm is not worse by the margin; equivalence: nor better by it"""
    visits: list[Name] | Literal["all"] = "all"


class DeltaAdjustment(Sourced):
    """How far values that are missing may lie from what the model expects, in each arm: a tipping-point analysis."""

    outcome: Name
    """an outcome of the analysis"""
    deltas: Annotated[list[float], Field(min_length=2)]
    """shifts of the mean of an arm's missing values, in units of the outcome, ascending; the difference between arms is
    given for every pair of one of the reference arm and one of the other"""
    visits: list[Name] | Literal["all"] = "all"

    @field_validator("deltas")
    @classmethod
    def _ascending(cls, deltas: list[float]) -> list[float]:
        if any(earlier >= later for earlier, later in pairwise(deltas)):
            raise ValueError("deltas ascend")
        return deltas


class Exposure(Model):
    """What counts as treatment received, for the effect among those who would take it if offered."""

    min_sessions: Annotated[int, Field(ge=1)]
    """received: at least so many sessions attended by the visit"""
    per_sessions: Annotated[int, Field(ge=1)] = 10
    """dose: the effect is given per so many sessions attended by the visit"""


class DyadRole(Model):
    """One side of a dyad, or what is between its two, and the outcome that stands for it."""

    name: Name
    label: Label
    outcome: Name
    """an outcome with a mean, measured at baseline, whose score says which direction is better"""


class Analysis(Model):
    """One analysis of the plan: a method applied to outcomes, in an analysis set, for an estimand.

    Methods:

    - `descriptives`: outcomes by arm and visit
    - `baseline`: participants' characteristics by arm
    - `mixed_model`: random intercept for the unit (statsmodels)
    - `growth`: random intercept and slope in time since baseline, arm by time (statsmodels)
    - `mmrm`: unstructured or other covariance, small-sample degrees of freedom
    - `clda`: constrained longitudinal, baseline is an outcome that is equal in the arms
    - `reference_based`: missing values imputed by what a strategy says of those who dropped out, then arms compared
    - `ancova`: one visit at a time
    - `rerandomisation`: the difference of `ancova` against those of allocations drawn anew within the strata
    - `effect_size`: Hedges' g
    - `logistic`: binary outcomes one visit at a time; odds ratio, standardised risks, their difference and ratio
    - `gee`: binary outcomes at all visits in one marginal model, generalised estimating equations
    - `ordinal`: proportional odds, one visit at a time, its assumption tested
    - `nominal`: multinomial logistic regression, one visit at a time
    - `count`: negative binomial regression, one visit at a time
    - `therapist`: one visit at a time, a random effect of the therapist in the arm that has them
    - `cace`: effect of treatment received among those who comply, two-stage least squares
    - `dyadic`: how the roles of a dyad change together
    - `adherence`: sessions offered and attended
    - `harms`: events by arm
    - `service_use`: contacts with services by arm, as routine care received
    - `measurement`: internal consistency, floor and ceiling, agreement of coders; all arms together
    - `reliable_change`: units that improved, deteriorated and recovered (Jacobson and Truax)
    - `flow`: units at each stage of the trial
    - `protocol_deviations`: visits out of window or missed, exclusions, rows set aside
    - `completeness`: values there and missing by arm and visit
    - `recruitment`: units randomised by month
    - `double_programming`: other analyses' estimates computed a second time by other code, and how far they differ
    - `bayes_mmrm`: Bayesian mixed model for repeated measures
    - `bayes_joint`: all continuous outcomes together, effects pooled within and over domains
    - `bayes_logistic`: binary outcomes one visit at a time, Bayesian
    - `bayes_therapist`: `bayes_mmrm` with therapist effects in the arm that is offered sessions
    """

    name: Name
    label: Label
    method: Literal[
        "descriptives",
        "baseline",
        "mixed_model",
        "growth",
        "mmrm",
        "clda",
        "reference_based",
        "ancova",
        "rerandomisation",
        "effect_size",
        "logistic",
        "gee",
        "ordinal",
        "nominal",
        "count",
        "adherence",
        "harms",
        "service_use",
        "measurement",
        "reliable_change",
        "therapist",
        "cace",
        "dyadic",
        "flow",
        "protocol_deviations",
        "completeness",
        "recruitment",
        "double_programming",
        "bayes_mmrm",
        "bayes_joint",
        "bayes_logistic",
        "bayes_therapist",
    ]
    role: Literal["primary", "secondary", "sensitivity", "supplementary", "exploratory", "descriptive"]
    estimand: Name | None = None
    analysis_set: Name
    outcomes: list[Name] | Literal["all"] = "all"
    visits: list[Name] | Literal["all"] = "all"
    """visits after baseline at which arms are compared (descriptives: visits described)"""
    baseline: bool = True
    """adjust for the outcome's baseline value (where it has one)"""
    baseline_score: ScoreName | None = None
    """logistic and gee: the score whose baseline value is adjusted for (default: the outcome's own)"""
    baseline_by_visit: bool = True
    """the adjustment for baseline differs between visits (models of all visits)"""
    strata: bool = True
    """adjust for the stratification variables"""
    covariates: list[Name | ScoreName] = []
    """further variables measured before randomisation, and scores at baseline"""
    subgroup: Name | None = None
    """mmrm: a categorical variable measured before randomisation; the results are then the differences between arms
    within its levels and the tests of arm by level, from one model with arm by visit by level"""
    moderator: Name | ScoreName | None = None
    """mmrm: a number measured before randomisation, or a score at baseline; the results are then the differences
    between arms at its values, how they change with it and the test of that, from one model with arm by visit by
    moderator"""
    moderator_at: list[float] = []
    """values of the moderator to give the differences at (default: its mean and one SD below and above)"""
    covariance: Literal["us", "toep", "toeph", "ar1", "ar1h", "cs", "csh", "ad", "adh"] = "us"
    """mmrm and clda: the visits' covariance structure"""
    fallback: list[Literal["toep", "toeph", "ar1", "ar1h", "cs", "csh", "ad", "adh"]] = []
    """mmrm and clda: structures tried in turn where the first does not converge"""
    df: Literal["kenward-roger", "kenward-roger-linear", "satterthwaite", "between-within", "residual"] = (
        "kenward-roger"
    )
    """mmrm and clda: degrees of freedom"""
    strategies: Annotated[list[Literal["mar", "j2r", "cr", "cir", "lmcf"]], Field(min_length=1)] = [
        "mar",
        "j2r",
        "cir",
        "cr",
    ]
    """reference_based: what is assumed of a unit from the first of the visits that it misses to the end: missing at
    random, jump to reference, copy reference, copy increments in reference, last mean carried forward"""
    imputations: Annotated[int, Field(ge=50, le=10_000)] | None = None
    """reference_based: multiple imputations, pooled by Rubin's rules (default: none; missing values take their means
    given the observed ones, and standard errors are the jackknife's)"""
    checks: bool = False
    """mmrm: residuals, influence of each unit, and simpler covariance structures, from the same fit"""
    standard_error: Literal["model", "HC3", "cluster"] = "model"
    """ancova: model-based, heteroscedasticity-consistent, or robust to correlation within clusters"""
    cluster: Name | None = None
    """ancova with standard_error: cluster: a participant-level category or text known before randomisation, as a
    practice"""
    margins: list[Margin] = []
    """mmrm, clda, mixed_model and ancova: differences that are held against a margin, from the same fit"""
    delta_adjustments: list[DeltaAdjustment] = []
    """mmrm, clda, mixed_model and ancova: differences if missing values lie elsewhere than the model expects, from the
    same fit"""
    allocations: Annotated[int, Field(ge=1000, le=1_000_000)] = 20_000
    """rerandomisation: allocations drawn; where there are no more than that in all, each is taken once"""
    bootstrap: Annotated[int, Field(ge=999, le=100_000)] | None = None
    """logistic: resamples of bootstrap intervals of the risk difference and risk ratio (default: none are made)"""
    courses: Annotated[int, Field(ge=FEWEST_IN_A_COURSE, le=100)] | Literal["single"] | None = None
    """descriptives: the mean courses over the visits of groups of at least so many similar units of an arm, those with
    a value at every visit; `single`, where the data are synthetic or published, those of single units with a value at
    two visits or more; drawn as lines behind the means (default: none)"""
    working_correlation: Literal["exchangeable", "independence"] = "exchangeable"
    """gee: working correlation of a unit's observations"""
    reference_level: str | None = None
    """nominal: the level that the others are compared with, by its code in the instrument (default: the first)"""
    events: HarmsSource | None = None
    """harms and service_use: the event table and its variables"""
    exposure: Exposure | None = None
    """cace: what counts as treatment received"""
    dyad: list[DyadRole] = []
    """dyadic: the roles, at least two; `outcomes` is not used"""
    screening: ScreeningLog | None = None
    """flow: where the screening log stands"""
    analyses: list[Name] = []
    """double_programming: the analyses to repeat, of method mmrm (us, Kenward-Roger), ancova, logistic or nominal;
    `outcomes` is not used"""
    prespecified: bool = True


class Members(Model):
    """Comparisons of one analysis that belong to a family of hypotheses: its outcomes, at its visits."""

    analysis: Name
    """an analysis that gives P values, without subgroup or moderator"""
    outcomes: list[Name] | Literal["all"] = "all"
    """in this order (default: all of the analysis, in the plan's order)"""
    visits: list[Name] | Literal["all"] = "all"
    """in this order (default: all that the analysis compares arms at, in time order)"""


class HypothesisFamily(Sourced):
    """Hypotheses that are adjusted for multiplicity together, at the level 1 - conf_level.

    Methods: `holm`, `hochberg` (needs tests that are independent or positively dependent), `bonferroni` and
    `fixed_sequence` (in the order of the members; a hypothesis is tested only while all before it are rejected) hold
    the probability of any false rejection; `benjamini_hochberg` the expected share of false ones among the rejections;
    `none` neither.
    """

    name: Name
    label: Label
    members: list[Members]
    """at least one"""
    method: Literal["holm", "hochberg", "bonferroni", "benjamini_hochberg", "fixed_sequence", "none"]
    after: Name | None = None
    """the family before it, its gate: this one is tested only as far as that one's rejections allow"""
    gate: Literal["all", "any"] = "all"
    """all: tested where the family before is rejected whole, at its level. any: tested where any hypothesis of it is
    rejected, at the share of its level that the rejected ones had (the family before must be bonferroni)"""


class Deviation(Model):
    """Why an analysis is not as it was when the plan was locked."""

    analysis: Name
    """an analysis of the plan, or one of the lock that the plan has no more"""
    reason: Label


class Plan(Model):
    """The whole of ``config/analysis.yaml``."""

    conf_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    domains: Annotated[list[Domain], Field(min_length=1)]
    outcomes: Annotated[list[Outcome], Field(min_length=1)]
    analysis_sets: Annotated[list[AnalysisSet], Field(min_length=1)]
    intercurrent_events: list[IntercurrentEvent] = []
    """events after randomisation that the trial expects; every estimand says what it does about each"""
    estimands: list[Estimand] = []
    baseline_characteristics: list[Name | ScoreName] = []
    """variables of study.yaml and scores at baseline that describe the participants"""
    analyses: Annotated[list[Analysis], Field(min_length=1)]
    families: list[HypothesisFamily] = []
    """families of hypotheses, each adjusted for multiplicity; P values in no family are not adjusted"""
    deviations: list[Deviation] = []
    """reasons for what changed after the plan was locked; printed in the table of deviations"""
    bayes: BayesPlan | None = None
    """priors, MCIDs, gates and sampling of the Bayesian analyses"""
