"""Assumptions of a mixed model for repeated measures, checked from the fit that is there.

Residuals, the influence of each unit, and simpler covariance structures beside the planned one. Every number is of all
units together: no residual and no unit is reported by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.mmrm import differences, fitted, in_one_line, marginal_means
from pipanalysis.estimate.model_result import Effect, NotFittedError, python_warnings
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.mmrm import MMRMFit

RESIDUALS, SPREAD, INFLUENCE, SPHERICITY = "check=residuals", "check=spread", "check=influence", "check=sphericity"
SCALE = "check=scale"
MOST_BINS, FEWEST_BINS = 10, 2
"""of a scale-location plot"""
UNITS_OF_BIN = 10
"""units at least in each of its bins: no point is about few of them"""
PROBABILITIES = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""of the quantiles of the residuals: a QQ plot without its points"""


def bin_context(number: int) -> str:
    """Return the context of the rows of a bin of fitted means, numbered from 1."""
    return f"{SCALE} bin={number:02d}"


def structure_context(structure: str) -> str:
    """Return the context of the rows of a covariance structure."""
    return f"check=structure {structure}"


def check_rows(scope: Scope, frame: AnalysisFrame, fit: MMRMFit, effects: Sequence[Effect]) -> Iterator[Row]:
    """Yield the checks of a fit.

    Args:
        scope: the analysis and outcome; its method is that of the fit.
        frame: the complete rows that were fitted.
        fit: the fit.
        effects: its differences between arms, with the analysis's standard errors and degrees of freedom.
    """
    normalised = np.asarray(fit.residuals("normalized"), dtype=np.float64)
    yield from normality_rows(scope, normalised)
    yield from scale_location_rows(scope, normalised, fit.fitted, frame.data["unit"].tolist())
    yield from spread_rows(scope, frame, fit)
    yield from influence_rows(scope, frame, fit, effects)
    yield from structure_rows(scope, frame, fit)
    if len(frame.model_visits) > 2:
        yield from sphericity_rows(scope, frame, fit)


def normality_rows(scope: Scope, residual: FloatArray) -> Iterator[Row]:
    """Yield the test of Shapiro and Wilk (1965), skewness, excess kurtosis and quantiles of normalised residuals.

    Quantiles are those of Hyndman and Fan's type 7; a normal distribution has those of mean 0 and variance 1.
    """
    from scipy.stats import kurtosis, shapiro, skew

    test = shapiro(residual)
    numbers = {
        "shapiro_w": float(test.statistic),
        "p_value": float(test.pvalue),
        "skewness": float(skew(residual)),
        "kurtosis": float(kurtosis(residual)),
    }
    for name, value in numbers.items():
        yield scope.row(name, value, context=RESIDUALS)
    for p, value in zip(PROBABILITIES, np.quantile(residual, PROBABILITIES), strict=True):
        yield scope.row("residual_quantile", float(value), context=f"{RESIDUALS} p={p:.2f}")


def scale_location_rows(scope: Scope, residual: FloatArray, mean: FloatArray, unit: Sequence[object]) -> Iterator[Row]:
    """Yield a scale-location plot without its points: in bins of fitted means, the root of the residuals' size.

    Given are a bin's mean fitted value and the mean and quartiles of the roots (Cleveland 1993, Visualizing Data: a
    spread-location plot). Bins lie between quantiles of the fitted means; equal means are in one bin.

    Args:
        scope: the analysis and outcome.
        residual: normalised residuals, shape (n,).
        mean: fitted means, shape (n,), in units of the outcome.
        unit: whose they are, n of them.
    """
    bins = _bins(mean, unit)
    if not bins:
        said = f"too few observed: {FEWEST_BINS} bins of fitted means need {UNITS_OF_BIN} in each"
        yield scope.row("fitted_mean", nan, context=SCALE, error=said)
    root = np.sqrt(np.abs(residual))
    for i, own in enumerate(bins, start=1):
        q1, q3 = np.quantile(root[own], (0.25, 0.75))
        numbers = {
            "n_in_bin": int(own.sum()),
            "fitted_mean": float(mean[own].mean()),
            "root_residual": float(root[own].mean()),
            "root_residual_q1": float(q1),
            "root_residual_q3": float(q3),
        }
        for name, value in numbers.items():
            yield scope.row(name, value, context=bin_context(i))


