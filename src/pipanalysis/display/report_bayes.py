"""Bayesian results of an outcome as a sentence: every number is a row of the results.

A posterior probability is told with the model and prior that it rests on, and never as a test.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from pipanalysis.display import rounding
from pipanalysis.display.bayes_effects_table import KINDS
from pipanalysis.display.bayes_places import Place, places
from pipanalysis.display.wording import analysis_label
from pipanalysis.study.terms import at_visit, mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.bayes_plan import BayesPlan
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

CAUTION = (
    "Probabilities of Bayesian analyses hold given the data, the model and the prior named beside them; none is a P "
    "value, and one near 0.5 speaks for neither arm."
)
PROBABILITY = "probability of any benefit"
POSTERIOR = ("posterior_mean", "cred_low", "cred_high", "p_benefit", "p_beyond_mcid", "p_equivalence", "mcid", "rope")


def bayes_sentence(study: Study, results: ResultsIndex, outcome: Outcome) -> str:
    """Return what the first Bayesian analysis of an outcome says, under the plan's default prior.

    Args:
        study: the configuration.
        results: the collected results.
        outcome: of the plan.

    Returns:
        A sentence of all visits; "" where no Bayesian analysis has a result.
    """
    plan = study.plan.bayes
    if plan is None:
        return ""
    default = plan.prior_sets[0]
    for one in study.plan.analyses:
        found = [] if one.subgroup else list(places(study, results, [one.name], "all", outcome.name, default))
        if found:
            told = [_told(study, results, plan, place) for place in found]
            return f"{analysis_label(study, one.name)}, {mid_sentence(default.label)} prior: {'; '.join(told)}."
    return ""


def _told(study: Study, results: ResultsIndex, plan: BayesPlan, place: Place) -> str:
    """Return the clause of one visit and comparison."""
    digits = study.displays.digits.estimate
    where = {"visit": place.visit, "contrast": place.contrast, "context": place.context(plan.prior_sets[0])}
    at = at_visit(place.label)
    own = results.row(place.analysis, place.outcome, "p_benefit", **where)
    if own is not None and own["error"]:
        return f"{at} nothing was estimated ({rounding.with_minus(str(own['error']))})"
    s = results.stats(place.analysis, place.outcome, POSTERIOR, **where)
    level = f"{rounding.level(plan.interval.probability)} {KINDS[plan.interval.kind]} credible interval"
    limits = rounding.interval(s["cred_low"], s["cred_high"], digits)
    of = "risk difference" if place.measure else "difference"
    said = [f"{at} {of} {rounding.fixed(s['posterior_mean'], digits)} (posterior mean; {level} {limits})"]
    said.append(f"{PROBABILITY} {rounding.posterior_probability(s['p_benefit'], 2)}")
    if isfinite(s["p_beyond_mcid"]):
        beyond = rounding.posterior_probability(s["p_beyond_mcid"], 2)
        said.append(f"of benefit beyond the MCID ({rounding.fixed(s['mcid'], digits)}) {beyond}")
    if isfinite(s["p_equivalence"]):
        near = rounding.posterior_probability(s["p_equivalence"], 2)
        said.append(f"of practical equivalence (less than {rounding.fixed(s['rope'], digits)} either way) {near}")
    return ", ".join(said)
