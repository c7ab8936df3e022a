"""Analysis of covariance at each visit: least squares of the outcome on arm, baseline and covariates (statsmodels).

Adjusted means are those at the mean of the numeric covariates, factors averaged over their levels with equal weights
(least-squares means).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.cluster_robust import FEW_CLUSTERS, FEW_DF, ClusterRobust, cluster_robust
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, planned_effects, planned_means
from pipanalysis.estimate.linear_design import (
    LinearDesign,
    adjusted_means,
    check_residual,
    combined_variances,
    design_effects,
    initial_status,
    linear_design,
)
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.study.rules import warning_of

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.plan import Analysis


def ancova(frame: AnalysisFrame, analysis: Analysis) -> list[ModelResult]:
    """Fit the model of an analysis at each of its visits: a result for each."""
    complete = complete_rows(frame)
    return [_at_visit(complete, visit, analysis.standard_error) for visit in frame.visits]


def _at_visit(frame: AnalysisFrame, visit: str, standard_error: str) -> ModelResult:
    from statsmodels.regression.linear_model import OLS

    method = f"ancova ols {standard_error}"
    frame = frame.at(visit)
    notes = list(frame.notes)
    clusters: list[Extra] = []
    try:
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=False)
        check_residual(design)
        status = initial_status(frame, design.aliased, notes)
        y, X = design.y, design.X
        if standard_error == "HC3":
            alone = alone_in_a_parameter(design)
            if alone.any():
                lone = frame.terms.counted(int(alone.sum()))
                notes.append(f"left out, the only one to inform a term, as HC3 requires: {lone}")
                status = Status.reduced
                # least squares fits such a unit exactly, so the other coefficients stay as they are
                y, X = y[~alone], X[~alone]
                design = design.determined_by(X)
        df: float | FloatArray = float(design.X.shape[0] - design.X.shape[1])
        with python_warnings() as said:
            fit = OLS(y, X).fit(cov_type="HC3" if standard_error == "HC3" else "nonrobust", use_t=True)
            vcov = np.asarray(fit.cov_params(), dtype=np.float64)
        notes += said
        variances, df_means = combined_variances(design.mean_weights, vcov), df
        if standard_error == "cluster":
            p = X.shape[1]
            robust = _clustered(frame, X, np.asarray(fit.resid, dtype=np.float64), design.mean_weights)
            vcov, variances = robust.vcov[:p, :p], np.diag(robust.vcov)[p:]
            df, df_means = robust.df[:p], robust.df[p:]
            clusters = [Extra("n_clusters", robust.n_clusters, visit)]
            notes += few_clusters(robust, df[sorted(design.effects.values())])
    except NotFittedError as error:
        planned = [*planned_means(frame), *planned_effects(frame)]
        return ModelResult(method, Status.failed, planned, _at(visit, frame), notes, error=str(error), visit=visit)
    extras = [
        *_at(visit, frame),
        *clusters,
        Extra("variance_residual", float(fit.scale), visit),
        Extra("r_squared", 1 - float(fit.ssr) / float(((y - y.mean()) ** 2).sum()), visit),
    ]
    beta = np.asarray(fit.params, dtype=np.float64)
    means = adjusted_means(frame, design, beta, variances, df_means)
    effects = design_effects(frame, design, beta, vcov, df)
    return ModelResult(method, status, [*means, *effects], extras, notes, visit=visit)


def _clustered(frame: AnalysisFrame, X: FloatArray, residual: FloatArray, means: FloatArray) -> ClusterRobust:
    """Return the covariance of the coefficients and, after them, of the means, whose weights are given."""
    code = np.unique(frame.data["cluster"].to_numpy(dtype=str), return_inverse=True)[1]
    if code.max() == 0:
        raise NotFittedError(f"all {frame.terms.units} are of one cluster")
    return cluster_robust(X, residual, code, np.vstack([np.eye(X.shape[1]), means]))


def few_clusters(robust: ClusterRobust, df: FloatArray) -> list[str]:
    """Return the warning that there are few clusters, or that `df`, those of the differences, are few; else nothing."""
    least = float(np.nanmin(df, initial=np.inf))
    if robust.n_clusters >= FEW_CLUSTERS and least >= FEW_DF:
        return []
    said = (
        f"{robust.n_clusters} clusters, {least:.1f} degrees of freedom at the least; limits and P values can be "
        f"trusted with {FEW_CLUSTERS} clusters and {FEW_DF} degrees of freedom or more"
    )
    return [warning_of("few-clusters", said)]


def _at(visit: str, frame: AnalysisFrame) -> list[Extra]:
    """Return the counts of the model, all of them under its one visit."""
    return [replace(extra, visit=visit) for extra in counts(frame)]


def alone_in_a_parameter(design: LinearDesign) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows have leverage one: a coefficient rests on that row alone."""
    Q, _ = np.linalg.qr(design.X)
    return np.asarray((Q**2).sum(axis=1) > 1 - 1e-9)
