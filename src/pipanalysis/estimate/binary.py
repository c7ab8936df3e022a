"""Binary outcomes at each visit: logistic regression, and the risks, their difference and their ratio that it implies.

The odds ratio is the coefficient of the arm, conditional on baseline, stratification variables and covariates. Risks
are marginal: the model predicts every unit of the model in every arm, and the predictions are averaged
(standardisation, g-computation). Their standard errors are by the delta method from the covariance of the
coefficients, the covariates held as they are (Ge, Durham, Meyer, Xie and Thomas 2011, Drug Information Journal
45:481-493; FDA 2023, Adjusting for Covariates in Randomized Clinical Trials for Drugs and Biological Products).

Where the data are separated the estimate does not exist, and Firth's penalised likelihood takes its place; where no
model can be fitted at all, Fisher's exact test of the two-by-two table does, unadjusted. Where a cell is sparse both
stand beside the planned analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.binary_sparse import exact_tests, penalised_beside, penalised_odds, tabulated
from pipanalysis.estimate.bootstrap import BootstrapLimits, bootstrap_risks
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, sparse_cells
from pipanalysis.estimate.describe import BINARY_LEVELS
from pipanalysis.estimate.firth import firth
from pipanalysis.estimate.linear_design import checked_design, in_arm
from pipanalysis.estimate.measures import (
    FitTest,
    Measure,
    MeasuredResult,
    NoModelError,
    Wald,
)
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.estimate.random_stream import random_stream
from pipanalysis.estimate.separation import Separation, separation

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "logistic ml delta"
PENALISED = "logistic firth profile delta"
EXACT = "fisher exact newcombe unadjusted"
EVENT = f"level={BINARY_LEVELS[1.0]}"


@dataclass(frozen=True)
class Bootstrap:
    """How bootstrap intervals are made: how many resamples, from which seed, and whose own stream they come from."""

    resamples: int
    seed: int
    stream: str

    def generator(self, visit: str) -> np.random.Generator:
        """Return what draws the resamples at a visit, the same whatever else is analysed."""
        return random_stream(self.seed, self.stream, visit)


def logistic(frame: AnalysisFrame, conf_level: float, bootstrap: Bootstrap | None = None) -> list[MeasuredResult]:
    """Compare the arms on a binary outcome at each visit of a frame: a result for each.

    Args:
        frame: a row per unit and visit, `value` 0, 1 or missing.
        conf_level: as 0.95.
        bootstrap: how bootstrap intervals of the risk difference and ratio are made; None for none.
    """
    complete = complete_rows(frame)
    return [_at_visit(complete.at(visit), visit, conf_level, bootstrap) for visit in frame.visits]


def _at_visit(frame: AnalysisFrame, visit: str, conf_level: float, bootstrap: Bootstrap | None) -> MeasuredResult:
    extras = [replace(extra, visit=visit) for extra in [*counts(frame), *events(frame)]]
    notes, tests = list(frame.notes), list[FitTest]()
    try:
        y = zeros_and_ones(frame)
        sparse = sparse_cells(frame, y.astype(np.intp), list(BINARY_LEVELS.values()))
        notes += sparse
        compared = [arm for arm in frame.arms if (arm, visit) not in frame.not_compared]
        try:
            method, status, measures = _modelled(
                frame, visit, compared, y, conf_level, bootstrap, notes, sparse=bool(sparse)
            )
            tests += exact_tests(frame, compared, y, conf_level) if sparse else []
        except NoModelError as reason:
            notes.append(f"{reason}: Fisher's exact test, unadjusted; risk difference with Newcombe's score interval")
            method, status, measures = EXACT, Status.reduced, tabulated(frame, compared, y, conf_level)
    except NotFittedError as error:
        model = ModelResult(METHOD, Status.failed, (), extras, notes, error=str(error), visit=visit)
        return MeasuredResult(model, without_values(frame, visit, frame.arms))
    left_out = [arm for arm in frame.arms if arm not in compared]
    measures += without_values(frame, visit, left_out)
    return MeasuredResult(ModelResult(method, status, (), extras, notes, visit=visit), measures, tests)


def zeros_and_ones(frame: AnalysisFrame) -> FloatArray:
    """Return the outcome, shape (n,), with at least one unit in it and nothing but zeros and ones."""
    y = frame.data["value"].to_numpy(dtype=np.float64)
    if frame.data.empty or not np.isfinite(y).all():
        check_fittable(frame)
    other = np.unique(y[(y != 0) & (y != 1)])
    if other.size:
        raise NotFittedError(f"values other than 0 and 1: {', '.join(f'{value:g}' for value in other[:5])}")
    return y


def events(frame: AnalysisFrame) -> list[Extra]:
    """Return how many units of the model have the event, and what percentage they are, by arm."""
    found = []
    for arm in frame.arms:
        value = frame.data.loc[frame.data["arm"] == arm, "value"].to_numpy(dtype=np.float64)
        events = int((value == 1).sum())
        percent = 100 * events / value.size if value.size else nan
        found += [Extra("n_level", events, arm=arm, context=EVENT), Extra("percent", percent, arm=arm, context=EVENT)]
    return found


def _modelled(
    frame: AnalysisFrame,
    visit: str,
    compared: list[str],
    y: FloatArray,
    conf_level: float,
    bootstrap: Bootstrap | None,
    notes: list[str],
    *,
    sparse: bool,
) -> tuple[str, Status, list[Measure]]:
    """Return method, status and measures of the logistic regression, adding to the notes what must be known of it.

    Where a cell is sparse the odds ratios by Firth's penalised likelihood stand beside those of maximum likelihood.

    Raises:
        NoModelError: no logistic regression can be fitted.
        NotFittedError: the arms cannot be compared in these data.
    """
    if np.ptp(y) == 0:
        raise NoModelError(f"all {frame.terms.counted(y.size)} have the same value, {BINARY_LEVELS[float(y[0])]}")
    design, status = checked_design(frame, notes)
    column = {arm: design.effects[arm, visit] for arm in compared[1:]}
    n, p = design.X.shape
    if n <= p:
        raise NoModelError(f"{frame.terms.counted(n)} for {p} coefficients")
    wald = Wald(conf_level)
    kind = separation(design.X, y)
    fitted = maximum_likelihood(design.X, y, notes) if kind == "none" else None
    if fitted is not None:
        method, (beta, vcov) = METHOD, fitted
        odds = [
            wald.ratio("odds_ratio", arm, compared[0], float(beta[j]), sqrt(vcov[j, j])) for arm, j in column.items()
        ]
        if sparse:
            odds += penalised_beside(design.X, y, column, compared[0], conf_level, notes)
    else:
        method, status = PENALISED, Status.reduced
        beta, vcov, odds = _penalised(design.X, y, column, compared[0], kind, conf_level, notes)
    risks = standardised(design.X, column, compared[0], beta, vcov, wald)
    risks = [_of_few(one, n, p, conf_level) if one.name == "risk_difference" else one for one in risks]
    if bootstrap:
        drawn = bootstrap_risks(design.X, y, column, bootstrap.resamples, conf_level, bootstrap.generator(visit))
        risks = [_with_bootstrap_limits(one, drawn) for one in risks]
        notes += [
            f"bootstrap of {frame.terms.arm(arm)}: {limits.penalised} of {limits.resamples} resamples are separated, "
            "and fitted by Firth's penalised likelihood"
            for arm, limits in drawn.items()
            if limits.penalised
        ]
    return method, status, [*risks, *odds]


def _penalised(
    X: FloatArray,
    y: FloatArray,
    column: Mapping[str, int],
    reference: str,
    kind: Separation,
    conf_level: float,
    notes: list[str],
) -> tuple[FloatArray, FloatArray, list[Measure]]:
    """Return coefficients, their covariance and the odds ratios by Firth's penalised likelihood, saying why.

    Raises:
        NoModelError: it did not converge.
    """
    why = f"{kind} separation" if kind != "none" else "maximum likelihood did not converge"
    try:
        fit = firth(X, y)
        odds = penalised_odds(X, y, fit, column, reference, conf_level)
    except NotFittedError as error:
        raise NoModelError(f"{why}; {error}") from None
    if kind != "none":
        predicted = "every outcome" if kind == "complete" else "some outcomes"
        why += f": the model's terms predict {predicted} without error, and the likelihood has no maximum"
    notes.append(
        f"{why}; fitted by Firth's penalised likelihood, which draws risks towards one half; odds ratio with profile "
        "penalised likelihood interval and test"
    )
    return fit.beta, fit.vcov, odds


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
    X: FloatArray, column: Mapping[str, int], reference: str, beta: FloatArray, vcov: FloatArray, wald: Wald
) -> list[Measure]:
    """Return the marginal risk of each arm, and each arm's risk difference and risk ratio to the reference.

    Args:
        X: design of the units that are averaged over, shape (n, p).
        column: arm other than the reference → its column of the design.
        reference: the reference arm.
        beta: coefficients, shape (p,).
        vcov: their covariance, shape (p, p).
        wald: how intervals and P values are made.

    The risk of arm a is r_a = mean_i expit(x_ia'b), x_ia the row of unit i had it been in arm a, with gradient
    g_a = mean_i p_ia (1 - p_ia) x_ia (Ge et al. 2011). Variances: g'Vg of the risk, with g = g_a - g_0 of the
    difference, with g = g_a/r_a - g_0/r_0 of the log ratio. Limits are on the logit scale of a risk, on the log scale
    of a ratio. P values are Wald's, on the scale of the limits.
    """
    from scipy.special import expit

    risk: dict[str, float] = {}
    gradient: dict[str, FloatArray] = {}
    for arm in (reference, *column):
        rows = in_arm(X, column, arm)
        eta = rows @ beta
        risk[arm] = float(expit(eta).mean())
        gradient[arm] = (expit(eta) * expit(-eta)) @ rows / len(rows)

    def se(direction: FloatArray) -> float:
        return float(np.sqrt(direction @ vcov @ direction))

    found = [wald.proportion("risk", arm, r, se(gradient[arm])) for arm, r in risk.items()]
    for arm in column:
        error = se(gradient[arm] - gradient[reference])
        found.append(wald.difference("risk_difference", arm, reference, risk[arm] - risk[reference], error))
        error = se(gradient[arm] / risk[arm] - gradient[reference] / risk[reference])
        found.append(wald.ratio("risk_ratio", arm, reference, log(risk[arm] / risk[reference]), error))
    return found


def _of_few(one: Measure, n: int, p: int, conf_level: float) -> Measure:
    """Return a difference as least squares would have it: n - p for n in its variance, and t of so many degrees.

    On its own scale the normal limits of a risk difference are too short in small trials: in the scenarios of
    docs/simulations.md, 38 an arm, they hold it in 92 to 94% of 3,000 trials, these in 94 to 95%. On the scales of the
    other measures normal limits are not too short.

    Args:
        one: the difference by the delta method.
        n: units in the model.
        p: its coefficients, fewer than n.
        conf_level: as 0.95.
    """
    wald = Wald(conf_level, float(n - p))
    return wald.difference(one.name, one.arm, one.reference, one.estimate, one.std_error * sqrt(n / (n - p)))


def _with_bootstrap_limits(one: Measure, drawn: Mapping[str, BootstrapLimits]) -> Measure:
    """Return a measure with the bootstrap limits of its arm, where it is a risk difference or risk ratio."""
    if one.name not in ("risk_difference", "risk_ratio"):
        return one
    limits = drawn[one.arm]
    low, high = limits.difference if one.name == "risk_difference" else limits.ratio
    further = {"bootstrap_low": low, "bootstrap_high": high, "n_resamples": float(limits.resamples)}
    return replace(one, further=dict(one.further) | further)


def without_values(frame: AnalysisFrame, visit: str, arms: Sequence[str]) -> list[Measure]:
    """Return the measures that were planned for arms, without values."""
    why = {arm: frame.not_compared.get((arm, visit), "") for arm in arms}
    found = [Measure("risk", arm, error=why[arm], visit=visit) for arm in arms]
    for arm in arms:
        if arm != frame.reference:
            names = ("risk_difference", "risk_ratio", "odds_ratio")
            found += [Measure(name, arm, frame.reference, error=why[arm], visit=visit) for name in names]
    return found
