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
from pipanalysis.estimate.growth_likelihood import UnitSums, highest, least_squares_given, unit_sums
from pipanalysis.estimate.linear_design import (
    NO_VARIANCE,
    covariate_columns,
    covariate_words,
    initial_status,
    ols_residual,
)
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
"""ratio of the smaller eigenvalue of the scaled random-effects covariance to the larger, or to the residual variance,
below which it is singular"""
GRADIENT = 1e-6
"""slope of the log-likelihood an observation at which MixedLM has converged"""
SAME = 1e-3
"""difference of minus twice the log-likelihood that is none"""


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
        status = initial_status(frame, design.aliased, notes)
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
        fit = random_slope(y, X, unit, design.time)
        if fit is not None:
            return METHOD, Status.ok, fit, []
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
    slopes = {arm: f"slope of {frame.terms.arm(arm)}" for arm in frame.arms[1:] if (data["arm"] == arm).any()}
    for arm, slope in slopes.items():
        in_arm = np.asarray(data["arm"] == arm, dtype=np.float64)
        columns[slope] = in_arm * time
        between[f"arm {arm}"] = in_arm
    X = np.column_stack(list(columns.values()))
    kept, aliased, _ = find_aliased(X)
    names, said = list(columns), covariate_words(frame.varying)
    position = {names[j]: i for i, j in enumerate(kept)}
    missing = [name for name in ("time", *slopes.values()) if name not in position]
    if missing:
        raise NotFittedError(f"cannot be told apart from a covariate: {', '.join(missing)}")
    unit = np.unique(data["unit"].to_numpy(dtype=str), return_inverse=True)[1]
    rows = np.unique(unit, return_index=True)[1]
    rank = int(np.linalg.matrix_rank(np.column_stack(list(between.values()))[rows]))
    df = float((np.bincount(unit) > 1).sum() - rank)
    if df < 1:
        units = frame.terms.counted(int(df) + rank)
        raise NotFittedError(f"{units} with two occasions for {rank} parameters between {frame.terms.units}")
    y = data["value"].to_numpy(dtype=np.float64)
    if float((ols_residual(y, X[:, kept]) ** 2).sum()) <= NO_VARIANCE * float(((y - y.mean()) ** 2).sum()):
        raise NotFittedError("perfect fit: no residual variance")
    return GrowthDesign(
        y=y,
        X=np.ascontiguousarray(X[:, kept]),
        time=time,
        unit=unit,
        aliased=tuple(said.get(names[j], names[j]) for j in aliased),
        slope=position["time"],
        arm_slopes={arm: position[slope] for arm, slope in slopes.items()},
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
            why = frame.nothing_compared
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


def random_slope(y: FloatArray, X: FloatArray, unit: NDArray[np.intp], time: FloatArray) -> GrowthFit | None:
    """Fit a model with a random intercept and slope by REML with statsmodels, from where the likelihood is highest.

    Args:
        y: response, shape (n,).
        X: design of full rank, shape (n, p).
        unit: code of the unit of each row, shape (n,).
        time: what the slopes are in, shape (n,).

    The standard errors are those of generalised least squares at the estimated variances, as in lme4 and SAS.

    Returns:
        The fit, None where the covariance of the random effects is at its boundary.

    Raises:
        NotFittedError: the likelihood has no maximum that can be trusted, or MixedLM does not agree that it is one.
    """
    scale, spread = float(y.std()), float(time.std())
    Z = np.column_stack([np.ones(len(y)), time / spread])
    sums = unit_sums(y / scale, X, unit, Z)
    factor = highest(sums)
    if factor is None:
        raise NotFittedError("no maximum of the restricted likelihood was found")
    eigen = np.linalg.eigvalsh(factor @ factor.T)
    if eigen[0] <= SMALLEST * max(float(eigen[1]), 1.0):
        return None
    beta, vcov, residual, deviance = least_squares_given(sums, factor)
    _confirm(y / scale, X, unit, Z, sums, factor, deviance)
    back = np.diag([1.0, 1 / spread]) @ factor
    return GrowthFit(beta * scale, vcov * scale**2, back @ back.T * residual * scale**2, residual * scale**2)


def _confirm(
    y: FloatArray,
    X: FloatArray,
    unit: NDArray[np.intp],
    Z: FloatArray,
    sums: UnitSums,
    factor: FloatArray,
    deviance: float,
) -> None:
    """Let MixedLM climb from the maximum: it must converge there, to the coefficients that its variances imply."""
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    start = MixedLMParams.from_components(fe_params=np.zeros(X.shape[1]), cov_re=factor @ factor.T)
    said: list[str] = []
    for methods in OPTIMISERS:
        with python_warnings() as caught:
            try:
                fit: Any = MixedLM(y, X, groups=unit, exog_re=Z).fit(start, reml=True, method=methods, gtol=GRADIENT)
                relative = np.linalg.cholesky(np.asarray(fit.cov_re_unscaled, dtype=np.float64))
                beta, vcov, _, found = least_squares_given(sums, relative, float(fit.scale))
            except (np.linalg.LinAlgError, ValueError, FloatingPointError):
                continue
        said += caught
        implied = bool((np.abs(np.asarray(fit.fe_params) - beta) <= 1e-6 * np.sqrt(np.diag(vcov))).all())
        if fit.converged and implied and abs(found - deviance) <= SAME:
            return
    raise NotFittedError("; ".join(["MixedLM finds no maximum there", *dict.fromkeys(said)]))