def _bins(mean: FloatArray, unit: Sequence[object]) -> list[NDArray[np.bool_]]:
    """Return which observations are in each bin, in ascending order: as many bins as have enough units, or none."""
    span = float(np.ptp(mean))
    if not span:
        return []
    place = np.round((mean - mean.min()) / span, 9)  # means of equal rows may differ by rounding
    units = np.asarray(unit, dtype=object)
    for k in range(MOST_BINS, FEWEST_BINS - 1, -1):
        number = np.searchsorted(np.quantile(place, np.arange(1, k) / k), place, side="right")
        bins = [number == i for i in np.unique(number)]
        if len(bins) >= FEWEST_BINS and all(len(set(units[own])) >= UNITS_OF_BIN for own in bins):
            return bins
    return []


def spread_rows(scope: Scope, frame: AnalysisFrame, fit: MMRMFit) -> Iterator[Row]:
    """Yield by visit: the slope of the root of the residuals' size on the fitted mean, and the arms' ratio of SDs.

    Residuals are in SDs of the visit; the slope is per SD of the fitted means, zero where the variance does not depend
    on the mean. The ratio's P value is that of Brown and Forsythe (1974, JASA 69:364-367).
    """
    from scipy.stats import levene, linregress

    data = frame.data
    residual, mean = fit.residuals("pearson").to_numpy(dtype=np.float64), fit.fitted
    arm, visit = data["arm"].to_numpy(dtype=object), data["visit"].to_numpy(dtype=object)
    for name in frame.model_visits:
        at = visit == name
        slope, p_value = nan, nan
        if at.sum() > 2 and np.ptp(mean[at]) > 0:
            line = linregress((mean[at] - mean[at].mean()) / mean[at].std(), np.sqrt(np.abs(residual[at])))
            slope, p_value = float(line.slope), float(line.pvalue)
        yield scope.row("scale_slope", slope, visit=name, context=SPREAD)
        yield scope.row("p_value", p_value, visit=name, context=SPREAD)
        for other in frame.arms[1:]:
            if (other, name) in frame.not_compared:
                continue
            own, reference = residual[at & (arm == other)], residual[at & (arm == frame.reference)]
            where = {"visit": name, "contrast": contrast_name(other, frame.reference), "context": SPREAD}
            spread = float(own.std(ddof=1)), float(reference.std(ddof=1))
            if min(spread) == 0:
                yield scope.row("sd_ratio", nan, error="the residuals of an arm do not vary", **where)
                continue
            yield scope.row("sd_ratio", spread[0] / spread[1], **where)
            yield scope.row("p_value", float(levene(own, reference, center="median").pvalue), **where)


def influence_rows(scope: Scope, frame: AnalysisFrame, fit: MMRMFit, effects: Sequence[Effect]) -> Iterator[Row]:
    """Yield Cook's greatest distance, and how far each difference goes when any one unit is left out.

    At the fitted covariance. `n_conclusions_changed` counts the units without any one of which the interval would
    come to include zero, or no longer include it; standard errors keep the ratio of the analysis's to the model-based
    one, and its degrees of freedom.
    """
    from scipy.stats import t

    from pipanalysis.mmrm.influence import deletion, influence

    cooks = influence(fit.engine).cooks_distance
    left = int(np.isnan(cooks).sum())
    lone = frame.terms.counted(left)
    said = f"{lone} cannot be left out: a coefficient rests on one of them alone" if left else ""
    greatest = float(np.nanmax(cooks)) if left < cooks.size else nan
    yield scope.row("max_cooks_distance", greatest, context=INFLUENCE, warning=said)
    known = [effect for effect in effects if np.isfinite(effect.estimate) and effect.reference]
    L = _contrasts(frame, fit, known, scope)
    found = deletion(fit.engine, L)
    model_based = np.sqrt(np.einsum("ij,jk,ik->i", L, fit.engine.beta_vcov, L))
    for j, effect in enumerate(known):
        estimate = found.estimate[:, j]
        se = found.se[:, j] * effect.std_error / model_based[j]
        limit = float(t.ppf(0.5 + scope.conf_level / 2, effect.df))
        without = np.abs(estimate) > limit * se
        changed = (without != (abs(effect.estimate) > limit * effect.std_error)) & np.isfinite(estimate)
        where = {"visit": effect.visit, "contrast": contrast_name(effect.arm, effect.reference), "context": INFLUENCE}
        yield scope.row("estimate_least", float(np.nanmin(estimate)), warning=said, **where)
        yield scope.row("estimate_greatest", float(np.nanmax(estimate)), warning=said, **where)
        yield scope.row("n_conclusions_changed", int(changed.sum()), warning=said, **where)


