"""Effects within subgroups, and whether they differ: one mixed model with arm by visit by level, never separate fits.

The interaction at a visit is the joint test that, for every arm, the difference from the reference arm is the same in
all levels: (arms - 1)(levels - 1) contrasts, by the analysis's degrees of freedom. Two arms and two levels give t².
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.analysis_data import AnalysisFrame, Covariate
from pipanalysis.estimate.comparison import MIN_OBSERVED, check_fittable, complete_rows, counts, too_few_observed
from pipanalysis.estimate.mmrm import fit_statistics, fitted, how_it_ended, method_name
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status, python_warnings

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.mmrm import MMRMFit
    from pipanalysis.mmrm.emmeans import MarginalMeans
    from pipanalysis.study.plan import Analysis

INTERACTION = ("p_value_interaction", "f_interaction", "num_df_interaction", "den_df_interaction")


def context_of(label: str) -> str:
    """Return the context that the results of a level have."""
    return f"subgroup={label}"


def subgroup_effects(frame: AnalysisFrame, analysis: Analysis, labels: Mapping[str, str]) -> ModelResult:
    """Fit the model of an analysis with its subgroup and return means and differences by level, and the interactions.

    Levels that nobody has are left out. A difference within a level needs MIN_OBSERVED units in both arms at the
    visit; without them it has an error, and the interaction is tested over the other levels.

    Args:
        frame: the outcome, with the subgroup among the covariates.
        analysis: the plan's analysis, which names the subgroup.
        labels: code → label of the subgroup's levels.
    """
    frame = complete_rows(frame)
    factor = next(covariate for covariate in frame.covariates if covariate.name == analysis.subgroup)
    present = [code for code in labels if (frame.data[factor.column] == code).any()]
    few = _too_few(frame, factor, {code: labels[code] for code in present})
    numbers = [*counts(frame), *_numbers(frame, factor, {code: labels[code] for code in present})]
    try:
        check_fittable(frame)
        if factor not in frame.varying:
            raise NotFittedError(f"no subgroups: all {frame.terms.units} have the same {factor.said}")
        with python_warnings() as said:
            formula = subgroup_formula(frame, analysis, factor)
            fit = fitted(frame, analysis, analysis.covariance, analysis.fallback, formula=formula)
            means = _marginal_means(fit, frame, analysis, factor)
            effects = [
                effect
                for code in present
                for effect in _effects(means, frame, code, context_of(labels[code]), few.get(code, {}))
            ]
            tests = [_interaction(fit, means, frame, analysis, visit, present, few) for visit in frame.visits]
    except NotFittedError as error:
        planned = [
            Effect(visit, arm, reference, error=frame.not_compared.get((arm, visit), ""), context=context_of(label))
            for label in labels.values()
            for visit in frame.visits
            for arm, reference in _comparisons(frame)
        ]
        untested = [Extra(name, nan, visit) for visit in frame.visits for name in INTERACTION]
        method = method_name(analysis, analysis.covariance)
        return ModelResult(method, Status.failed, planned, [*numbers, *untested], frame.notes, error=str(error))
    status, notes = how_it_ended(fit, frame, said)
    if any(few.values()) and status == Status.ok:
        status = Status.reduced
    extras = [*numbers, *fit_statistics(fit), *(extra for test, _ in tests for extra in test)]
    notes = [*frame.notes, *notes, *(note for _, note in tests if note)]
    return ModelResult(method_name(analysis, fit.structure), status, effects, extras, notes)


def subgroup_formula(frame: AnalysisFrame, analysis: Analysis, factor: Covariate) -> str:
    """Return the formula of the means: arm by visit by level, then the analysis's other terms."""
    many = len(frame.model_visits) > 1
    terms = [f"arm * visit * {factor.column}" if many else f"arm * {factor.column}"]
    if frame.baseline_varies:
        terms.append("baseline * visit" if many and analysis.baseline_by_visit else "baseline")
    return "value ~ " + " + ".join([*terms, *(c.column for c in frame.varying if c != factor)])


def _comparisons(frame: AnalysisFrame) -> list[tuple[str, str]]:
    """Return (arm, "") for every mean and (arm, reference) for every difference."""
    return [(arm, "") for arm in frame.arms] + [(arm, frame.reference) for arm in frame.arms[1:]]


def _observed(frame: AnalysisFrame, factor: Covariate) -> Counter[tuple[str, str, str]]:
    data = frame.data
    return Counter(zip(data["arm"], data["visit"], data[factor.column], strict=True))


