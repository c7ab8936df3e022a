"""Therapist effects in the one arm that has therapists: the heteroscedastic partially nested mixed model.

At each visit: outcome on arm, baseline, strata and covariates; a random effect of the therapist in the arm that is
offered sessions; a residual variance for each arm (Candlish et al. 2018, BMC Medical Research Methodology 18:105).
Restricted maximum likelihood, inference by Kenward and Roger.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, planned_effects
from pipanalysis.estimate.linear_design import check_residual, design_effects, initial_status, linear_design
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status
from pipanalysis.partially_nested import NotEstimableError, PartiallyNestedFit, fit_partially_nested

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.linear_design import LinearDesign
    from pipanalysis.estimate.model_result import Effect
    from pipanalysis.estimate.sessions import Therapists

METHOD = "therapist partially-nested kenward-roger reml"
CONTEXT = "therapist"
"""context of the intraclass correlation and its limits"""


def therapist_effects(
    frame: AnalysisFrame, assigned: Therapists, arm: str, conf_level: float, notes: tuple[str, ...] = ()
) -> list[ModelResult]:
    """Fit the partially nested model at each visit: a result for each.

    Where the variance between therapists is estimated as zero the status is boundary; the degrees of freedom still
    count it as estimated, so that the interval is no shorter than six or so therapists allow.

    Args:
        frame: the outcome at the analysis's visits.
        assigned: each unit's therapist; units of `arm` without one are a cluster of their own.
        arm: the arm that has therapists.
        conf_level: of the limits of the intraclass correlation.
        notes: what to say beside the frame's own notes.
    """
    complete = complete_rows(frame)
    complete = replace(complete, notes=(*complete.notes, *notes, *_said(assigned, frame.terms.units)))
    return [_at_visit(complete, visit, assigned, arm, conf_level) for visit in frame.visits]


def _said(assigned: Therapists, units: str) -> list[str]:
    said = []
    if assigned.several:
        said.append(f"{units} seen by several therapists, counted under the one who saw them most: {assigned.several}")
    if assigned.tied:
        rule = "counted under the one who offered more sessions, then the first by name"
        said.append(f"{units} seen equally often by two therapists, {rule}: {assigned.tied}")
    return said


def _at_visit(frame: AnalysisFrame, visit: str, assigned: Therapists, arm: str, conf_level: float) -> ModelResult:
    frame = frame.at(visit)
    notes = list(frame.notes)
    numbers = [replace(extra, visit=visit) for extra in counts(frame)]
    try:
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=False)
        check_residual(design)
        group = frame.data["arm"].cat.codes.to_numpy(dtype=np.intp)
        group = np.unique(group, return_inverse=True)[1]
        cluster, n_therapists, alone = _clusters(frame, assigned, arm)
        if alone:
            who = f"{frame.terms.units} of {frame.terms.arm(arm)}"
            notes.append(f"{who} that attended no session, each a cluster of its own: {alone}")
        fit = fit_partially_nested(design.y, design.X, group, cluster)
    except (NotFittedError, NotEstimableError) as error:
        untold = [Extra(name, nan, visit, context=CONTEXT) for name in ("icc", "conf_low", "conf_high")]
        failed = planned_effects(frame)
        return ModelResult(METHOD, Status.failed, failed, [*numbers, *untold], notes, error=str(error), visit=visit)
    status = initial_status(frame, design.aliased, notes)
    if fit.variance_cluster == 0:
        status = Status.boundary
        notes.append(
            "the variance between therapists is estimated as zero; the degrees of freedom count it all the same"
        )
    low, high = fit.icc_interval(conf_level)
    present = [name for name in frame.arms if frame.observed[name, visit]]
    extras = [
        *numbers,
        Extra("n_therapists", n_therapists, visit, arm),
        Extra("n_without_therapist", alone, visit, arm),
        Extra("variance_therapist", fit.variance_cluster, visit, arm),
        *(
            Extra("variance_residual", float(value), visit, name)
            for name, value in zip(present, fit.variance_residual, strict=True)
        ),
        Extra("icc", fit.icc, visit, context=CONTEXT),
        Extra("conf_low", low, visit, context=CONTEXT),
        Extra("conf_high", high, visit, context=CONTEXT),
    ]
    return ModelResult(METHOD, status, _effects(frame, design, fit), extras, notes, visit=visit)


def _clusters(frame: AnalysisFrame, assigned: Therapists, arm: str) -> tuple[np.ndarray, int, int]:
    """Return the cluster of each row (-1 outside the arm), the number of therapists, and of units without one."""
    in_arm = (frame.data["arm"] == arm).to_numpy(dtype=bool)
    own = [f"therapist {assigned.of[u]}" if u in assigned.of else f"unit {u}" for u in frame.data["unit"].astype(str)]
    names = sorted({name for name, inside in zip(own, in_arm, strict=True) if inside})
    code = {name: i for i, name in enumerate(names)}
    cluster = np.array([code[name] if inside else -1 for name, inside in zip(own, in_arm, strict=True)], dtype=np.intp)
    seeing = sum(name.startswith("therapist ") for name in names)
    return cluster, seeing, len(names) - seeing


def _effects(frame: AnalysisFrame, design: LinearDesign, fit: PartiallyNestedFit) -> list[Effect]:
    """Return the differences between arms, each with its own degrees of freedom."""
    effects = design_effects(frame, design, fit.beta, fit.vcov, nan)
    identity = np.eye(fit.beta.size)
    columns = {key: identity[column] for key, column in design.effects.items()}
    return [
        replace(effect, df=fit.df(columns[effect.arm, effect.visit])) if not effect.error else effect
        for effect in effects
    ]