def _contrasts(frame: AnalysisFrame, fit: MMRMFit, effects: Sequence[Effect], scope: Scope) -> FloatArray:
    """Return differences between arms as weights of the estimated coefficients, shape (effects, p)."""
    means, by_visit = marginal_means(fit, frame, scope.analysis)
    rows = {(cell[0], cell[1] if by_visit else frame.model_visits[0]): i for i, cell in enumerate(means.cells)}
    weights = means.functions.contrasts[:, fit.kept]
    picked = [weights[rows[e.arm, e.visit]] - weights[rows[e.reference, e.visit]] for e in effects]
    return np.array(picked).reshape(len(picked), weights.shape[1])


def structure_rows(scope: Scope, frame: AnalysisFrame, fit: MMRMFit) -> Iterator[Row]:
    """Yield criteria and differences by the planned covariance structure and by its simpler ones.

    The structures are the plan's; one with no fewer parameters than the planned one is the same model with so few
    visits, and is not fitted. The likelihood ratio test is against the planned structure. Standard errors are
    model-based for all structures alike.
    """
    from pipanalysis.mmrm.covariance import make_structure
    from pipanalysis.mmrm.problems import ComparisonError

    analysis = scope.analysis.model_copy(update={"df": "residual"})
    yield from _criteria(scope, frame, fit, fit.structure)
    given = dict.fromkeys([scope.analysis.covariance, *scope.analysis.fallback])
    n_visits = len(fit.visits)
    simpler = [s for s in given if make_structure(s, n_visits).n_theta < fit.engine.n_theta]
    for structure in simpler:
        context = structure_context(structure)
        try:
            with python_warnings():
                other = fitted(frame, analysis, structure)
        except NotFittedError as error:
            yield scope.row("aic", nan, context=context, error=str(error))
            continue
        yield from _criteria(scope, frame, other, structure)
        try:
            test = fit.likelihood_ratio(other)
        except ComparisonError as error:
            yield scope.row("p_value", nan, context=context, error=in_one_line(error))
            continue
        for name, value in (("lr_statistic", test.statistic), ("lr_df", test.df), ("p_value", test.p)):
            yield scope.row(name, value, context=context)


def _criteria(scope: Scope, frame: AnalysisFrame, fit: MMRMFit, structure: str) -> Iterator[Row]:
    context = structure_context(structure)
    numbers = {"deviance": fit.deviance, "aic": fit.aic, "bic": fit.bic}
    for name, value in (numbers | {"n_covariance_parameters": fit.engine.n_theta}).items():
        yield scope.row(name, value, context=context)
    analysis = scope.analysis.model_copy(update={"df": "residual"})
    for effect in differences(fit, frame, analysis):
        where = {"visit": effect.visit, "contrast": contrast_name(effect.arm, effect.reference), "context": context}
        yield scope.row("estimate", effect.estimate, error=effect.error, **where)
        yield scope.row("std_error", effect.std_error, error=effect.error, **where)


def sphericity_rows(scope: Scope, frame: AnalysisFrame, fit: MMRMFit) -> Iterator[Row]:
    """Yield Mauchly's test and Greenhouse and Geisser's epsilon (pingouin) of the residuals of complete units.

    Approximate: the test counts the units as its degrees of freedom, not the units less the model's coefficients.
    """
    import pingouin as pg

    wide: pd.DataFrame = (
        frame.data.assign(residual=fit.residuals().to_numpy(), visit=frame.data["visit"].astype(str))
        .pivot(index="unit", columns="visit", values="residual")
        .dropna()
    )
    said = f"of the {frame.terms.counted(len(wide))} observed at every visit"
    if len(wide) <= wide.shape[1]:
        yield scope.row("sphericity_w", nan, context=SPHERICITY, error=f"too few: {said}")
        return
    test = pg.sphericity(wide)
    numbers = {"sphericity_w": test.W, "p_value": test.pval, "epsilon": pg.epsilon(wide, correction="gg")}
    for name, value in numbers.items():
        yield scope.row(name, float(value), context=SPHERICITY, warning=said)
