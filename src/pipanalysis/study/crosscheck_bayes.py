"""Checks of the Bayesian part of the plan: priors that are distributions, and what each outcome is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.plan import FAMILIES
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.bayes_plan import BayesPlan, EffectMixture
    from pipanalysis.study.load import Study

FILE = "analysis.yaml"
BAYES_TABLES = ("bayes_effects", "bayes_checks")


def check_bayes(study: Study) -> Iterator[Finding]:
    """Find Bayesian analyses without priors, priors that are no distributions, and outcomes without an MCID."""
    bayesian = {analysis.name: analysis for analysis in study.plan.analyses if analysis.method in FAMILIES["bayes"]}
    plan = study.plan.bayes
    if bayesian and plan is None:
        i = next(i for i, analysis in enumerate(study.plan.analyses) if analysis.name in bayesian)
        yield FILE, ("analyses", i, "method"), "a Bayesian analysis without priors", "a section bayes", "prior-unsuited"
    if plan is not None:
        yield from _priors(study, plan)
    if plan is not None and bayesian:
        judged = {mcid.outcome for mcid in plan.mcids}
        for i, analysis in enumerate(study.plan.analyses):
            if analysis.name not in bayesian or analysis.outcomes == "all":
                continue
            for name in analysis.outcomes:
                if name in study.outcomes and name not in judged:
                    at: Location = ("analyses", i, "outcomes")
                    yield FILE, at, f"{name} without an MCID", "bayes, mcids: one an outcome", "prior-unsuited"
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses:
            known = name in {analysis.name for analysis in study.plan.analyses}
            if known and (name in bayesian) != (table.kind in BAYES_TABLES):
                where: Location = ("tables", t, "analyses")
                found = f"{name}, in a table of kind {table.kind}"
                yield "displays.yaml", where, found, "an analysis of the table's kind", "display-unsuited"


def _priors(study: Study, plan: BayesPlan) -> Iterator[Finding]:
    for i, _ in repeated(each.name for each in plan.prior_sets):
        at: Location = ("bayes", "prior_sets", i, "name")
        yield FILE, at, f"two sets of priors named {plan.prior_sets[i].name!r}", "a name for each", "repeated-name"
    for i, priors in enumerate(plan.prior_sets):
        at = ("bayes", "prior_sets", i)
        yield from _mixture(priors.effect, (*at, "effect"))
        for j, own in enumerate(priors.for_outcomes):
            yield from _mixture(own.effect, (*at, "for_outcomes", j, "effect"))
            for name in own.outcomes:
                if name not in study.outcomes:
                    yield FILE, (*at, "for_outcomes", j, "outcomes"), repr(name), one_of(study.outcomes)
        listed = [name for own in priors.for_outcomes for name in own.outcomes]
        for _, name in repeated(listed):
            yield FILE, (*at, "for_outcomes"), f"two priors for {name}", "one an outcome", "repeated-name"
    for i, mcid in enumerate(plan.mcids):
        if mcid.outcome not in study.outcomes:
            yield FILE, ("bayes", "mcids", i, "outcome"), repr(mcid.outcome), one_of(study.outcomes)
    for i, name in repeated(mcid.outcome for mcid in plan.mcids):
        yield FILE, ("bayes", "mcids", i, "outcome"), f"two MCIDs of {name}", "one an outcome", "repeated-name"


def _mixture(mixture: EffectMixture, at: Location) -> Iterator[Finding]:
    total = sum(component.weight for component in mixture)
    if abs(total - 1) > 1e-9:
        yield FILE, at, f"weights that add up to {total:g}", "weights that add up to 1", "prior-unsuited"
