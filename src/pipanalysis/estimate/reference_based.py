"""Differences between arms if those who dropped out went on as a stated strategy says: reference-based imputation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.comparison import check_fittable, complete_rows, planned_effects
from pipanalysis.estimate.linear_design import check_residual, checked_design, linear_design
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status
from pipanalysis.impute.comparison import Estimates, Imputed
from pipanalysis.impute.conditional_mean import conditional_mean_imputation
from pipanalysis.impute.incomplete import IncompleteTrial
from pipanalysis.impute.multiple import multiple_imputation
from pipanalysis.impute.rubin import Pooled
from pipanalysis.mmrm.errors import MMRMError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipanalysis.impute.strategies import Strategy
    from pipanalysis.study.plan import Analysis

CONDITIONAL = "conditional mean us reml jackknife t"
MULTIPLE = "multiple imputation us posterior rubin t"


def strategy_context(strategy: str) -> str:
    """Return the context of what is estimated under a strategy."""
    return f"strategy={strategy}"


def reference_based(frame: AnalysisFrame, analysis: Analysis, rng: np.random.Generator) -> ModelResult:
    """Impute every missing outcome under each strategy of an analysis, and compare the arms at each visit.

    Units without the outcome at any visit count among those who dropped out; those without the baseline value or a
    covariate are left out, with a note. Inference by t: with conditional means on the residual degrees of freedom of
    the comparison, with multiple imputation on those of Barnard and Rubin.

    Args:
        frame: the outcome.
        analysis: its strategies, and how many imputations are drawn; none where missing values take their means.
        rng: what draws the imputations.
    """
    method = MULTIPLE if analysis.imputations else CONDITIONAL
    known = _known_units(frame)
    observed = complete_rows(known)
    notes = list(observed.notes)
    planned = [
        replace(effect, context=strategy_context(strategy))
        for strategy in analysis.strategies
        for effect in planned_effects(observed)
    ]
    try:
        check_fittable(observed)
        design, status = checked_design(observed, notes, baseline_by_visit=analysis.baseline_by_visit)
        check_residual(design)
        everyone = _at_compared_visits(known, observed)
        trial = _incomplete_trial(everyone, baseline_by_visit=analysis.baseline_by_visit)
        found: Mapping[Strategy, Imputed]
        if analysis.imputations:
            found = multiple_imputation(trial, analysis.strategies, imputations=analysis.imputations, rng=rng)
        else:
            found = conditional_mean_imputation(trial, analysis.strategies)
    except (NotFittedError, MMRMError) as error:
        return ModelResult(method, Status.failed, planned, _counts(observed), notes, error=str(error))
    effects = [
        effect
        for strategy in analysis.strategies
        for effect in _effects(everyone, observed, found[strategy], strategy_context(strategy))
    ]
    return ModelResult(method, status, effects, _counts(everyone), notes)


def _known_units(frame: AnalysisFrame) -> AnalysisFrame:
    """Return the rows of units that can be adjusted for, with the outcome or without, and a note of the others."""
    data, notes = frame.data, list(frame.notes)
    needed = [("baseline", "the baseline value")] if frame.baseline else []
    for column, name in [*needed, *((c.column, c.said) for c in frame.covariates)]:
        absent = data[column].isna()
        if absent.any():
            units = frame.terms.counted(data.loc[absent, "unit"].nunique())
            notes.append(f"left out for want of {name}: {units}")
            data = data[~absent]
    return replace(frame, data=data.reset_index(drop=True), notes=tuple(notes))


def _at_compared_visits(known: AnalysisFrame, observed: AnalysisFrame) -> AnalysisFrame:
    """Return the rows of all units at the visits at which every arm is compared."""
    visits = [visit for visit in known.visits if not any((arm, visit) in observed.not_compared for arm in known.arms)]
    data = known.data[known.data["visit"].isin(visits)].reset_index(drop=True)
    return replace(known, data=data, visits=tuple(visits))


def _incomplete_trial(frame: AnalysisFrame, *, baseline_by_visit: bool) -> IncompleteTrial:
    n, t = frame.n_units, len(frame.visits)
    model = linear_design(frame, baseline_by_visit=baseline_by_visit)
    X = model.X.reshape(n, t, -1)
    X_reference = X.copy()
    X_reference[:, :, list(model.effects.values())] = 0.0
    first = frame.at(frame.visits[0])
    compared = linear_design(first, baseline_by_visit=False)
    arm = np.array([frame.arms.index(name) for name in first.data["arm"]], dtype=np.intp)
    effects = tuple(compared.effects[name, frame.visits[0]] for name in frame.arms[1:])
    y = frame.data["value"].to_numpy(dtype=np.float64).reshape(n, t)
    visits = tuple(map(frame.terms.visit, frame.visits))
    return IncompleteTrial(y, arm, X, X_reference, compared.X, effects, visits)


def _effects(frame: AnalysisFrame, observed: AnalysisFrame, found: Imputed, context: str) -> Sequence[Effect]:
    effects = []
    for visit in observed.visits:
        if visit not in frame.visits:
            effects += [replace(e, context=context) for e in planned_effects(observed) if e.visit == visit]
            continue
        j = frame.visits.index(visit)
        for k, arm in enumerate(frame.arms):
            effects.append(_effect(found.means, (k, j), visit, arm, "", context))
        for k, arm in enumerate(frame.arms[1:]):
            effects.append(_effect(found.effects, (k, j), visit, arm, frame.reference, context))
    return effects


def _effect(found: Estimates, at: tuple[int, int], visit: str, arm: str, reference: str, context: str) -> Effect:
    """Return one of the estimates, pooled ones with their Monte Carlo error."""
    further = {}
    if isinstance(found, Pooled):
        further = {"estimate_mcse": found.mcse[at], "missing_information": found.missing_information[at]}
    value, se, df = found.value[at], found.std_error[at], found.df[at]
    return Effect(visit, arm, reference, value, se, df, context=context, further=further)


def _counts(frame: AnalysisFrame) -> list[Extra]:
    """Return the units, their observed outcomes, and by arm and visit how many are there and how many are imputed."""
    counted = [Extra("n_units", frame.n_units), Extra("n_observations", int(frame.data["value"].notna().sum()))]
    for arm in frame.arms:
        own = frame.data[frame.data["arm"] == arm]
        for visit in frame.visits:
            missing = own.loc[own["visit"] == visit, "value"].isna()
            counted.append(Extra("n", int((~missing).sum()), visit, arm))
            counted.append(Extra("n_imputed", int(missing.sum()), visit, arm))
    return counted
