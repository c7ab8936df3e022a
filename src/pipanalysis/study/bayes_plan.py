"""The plan's section `bayes`: priors by name, what an effect is judged by, and the gates that a model passes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Label, Model, Name, Sourced

Positive = Annotated[float, Field(gt=0)]


class NormalComponent(Model):
    """A normal distribution of an effect in baseline standard deviations; positive is benefit."""

    mean: float
    sd: Positive
    weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    """share of the mixture; the weights of a prior add up to 1"""


EffectMixture = Annotated[list[NormalComponent], Field(min_length=1, max_length=2)]


class OutcomePrior(Sourced):
    """A prior of the effects on some outcomes, from what earlier trials found."""

    outcomes: Annotated[list[Name], Field(min_length=1)]
    effect: EffectMixture


class PriorSet(Sourced):
    """Priors by name: of each effect of an outcome at a visit, in baseline standard deviations, positive is benefit.

    Effects on binary outcomes are log odds ratios: the same distribution times pi / sqrt(3) (Hasselblad and
    Hedges 1995).
    """

    name: Name
    label: Label
    effect: EffectMixture
    """of every outcome that is not listed below"""
    for_outcomes: list[OutcomePrior] = []


class Nuisance(Sourced):
    """Priors of what is not an effect, the same in every set; in baseline standard deviations."""

    coefficient_sd: Positive = 2.5
    """visit means, baseline slopes, covariates: normal around zero (columns in standard deviations)"""
    residual_scale: Positive = 1.0
    """standard deviation at each visit: half Student t, 3 degrees of freedom"""
    lkj: Annotated[float, Field(ge=0.5, le=20)] = 2.0
    """correlation of the visits: LKJ; 1 is uniform"""
    group_scale: Positive = 0.3
    """standard deviation between therapists: half normal"""
    pooling_scale: Positive = 0.3
    """standard deviations of effects around their domain's and of domains around the overall effect: half normal"""


class Mcid(Sourced):
    """The smallest benefit that matters in an outcome."""

    outcome: Name
    mcid: Positive
    """in units of the outcome (binary outcomes: difference of risks)"""


class Interval(Model):
    """The credible interval that results and tables give."""

    kind: Literal["eti", "hdi"] = "eti"
    """eti: equal tails; hdi: highest density"""
    probability: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Sampling(Model):
    """How the posterior is sampled."""

    sampler: Literal["nutpie", "pymc"] = "nutpie"
    chains: Annotated[int, Field(ge=2, le=16)] = 4
    draws: Annotated[int, Field(ge=100)] = 1000
    """kept of each chain"""
    tune: Annotated[int, Field(ge=100)] = 600
    target_accept: Annotated[float, Field(gt=0.5, lt=1)] = 0.85
    joint_target_accept: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """of the joint model, whose standard deviations between effects need smaller steps"""


class Gates(Model):
    """What a sampled model must pass; one that fails twice is reported as failed, without estimates."""

    r_hat: Annotated[float, Field(gt=1)] = 1.01
    """largest R-hat of a reported quantity"""
    ess: Positive = 400
    """smallest bulk and tail effective sample size of a reported quantity"""
    divergences: Annotated[int, Field(ge=0)] = 0
    bfmi: Positive = 0.3
    """smallest Bayesian fraction of missing information of a chain's energy"""


class Refit(Model):
    """The second try of a model that fails a gate."""

    target_accept: Annotated[float, Field(gt=0.5, lt=1)] = 0.98
    longer: Annotated[int, Field(ge=1, le=20)] = 2
    """times the draws and the warm-up"""


class BayesPlan(Model):
    """The section `bayes` of the plan; needed where an analysis is Bayesian."""

    prior_sets: Annotated[list[PriorSet], Field(min_length=1)]
    """the first is the default; every result is given under each"""
    nuisance: Nuisance = Nuisance()
    mcids: list[Mcid] = []
    """for each outcome that a Bayesian analysis is about"""
    rope: Annotated[float, Field(gt=0, le=1)] = 0.1
    """half width of the region of practical equivalence, in baseline standard deviations (Kruschke 2018: 0.1)"""
    success: Annotated[float, Field(gt=0.5, lt=1)] = 0.975
    """a trial succeeds where the probability of any benefit is above this; while units are still to come, results give
    the predictive probability of it at full size"""
    interval: Interval = Interval()
    sampling: Sampling = Sampling()
    gates: Gates = Gates()
    refit: Refit = Refit()
