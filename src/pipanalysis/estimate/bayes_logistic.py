"""The plan's Bayesian logistic regressions: binary outcomes one visit at a time, under every set of priors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.bayes import logistic as model
from pipanalysis.bayes.checks import BINARY_STATISTICS, binary_prior, binary_replicates, predictive_checks
from pipanalysis.bayes.diagnostics import diagnose, leave_one_unit_out, log_prior, power_scaling, refitted_by_rule
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.estimate.analysis_data import AnalysisFrame, analysis_frame
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.bayes_density import LOG_ODDS_GRID, LOG_ODDS_RATIO, density_rows
from pipanalysis.estimate.bayes_files import OutcomeDraws
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
    LOG_ODDS_PER_SD,
    bayes_plan,
    gates,
    mcid,
    method_name,
    outcome_priors,
    sampler_settings,
    seed_of,
)
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import linear_design
from pipanalysis.estimate.model_result import NotFittedError
from pipanalysis.estimate.planning import suitable_outcomes
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.bayes.diagnostics import Diagnostics, Sensitivity
    from pipanalysis.bayes.priors import Priors
    from pipanalysis.bayes.sampler import CompiledModel, Sampler
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis, Outcome

RISK_DIFFERENCE = "measure=risk_difference"


@dataclass(frozen=True)
class Prepared:
    """A binary outcome at a visit, or the reason why it cannot be sampled."""

    outcome: Outcome
    frame: AnalysisFrame
    visit: str
    problem: model.BinaryOutcome | None
    arms: tuple[str, ...] = ()
    error: str = ""


def prepare(trial: TrialData, analysis: Analysis, outcome: Outcome) -> Iterator[Prepared]:
    """Yield the outcome at each visit; covariates are those of the plan's linear models."""
    whole = analysis_frame(trial, analysis, outcome)
    for visit in whole.visits:
        frame = complete_rows(whole.at(visit))
        try:
            check_fittable(frame)
            design = linear_design(frame, baseline_by_visit=False)
            at = list(design.effects.values())
            rest = [j for j in range(design.X.shape[1]) if j not in at]
            benefit = 1 if trial.study.scores[outcome.score].better == "higher" else -1
            arms = tuple(frame.terms.arm(arm) for arm, _ in design.effects)
            problem = model.BinaryOutcome(design.y, design.X[:, rest], design.X[:, at], benefit, arms)
        except (NotFittedError, BayesInputError) as error:
            yield Prepared(outcome, frame, visit, None, error=str(error))
            continue
        yield Prepared(outcome, frame, visit, problem, tuple(arm for arm, _ in design.effects))


