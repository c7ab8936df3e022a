"""Counts at each visit: negative binomial regression (statsmodels), the rate ratio and the means that it implies.

The variance is m + a m^2 at mean m (Lawless 1987, Canadian Journal of Statistics 15:209-225). Where the likelihood is
highest at a = 0, or below it, Poisson regression takes its place. Means are standardised over the units in the model;
with a logarithmic link their ratio is the rate ratio itself, so that it needs no measure of its own.

A count with a highest possible value is bounded, which neither distribution knows: the share of the fitted distribution
beyond it is a statistic, and is warned of where it is worth telling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import checked_design, in_arm
from pipanalysis.estimate.measures import Measure, MeasuredResult, Wald
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.estimate.separation import unbounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "count negative-binomial ml t delta"
POISSON = "count poisson ml t delta"
OPTIMISERS = ("newton", "bfgs", "nm")
"""tried in turn; Newton steps, which alone can lose their way from afar, follow each of the others"""
WORTH_TELLING = 0.01
"""share of the fitted distribution beyond the highest possible value that is warned of"""


@dataclass(frozen=True)
class CountFit:
    """A fit.

    Attributes:
        beta: log rate ratios, shape (p,).
        vcov: inverse of the expected information of beta, shape (p, p).
        dispersion: a of the variance m + a m^2; 0 of a Poisson distribution.
        lr: likelihood ratio statistic that a is 0.
        pearson: Pearson's chi-squared over its degrees of freedom under the Poisson distribution.
    """

    beta: FloatArray
    vcov: FloatArray
    dispersion: float
    lr: float
    pearson: float

    @property
    def p_value_dispersion(self) -> float:
        """P value that the dispersion is 0: half of that of chi-squared, since it cannot be less (Lawless 1987)."""
        from scipy.stats import chi2

        return 0.5 * float(chi2.sf(self.lr, 1)) if self.lr > 0 else 1.0

    def beyond(self, X: FloatArray, highest: float) -> float:
        """Return the share of the distribution above a value, the mean over the rows of X."""
        from scipy.stats import nbinom, poisson

        mean = np.exp(X @ self.beta)
        if self.dispersion == 0:
            return float(np.mean(poisson.sf(highest, mean)))
        size = 1 / self.dispersion
        return float(np.mean(nbinom.sf(highest, size, size / (size + mean))))


def count(frame: AnalysisFrame, highest: float | None, conf_level: float) -> list[MeasuredResult]:
    """Compare the arms on a count at each visit of a frame: a result for each.

    Args:
        frame: a row per unit and visit, `value` a count or missing.
        highest: highest possible value of the outcome; None where there is none.
        conf_level: as 0.95.
    """
    complete = complete_rows(frame)
    return [_at_visit(complete.at(visit), visit, highest, conf_level) for visit in frame.visits]


def _at_visit(frame: AnalysisFrame, visit: str, highest: float | None, conf_level: float) -> MeasuredResult:
    notes = list(frame.notes)
    extras = [replace(extra, visit=visit) for extra in [*counts(frame), *_means(frame)]]
    compared = [arm for arm in frame.arms if (arm, visit) not in frame.not_compared]
    try:
        method, status, measures, more = _modelled(frame, visit, compared, highest, conf_level, notes)
    except NotFittedError as error:
        model = ModelResult(METHOD, Status.failed, (), extras, notes, error=str(error), visit=visit)
        return MeasuredResult(model, _without_values(frame, visit, frame.arms))
    extras += [replace(extra, visit=visit) for extra in more]
    measures += _without_values(frame, visit, [arm for arm in frame.arms if arm not in compared])
    return MeasuredResult(ModelResult(method, status, (), extras, notes, visit=visit), measures)


def _means(frame: AnalysisFrame) -> list[Extra]:
    """Return the observed mean and SD of each arm."""
    found = []
    for arm in frame.arms:
        value = frame.data.loc[frame.data["arm"] == arm, "value"].to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):  # infinite values are refused by the fit
            spread = float(value.std(ddof=1)) if value.size > 1 else nan
        found += [Extra("mean", float(value.mean()) if value.size else nan, arm=arm), Extra("sd", spread, arm=arm)]
    return found


def _modelled(
    frame: AnalysisFrame, visit: str, compared: list[str], highest: float | None, conf_level: float, notes: list[str]
) -> tuple[str, Status, list[Measure], list[Extra]]:
    """Return method, status, measures and further statistics, adding to the notes what must be known of the fit."""
    check_fittable(frame)
    y = frame.data["value"].to_numpy(dtype=np.float64)
    other = np.unique(y[(y < 0) | (y != np.round(y))])
    if other.size:
        raise NotFittedError(f"values that are not counts: {', '.join(f'{value:g}' for value in other[:5])}")
    design, status = checked_design(frame, notes)
    column = {arm: design.effects[arm, visit] for arm in compared[1:]}
    X = design.X
    if len(X) <= X.shape[1]:
        raise NotFittedError(f"{frame.terms.counted(len(X))} for {X.shape[1]} coefficients")
    if unbounded(np.concatenate([X[y > 0], -X])):
        raise NotFittedError("separation: the model's terms predict some zeros without error")
    fit = fit_counts(X, y)
    method = METHOD if fit.dispersion else POISSON
    if not fit.dispersion:
        status = max(status, Status.boundary)
        notes.append(
            f"no overdispersion (Pearson's chi-squared {fit.pearson:.2f} of its degrees of freedom): Poisson regression"
            + (", whose standard errors are then too large" if fit.pearson < 1 else "")
        )
    extras = [Extra("dispersion", fit.dispersion), Extra("p_value_dispersion", fit.p_value_dispersion)]
    if highest is not None:
        beyond = fit.beyond(X, highest)
        extras.append(Extra("percent_beyond", 100 * beyond))
        if beyond >= WORTH_TELLING:
            notes.append(
                f"{100 * beyond:.1f}% of the fitted distribution lies beyond {highest:g}, the highest possible value"
            )
    wald = Wald(conf_level, float(len(X) - X.shape[1]))
    return method, status, _measures(X, column, compared[0], fit, wald), extras


def fit_counts(X: FloatArray, y: FloatArray) -> CountFit:
    """Fit a negative binomial regression with a logarithmic link, a Poisson one where there is no overdispersion.

    Args:
        X: design of full rank, shape (n, p).
        y: counts, shape (n,), for which the estimate exists.

    The dispersion is at its boundary where the likelihood does not rise from it: sum (y - m)^2 - y is not positive at
    the Poisson fit (Dean and Lawless 1989, JASA 84:467-472).

    Raises:
        NotFittedError: it did not converge.
    """
    from statsmodels.discrete.discrete_model import NegativeBinomial
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    with python_warnings():
        plain = GLM(y, X, family=Poisson()).fit(maxiter=200, tol=1e-12, tol_criterion="params")
        beta, mean = np.asarray(plain.params, dtype=np.float64), np.asarray(plain.fittedvalues, dtype=np.float64)
        if not plain.converged:
            raise NotFittedError("Poisson regression did not converge")
        pearson = float(((y - mean) ** 2 / mean).sum()) / (len(y) - X.shape[1])
        excess = float(((y - mean) ** 2 - y).sum())
        if excess <= 0:
            return CountFit(beta, _inverse_information(X, mean, 0.0), 0.0, 0.0, pearson)
        model = NegativeBinomial(y, X)
        near = np.append(beta, excess / float((mean**2).sum()))
        for optimiser in OPTIMISERS:
            try:
                if optimiser != "newton":
                    near = model.fit(
                        start_params=near, method=optimiser, maxiter=2000, disp=False, skip_hessian=True
                    ).params
                fit = model.fit(start_params=near, method="newton", maxiter=200, tol=1e-10, disp=False)
            except np.linalg.LinAlgError:
                continue
            theta = np.asarray(fit.params, dtype=np.float64)
            if fit.mle_retvals["converged"] and np.isfinite(theta).all() and theta[-1] > 0:
                beta, dispersion = theta[:-1], float(theta[-1])
                vcov = _inverse_information(X, np.exp(X @ beta), dispersion)
                return CountFit(beta, vcov, dispersion, 2 * float(fit.llf - plain.llf), pearson)
    raise NotFittedError("negative binomial regression did not converge")


def _inverse_information(X: FloatArray, mean: FloatArray, dispersion: float) -> FloatArray:
    return np.asarray(np.linalg.inv(X.T @ (X * (mean / (1 + dispersion * mean))[:, None])), dtype=np.float64)


def _measures(X: FloatArray, column: Mapping[str, int], reference: str, fit: CountFit, wald: Wald) -> list[Measure]:
    mean: dict[str, float] = {}
    gradient: dict[str, FloatArray] = {}
    for arm in (reference, *column):
        rows = in_arm(X, column, arm)
        expected = np.exp(rows @ fit.beta)
        mean[arm], gradient[arm] = float(expected.mean()), expected @ rows / len(rows)

    def se(direction: FloatArray) -> float:
        return sqrt(float(direction @ fit.vcov @ direction))

    found = [wald.mean("mean", arm, mean[arm], se(gradient[arm])) for arm in mean]
    for arm, j in column.items():
        error = se(gradient[arm] - gradient[reference])
        found.append(wald.difference("mean_difference", arm, reference, mean[arm] - mean[reference], error))
        found.append(wald.ratio("rate_ratio", arm, reference, float(fit.beta[j]), sqrt(fit.vcov[j, j])))
    return found


def _without_values(frame: AnalysisFrame, visit: str, arms: Sequence[str]) -> list[Measure]:
    """Return the measures that were planned for arms, without values."""
    why = {arm: frame.not_compared.get((arm, visit), "") for arm in arms}
    found = [Measure("mean", arm, error=why[arm], visit=visit) for arm in arms]
    for arm in arms:
        if arm != frame.reference:
            names = ("mean_difference", "rate_ratio")
            found += [Measure(name, arm, frame.reference, error=why[arm], visit=visit) for name in names]
    return found
