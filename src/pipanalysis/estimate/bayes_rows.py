"""Rows of the results that every Bayesian analysis gives: effects with their probabilities, diagnostics, checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, TypedDict

from pipanalysis.bayes.decisions import decide, interval
from pipanalysis.bayes.diagnostics import mcse_mean
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.model_result import Status

if TYPE_CHECKING:
    from pipanalysis.bayes.arrays import FloatArray
    from pipanalysis.bayes.checks import PredictiveCheck
    from pipanalysis.bayes.diagnostics import Diagnostics, Loo, Sensitivity
    from pipanalysis.study.bayes_plan import BayesPlan

SUMMARY = ("posterior_mean", "posterior_sd", "cred_low", "cred_high", "mcse")
PROBABILITIES = ("p_benefit", "p_beyond_mcid", "p_harm_beyond_mcid", "p_equivalence")
STANDARDISED = "measure=standardised"


class Where(TypedDict):
    """Where the rows of an effect stand, and what is said of them."""

    visit: str
    contrast: str
    warning: str


@dataclass(frozen=True)
class EffectDraws:
    """Draws of one effect.

    Attributes:
        standardised: in baseline SDs (binary outcomes: log odds ratio), positive where it is benefit: (chains, draws).
        unit: what a standardised effect of 1 is in units of the outcome, negative where lower is better.
        mcid, rope: in units of the outcome, positive, or NaN.
    """

    standardised: FloatArray
    unit: float
    mcid: float
    rope: float


def context_of(prior: str, *more: str) -> str:
    """Return the context of a statistic under a set of priors."""
    return ", ".join([f"prior={prior}", *more])


def summary(values: FloatArray, plan: BayesPlan) -> dict[str, float]:
    """Return mean, SD, interval and Monte Carlo error from draws (chains, draws)."""
    low, high = interval(values, plan.interval.kind, plan.interval.probability)
    found = (float(values.mean()), float(values.std(ddof=1)), low, high, mcse_mean(values))
    return dict(zip(SUMMARY, found, strict=True))


def effect_rows(
    scope: Scope,
    plan: BayesPlan,
    prior: str,
    effect: EffectDraws | None,
    *,
    visit: str,
    contrast: str,
    warning: str = "",
    error: str = "",
    sensitivity: Sensitivity | None = None,
    measure: str = "",
) -> Iterator[Row]:
    """Yield the rows of one difference between arms under one set of priors; without draws, the planned ones, empty.

    Where a measure is named, it has no standardised form.
    """
    own = context_of(prior, *([measure] if measure else []))
    where = {"visit": visit, "contrast": contrast, "warning": warning, "error": error}
    if effect is None:
        for name in (*SUMMARY, *PROBABILITIES):
            yield scope.row(name, nan, context=own, **where)
        for name in SUMMARY if not measure else ():
            yield scope.row(name, nan, context=context_of(prior, STANDARDISED), **where)
        return
    decision = decide(effect.standardised * abs(effect.unit), mcid=effect.mcid, rope=effect.rope)
    found = summary(effect.standardised * effect.unit, plan)
    found |= {"mcid": effect.mcid, "rope": effect.rope, "p_benefit": decision.benefit}
    found |= {"p_beyond_mcid": decision.beyond_mcid, "p_harm_beyond_mcid": decision.harm_beyond_mcid}
    found |= {"p_equivalence": decision.equivalence}
    if sensitivity is not None:
        found |= {"sensitivity_prior": sensitivity.prior, "sensitivity_likelihood": sensitivity.likelihood}
    for name, value in found.items():
        yield scope.row(name, value, context=own, **where)
    if measure:
        return
    for name, value in summary(effect.standardised, plan).items():
        yield scope.row(name, value, context=context_of(prior, STANDARDISED), **where)


def parameter_rows(
    scope: Scope,
    plan: BayesPlan,
    prior: str,
    parameter: str,
    values: FloatArray,
    *,
    visit: str = "",
    arm: str = "",
    contrast: str = "",
    warning: str = "",
) -> Iterator[Row]:
    """Yield the summary of a parameter that is not an effect; values (chains, draws)."""
    context = context_of(prior, f"parameter={parameter}")
    for name, value in summary(values, plan).items():
        yield scope.row(name, value, visit=visit, arm=arm, contrast=contrast, context=context, warning=warning)


def fit_rows(scope: Scope, prior: str, found: Diagnostics, *, warning: str = "", visit: str = "") -> Iterator[Row]:
    """Yield the status of a fit under a set of priors, and its diagnostics."""
    error = "" if found.passed else "gates not passed: " + "; ".join(found.failures)
    where = {"context": context_of(prior), "warning": warning, "error": error, "visit": visit}
    yield scope.row("fit_status", Status.ok if found.passed else Status.failed, **where)
    numbers = {
        "r_hat": found.r_hat,
        "ess_bulk": found.ess_bulk,
        "ess_tail": found.ess_tail,
        "n_divergent": found.divergences,
        "bfmi": found.bfmi,
    }
    for name, value in numbers.items():
        yield scope.row(name, value, **where)


def refused_rows(
    scope: Scope,
    plan: BayesPlan,
    planned: Sequence[tuple[str, str]],
    error: str,
    warning: str = "",
    visit: str = "",
    measure: str = "",
) -> Iterator[Row]:
    """Yield the rows of a model that the data cannot be fitted with; planned: (visit, contrast) of each effect."""
    for priors in plan.prior_sets:
        context = context_of(priors.name)
        yield scope.row("fit_status", Status.failed, context=context, warning=warning, error=error, visit=visit)
        for visit_, contrast in planned:
            where: Where = {"visit": visit_, "contrast": contrast, "warning": warning}
            yield from effect_rows(scope, plan, priors.name, None, error=error, measure=measure, **where)


def loo_rows(scope: Scope, prior: str, found: Loo, *, warning: str = "", visit: str = "") -> Iterator[Row]:
    """Yield the leave-one-unit-out cross-validation."""
    numbers = {
        "elpd_loo": found.elpd,
        "elpd_loo_se": found.std_error,
        "p_loo": found.n_effective,
        "pareto_k": found.max_pareto_k,
        "n_high_pareto_k": found.n_high_k,
    }
    for name, value in numbers.items():
        yield scope.row(name, value, visit=visit, context=context_of(prior), warning=warning)


def check_rows(
    scope: Scope, prior: str, kind: str, checks: Sequence[PredictiveCheck], arms: Sequence[str], visits: Sequence[str]
) -> Iterator[Row]:
    """Yield predictive checks by arm and visit; kind: prior or posterior."""
    for check in checks:
        numbers = {
            "observed": check.observed,
            "predictive_low": check.low,
            "predictive_high": check.high,
            "predictive_p": check.p_value,
        }
        for name, value in numbers.items():
            context = context_of(prior, f"check={kind} {check.statistic}")
            yield scope.row(name, value, visit=visits[check.visit], arm=arms[check.arm], context=context)
