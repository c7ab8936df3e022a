"""The plan's joint Bayesian models: effects per outcome, per domain and overall, partially pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.bayes import joint as model
from pipanalysis.bayes.checks import predictive_checks
from pipanalysis.bayes.checks_joint import joint_prior, joint_replicates
from pipanalysis.bayes.diagnostics import (
    MAX_PARETO_K,
    diagnose,
    importance_weights,
    leave_one_unit_out,
    log_prior,
    power_scaling,
    refitted_by_rule,
)
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.bayes_density import GRID, density_rows
from pipanalysis.estimate.bayes_files import OutcomeDraws
from pipanalysis.estimate.bayes_mmrm import Prepared, prepare
from pipanalysis.estimate.bayes_rows import (
    EffectDraws,
    Where,
    check_rows,
    effect_rows,
    fit_rows,
    loo_rows,
    parameter_rows,
    refused_rows,
)
from pipanalysis.estimate.bayes_settings import (
    bayes_plan,
    effect_prior,
    gates,
    mcid,
    method_name,
    nuisance_priors,
    sampler_settings,
    seed_of,
)
from pipanalysis.estimate.comparison import counts
from pipanalysis.estimate.planning import suitable_outcomes
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.bayes.arrays import FloatArray
    from pipanalysis.bayes.diagnostics import Diagnostics, Sensitivity
    from pipanalysis.bayes.sampler import CompiledModel, Sampler, SamplerSettings
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis

OVERALL = "overall"
"""stands for the outcome in rows of all domains together"""


class BayesJoint:
    """One joint model of the outcomes of an analysis."""

    def __init__(self, trial: TrialData, analysis: Analysis, sampler: Sampler | None = None) -> None:
        """Prepare every outcome of the analysis; `sampler` takes the place of the plan's."""
        self.trial, self.analysis = trial, analysis
        self.study = trial.study
        self.plan = bayes_plan(self.study)
        self.settings = replace(
            sampler_settings(self.plan, sampler), target_accept=self.plan.sampling.joint_target_accept
        )
        self.prepared = [prepare(trial, analysis, outcome) for outcome in suitable_outcomes(self.study, analysis)]
        self.used = [each for each in self.prepared if each.problem is not None]
        present = {visit for each in self.used for visit in each.frame.model_visits}
        self.visits = [visit for visit in self.study.visits if visit in present]
        asked = {each.outcome.domain for each in self.used}
        self.domains = [domain.name for domain in self.study.plan.domains if domain.name in asked]
        self.kept: list[OutcomeDraws] = []
        name = method_name(analysis.method, self.settings.sampler, self.plan)
        self.scope = Scope(analysis, OVERALL, "", self.plan.interval.probability, name)

    def work(self) -> list[Callable[[], Iterator[Row]]]:
        """Return the parts of the analysis as calls that yield rows."""
        return [partial(self._outcome_counts, each) for each in self.prepared] + [self._rows]

    def _outcome_scope(self, prepared: Prepared) -> Scope:
        own = prepared.outcome
        return Scope(self.analysis, own.name, own.domain, self.scope.conf_level, self.scope.method)

    def _outcome_counts(self, prepared: Prepared) -> Iterator[Row]:
        scope, notes = self._outcome_scope(prepared), "; ".join(prepared.frame.notes)
        for extra in counts(prepared.frame):
            yield scope.row(extra.stat_name, extra.stat, visit=extra.visit, arm=extra.arm, warning=notes)
        if prepared.problem is None:
            yield from refused_rows(scope, self.plan, prepared.planned, prepared.error, notes)

    def _problem(self) -> model.JointProblem:
        """Return the outcomes together, their units coded alike.

        Raises:
            BayesInputError: they cannot be modelled together.
        """
        if len(self.study.arms) != 2:
            raise BayesInputError([f"{len(self.study.arms)} arms; the joint model compares two"])
        units = sorted({unit for each in self.used for unit in each.frame.data["unit"]})
        position = {unit: i for i, unit in enumerate(units)}
        outcomes = []
        for each in self.used:
            assert each.problem is not None
            own = np.array([position[unit] for unit in each.frame.data["unit"]], dtype=np.intp)
            visits = np.array([self.visits.index(visit) for visit in each.frame.model_visits], dtype=np.intp)
            at = np.array([self.visits.index(visit) for _, visit in each.keys], dtype=np.intp)
            domain = self.domains.index(each.outcome.domain)
            outcomes.append(model.JointOutcome(model.with_units(each.problem, own), visits, at, domain))
        return model.JointProblem(outcomes, len(units), len(self.visits), len(self.domains))

    def _rows(self) -> Iterator[Row]:
        contrast = contrast_name(list(self.study.arms)[1], self.study.reference_arm.name)
        try:
            problem = self._problem()
        except BayesInputError as error:
            yield from refused_rows(self.scope, self.plan, [("", contrast)], str(error))
            return
        compiled = model.build(problem, self.plan.nuisance.lkj)
        base: tuple[model.JointPosterior, Diagnostics] | None = None
        for i, each in enumerate(self.plan.prior_sets):
            priors = model.JointPriors(
                each.name, effect_prior(each, ""), self.plan.nuisance.pooling_scale, nuisance_priors(self.plan)
            )
            seed = seed_of(self.study, self.analysis.name, priors.name)
            if base is not None and (weighted := self._reweighted(*base, priors, seed)) is not None:
                yield from self._set_rows(*weighted[:2], contrast, weighted[2])
                continue
            posterior, found, said = refitted_by_rule(
                partial(_fit, compiled, problem, priors, seed),
                self._judge,
                self.settings,
                target_accept=self.plan.refit.target_accept,
                longer=self.plan.refit.longer,
            )
            yield from self._set_rows(posterior, found, contrast, said)
            if i == 0 and found.passed:
                base = posterior, found
                yield from self._default_rows(posterior)

    def _reweighted(
        self, posterior: model.JointPosterior, found: Diagnostics, priors: model.JointPriors, seed: int
    ) -> tuple[model.JointPosterior, Diagnostics, str] | None:
        """Return the posterior under another prior of the overall effect from the draws under the default one.

        None where importance weights are not reliable, or would leave fewer effective draws than the plan's gate.
        """
        drawn = posterior.draws.values["overall"][..., None]
        ratio = log_prior(drawn, [priors.overall]) - log_prior(drawn, [posterior.priors.overall])
        weights = importance_weights(ratio)
        kept = replace(
            found,
            ess_bulk=found.ess_bulk * weights.efficiency,
            ess_tail=found.ess_tail * weights.efficiency,
        )
        gate = self.plan.gates.ess
        if weights.pareto_k > MAX_PARETO_K or min(kept.ess_bulk, kept.ess_tail) <= gate:
            return None
        said = (
            "draws under the default priors, weighted (Pareto-smoothed importance sampling, "
            f"k {weights.pareto_k:.2f}, {100 * weights.efficiency:.0f}% of their effective number)"
        )
        return model.resampled(posterior, priors, weights.resample(seed)), kept, said

    def _judge(self, posterior: model.JointPosterior) -> Diagnostics:
        pooled = [posterior.domain_effect(d, v) for v in self._times() for d in self._domains_at(posterior.problem, v)]
        pooled += [posterior.overall_effect(v) for v in self._times()]
        reported = {
            "effect": posterior.effects[:, :, posterior.problem.estimated],
            "pooled": np.stack(pooled, axis=-1),
            "spread": np.stack(list(posterior.spreads.values()), axis=-1),
        }
        return diagnose(reported, posterior.draws, gates(self.plan))

    def _times(self) -> list[int | None]:
        return [None, *range(len(self.visits))]

    def _domains_at(self, problem: model.JointProblem, visit: int | None) -> list[int]:
        """Return the domains that have an effect at a visit, or at any."""
        return [d for d in range(len(self.domains)) if problem.has_effect(d, visit)]

    def _set_rows(self, posterior: model.JointPosterior, found: Diagnostics, contrast: str, said: str) -> Iterator[Row]:
        """Yield what is given under every set of priors: status, and effects at every level."""
        prior, plan, scope = posterior.priors.name, self.plan, self.scope
        yield from fit_rows(scope, prior, found, warning=said)
        error = "" if found.passed else "gates not passed: " + "; ".join(found.failures)
        default = prior == plan.prior_sets[0].name
        sensitivity = self._sensitivity(posterior) if found.passed and default else None
        for k, each in enumerate(self.used):
            assert each.problem is not None
            own = self._outcome_scope(each)
            for arm, visit in each.keys:
                where: Where = {"visit": visit, "contrast": contrast_name(arm, each.frame.reference), "warning": said}
                draws = posterior.effects[..., k, self.visits.index(visit)]
                effect = EffectDraws(
                    draws, each.problem.unit_of_effect, mcid(plan, own.outcome), plan.rope * each.problem.scale
                )
                drawn = None if error else effect
                yield from effect_rows(own, plan, prior, drawn, error=error, quantiles=default, **where)
            if found.passed:
                at = [self.visits.index(visit) for _, visit in each.keys]
                self.kept.append(
                    OutcomeDraws(each.outcome.name, prior, each.keys, posterior.effects[..., k, at], posterior.draws)
                )
        for v in self._times():
            visit = "" if v is None else self.visits[v]
            where = {"visit": visit, "contrast": contrast, "warning": said}
            for d in self._domains_at(posterior.problem, v):
                domain = self.domains[d]
                pooled = None if error else EffectDraws(posterior.domain_effect(d, v), 1.0, nan, plan.rope)
                own = Scope(self.analysis, domain, domain, scope.conf_level, scope.method)
                yield from effect_rows(own, plan, prior, pooled, error=error, quantiles=default, **where)
            whole = None if error else EffectDraws(posterior.overall_effect(v), 1.0, nan, plan.rope)
            own_sensitivity = sensitivity if v is None else None
            yield from effect_rows(
                scope, plan, prior, whole, error=error, sensitivity=own_sensitivity, quantiles=default, **where
            )

    def _sensitivity(self, posterior: model.JointPosterior) -> Sensitivity:
        """Return how the overall effect moves with its prior."""
        drawn = posterior.draws.values["overall"][..., None]
        effect = posterior.overall_effect()[..., None]
        return power_scaling(effect, posterior.unit_logliks.sum(-1), log_prior(drawn, [posterior.priors.overall]))[0]

    def _default_rows(self, posterior: model.JointPosterior) -> Iterator[Row]:
        """Yield what is given under the default set alone: spread of effects, correlations, cross-validation."""
        prior, plan, scope = posterior.priors.name, self.plan, self.scope
        for name, values in posterior.spreads.items():
            yield from parameter_rows(scope, plan, prior, name.replace("_", " "), values)
        correlation = posterior.domain_correlation.reshape(*posterior.draws.divergent.shape, *2 * [len(self.domains)])
        for a, first in enumerate(self.domains):
            for b in range(a):
                pair = f"correlation {self.domains[b]} {first}"
                yield from parameter_rows(scope, plan, prior, pair, correlation[..., a, b])
        yield from loo_rows(scope, prior, leave_one_unit_out(posterior.unit_logliks))
        yield from self._densities(posterior)
        yield from self._checks(posterior)

    def _checks(self, posterior: model.JointPosterior) -> Iterator[Row]:
        """Yield each outcome's mean and SD by arm and visit beside trials drawn from the posterior and the priors."""
        seed = seed_of(self.study, self.analysis.name, "predictive")
        before = joint_prior(posterior.problem, posterior.priors, seed)
        drawn = {"posterior": joint_replicates(posterior, seed), "prior": joint_replicates(before, seed)}
        for k, each in enumerate(self.used):
            assert each.problem is not None
            frame, own = each.frame, each.problem
            arm = np.array([frame.arms.index(name) for name in frame.data["arm"]], dtype=np.intp)
            for kind, simulated in drawn.items():
                checks = predictive_checks(own.y, own.visit, arm, simulated[k])
                scope = self._outcome_scope(each)
                yield from check_rows(scope, posterior.priors.name, kind, checks, frame.arms, frame.model_visits)

    def _densities(self, posterior: model.JointPosterior) -> Iterator[Row]:
        """Yield densities of the effects on outcomes, on domains and overall, before and after the data."""
        problem, contrast = posterior.problem, contrast_name(list(self.study.arms)[1], self.study.reference_arm.name)
        weights: list[tuple[Scope, str, FloatArray]] = []
        for k, each in enumerate(self.used):
            for _, visit in each.keys:
                one = np.zeros(problem.estimated.shape)
                one[k, self.visits.index(visit)] = 1.0
                weights.append((self._outcome_scope(each), visit, one))
        for v in self._times():
            visit = "" if v is None else self.visits[v]
            for d in self._domains_at(problem, v):
                own = Scope(self.analysis, self.domains[d], self.domains[d], self.scope.conf_level, self.scope.method)
                weights.append((own, visit, problem.domain_weight(d, v)))
            weights.append((self.scope, visit, problem.overall_weight(v)))
        for scope, visit, weight in weights:
            drawn = (posterior.effects * weight).sum(axis=(2, 3))
            before = model.prior_density(problem, posterior.priors, weight, GRID)
            where: Where = {"visit": visit, "contrast": contrast, "warning": ""}
            yield from density_rows(scope, posterior.priors.name, drawn, before, where)


def _fit(
    compiled: CompiledModel,
    problem: model.JointProblem,
    priors: model.JointPriors,
    seed: int,
    settings: SamplerSettings,
) -> model.JointPosterior:
    return model.fit(compiled, problem, priors, settings, seed)
