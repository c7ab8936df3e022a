"""Complier average causal effect at each visit: two-stage least squares with the allocation as instrument.

The treatment received is the sessions attended by the visit: at least so many of them (the effect among those who
would attend them if offered), or their number (the effect of so many sessions, taken as proportional to it). Units of
the reference arm have none: nobody can get the treatment outside its arm. Angrist, Imbens and Rubin (1996), JASA
91:444-455; with one arm without access and no covariates it is the difference in means over the share that received
it (Bloom 1984, Evaluation Review 8:225-246).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import aliased_notes, check_residual, linear_design
from pipanalysis.estimate.model_result import Effect, Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.study.rules import warning_of

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.plan import Exposure

METHOD = "cace iv2sls HC3"
EXPOSURE = "exposure="
STRONG_F = 10.0
"""first-stage F below which the instrument is called weak (Staiger and Stock 1997, Econometrica 65:557-586)"""


@dataclass(frozen=True)
class TwoStage:
    """A fit by two-stage least squares with one instrument for one exposure.

    Attributes:
        estimate: effect of one unit of exposure.
        std_error: robust to unequal variances.
        df: units less coefficients.
        first_stage: effect of the instrument on the exposure.
        f_first_stage: its robust F statistic, one numerator degree of freedom.
    """

    estimate: float
    std_error: float
    df: float
    first_stage: float
    f_first_stage: float


def exposures(exposure: Exposure) -> dict[str, str]:
    """Return the name of each form of exposure → context of its results."""
    return {
        "received": f"{EXPOSURE}at least {exposure.min_sessions} sessions",
        "dose": f"{EXPOSURE}per {exposure.per_sessions} sessions",
    }


def cace(
    frame: AnalysisFrame, exposure: Exposure, arm: str, attended: Mapping[str, tuple[Mapping[str, float], list[str]]]
) -> list[ModelResult]:
    """Estimate the effects of both forms of exposure at each visit: a result for each visit.

    Args:
        frame: the outcome at the analysis's visits.
        exposure: what counts as treatment received.
        arm: the arm that is offered sessions; it is compared with the reference arm, further arms are left out.
        attended: visit → (unit → sessions attended by the visit, what to say of them).
    """
    complete = complete_rows(frame)
    return [_at_visit(frame, complete, visit, exposure, arm, *attended[visit]) for visit in frame.visits]


def _at_visit(
    planned: AnalysisFrame,
    frame: AnalysisFrame,
    visit: str,
    exposure: Exposure,
    arm: str,
    attended: Mapping[str, float],
    said: list[str],
) -> ModelResult:
    both = (frame.reference, arm)
    planned, frame = planned.at(visit), frame.at(visit)
    data = frame.data[frame.data["arm"].isin(both)].reset_index(drop=True)
    frame = replace(frame, data=data, arms=both)
    contexts = exposures(exposure)
    absent = {a: int((planned.data["arm"] == a).sum()) - frame.observed[a, visit] for a in both}
    notes = [*frame.notes, *said]
    if any(absent.values()):
        notes.append(f"complete cases: left out {frame.terms.by_arm(absent)}")
    numbers = [replace(extra, visit=visit) for extra in counts(frame)]
    numbers += [Extra("n_missing", absent[a], visit, a) for a in both]
    effects, extras = [], []
    status, problem = Status.ok, ""
    try:
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=False)
        check_residual(design)
        if (arm, visit) not in design.effects:
            raise NotFittedError(frame.not_compared.get((arm, visit), "cannot be told apart from a covariate"))
        status = Status.reduced if design.aliased else Status.ok
        notes += aliased_notes(design.aliased)
        offered = (data["arm"] == arm).to_numpy(dtype=bool)
        number = np.where(offered, [attended.get(unit, 0.0) for unit in data["unit"].astype(str)], 0.0)
        column = design.effects[arm, visit]
        forms = {"received": number >= exposure.min_sessions, "dose": number / exposure.per_sessions}
        extras.append(Extra("n_level", int(forms["received"][offered].sum()), visit, arm, contexts["received"]))
        extras.append(Extra("mean", float(number[offered].mean()), visit, arm, "sessions=attended"))
        for form, values in forms.items():
            with python_warnings() as raised:
                fit = two_stage_least_squares(design.y, design.X, column, np.asarray(values, dtype=np.float64))
            notes += raised
            effects.append(
                Effect(visit, arm, frame.reference, fit.estimate, fit.std_error, fit.df, context=contexts[form])
            )
            extras.append(Extra("first_stage", fit.first_stage, visit, context=contexts[form]))
            extras.append(Extra("f_first_stage", fit.f_first_stage, visit, context=contexts[form]))
            if fit.f_first_stage < STRONG_F:
                received = contexts[form].removeprefix(EXPOSURE)
                low = f"first-stage F {fit.f_first_stage:.1f} ({received}), below {STRONG_F:g}"
                notes.append(warning_of("weak-instrument", low))
    except NotFittedError as error:
        status, problem = Status.failed, str(error)
        effects = [Effect(visit, arm, frame.reference, context=context) for context in contexts.values()]
        extras = [Extra("f_first_stage", nan, visit, context=context) for context in contexts.values()]
    return ModelResult(METHOD, status, effects, [*numbers, *extras], notes, error=problem, visit=visit)


def two_stage_least_squares(y: FloatArray, X: FloatArray, instrument: int, exposure: FloatArray) -> TwoStage:
    """Fit y on an exposure and covariates with one instrument for the exposure (statsmodels).

    The variance is HC3 in the projected regressors X̂: each squared residual is divided by (1 - h)², h its leverage.
    Whether a unit takes the treatment differs between units of one arm alone, so the arms' residual variances
    differ by construction; of the estimators that allow for that HC3 is the cautious one in small samples (MacKinnon
    and White 1985, Journal of Econometrics 29:305-325).

    Args:
        y: response, shape (n,).
        X: covariates, and the instrument in column `instrument`, of full rank, shape (n, p).
        instrument: which column of X is the instrument.
        exposure: treatment received, shape (n,).

    Raises:
        NotFittedError: the exposure does not vary with the instrument.
    """
    from statsmodels.sandbox.regression.gmm import IV2SLS

    if np.ptp(exposure) == 0:
        raise NotFittedError(f"the treatment received is {exposure[0]:g} throughout")
    first = np.linalg.lstsq(X, exposure, rcond=None)[0]
    slope = float(first[instrument])
    if abs(slope) < 1e-9 * float(exposure.std()):
        raise NotFittedError("the treatment received does not differ between arms")
    regressors, projected = X.copy(), X.copy()
    regressors[:, instrument], projected[:, instrument] = exposure, X @ first
    fit = IV2SLS(y, regressors, X).fit()
    vcov = _hc3(projected, regressors, y - regressors @ np.asarray(fit.params, dtype=np.float64))
    spread = float(_hc3(X, X, exposure - X @ first)[instrument, instrument])
    return TwoStage(
        estimate=float(fit.params[instrument]),
        std_error=float(np.sqrt(vcov[instrument, instrument])),
        df=float(X.shape[0] - X.shape[1]),
        first_stage=slope,
        f_first_stage=slope**2 / spread if spread > 1e-18 * slope**2 else inf,
    )


def _hc3(projected: FloatArray, regressors: FloatArray, residual: FloatArray) -> FloatArray:
    """Return the HC3 covariance of the coefficients, shape (p, p).

    The leverage of a row is the derivative of its fitted value by its response, x'(X̂'X̂)⁻¹x̂. A row of leverage one has
    no residual and adds nothing.
    """
    bread = np.linalg.inv(projected.T @ projected)
    left = 1 - ((projected @ bread) * regressors).sum(axis=1)
    scores = projected * np.where(left > 1e-9, residual / np.maximum(left, 1e-9), 0.0)[:, None]
    return np.asarray(bread @ scores.T @ scores @ bread)