class BayesLogistic:
    """The outcomes of one analysis: compiled once, then sampled one after the other."""

    def __init__(self, trial: TrialData, analysis: Analysis, sampler: Sampler | None = None) -> None:
        """Prepare every outcome of the analysis; `sampler` takes the place of the plan's."""
        self.trial, self.analysis = trial, analysis
        self.plan = bayes_plan(trial.study)
        self.settings = sampler_settings(self.plan, sampler)
        suited = suitable_outcomes(trial.study, analysis)
        self.prepared = [each for outcome in suited for each in prepare(trial, analysis, outcome)]
        self.kept: list[OutcomeDraws] = []
        self._compiled: CompiledModel | None = None

    def work(self) -> list[Callable[[], Iterator[Row]]]:
        """Return the parts of the analysis as calls that yield rows."""
        return [partial(self._rows, each) for each in self.prepared]

    @property
    def _size(self) -> tuple[int, int]:
        problems = [each.problem for each in self.prepared if each.problem is not None]
        return max(p.X.shape[1] for p in problems), max(p.effects.shape[1] for p in problems)

    def _rows(self, prepared: Prepared) -> Iterator[Row]:
        outcome, frame, plan, visit = prepared.outcome, prepared.frame, self.plan, prepared.visit
        name = method_name(self.analysis.method, self.settings.sampler, plan)
        scope = Scope(self.analysis, outcome.name, outcome.domain, plan.interval.probability, name)
        notes = "; ".join(frame.notes)
        for extra in counts(frame):
            yield scope.row(extra.stat_name, extra.stat, visit=visit, arm=extra.arm, warning=notes)
        if prepared.problem is None:
            planned = [(visit, contrast_name(arm, frame.reference)) for arm in frame.arms[1:]]
            yield from refused_rows(scope, plan, planned, prepared.error, notes, visit, measure=RISK_DIFFERENCE)
            return
        n_effects = prepared.problem.effects.shape[1]
        for priors in outcome_priors(plan, outcome.name, n_effects, LOG_ODDS_PER_SD):
            posterior, found, said = self._fitted(prepared.problem, priors, outcome.name, visit)
            said = "; ".join(part for part in (notes, said) if part)
            yield from self._set_rows(scope, prepared, posterior, found, said)
            if priors.name == plan.prior_sets[0].name and found.passed:
                yield from self._default_rows(scope, prepared, posterior)
            if found.passed:
                keys = tuple((arm, visit) for arm in prepared.arms)
                self.kept.append(OutcomeDraws(outcome.name, priors.name, keys, posterior.effects, posterior.draws))

    def _default_rows(self, scope: Scope, prepared: Prepared, posterior: model.LogisticPosterior) -> Iterator[Row]:
        """Yield what is given under the default set alone: cross-validation, predictive checks."""
        prior, frame, problem, visit = posterior.priors.name, prepared.frame, posterior.problem, prepared.visit
        yield from loo_rows(scope, prior, leave_one_unit_out(posterior.unit_logliks), visit=visit)
        seed = seed_of(self.trial.study, self.analysis.name, prepared.outcome.name, visit, "predictive")
        arm = np.array([frame.arms.index(each) for each in frame.data["arm"]], dtype=np.intp)
        before = binary_prior(problem, posterior.priors, seed)
        for kind, drawn in {"posterior": posterior, "prior": before}.items():
            simulated = binary_replicates(drawn, seed)
            checks = predictive_checks(problem.y, np.zeros(len(arm), dtype=np.intp), arm, simulated, BINARY_STATISTICS)
            yield from check_rows(scope, prior, kind, checks, frame.arms, [visit])

    def _fitted(
        self, problem: model.BinaryOutcome, priors: Priors, *names: str
    ) -> tuple[model.LogisticPosterior, Diagnostics, str]:
        if self._compiled is None:
            self._compiled = model.build(*self._size)
        compiled, size = self._compiled, self._size
        seed = seed_of(self.trial.study, self.analysis.name, *names, priors.name)
        return refitted_by_rule(
            lambda settings: model.fit(compiled, size, problem, priors, settings, seed),
            lambda posterior: diagnose(
                {"effect": posterior.effects, "risk": posterior.risk(0)[..., None]}, posterior.draws, gates(self.plan)
            ),
            self.settings,
            target_accept=self.plan.refit.target_accept,
            longer=self.plan.refit.longer,
        )

    def _set_rows(
        self, scope: Scope, prepared: Prepared, posterior: model.LogisticPosterior, found: Diagnostics, said: str
    ) -> Iterator[Row]:
        plan, frame, visit, prior = self.plan, prepared.frame, prepared.visit, posterior.priors.name
        yield from fit_rows(scope, prior, found, warning=said, visit=visit)
        error = "" if found.passed else "gates not passed: " + "; ".join(found.failures)
        benefit = posterior.problem.benefit
        sensitivities: list[Sensitivity] = []
        if prior == plan.prior_sets[0].name:
            densities = log_prior(posterior.effects, posterior.priors.effects)
            sensitivities = power_scaling(posterior.effects, posterior.unit_logliks.sum(-1), densities)
        arms = (frame.reference, *prepared.arms)
        for a, arm in enumerate(arms):
            if not error:
                risk = posterior.risk(a)
                yield from parameter_rows(scope, plan, prior, "risk", risk, visit=visit, arm=arm, warning=said)
            if a == 0:
                continue
            where: Where = {"visit": visit, "contrast": contrast_name(arm, frame.reference), "warning": said}
            if error:
                yield from effect_rows(scope, plan, prior, None, error=error, measure=RISK_DIFFERENCE, **where)
                continue
            difference = EffectDraws(
                benefit * (posterior.risk(a) - posterior.risk(0)), benefit, mcid(plan, prepared.outcome.name), nan
            )
            sensitivity = sensitivities[a - 1] if sensitivities else None
            yield from effect_rows(
                scope, plan, prior, difference, measure=RISK_DIFFERENCE, sensitivity=sensitivity, **where
            )
            if sensitivity is not None:
                drawn, before = posterior.effects[..., a - 1], posterior.priors.effects[a - 1].density(LOG_ODDS_GRID)
                yield from density_rows(scope, prior, drawn, before, where, grid=LOG_ODDS_GRID, measure=LOG_ODDS_RATIO)
            ratio = np.exp(benefit * posterior.effects[..., a - 1])
            contrast = where["contrast"]
            yield from parameter_rows(scope, plan, prior, "odds_ratio", ratio, visit=visit, contrast=contrast)
