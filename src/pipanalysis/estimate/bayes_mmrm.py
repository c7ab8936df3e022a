"""The plan's Bayesian mixed models for repeated measures, one outcome at a time, under every set of priors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.bayes import mmrm as model
from pipanalysis.bayes.checks import predictive_checks, prior_replicates, replicates
from pipanalysis.bayes.diagnostics import (
    diagnose,
    leave_one_unit_out,
    log_prior,
    power_scaling,
    refitted_by_rule,
)
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.predictive_power import probability_of_success
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.estimate.analysis_data import AnalysisFrame, analysis_frame, pooled_sd
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.bayes_density import GRID, density_rows
from pipanalysis.estimate.bayes_files import OutcomeDraws
from pipanalysis.estimate.bayes_quantiles import prior_quantile_rows
from pipanalysis.estimate.bayes_rows import (
    EffectDraws,
    Where,
    check_rows,
    context_of,
    effect_rows,
    fit_rows,
    loo_rows,
    parameter_rows,
    refused_rows,
)
from pipanalysis.estimate.bayes_settings import (
    bayes_plan,
    gates,
    mcid,
    method_name,
    outcome_priors,
    sampler_settings,
    seed_of,
)
from pipanalysis.estimate.bayes_therapists import UNREAD, main_therapists
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import LinearDesign, check_residual, linear_design
from pipanalysis.estimate.model_result import NotFittedError
from pipanalysis.estimate.planning import suitable_outcomes
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.bayes.arrays import FloatArray, IntArray
    from pipanalysis.bayes.diagnostics import Diagnostics, Sensitivity
    from pipanalysis.bayes.priors import Priors
    from pipanalysis.bayes.sampler import CompiledModel, Sampler
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis, Outcome


@dataclass(frozen=True)
class Prepared:
    """One outcome ready to be sampled, or the reason why it cannot be.

    Attributes:
        outcome: of the plan.
        frame: its complete rows.
        problem: what the model takes; None where `error` says why not.
        keys: (arm, visit) of each effect.
        error: why there is no problem.
    """

    outcome: Outcome
    frame: AnalysisFrame
    problem: RepeatedMeasures | None
    keys: tuple[tuple[str, str], ...] = ()
    error: str = ""

    @property
    def planned(self) -> list[tuple[str, str]]:
        """Visit and contrast of each difference that the plan asks for."""
        frame = self.frame
        return [(visit, contrast_name(arm, frame.reference)) for arm in frame.arms[1:] for visit in frame.visits]


def prepare(
    trial: TrialData, analysis: Analysis, outcome: Outcome, therapists: dict[str, int] | None = None
) -> Prepared:
    """Put one outcome together; the mean structure is that of the plan's linear models.

    Args:
        trial: the analysis dataset.
        analysis: of the plan.
        outcome: of the plan.
        therapists: unit → code of its therapist, where therapists are modelled.
    """
    frame = complete_rows(analysis_frame(trial, analysis, outcome))
    try:
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=analysis.baseline_by_visit)
        check_residual(design)
        problem, keys = problem_of(frame, design, trial.study.scores[outcome.score].better, therapists)
    except (NotFittedError, BayesInputError) as error:
        return Prepared(outcome, frame, None, error=str(error))
    return Prepared(outcome, frame, problem, keys)


def problem_of(
    frame: AnalysisFrame, design: LinearDesign, better: str | None, therapists: dict[str, int] | None = None
) -> tuple[RepeatedMeasures, tuple[tuple[str, str], ...]]:
    """Return what the model takes, with (arm, visit) of each effect.

    Raises:
        BayesInputError: every reason why the data cannot be used.
    """
    keys = tuple(design.effects)
    at = list(design.effects.values())
    rest = [j for j in range(design.X.shape[1]) if j not in at]
    visits = frame.model_visits
    problem = RepeatedMeasures(
        y=design.y,
        X=np.ascontiguousarray(design.X[:, rest]),
        effects=np.ascontiguousarray(design.X[:, at]),
        unit=design.unit,
        visit=np.array([visits.index(visit) for visit in frame.data["visit"]], dtype=np.intp),
        n_visits=len(visits),
        scale=scale_of(frame),
        benefit=1 if better == "higher" else -1,
        group=None if therapists is None else _codes(frame, therapists),
        effect_names=tuple(f"{frame.terms.arm(arm)} {frame.terms.at(visit)}" for arm, visit in keys),
        visit_names=tuple(map(frame.terms.visit, visits)),
    )
    return problem, keys


def _codes(frame: AnalysisFrame, therapists: dict[str, int]) -> IntArray:
    """Return the therapist of each row, -1 for none; codes without a gap."""
    found = np.array([therapists.get(unit, -1) for unit in frame.data["unit"]], dtype=np.intp)
    known = np.unique(found[found >= 0])
    return np.where(found < 0, -1, np.searchsorted(known, found)).astype(np.intp)


def scale_of(frame: AnalysisFrame) -> float:
    """Return the SD that effects are standardised by: at baseline, or where there is none at the first visit."""
    if np.isfinite(frame.baseline_sd):
        return frame.baseline_sd
    first = frame.at(frame.model_visits[0]).data
    return pooled_sd(first["value"].to_numpy(dtype=np.float64), first["arm"].to_numpy())


class BayesMMRM:
    """The outcomes of one analysis: compiled once, then sampled one after the other."""

    def __init__(self, trial: TrialData, analysis: Analysis, sampler: Sampler | None = None) -> None:
        """Prepare every outcome of the analysis; `sampler` takes the place of the plan's."""
        self.trial, self.analysis = trial, analysis
        self.plan = bayes_plan(trial.study)
        self.settings = sampler_settings(self.plan, sampler)
        therapists = main_therapists(trial) if analysis.method == "bayes_therapist" else None
        suited = suitable_outcomes(trial.study, analysis)
        self.prepared = [prepare(trial, analysis, outcome, therapists) for outcome in suited]
        self.unread = analysis.method == "bayes_therapist" and therapists is None
        self.kept: list[OutcomeDraws] = []
        self._compiled: CompiledModel | None = None

    def work(self) -> list[Callable[[], Iterator[Row]]]:
        """Return the parts of the analysis as calls that yield rows."""
        return [partial(self.rows, each) for each in self.prepared]

    @property
    def problems(self) -> list[RepeatedMeasures]:
        """What can be sampled."""
        return [each.problem for each in self.prepared if each.problem is not None]

    @property
    def shape(self) -> model.Shape:
        """Room for every outcome."""
        return model.Shape.covering(self.problems)

    def compiled(self) -> CompiledModel:
        """Return the one model that all outcomes are sampled with."""
        if self._compiled is None:
            self._compiled = model.build(self.shape, self.plan.nuisance.lkj)
        return self._compiled

    def rows(self, prepared: Prepared) -> Iterator[Row]:
        """Yield the rows of one outcome, and keep its draws."""
        outcome, frame, plan = prepared.outcome, prepared.frame, self.plan
        name = method_name(self.analysis.method, self.settings.sampler, plan, ["us"])
        scope = Scope(self.analysis, outcome.name, outcome.domain, plan.interval.probability, name)
        notes = "; ".join(frame.notes)
        for extra in counts(frame):
            yield scope.row(extra.stat_name, extra.stat, visit=extra.visit, arm=extra.arm, warning=notes)
        error = UNREAD if self.unread else prepared.error
        if prepared.problem is None or error:
            yield from refused_rows(scope, plan, prepared.planned, error, notes)
            return
        arm = np.array([frame.arms.index(each) for each in frame.data["arm"]], dtype=np.intp)
        for i, priors in enumerate(outcome_priors(plan, outcome.name, prepared.problem.effects.shape[1])):
            posterior, found, said = self.fitted(prepared.problem, priors, outcome.name)
            yield from self._set_rows(scope, prepared, posterior, found, "; ".join(filter(None, [notes, said])))
            if i == 0 and found.passed:
                yield from self._default_rows(scope, prepared, posterior, arm)
            if found.passed:
                self.kept.append(outcome_draws(prepared, posterior))

    def fitted(
        self, problem: RepeatedMeasures, priors: Priors, *names: str
    ) -> tuple[model.MMRMPosterior, Diagnostics, str]:
        """Sample one outcome under one set of priors, by the plan's rule twice where a gate fails."""
        seed = seed_of(self.trial.study, self.analysis.name, *names, priors.name)
        compiled, shape = self.compiled(), self.shape
        return refitted_by_rule(
            lambda settings: model.fit(compiled, shape, problem, priors, settings, seed),
            lambda posterior: diagnose(reported(posterior), posterior.draws, gates(self.plan)),
            self.settings,
            target_accept=self.plan.refit.target_accept,
            longer=self.plan.refit.longer,
        )

    def _set_rows(
        self, scope: Scope, prepared: Prepared, posterior: model.MMRMPosterior, found: Diagnostics, said: str
    ) -> Iterator[Row]:
        """Yield what is given under every set of priors: status, diagnostics and effects."""
        plan, frame, problem = self.plan, prepared.frame, posterior.problem
        prior = posterior.priors.name
        yield from fit_rows(scope, prior, found, warning=said)
        error = "" if found.passed else "gates not passed: " + "; ".join(found.failures)
        sensitivities = self._sensitivities(posterior)
        for arm in frame.arms[1:]:
            if not error:
                contrast, effect_prior = contrast_name(arm, frame.reference), posterior.priors.effects[0]
                yield from prior_quantile_rows(scope, effect_prior, problem.unit_of_effect, context_of(prior), contrast)
            for visit in frame.visits:
                where: Where = {"visit": visit, "contrast": contrast_name(arm, frame.reference), "warning": said}
                if error or (arm, visit) not in prepared.keys:
                    why = error or frame.not_compared.get((arm, visit), "cannot be told apart from a covariate")
                    yield from effect_rows(scope, plan, prior, None, error=why, **where)
                    continue
                j = prepared.keys.index((arm, visit))
                effect = EffectDraws(
                    posterior.effects[..., j],
                    problem.unit_of_effect,
                    mcid(plan, prepared.outcome.name),
                    plan.rope * problem.scale,
                )
                yield from effect_rows(
                    scope, plan, prior, effect, **where, sensitivity=sensitivities[j] if sensitivities else None
                )

    def _sensitivities(self, posterior: model.MMRMPosterior) -> list[Sensitivity]:
        """Return how each effect moves with the default prior and the likelihood; nothing under other priors."""
        if posterior.priors.name != self.plan.prior_sets[0].name:
            return []
        densities = log_prior(posterior.effects, posterior.priors.effects)
        return power_scaling(posterior.effects, posterior.unit_logliks.sum(-1), densities)

    def _success_rows(self, scope: Scope, prepared: Prepared, posterior: model.MMRMPosterior) -> Iterator[Row]:
        """Yield the predictive probability of success where fewer units are in than the study expects."""
        expected = self.trial.study.config.study.units_expected or 0
        remaining = expected - len(self.trial.participants)
        if remaining <= 0:
            return
        seed = seed_of(self.trial.study, self.analysis.name, prepared.outcome.name, "success")
        found = probability_of_success(posterior, remaining, threshold=self.plan.success, seed=seed)
        context = context_of(posterior.priors.name)
        said = f"{remaining} of {self.trial.study.terms.counted(expected)} still to come"
        for (arm, visit), value in zip(prepared.keys, found, strict=True):
            contrast = contrast_name(arm, prepared.frame.reference)
            yield scope.row("p_success", value, visit=visit, contrast=contrast, context=context, warning=said)

    def _default_rows(
        self, scope: Scope, prepared: Prepared, posterior: model.MMRMPosterior, arm: IntArray
    ) -> Iterator[Row]:
        """Yield what is given under the default set alone: covariance, predictive checks, cross-validation."""
        plan, problem, frame = self.plan, posterior.problem, prepared.frame
        prior, visits = posterior.priors.name, frame.model_visits
        chains, draws = posterior.draws.divergent.shape
        sd = posterior.sd.reshape(chains, draws, -1) * problem.scale
        correlation = posterior.correlation.reshape(chains, draws, len(visits), len(visits))
        for j, visit in enumerate(visits):
            yield from parameter_rows(scope, plan, prior, "sd", sd[..., j], visit=visit)
            for k in range(j):
                pair = f"correlation {visits[k]} {visit}"
                yield from parameter_rows(scope, plan, prior, pair, correlation[..., j, k])
        if problem.n_groups:
            group_sd = posterior.draws.values["group_sd"] * problem.scale
            yield from parameter_rows(scope, plan, prior, "therapist sd", group_sd)
        yield from self._success_rows(scope, prepared, posterior)
        yield from loo_rows(scope, prior, leave_one_unit_out(posterior.unit_logliks))
        for j, (other, visit) in enumerate(prepared.keys):
            where: Where = {"visit": visit, "contrast": contrast_name(other, frame.reference), "warning": ""}
            before = posterior.priors.effects[j].density(GRID)
            yield from density_rows(scope, prior, posterior.effects[..., j], before, where)
        seed = seed_of(self.trial.study, self.analysis.name, prepared.outcome.name, "predictive")
        drawn = {"posterior": replicates(posterior, seed), "prior": prior_replicates(problem, posterior.priors, seed)}
        for kind, simulated in drawn.items():
            checks = predictive_checks(problem.y, problem.visit, arm, simulated)
            yield from check_rows(scope, prior, kind, checks, frame.arms, visits)


def reported(posterior: model.MMRMPosterior) -> dict[str, FloatArray]:
    """Return the quantities that results give, each (chains, draws, ...)."""
    chains, draws = posterior.draws.divergent.shape
    t = posterior.problem.n_visits
    found = {"effect": posterior.effects, "sd": posterior.sd.reshape(chains, draws, t)}
    if posterior.problem.n_groups:
        found["group_sd"] = posterior.draws.values["group_sd"][..., None]
    if t > 1:
        rows, columns = np.tril_indices(t, -1)
        found["correlation"] = posterior.correlation.reshape(chains, draws, t, t)[..., rows, columns]
    return found


def outcome_draws(prepared: Prepared, posterior: model.MMRMPosterior) -> OutcomeDraws:
    """Return what is kept of a posterior for results/bayes."""
    return OutcomeDraws(prepared.outcome.name, posterior.priors.name, prepared.keys, posterior.effects, posterior.draws)
