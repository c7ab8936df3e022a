"""The plan's mixed models for repeated measures: MMRM, and constrained longitudinal analysis (baseline an outcome)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, planned_effects, planned_means
from pipanalysis.estimate.engine_messages import BASELINE, coefficient_label, level_labels
from pipanalysis.estimate.linear_design import aliased_notes
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.mmrm import MMRMFit
    from pipanalysis.study.plan import Analysis

NEARLY_SINGULAR = 1e-4
"""smallest eigenvalue of the visits' correlation below which a fit is at the boundary"""


def method_name(analysis: Analysis, structure: str) -> str:
    """Return the machine name of the method with what was fitted in the end."""
    return f"{analysis.method} {structure} {analysis.df} reml"


@dataclass(frozen=True)
class Fitted:
    """A fit with the rows that it rests on, for what else is asked of it."""

    frame: AnalysisFrame
    fit: MMRMFit


def mmrm(frame: AnalysisFrame, analysis: Analysis) -> tuple[ModelResult, Fitted | None]:
    """Fit the mixed model for repeated measures of an analysis; return its means and differences, and the fit.

    Mean: arm by visit, baseline (by visit, as planned), stratification variables and covariates; covariance of the
    visits as planned, with the planned simpler structures in turn where one does not converge (status reduced).
    For `clda` the baseline is a further visit at which the arms share one mean.
    """
    frame = complete_rows(frame)
    notes = list(frame.notes)
    method = method_name(analysis, analysis.covariance)
    try:
        check_fittable(frame)
        with python_warnings() as said:
            fit = fitted(frame, analysis, analysis.covariance, analysis.fallback)
            effects = [*_means(fit, frame, analysis), *differences(fit, frame, analysis)]
    except NotFittedError as error:
        planned = [*planned_means(frame), *planned_effects(frame)]
        return ModelResult(method, Status.failed, planned, counts(frame), notes, error=str(error)), None
    status, more = how_it_ended(fit, frame, said)
    result = ModelResult(
        method_name(analysis, fit.structure),
        status,
        effects,
        [*counts(frame), *fit_statistics(fit)],
        [*notes, *more],
    )
    return result, Fitted(frame, fit)


def how_it_ended(
    fit: MMRMFit, frame: AnalysisFrame, said: list[str], roles: Mapping[str, str] | None = None
) -> tuple[Status, list[str]]:
    """Return the status of a converged fit, and what the reader must know.

    Args:
        fit: the fit.
        frame: what was fitted.
        said: the libraries' warnings.
        roles: name → label of the roles of a dyad, where the model is of several.
    """
    notes = aliased_notes([coefficient_label(parts, frame, roles) for parts in fit.aliased_parts])
    notes += [*(attempt.note for attempt in fit.attempts if not attempt.converged), *said]
    status = Status.reduced if frame.not_compared or fit.aliased or len(fit.attempts) > 1 else Status.ok
    smallest = float(np.linalg.eigvalsh(_correlation(fit)).min())
    if smallest < NEARLY_SINGULAR:
        notes.append(
            f"the visits' covariance is nearly singular (smallest eigenvalue of the correlation {smallest:.1g})"
        )
        status = Status.boundary
    return status, notes


def fitted(
    frame: AnalysisFrame,
    analysis: Analysis,
    covariance: str,
    fallback: list[Any] | tuple[()] = (),
    *,
    formula: str = "",
) -> MMRMFit:
    """Fit the model to complete rows; `formula` is that of the means, by default the analysis's own.

    Raises:
        NotFittedError: the engine refused the data, or no structure converged.
    """
    from pipanalysis.mmrm import MMRM
    from pipanalysis.mmrm.errors import MMRMError
    from pipanalysis.mmrm.problems import ModelInputError

    data = model_data(frame, constrained=analysis.method == "clda")
    formula = formula or model_formula(frame, analysis)
    options: dict[str, Any] = {"subject": "unit", "visit": "visit", "covariance": covariance, "fallback": fallback}
    options |= {"labels": level_labels(frame)}
    try:
        if analysis.method == "clda":
            fit = MMRM.clda(formula, data, arm="arm", baseline_visit=BASELINE, **options).fit()
        else:
            fit = MMRM(formula, data, **options).fit()
    except (ModelInputError, MMRMError, np.linalg.LinAlgError) as error:
        raise NotFittedError(in_one_line(error)) from None
    if not fit.converged:
        raise none_converged({each.covariance: each.message for each in fit.attempts})
    return fit


def in_one_line(error: Exception) -> str:
    """Return what the engine says is wrong, a problem after the other."""
    return "; ".join(str(error).splitlines())


