"""Growth mixed model: a straight line in time for each unit, whose slope may differ between the arms (statsmodels).

Baseline is an occasion like the others. The arms share one mean there, as randomisation made them alike, and their
lines part in proportion to time. Intercept and slope vary between units, with a correlation. The difference between
arms at a visit is the difference of slopes times the time. Inference is by t: a slope is told from the units observed
at two occasions or more, so the degrees of freedom are these units less the rank of the design between units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import NO_VARIANCE, covariate_columns, ols_residual
from pipanalysis.estimate.mixed_model import OPTIMISERS, random_intercept, varies_between_units, without_intercept
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.mmrm.design import find_aliased

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "growth random-intercept-and-slope reml"
INTERCEPT_ALONE = "growth random-intercept reml"
NEITHER = "growth no-random-effects reml"
SLOPE = "slope=per year"
"""context of slopes"""
MONTHS = 12.0
SMALLEST = 1e-4
"""ratio of the smaller to the larger eigenvalue of the scaled random-effects covariance below which it is singular"""
BETTER = 1e-3
"""fall of minus twice the log-likelihood from where MixedLM stopped that is worth telling"""
FLAT = 1e-3
"""slope of minus twice the log-likelihood by the logarithms of the variances that counts as none"""


@dataclass(frozen=True)
class GrowthFit:
    """Coefficients (p,) and their covariance (p, p), covariance of the random effects (2, 2), residual variance."""

    beta: FloatArray
    vcov: FloatArray
    random: FloatArray
    variance_residual: float


@dataclass(frozen=True)
class GrowthDesign:
    """Response (n,), design of full rank (n, p), time in years (n,), unit codes (n,), and where the slopes stand."""

    y: FloatArray
    X: FloatArray
    time: FloatArray
    unit: NDArray[np.intp]
    aliased: tuple[str, ...]
    slope: int
    arm_slopes: dict[str, int]
    df: float


def growth(frame: AnalysisFrame, months: Mapping[str, float]) -> ModelResult:
    """Fit the growth model of an analysis.

    Args:
        frame: rows of the visits after baseline, with the baseline value beside them.
        months: visit → months since baseline.

    Where the likelihood is highest with a slope variance of zero, or a correlation of one, the random slope is left
    out (status boundary), and the random intercept too where its variance is zero; where the model with a random slope
    does not converge, the one without is fitted (status reduced).
    """
    frame = complete_rows(frame)
    notes = list(frame.notes)
    try:
        check_fittable(frame)
        design = growth_design(frame, months)
        status = Status.reduced if frame.not_compared or design.aliased else Status.ok
        if design.aliased:
            notes.append(f"left out, determined by other terms: {', '.join(design.aliased)}")
        method, worst, fit, said = _fit(design)
    except NotFittedError as error:
        planned = [Effect("", arm, context=SLOPE) for arm in frame.arms]
        planned += [Effect("", arm, frame.reference, context=SLOPE) for arm in frame.arms[1:]]
        planned += [Effect(visit, arm, frame.reference) for arm in frame.arms[1:] for visit in frame.visits]
        return ModelResult(METHOD, Status.failed, planned, counts(frame), notes, error=str(error))
    extras = [
        *counts(frame),
        Extra("variance_unit", float(fit.random[0, 0])),
        Extra("variance_slope", float(fit.random[1, 1])),
        Extra("covariance_intercept_slope", float(fit.random[0, 1])),
        Extra("variance_residual", fit.variance_residual),
    ]
    effects = _effects(frame, design, fit, months)
    return ModelResult(method, max(status, worst), effects, extras, [*notes, *said])


def _fit(design: GrowthDesign) -> tuple[str, Status, GrowthFit, list[str]]:
    y, X, unit = design.y, design.X, design.unit
    notes, status = [], Status.boundary
    try:
        fit, said = random_slope(y, X, unit, design.time)
        if fit is not None:
            return METHOD, Status.ok, fit, said
        notes.append(
            "the variance of the slopes is estimated as zero, or as determined by the intercepts: no random slope"
        )
    except NotFittedError as error:
        notes.append(f"no random slope: {error}")
        status = Status.reduced
    if varies_between_units(y, X, unit):
        simpler, said = random_intercept(y, X, unit)
        method = INTERCEPT_ALONE
    else:
        notes.append("the between-unit variance is estimated as zero: no random intercept")
        simpler, said, method = without_intercept(y, X), [], NEITHER
    random = np.array([[simpler.variance_unit, 0.0], [0.0, 0.0]])
    return method, status, GrowthFit(simpler.beta, simpler.vcov, random, simpler.variance_residual), [*notes, *said]


def growth_design(frame: AnalysisFrame, months: Mapping[str, float]) -> GrowthDesign:
    """Return the design of ``value ~ time + covariates + arm by time``, with a row per baseline value too.

    Raises:
        NotFittedError: too few occasions or units, or slopes that the data do not determine.
    """
    first = frame.data.drop_duplicates("unit")
    first = first[first["baseline"].notna()]
    years = np.array([months[visit] for visit in frame.data["visit"]]) / MONTHS
    data = pd.concat([first.assign(value=first["baseline"]), frame.data], ignore_index=True)
    time = np.concatenate([np.zeros(len(first)), years])
    if np.unique(time).size < 2:
        raise NotFittedError("one occasion: a slope needs two")
    columns = {"intercept": np.ones(len(data)), "time": time} | covariate_columns(data, frame.varying)
    between = {name: column for name, column in columns.items() if name != "time"}
    arms = [arm for arm in frame.arms[1:] if (data["arm"] == arm).any()]
    for arm in arms:
        in_arm = np.asarray(data["arm"] == arm, dtype=np.float64)
        columns[f"slope of {arm}"] = in_arm * time
        between[f"arm {arm}"] = in_arm
    X = np.column_stack(list(columns.values()))
    kept, aliased, _ = find_aliased(X)
    names = list(columns)
    position = {names[j]: i for i, j in enumerate(kept)}
    missing = [name for name in ("time", *(f"slope of {arm}" for arm in arms)) if name not in position]
    if missing:
        raise NotFittedError(f"cannot be told apart from a covariate: {', '.join(missing)}")
    unit = np.unique(data["unit"].to_numpy(dtype=str), return_inverse=True)[1]
    rows = np.unique(unit, return_index=True)[1]
    rank = int(np.linalg.matrix_rank(np.column_stack(list(between.values()))[rows]))
    df = float((np.bincount(unit) > 1).sum() - rank)
    if df < 1:
        raise NotFittedError(f"{int(df) + rank} units with two occasions for {rank} parameters between units")
    y = data["value"].to_numpy(dtype=np.float64)
    if float((ols_residual(y, X[:, kept]) ** 2).sum()) <= NO_VARIANCE * float(((y - y.mean()) ** 2).sum()):
        raise NotFittedError("perfect fit: no residual variance")
    return GrowthDesign(
        y=y,
        X=np.ascontiguousarray(X[:, kept]),
        time=time,
        unit=unit,
        aliased=tuple(names[j] for j in aliased),
        slope=position["time"],
        arm_slopes={arm: position[f"slope of {arm}"] for arm in arms},
        df=df,
    )


def _effects(frame: AnalysisFrame, design: GrowthDesign, fit: GrowthFit, months: Mapping[str, float]) -> list[Effect]:
    """Return the slope of each arm, the differences of slopes, and the differences at each visit."""

    def effect(visit: str, arm: str, reference: str, weights: dict[int, float], context: str = "") -> Effect:
        L = np.zeros(fit.beta.size)
        L[list(weights)] = list(weights.values())
        se = float(np.sqrt(L @ fit.vcov @ L))
        return Effect(visit, arm, reference, float(L @ fit.beta), se, design.df, context=context)

    found = [effect("", frame.reference, "", {design.slope: 1.0}, SLOPE)]
    for arm in frame.arms[1:]:
        if arm not in design.arm_slopes:
            why = "; ".join(dict.fromkeys(frame.not_compared.values())) or "no observation"
            found += [
                Effect("", arm, error=why, context=SLOPE),
                Effect("", arm, frame.reference, error=why, context=SLOPE),
            ]
            found += [Effect(visit, arm, frame.reference, error=why) for visit in frame.visits]
            continue
        own = design.arm_slopes[arm]
        found.append(effect("", arm, "", {design.slope: 1.0, own: 1.0}, SLOPE))
        found.append(effect("", arm, frame.reference, {own: 1.0}, SLOPE))
        found += [effect(visit, arm, frame.reference, {own: months[visit] / MONTHS}) for visit in frame.visits]
    return found


def random_slope(
    y: FloatArray, X: FloatArray, unit: NDArray[np.intp], time: FloatArray
) -> tuple[GrowthFit | None, list[str]]:
    """Fit a model with a random intercept and slope by REML with statsmodels.

    Args:
        y: response, shape (n,).
        X: design of full rank, shape (n, p).
        unit: code of the unit of each row, shape (n,).
        time: what the slopes are in, shape (n,).

    The standard errors are those of generalised least squares at the estimated variances, as in lme4 and SAS.

    Returns:
        The fit, None where the covariance of the random effects is at its boundary; and what the reader must know.
        Warnings of MixedLM on the way to a maximum that was then verified are not passed on.

    Raises:
        NotFittedError: no optimiser of MixedLM reached a maximum that can be trusted.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    scale, spread = float(y.std()), float(time.std())
    Z = np.column_stack([np.ones(len(y)), time / spread])
    said: list[str] = []
    for methods in OPTIMISERS:
        with python_warnings() as caught:
            try:
                found: Any = MixedLM(y / scale, X, groups=unit, exog_re=Z).fit(reml=True, method=methods, gtol=1e-8)
                random, residual = np.asarray(found.cov_re, dtype=np.float64), float(found.scale)
                beta, vcov, deviance = least_squares_given(y / scale, X, unit, Z, random, residual)
            except (np.linalg.LinAlgError, ValueError, FloatingPointError):
                continue
        if _singular(random, residual):
            return None, []
        said += caught
        implied = bool((np.abs(np.asarray(found.fe_params) - beta) <= 1e-6 * np.sqrt(np.diag(vcov))).all())
        best = _maximum(y / scale, X, unit, Z, random, residual) if found.converged and implied else None
        if best is None:
            continue
        random, residual = best
        if _singular(random, residual):
            return None, []
        beta, vcov, least = least_squares_given(y / scale, X, unit, Z, random, residual)
        short = deviance - least
        notes = [f"MixedLM stopped {short:.1g} short of the maximum of twice the log-likelihood"] * (short > BETTER)
        back = np.diag([1.0, 1 / spread])
        return GrowthFit(beta * scale, vcov * scale**2, back @ random @ back * scale**2, residual * scale**2), notes
    raise NotFittedError("; ".join(["no optimiser of MixedLM converged", *dict.fromkeys(said)]))


