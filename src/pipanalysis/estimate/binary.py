"""Binary outcomes at each visit: logistic regression, and the risks, their difference and their ratio that it implies.

The odds ratio is the coefficient of the arm, conditional on baseline, stratification variables and covariates. Risks
are marginal: the model predicts every unit of the model in every arm, and the predictions are averaged
(standardisation, g-computation). Their standard errors are by the delta method from the covariance of the
coefficients, the covariates held as they are (Ge, Durham, Meyer, Xie and Thomas 2011, Drug Information Journal
45:481-493; FDA 2023, Adjusting for Covariates in Randomized Clinical Trials for Drugs and Biological Products).

Where the data are separated the estimate does not exist, and Firth's penalised likelihood takes its place; where no
model can be fitted at all, Fisher's exact test of the two-by-two table does, unadjusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.describe import BINARY_LEVELS
from pipanalysis.estimate.exact import two_by_two, wilson_interval
from pipanalysis.estimate.firth import firth, profile_interval, profile_p_value
from pipanalysis.estimate.linear_design import LinearDesign, linear_design
from pipanalysis.estimate.model_result import (
    Extra,
    ModelResult,
    NotFittedError,
    Status,
    contrast_name,
    model_rows,
    python_warnings,
)
from pipanalysis.estimate.separation import separation

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "logistic ml delta"
PENALISED = "logistic firth profile delta"
EXACT = "fisher exact newcombe unadjusted"
EVENT = f"level={BINARY_LEVELS[1.0]}"


@dataclass(frozen=True)
class Measure:
    """A risk (`arm` only), or a comparison of an arm with the reference, at one visit.

    Attributes:
        name: risk, risk_difference, risk_ratio or odds_ratio.
        arm: the arm.
        reference: the reference arm of a comparison, "" for a risk.
        estimate: a proportion, difference of proportions or ratio; NaN where there is none.
        std_error: of the estimate; of a ratio, of its natural logarithm.
        low: lower confidence limit.
        high: upper confidence limit.
        p_value: of a comparison.
        error: why there is no estimate.
    """

    name: str
    arm: str
    reference: str = ""
    estimate: float = nan
    std_error: float = nan
    low: float = nan
    high: float = nan
    p_value: float = nan
    error: str = ""


@dataclass(frozen=True)
class BinaryResult:
    """The answers at one visit: how the fit ended and its counts, and the measures."""

    model: ModelResult
    measures: Sequence[Measure]


def logistic(frame: AnalysisFrame, conf_level: float) -> list[BinaryResult]:
    """Compare the arms on a binary outcome at each visit of a frame: a result for each.

    Args:
        frame: a row per unit and visit, `value` 0, 1 or missing.
        conf_level: as 0.95.
    """
    complete = complete_rows(frame)
    return [_at_visit(complete.at(visit), visit, conf_level) for visit in frame.visits]


def binary_rows(scope: Scope, result: BinaryResult) -> Iterator[Row]:
    """Yield the rows of one visit; a measure's rows have the context measure=NAME."""
    model = result.model
    yield from model_rows(scope, model)
    scope = replace(scope, method=model.method)
    said = "; ".join(dict.fromkeys(model.warnings))
    for measure in result.measures:
        statistics = {
            "estimate": measure.estimate,
            "std_error": measure.std_error,
            "conf_low": measure.low,
            "conf_high": measure.high,
        }
        if measure.reference:
            statistics["p_value"] = measure.p_value
        for name, value in statistics.items():
            yield scope.row(
                name,
                value,
                visit=model.visit,
                arm="" if measure.reference else measure.arm,
                contrast=contrast_name(measure.arm, measure.reference) if measure.reference else "",
                context=f"measure={measure.name}",
                warning=said,
                error=measure.error or model.error,
            )


def _at_visit(frame: AnalysisFrame, visit: str, conf_level: float) -> BinaryResult:
    extras = [replace(extra, visit=visit) for extra in [*counts(frame), *_events(frame)]]
    notes = list(frame.notes)
    try:
        y = _zeros_and_ones(frame)
        compared = [arm for arm in frame.arms if (arm, visit) not in frame.not_compared]
        try:
            method, status, measures = _modelled(frame, visit, compared, y, conf_level, notes)
        except _NoModelError as reason:
            notes.append(f"{reason}: Fisher's exact test, unadjusted; risk difference with Newcombe's score interval")
            method, status, measures = EXACT, Status.reduced, _tabulated(frame, compared, y, conf_level)
    except NotFittedError as error:
        model = ModelResult(METHOD, Status.failed, (), extras, notes, error=str(error), visit=visit)
        return BinaryResult(model, _without_values(frame, visit, frame.arms))
    left_out = [arm for arm in frame.arms if arm not in compared]
    measures += _without_values(frame, visit, left_out)
    return BinaryResult(ModelResult(method, status, (), extras, notes, visit=visit), measures)


