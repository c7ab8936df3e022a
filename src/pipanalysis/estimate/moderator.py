"""Whether the difference between arms changes with a number known before randomisation: one model, one interaction.

The mixed model for repeated measures has arm by visit by moderator: at each visit each arm has a slope on the
moderator. The differences between arms at values of the moderator, and how they change with it, are contrasts of that
one fit, with the analysis's degrees of freedom.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.mmrm import fit_statistics, fitted, how_it_ended, method_name
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.estimate.subgroup import INTERACTION, interaction_test

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame, Covariate
    from pipanalysis.mmrm import MMRMFit
    from pipanalysis.mmrm.emmeans import MarginalMeans
    from pipanalysis.study.plan import Analysis

SLOPE = "moderator=change per unit"
SLOPE_PER_SD = "moderator=change per SD"
SPREAD = {"moderator=mean - 1 SD": -1.0, "moderator=mean": 0.0, "moderator=mean + 1 SD": 1.0}
"""context of a difference → where it stands, in standard deviations from the mean"""


def contexts(analysis: Analysis) -> list[str]:
    """Return the contexts of the differences at values of the moderator, in their order."""
    return [f"moderator={value:g}" for value in analysis.moderator_at] or list(SPREAD)


def moderated_effects(frame: AnalysisFrame, analysis: Analysis) -> ModelResult:
    """Fit the model of an analysis with its moderator and return the differences at its values, and their slope.

    Mean and SD are those of the units in the model, each counted once. An outcome whose own baseline is the moderator
    is adjusted for it by the interaction alone.

    Args:
        frame: the outcome, with the moderator among the covariates.
        analysis: the plan's analysis, which names the moderator.
    """
    frame = complete_rows(frame)
    chosen = next(covariate for covariate in frame.covariates if covariate.name == analysis.moderator)
    by_unit = frame.data.drop_duplicates("unit")[chosen.column].to_numpy(dtype=np.float64)
    mean, sd = (float(by_unit.mean()), float(by_unit.std(ddof=1))) if by_unit.size > 1 else (nan, nan)
    numbers = [*counts(frame), *(Extra(name, v, context="moderator") for name, v in (("mean", mean), ("sd", sd)))]
    try:
        check_fittable(frame)
        if chosen not in frame.varying:
            raise NotFittedError(f"no interaction: all {frame.terms.units} have the same {chosen.said}")
        with python_warnings() as said:
            formula = moderator_formula(frame, analysis, chosen)
            fit = fitted(frame, analysis, analysis.covariance, analysis.fallback, formula=formula)
            values = list(analysis.moderator_at) or [mean + z * sd for z in SPREAD.values()]
            effects, tests = _contrasts(fit, frame, analysis, chosen, values, sd)
    except NotFittedError as error:
        planned = [
            Effect(visit, arm, frame.reference, error=frame.not_compared.get((arm, visit), ""), context=context)
            for context in (*contexts(analysis), SLOPE, SLOPE_PER_SD)
            for visit in frame.visits
            for arm in frame.arms[1:]
        ]
        untested = [Extra(name, nan, visit) for visit in frame.visits for name in INTERACTION]
        method = method_name(analysis, analysis.covariance)
        return ModelResult(method, Status.failed, planned, [*numbers, *untested], frame.notes, error=str(error))
    status, notes = how_it_ended(fit, frame, said)
    method = method_name(analysis, fit.structure)
    return ModelResult(method, status, effects, [*numbers, *fit_statistics(fit), *tests], [*frame.notes, *notes])


def moderator_formula(frame: AnalysisFrame, analysis: Analysis, chosen: Covariate) -> str:
    """Return the formula of the means: arm by visit by moderator, then the analysis's other terms."""
    many = len(frame.model_visits) > 1
    terms = [f"arm * visit * {chosen.column}" if many else f"arm * {chosen.column}"]
    own = frame.data["baseline"].equals(frame.data[chosen.column].rename("baseline"))
    if frame.baseline_varies and not own:
        terms.append("baseline * visit" if many and analysis.baseline_by_visit else "baseline")
    return "value ~ " + " + ".join([*terms, *(c.column for c in frame.varying if c != chosen)])


def _contrasts(
    fit: MMRMFit, frame: AnalysisFrame, analysis: Analysis, chosen: Covariate, values: list[float], sd: float
) -> tuple[list[Effect], list[Extra]]:
    """Return the differences at the values, their slopes, and the tests that the slopes are zero, by visit."""
    # a slope is the difference of two differences: at the ends of a stretch as long as the SD
    ends = [0.0, sd]
    grid = [*values, *ends]
    by = ["visit", chosen.column] if len(frame.model_visits) > 1 else [chosen.column]
    means = fit.emmeans(["arm"], by=by, at={chosen.column: grid}, df=analysis.df)
    arms = len({cell[0] for cell in means.cells})
    effects, tests = [], []
    for visit in frame.visits:
        slopes = []
        for arm in frame.arms[1:]:
            at = {j: _difference(means, frame, arm, visit, j, len(grid), arms) for j in range(len(grid))}
            why = frame.not_compared.get((arm, visit), "")
            weights = [at[j] for j in range(len(values))]
            first, last = at[len(values)], at[len(values) + 1]
            per_sd = None if first is None or last is None else last - first
            rows = [*weights, None if per_sd is None else per_sd / sd, per_sd]
            for context, row in zip((*contexts(analysis), SLOPE, SLOPE_PER_SD), rows, strict=True):
                effects.append(_effect(means, row, visit, arm, frame.reference, context, why))
            if per_sd is not None and not why and means.functions.combine(per_sd[None, :]).estimable[0]:
                slopes.append(per_sd)
        tests += interaction_test(fit, means, analysis, visit, slopes)
    return effects, tests


def _difference(
    means: MarginalMeans, frame: AnalysisFrame, arm: str, visit: str, value: int, n_values: int, arms: int
) -> np.ndarray | None:
    """Return the weights over the means of a difference at a visit and the value in a position of the grid.

    Cells stand by value, then visit, then arm, the last varying fastest; values are told by position, as two may print
    alike.
    """
    if visit not in frame.model_visits or (arm, visit) in frame.not_compared:
        return None
    n_visits = len(means.cells) // (n_values * arms)
    v = frame.model_visits.index(visit) if n_visits > 1 else 0
    names = [cell[0] for cell in means.cells[:arms]]
    weights = np.zeros(len(means.cells))
    start = (value * n_visits + v) * arms
    weights[start + names.index(arm)] = 1.0
    weights[start + names.index(frame.reference)] = -1.0
    return weights


def _effect(
    means: MarginalMeans, weights: np.ndarray | None, visit: str, arm: str, reference: str, context: str, why: str
) -> Effect:
    if weights is None or why:
        return Effect(visit, arm, reference, error=why or "not determined by the data", context=context)
    estimate, se, df = means.functions.combine(weights[None, :]).estimates()
    error = "" if np.isfinite(estimate[0]) else "not determined by the data"
    return Effect(visit, arm, reference, float(estimate[0]), float(se[0]), float(df[0]), error, context)