def _singular(random: FloatArray, residual: float) -> bool:
    eigen = np.linalg.eigvalsh(random)
    return bool(eigen[0] <= SMALLEST * max(float(eigen[1]), residual))


def _maximum(
    y: FloatArray, X: FloatArray, unit: NDArray[np.intp], Z: FloatArray, random: FloatArray, residual: float
) -> tuple[FloatArray, float] | None:
    """Go the last steps to the maximum: MixedLM stops up to a thousandth of a standard error before it.

    None where the likelihood still rises, so that what MixedLM called converged was not.
    """
    from scipy.optimize import minimize

    def variances(theta: FloatArray) -> tuple[FloatArray, float]:
        factor = np.array([[np.exp(theta[0]), 0.0], [theta[1], np.exp(theta[2])]])
        return factor @ factor.T, float(np.exp(theta[3]))

    def deviance(theta: FloatArray) -> float:
        try:
            return least_squares_given(y, X, unit, Z, *variances(theta))[2]
        except np.linalg.LinAlgError:
            return np.inf

    factor = np.linalg.cholesky(random)
    start = np.array([np.log(factor[0, 0]), factor[1, 0], np.log(factor[1, 1]), np.log(residual)])
    with np.errstate(all="ignore"):
        found = minimize(deviance, start, jac="3-point", method="BFGS", options={"gtol": 1e-5})
    return variances(found.x) if np.abs(np.asarray(found.jac, dtype=np.float64)).max() < FLAT else None