def none_converged(tried: Mapping[str, str]) -> NotFittedError:
    """Return the error of a model of which no covariance structure (name → what became of it) converged."""
    said = "; ".join(f"{STRUCTURE_NAMES[structure]}: {why}" for structure, why in tried.items())
    return NotFittedError(f"no covariance structure converged ({said})")


def model_formula(frame: AnalysisFrame, analysis: Analysis) -> str:
    """Return the formula of the means, written with the frame's internal column names alone."""
    many = len(frame.model_visits) > 1 or analysis.method == "clda"
    terms = ["arm * visit" if many else "arm"]
    if frame.baseline_varies:
        terms.append("baseline * visit" if many and analysis.baseline_by_visit else "baseline")
    return "value ~ " + " + ".join([*terms, *(c.column for c in frame.varying)])


def model_data(frame: AnalysisFrame, *, constrained: bool) -> pd.DataFrame:
    """Return the rows to fit, without unused levels; for a constrained analysis with a row per baseline value."""
    data = frame.data
    if constrained:
        first = frame.data.drop_duplicates("unit")
        first = first[first["baseline"].notna()].assign(value=lambda rows: rows["baseline"])
        visits = pd.Index([BASELINE, *frame.model_visits])
        rows = [first.assign(visit=BASELINE), data.assign(visit=data["visit"].astype(str))]
        data = pd.concat(rows, ignore_index=True)
        data["visit"] = pd.Categorical(data["visit"], categories=visits)
        data = data.drop(columns="baseline")
    for column in data.columns:
        if isinstance(data[column].dtype, pd.CategoricalDtype):
            data[column] = data[column].cat.remove_unused_categories()
    return data


def marginal_means(fit: MMRMFit, frame: AnalysisFrame, analysis: Analysis) -> tuple[Any, bool]:
    """Return the arms' means (by visit, where there are several visits)."""
    if len(frame.model_visits) == 1 and analysis.method != "clda":
        return fit.emmeans("arm", df=analysis.df), False
    return fit.emmeans("arm", by="visit", at={"visit": list(frame.model_visits)}, df=analysis.df), True


def _means(fit: MMRMFit, frame: AnalysisFrame, analysis: Analysis) -> list[Effect]:
    means, by_visit = marginal_means(fit, frame, analysis)
    found = {
        (row["arm"], row["visit"] if by_visit else frame.model_visits[0]): row
        for row in means.table().to_dict("records")
    }
    return [_effect(found.get((arm, visit)), visit, arm, "", frame) for arm in frame.arms for visit in frame.visits]


def differences(fit: MMRMFit, frame: AnalysisFrame, analysis: Analysis) -> list[Effect]:
    """Return the difference of every arm from the reference at every visit, with the reason where there is none."""
    means, by_visit = marginal_means(fit, frame, analysis)
    found = {
        (row["contrast"], row["visit"] if by_visit else frame.model_visits[0]): row
        for row in means.contrasts("reference", reference=frame.reference).to_dict("records")
    }
    return [
        _effect(found.get((f"{arm} - {frame.reference}", visit)), visit, arm, frame.reference, frame)
        for arm in frame.arms[1:]
        for visit in frame.visits
    ]


def _effect(row: dict[str, Any] | None, visit: str, arm: str, reference: str, frame: AnalysisFrame) -> Effect:
    if why := frame.not_compared.get((arm, visit)):
        return Effect(visit, arm, reference, error=why)
    if row is None or not row["estimable"]:
        return Effect(visit, arm, reference, error="cannot be told apart from a covariate")
    return Effect(visit, arm, reference, float(row["estimate"]), float(row["se"]), float(row["df"]))


def _covariance(fit: MMRMFit) -> pd.DataFrame:
    assert isinstance(fit.covariance, pd.DataFrame)  # one matrix: the plan has no covariance by group
    return fit.covariance


def _correlation(fit: MMRMFit) -> FloatArray:
    covariance = _covariance(fit).to_numpy()
    spread = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(spread, spread))


def fit_statistics(fit: MMRMFit) -> list[Extra]:
    """Return the criteria of a fit, and the variances and correlations of its visits."""
    covariance, correlations = _covariance(fit), _correlation(fit)
    variances = np.diag(covariance.to_numpy())
    visits = [str(name) for name in covariance.index]
    found = [Extra("deviance", fit.deviance), Extra("aic", fit.aic)]
    for i, visit in enumerate(visits):
        context = "" if visit != BASELINE else "baseline as outcome"
        found.append(Extra("variance_visit", float(variances[i]), "" if context else visit, context=context))
        found += [
            Extra("correlation", float(correlations[i, j]), context=f"visits={visit.strip('()')},{visits[j]}")
            for j in range(i + 1, len(visits))
        ]
    return found
