"""Random-intercept mixed model of all visits (statsmodels), with the guards that small trials need.

The model has a mean for each visit, the difference between arms at each visit, baseline and covariates, and a random
intercept for the unit, fitted by REML. statsmodels gives normal (z) inference only; the t distribution with
between-unit degrees of freedom is reported, which is conservative for a difference at one visit and close to exact
for a difference that is the same at all visits (its variance is then that of a comparison of unit means).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, planned_effects, planned_means
from pipanalysis.estimate.linear_design import (
    NO_VARIANCE,
    adjusted_means,
    check_residual,
    combined_variances,
    design_effects,
    initial_status,
    linear_design,
    ols_residual,
)
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status, python_warnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.plan import Analysis

METHOD = "mixed_model random-intercept reml"
REDUCED = "mixed_model no-random-intercept reml"
OPTIMISERS: tuple[list[str], ...] = (["bfgs", "lbfgs", "cg"], ["powell", "nm"])
"""tried in turn; the first is statsmodels' own chain (lbfgs alone fails on small variances)"""


@dataclass(frozen=True)
class RandomIntercept:
    """A fitted random-intercept model.

    Attributes:
        beta: coefficients, shape (p,).
        vcov: their covariance, shape (p, p).
        variance_unit: variance between units.
        variance_residual: residual variance.
    """

    beta: FloatArray
    vcov: FloatArray
    variance_unit: float
    variance_residual: float


def mixed_model(frame: AnalysisFrame, analysis: Analysis) -> ModelResult:
    """Fit the model of an analysis to the complete rows of a frame.

    Where the likelihood is highest at a between-unit variance of zero, the random intercept is left out (status
    boundary); where each unit has one observation it cannot be told from the residual and is left out too (reduced).
    """
    frame = complete_rows(frame)
    notes = list(frame.notes)
    try:
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=analysis.baseline_by_visit)
        check_residual(design)
        status = initial_status(frame, design.aliased, notes)
        method = METHOD
        if len(design.y) == design.n_units:
            notes.append(f"one observation a {frame.terms.unit}: the model has no random intercept")
            status, method, fit = Status.reduced, REDUCED, without_intercept(design.y, design.X)
        elif not varies_between_units(design.y, design.X, design.unit):
            notes.append("the between-unit variance is estimated as zero: the model has no random intercept")
            status, method, fit = Status.boundary, REDUCED, without_intercept(design.y, design.X)
        else:
            fit, said = random_intercept(design.y, design.X, design.unit)
            notes += said
        df = design.n_units - design.between_rank
        if df < 1:
            units, between = frame.terms.counted(design.n_units), design.between_rank
            raise NotFittedError(f"{units} for {between} parameters between {frame.terms.units}")
    except NotFittedError as error:
        planned = [*planned_means(frame), *planned_effects(frame)]
        return ModelResult(METHOD, Status.failed, planned, counts(frame), notes, error=str(error), normal_p=True)
    total = fit.variance_unit + fit.variance_residual
    extras = [
        *counts(frame),
        Extra("variance_unit", fit.variance_unit),
        Extra("variance_residual", fit.variance_residual),
        Extra("icc", fit.variance_unit / total),
    ]
    variances = combined_variances(design.mean_weights, fit.vcov)
    effects = [
        *adjusted_means(frame, design, fit.beta, variances, float(df)),
        *design_effects(frame, design, fit.beta, fit.vcov, float(df)),
    ]
    return ModelResult(method, status, effects, extras, notes, normal_p=True)


def varies_between_units(y: FloatArray, X: FloatArray, unit: NDArray[np.intp]) -> bool:
    """Tell whether the restricted likelihood rises as the between-unit variance leaves zero.

    Sign of the score of the variance ratio at zero: r'ZZ'r / s² - tr(P ZZ'), with r the least-squares residuals, s²
    their variance, P the residual projection and Z the units' indicators.
    """
    n, p = X.shape
    r = ols_residual(y, X)
    Q, _ = np.linalg.qr(X)
    sums = np.zeros((int(unit.max()) + 1, p))
    np.add.at(sums, unit, Q)
    quadratic = float((np.bincount(unit, weights=r) ** 2).sum())
    expected = n - float((sums**2).sum())
    return bool(quadratic > float(r @ r) / (n - p) * expected * (1 + 1e-9))


