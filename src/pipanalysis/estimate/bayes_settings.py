"""The plan's section `bayes` in the terms of the Bayesian models: priors of an outcome, gates, settings, seeds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from math import nan, pi, sqrt
from typing import TYPE_CHECKING

from pipanalysis.bayes.diagnostics import Gates
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.sampler import Sampler, SamplerSettings
from pipanalysis.errors import PlanError, Problem

if TYPE_CHECKING:
    from pipanalysis.study.bayes_plan import BayesPlan, PriorSet
    from pipanalysis.study.load import Study

LOG_ODDS_PER_SD = pi / sqrt(3)
"""log odds ratio of a standardised difference of 1, for a logistic outcome (Hasselblad and Hedges 1995)"""


def bayes_plan(study: Study) -> BayesPlan:
    """Return the section of the plan.

    Raises:
        PlanError: there is none.
    """
    if study.plan.bayes is None:
        where = "config/analysis.yaml, bayes"
        raise PlanError(Problem(where, "none", "priors, since an analysis is Bayesian", rule="prior-unsuited"))
    return study.plan.bayes


def effect_prior(priors: PriorSet, outcome: str) -> EffectPrior:
    """Return the prior of an outcome's effects in a set: its own, or that of all outcomes."""
    own = [each.effect for each in priors.for_outcomes if outcome in each.outcomes]
    mixture = own[0] if own else priors.effect
    return EffectPrior(tuple(c.mean for c in mixture), tuple(c.sd for c in mixture), tuple(c.weight for c in mixture))


def outcome_priors(plan: BayesPlan, outcome: str, n_effects: int, factor: float = 1.0) -> list[Priors]:
    """Return each set's priors of an outcome's effects, times a factor, the default set first."""
    return [
        Priors(each.name, [effect_prior(each, outcome).scaled(factor)] * n_effects, nuisance_priors(plan))
        for each in plan.prior_sets
    ]


def nuisance_priors(plan: BayesPlan) -> NuisancePriors:
    """Return the priors of what is not an effect."""
    given = plan.nuisance
    return NuisancePriors(given.coefficient_sd, given.residual_scale, given.lkj, given.group_scale)


def gates(plan: BayesPlan) -> Gates:
    """Return the gates."""
    return Gates(plan.gates.r_hat, plan.gates.ess, plan.gates.divergences, plan.gates.bfmi)


def sampler_settings(plan: BayesPlan, sampler: Sampler | None = None) -> SamplerSettings:
    """Return how models are sampled; `sampler` takes the place of the plan's."""
    given = plan.sampling
    return SamplerSettings(given.chains, given.draws, given.tune, given.target_accept, sampler or given.sampler)


def mcid(plan: BayesPlan, outcome: str) -> float:
    """Return an outcome's smallest benefit that matters in its own units, NaN where the plan gives none."""
    return next((each.mcid for each in plan.mcids if each.outcome == outcome), nan)


def seed_of(study: Study, *names: str) -> int:
    """Return a seed for one model: the study's, with what names the model."""
    return zlib.crc32("/".join([str(study.config.study.seed), *names]).encode())


def method_name(method: str, sampler: str, plan: BayesPlan, extra: Sequence[str] = ()) -> str:
    """Return the machine name of a Bayesian method with what was done."""
    return " ".join([method, *extra, sampler, plan.interval.kind])