def least_squares_given(
    y: FloatArray, X: FloatArray, unit: NDArray[np.intp], Z: FloatArray, random: FloatArray, residual: float
) -> tuple[FloatArray, FloatArray, float]:
    """Return coefficients, their covariance (X'V⁻¹X)⁻¹, and minus twice the restricted log-likelihood less a constant.

    V = Z random Z' + residual I within each unit; its inverse and determinant come from those of 2 by 2 matrices
    (Woodbury), for all units at once.
    """
    n, n_units = len(y), int(unit.max()) + 1
    stacked = np.column_stack([X, y])

    def sums(rows: FloatArray) -> FloatArray:
        total = np.zeros((n_units, *rows.shape[1:]))
        np.add.at(total, unit, rows)
        return total

    inner = sums(Z[:, :, None] * Z[:, None, :]) / residual + np.linalg.inv(random)
    mixed = sums(Z[:, :, None] * stacked[:, None, :]) / residual
    cross = stacked.T @ stacked / residual - np.einsum("uap,uaq->pq", mixed, np.linalg.solve(inner, mixed))
    p = X.shape[1]
    vcov = np.linalg.inv(cross[:p, :p])
    beta = vcov @ cross[:p, p]
    log_det = n * np.log(residual) + n_units * np.linalg.slogdet(random)[1] + np.linalg.slogdet(inner)[1].sum()
    rss = cross[p, p] - beta @ cross[:p, p]
    return beta, vcov, float(log_det + np.linalg.slogdet(cross[:p, :p])[1] + rss)