def random_intercept(y: FloatArray, X: FloatArray, unit: NDArray[np.intp]) -> tuple[RandomIntercept, list[str]]:
    """Fit a random-intercept model by REML with statsmodels.

    Args:
        y: response, shape (n,).
        X: design of full rank, shape (n, p).
        unit: code of the unit of each row, shape (n,).

    The standard errors are those of generalised least squares at the estimated variances, as in SAS and lme4:
    MixedLM's own invert the observed information of coefficients and variances together, and differ by up to 1e-3.

    Returns:
        The fit and the warnings that statsmodels raised on the way.

    Raises:
        NotFittedError: no optimiser converged to a fit that can be trusted.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    within = _within(y, unit)
    if float((ols_residual(within, _within(X, unit)) ** 2).sum()) <= NO_VARIANCE * float(((y - y.mean()) ** 2).sum()):
        raise NotFittedError("no residual variance")
    # statsmodels judges variances on an absolute scale, so the response is in standard deviations
    scale = float(y.std())
    response = y / scale
    said: list[str] = []
    for methods in OPTIMISERS:
        with python_warnings() as caught:
            try:
                fit = MixedLM(response, X, groups=unit).fit(reml=True, method=methods, gtol=1e-8)
                variances = float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale)
                implied, vcov = generalised_least_squares(response, X, unit, *variances)
                trusted = _trusted(fit, implied, vcov)
            except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
                warnings.warn(f"MixedLM by {'/'.join(methods)}: {error}", stacklevel=1)
                trusted = False
        said += caught
        if trusted:
            break
    else:
        raise NotFittedError("; ".join(["no optimiser of MixedLM converged", *dict.fromkeys(said)]))
    return RandomIntercept(
        beta=np.asarray(fit.fe_params, dtype=np.float64) * scale,
        vcov=vcov * scale**2,
        variance_unit=variances[0] * scale**2,
        variance_residual=variances[1] * scale**2,
    ), said


def _trusted(fit: Any, implied: FloatArray, vcov: FloatArray) -> bool:
    """Whether a fit converged, inside the parameter space, to the coefficients that its own variances imply.

    MixedLM may return coefficients that are constant within units as exactly 0 with `converged` True (statsmodels
    issue 10239).
    """
    se = np.sqrt(np.diag(vcov))
    return bool(
        fit.converged
        and np.asarray(fit.cov_re)[0, 0] > 0
        and np.isfinite(se).all()
        and (np.abs(np.asarray(fit.fe_params) - implied) <= 1e-6 * se).all()
    )


def generalised_least_squares(
    y: FloatArray, X: FloatArray, unit: NDArray[np.intp], variance_unit: float, variance_residual: float
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients and their covariance, inverse of X'V⁻¹X, at given variances of a random-intercept model.

    Least squares of the deviations from a part of each unit's mean (Fuller and Battese 1973, JASA 68:626-632).
    """
    size = np.bincount(unit)
    part = 1 - np.sqrt(variance_residual / (variance_residual + size * variance_unit))
    moved_y = y - part[unit] * (y - _within(y, unit))
    moved_X = X - part[unit][:, None] * (X - _within(X, unit))
    beta = np.linalg.lstsq(moved_X, moved_y, rcond=None)[0]
    return beta, variance_residual * np.linalg.inv(moved_X.T @ moved_X)


def without_intercept(y: FloatArray, X: FloatArray) -> RandomIntercept:
    """Fit the model without the random intercept: least squares, which REML is where that variance is zero."""
    from statsmodels.regression.linear_model import OLS

    fit = OLS(y, X).fit()
    return RandomIntercept(
        np.asarray(fit.params, dtype=np.float64), np.asarray(fit.cov_params(), dtype=np.float64), 0.0, float(fit.scale)
    )


def _within(values: FloatArray, unit: NDArray[np.intp]) -> FloatArray:
    """Deviations from the units' means."""
    size = np.bincount(unit)
    matrix = values.reshape(len(values), -1)
    sums = np.zeros((size.size, matrix.shape[1]))
    np.add.at(sums, unit, matrix)
    return (matrix - (sums / size[:, None])[unit]).reshape(values.shape)