class _NoModelError(Exception):
    """No logistic regression can be fitted, so that the two-by-two table is all there is."""


def _zeros_and_ones(frame: AnalysisFrame) -> FloatArray:
    """Return the outcome, shape (n,), with at least one unit in it and nothing but zeros and ones."""
    y = frame.data["value"].to_numpy(dtype=np.float64)
    if frame.data.empty or not np.isfinite(y).all():
        check_fittable(frame)
    other = np.unique(y[(y != 0) & (y != 1)])
    if other.size:
        raise NotFittedError(f"values other than 0 and 1: {', '.join(f'{value:g}' for value in other[:5])}")
    return y


def _events(frame: AnalysisFrame) -> list[Extra]:
    """Return how many units of the model have the event, and what percentage they are, by arm."""
    found = []
    for arm in frame.arms:
        value = frame.data.loc[frame.data["arm"] == arm, "value"].to_numpy(dtype=np.float64)
        events = int((value == 1).sum())
        percent = 100 * events / value.size if value.size else nan
        found += [Extra("n_level", events, arm=arm, context=EVENT), Extra("percent", percent, arm=arm, context=EVENT)]
    return found


def _modelled(
    frame: AnalysisFrame, visit: str, compared: list[str], y: FloatArray, conf_level: float, notes: list[str]
) -> tuple[str, Status, list[Measure]]:
    """Return method, status and measures of the logistic regression, adding to the notes what must be known of it.

    Raises:
        _NoModelError: no logistic regression can be fitted.
        NotFittedError: the arms cannot be compared in these data.
    """
    if np.ptp(y) == 0:
        raise _NoModelError(f"all {y.size} units have the same value, {BINARY_LEVELS[float(y[0])]}")
    design = linear_design(frame, baseline_by_visit=False)
    for arm in compared[1:]:
        if (arm, visit) not in design.effects:
            raise NotFittedError(f"{arm} cannot be told apart from a covariate")
    column = {arm: design.effects[arm, visit] for arm in compared[1:]}
    n, p = design.X.shape
    if n <= p:
        raise _NoModelError(f"{n} units for {p} coefficients")
    status = Status.reduced if frame.not_compared or design.aliased else Status.ok
    if design.aliased:
        notes.append(f"left out, determined by other terms: {', '.join(design.aliased)}")
    kind = separation(design.X, y)
    if kind == "none" and (fitted := maximum_likelihood(design.X, y, notes)) is not None:
        beta, vcov = fitted
        odds = [_wald_odds_ratio(arm, compared[0], j, beta, vcov, conf_level) for arm, j in column.items()]
        return METHOD, status, [*standardised(design, column, compared[0], beta, vcov, conf_level), *odds]
    why = f"{kind} separation" if kind != "none" else "maximum likelihood did not converge"
    try:
        fit = firth(design.X, y)
        odds = []
        for arm, j in column.items():
            low, high = (exp(limit) for limit in profile_interval(design.X, y, fit, j, conf_level))
            p_value = profile_p_value(design.X, y, fit, j)
            se = sqrt(fit.vcov[j, j])
            odds.append(Measure("odds_ratio", arm, compared[0], exp(fit.beta[j]), se, low, high, p_value))
    except NotFittedError as error:
        raise _NoModelError(f"{why}; {error}") from None
    if kind != "none":
        predicted = "every unit" if kind == "complete" else "some units"
        why += (
            f": the model's terms predict the outcome of {predicted} without error, and the likelihood has no maximum"
        )
    notes.append(
        f"{why}; fitted by Firth's penalised likelihood, which draws risks towards one half; odds ratio with profile "
        "penalised likelihood interval and test"
    )
    return (
        PENALISED,
        Status.reduced,
        [*standardised(design, column, compared[0], fit.beta, fit.vcov, conf_level), *odds],
    )