def _numbers(frame: AnalysisFrame, factor: Covariate, labels: Mapping[str, str]) -> list[Extra]:
    """Return the units in the model by arm, visit and level."""
    observed = _observed(frame, factor)
    return [
        Extra("n", observed[arm, visit, code], visit, arm, context_of(label))
        for code, label in labels.items()
        for arm in frame.arms
        for visit in frame.visits
    ]


def _too_few(
    frame: AnalysisFrame, factor: Covariate, labels: Mapping[str, str]
) -> dict[str, dict[tuple[str, str], str]]:
    """Return by level: (arm, visit) → why the arm is not compared with the reference there."""
    observed = _observed(frame, factor)
    found: dict[str, dict[tuple[str, str], str]] = {}
    for code, label in labels.items():
        found[code] = {}
        for visit in frame.visits:
            for arm in frame.arms[1:]:
                numbers = {one: observed[one, visit, code] for one in (frame.reference, arm)}
                if min(numbers.values()) < MIN_OBSERVED:
                    why = too_few_observed(frame.terms, visit, numbers, f" in {label}")
                    found[code][arm, visit] = frame.not_compared.get((arm, visit), why)
    return found


def _marginal_means(fit: MMRMFit, frame: AnalysisFrame, analysis: Analysis, factor: Covariate) -> MarginalMeans:
    by = ["visit", factor.column] if len(frame.model_visits) > 1 else [factor.column]
    return fit.emmeans(["arm"], by=by, df=analysis.df)


def _weights(means: MarginalMeans, arm: str, reference: str, visit: str, code: str) -> FloatArray | None:
    """Return the weights over the means of a mean or a difference, None where the model has no such mean."""
    position = {(cell[0], cell[1] if len(cell) > 2 else visit, cell[-1]): i for i, cell in enumerate(means.cells)}
    weights = np.zeros(len(means.cells))
    for name, weight in ((arm, 1.0), *([(reference, -1.0)] if reference else [])):
        if (cell := position.get((name, visit, code))) is None:
            return None
        weights[cell] = weight
    return weights


def _effects(
    means: MarginalMeans, frame: AnalysisFrame, code: str, context: str, few: Mapping[tuple[str, str], str]
) -> list[Effect]:
    """Return the means and differences of one level; those without an estimate say why."""
    found = []
    for visit in frame.visits:
        for arm, reference in _comparisons(frame):
            why = (few.get((arm, visit)) if reference else "") or frame.not_compared.get((arm, visit), "")
            weights = None if why else _weights(means, arm, reference, visit, code)
            numbers = (nan, nan, nan)
            if weights is not None:
                estimate, se, df = means.functions.combine(weights[None, :]).estimates()
                numbers = (float(estimate[0]), float(se[0]), float(df[0]))
            if isnan(numbers[0]) and not why:
                why = "not determined by the data"
            found.append(Effect(visit, arm, reference, *numbers, why, context))
    return found


def _interaction(
    fit: MMRMFit,
    means: MarginalMeans,
    frame: AnalysisFrame,
    analysis: Analysis,
    visit: str,
    codes: list[str],
    few: Mapping[str, Mapping[tuple[str, str], str]],
) -> tuple[list[Extra], str]:
    """Return the test of the interaction at a visit, and what to say where it is not over all levels and arms."""
    contrasts = []
    for arm in frame.arms[1:]:
        known = [] if visit not in frame.model_visits else [c for c in codes if (arm, visit) not in few[c]]
        weights = [_weights(means, arm, frame.reference, visit, code) for code in known]
        estimable = [w for w in weights if w is not None and means.functions.combine(w[None, :]).estimable[0]]
        contrasts += [second - first for first, second in pairwise(estimable)]
    planned = (len(frame.arms) - 1) * (len(codes) - 1)
    at = frame.terms.at(visit)
    if not contrasts:
        return interaction_test(fit, means, analysis, visit, []), f"no interaction can be tested {at}"
    note = "" if len(contrasts) == planned else f"interaction {at} tested over the levels with both arms alone"
    return interaction_test(fit, means, analysis, visit, contrasts), note


def interaction_test(
    fit: MMRMFit, means: MarginalMeans, analysis: Analysis, visit: str, contrasts: list[FloatArray]
) -> list[Extra]:
    """Return the joint test that contrasts of the means are zero; without numbers where there is no contrast."""
    if not contrasts:
        return [Extra(name, nan, visit) for name in INTERACTION]
    from scipy.stats import f as f_distribution

    L = means.functions.combine(np.array(contrasts)).contrasts[:, means.functions.kept]
    num_df, den_df, f, _ = fit.inference(analysis.df).test(L)
    values = (float(f_distribution.sf(f, num_df, den_df)), f, float(num_df), den_df)
    return [Extra(name, value, visit) for name, value in zip(INTERACTION, values, strict=True)]