def maximum_likelihood(X: FloatArray, y: FloatArray, notes: list[str]) -> tuple[FloatArray, FloatArray] | None:
    """Return coefficients and their covariance (inverse information); None where the iterations do not converge.

    Args:
        X: design of full rank, shape (n, p).
        y: zeros and ones that X does not separate, shape (n,).
        notes: get what statsmodels warns of.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with python_warnings() as said:
        fit = GLM(y, X, family=Binomial()).fit(maxiter=100, tol=1e-9, tol_criterion="params")
        vcov = np.asarray(fit.cov_params(), dtype=np.float64)
    notes += said
    return (np.asarray(fit.params, dtype=np.float64), vcov) if fit.converged and np.isfinite(vcov).all() else None


def standardised(
    design: LinearDesign,
    column: dict[str, int],
    reference: str,
    beta: FloatArray,
    vcov: FloatArray,
    conf_level: float,
) -> list[Measure]:
    """Return the marginal risk of each arm, and each arm's risk difference and risk ratio to the reference.

    Args:
        design: of the units in the model.
        column: arm other than the reference → its column of the design.
        reference: the reference arm.
        beta: coefficients, shape (p,).
        vcov: their covariance, shape (p, p).
        conf_level: as 0.95.

    The risk of arm a is r_a = mean_i expit(x_ia'b), x_ia the row of unit i had it been in arm a, with gradient
    g_a = mean_i p_ia (1 - p_ia) x_ia (Ge et al. 2011). Variances: g'Vg of the risk, with g = g_a - g_0 of the
    difference, with g = g_a/r_a - g_0/r_0 of the log ratio. Limits are normal: of a risk on the logit scale, of a ratio
    on the log scale. P values are Wald's, on the scale of the limits.
    """
    from scipy.special import expit

    risk: dict[str, float] = {}
    gradient: dict[str, FloatArray] = {}
    for arm in (reference, *column):
        X = design.X.copy()
        X[:, list(column.values())] = 0.0
        if arm in column:
            X[:, column[arm]] = 1.0
        eta = X @ beta
        risk[arm] = float(expit(eta).mean())
        gradient[arm] = (expit(eta) * expit(-eta)) @ X / len(X)

    def se(direction: FloatArray) -> float:
        return float(np.sqrt(direction @ vcov @ direction))

    found = []
    for arm, r in risk.items():
        error = se(gradient[arm])
        half = _quantile(conf_level) * error / (r * (1 - r))
        logit = log(r / (1 - r))
        found.append(Measure("risk", arm, "", r, error, float(expit(logit - half)), float(expit(logit + half))))
    for arm in column:
        difference, error = risk[arm] - risk[reference], se(gradient[arm] - gradient[reference])
        half = _quantile(conf_level) * error
        p_value = _wald_p_value(difference, error)
        found.append(
            Measure("risk_difference", arm, reference, difference, error, difference - half, difference + half, p_value)
        )
        error = se(gradient[arm] / risk[arm] - gradient[reference] / risk[reference])
        found.append(_ratio("risk_ratio", arm, reference, log(risk[arm] / risk[reference]), error, conf_level))
    return found


def _wald_odds_ratio(
    arm: str, reference: str, j: int, beta: FloatArray, vcov: FloatArray, conf_level: float
) -> Measure:
    return _ratio("odds_ratio", arm, reference, float(beta[j]), float(np.sqrt(vcov[j, j])), conf_level)


def _ratio(name: str, arm: str, reference: str, log_ratio: float, se: float, conf_level: float) -> Measure:
    half = _quantile(conf_level) * se
    limits = exp(log_ratio - half), exp(log_ratio + half)
    return Measure(name, arm, reference, exp(log_ratio), se, *limits, _wald_p_value(log_ratio, se))


def _quantile(conf_level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + conf_level / 2))


def _wald_p_value(estimate: float, se: float) -> float:
    from scipy.stats import norm

    return 2 * float(norm.sf(abs(estimate) / se)) if isfinite(se) and se > 0 else nan


def _tabulated(frame: AnalysisFrame, compared: list[str], y: FloatArray, conf_level: float) -> list[Measure]:
    """Return what the table of arms by outcome says without a model."""
    arm = frame.data["arm"].to_numpy()
    table = {name: (int(y[arm == name].sum()), int((arm == name).sum())) for name in compared}
    reference = compared[0]
    found = []
    for name, (events, n) in table.items():
        found.append(Measure("risk", name, "", events / n, nan, *wilson_interval(events, n, conf_level)))
    for name in compared[1:]:
        exact = two_by_two(*table[name], *table[reference], conf_level)
        found += [
            Measure("risk_difference", name, reference, exact.difference, nan, *exact.difference_limits),
            Measure("risk_ratio", name, reference, exact.ratio, nan, *exact.ratio_limits),
            Measure("odds_ratio", name, reference, exact.odds_ratio, nan, *exact.odds_limits, exact.p_value),
        ]
    return found


def _without_values(frame: AnalysisFrame, visit: str, arms: Sequence[str]) -> list[Measure]:
    """Return the measures that were planned for arms, without values."""
    why = {arm: frame.not_compared.get((arm, visit), "") for arm in arms}
    found = [Measure("risk", arm, error=why[arm]) for arm in arms]
    for arm in arms:
        if arm != frame.reference:
            names = ("risk_difference", "risk_ratio", "odds_ratio")
            found += [Measure(name, arm, frame.reference, error=why[arm]) for name in names]
    return found
