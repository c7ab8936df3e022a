"""Repeated binary outcomes: arm by visit in one marginal model, by generalised estimating equations (statsmodels).

The mean is logistic, with an effect of the arm at each visit; the observations of a unit share a working correlation,
which need not be right for the estimates to be consistent (Liang and Zeger 1986, Biometrika 73:13-22). The covariance
is the sandwich, the residuals of each unit freed of its own leverage (Mancl and DeRouen 2001, Biometrics 57:126-134),
and the distribution is t with the degrees of freedom between units: in small trials the plain sandwich is too small and
the normal distribution too narrow (Li and Redden 2015, Statistics in Medicine 34:281-296).

Risks are standardised over all units of the model, each at each visit in each arm, whether observed there or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipanalysis.estimate.binary import events, logistic, standardised, without_values, zeros_and_ones
from pipanalysis.estimate.comparison import complete_rows, counts, sparse_cells
from pipanalysis.estimate.describe import BINARY_LEVELS
from pipanalysis.estimate.linear_design import LinearDesign, checked_design
from pipanalysis.estimate.measures import Measure, MeasuredResult, NoModelError, Wald
from pipanalysis.estimate.model_result import Extra, ModelResult, NotFittedError, Status, python_warnings
from pipanalysis.estimate.separation import separation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray

LEVELS = list(BINARY_LEVELS.values())
WorkingCorrelation = Literal["exchangeable", "independence"]


@dataclass(frozen=True)
class GeeFit:
    """A fit.

    Attributes:
        working: the working correlation that was used in the end.
        beta: log odds ratios, shape (p,).
        vcov: bias-reduced sandwich, shape (p, p).
        correlation: of two observations of a unit; 0 under independence.
    """

    working: WorkingCorrelation
    beta: FloatArray
    vcov: FloatArray
    correlation: float


def gee(
    frame: AnalysisFrame, working: WorkingCorrelation, baseline_by_visit: bool, conf_level: float
) -> list[MeasuredResult]:
    """Compare the arms on a binary outcome at all visits of a frame in one model: one result.

    Args:
        frame: a row per unit and visit, `value` 0, 1 or missing.
        working: correlation of a unit's observations.
        baseline_by_visit: a slope of the baseline for each visit.
        conf_level: as 0.95.

    Where the data are separated, or the equations have no solution, each visit is analysed by itself as `logistic`
    does: a result for each visit, its status reduced.
    """
    complete = complete_rows(frame)
    notes = list(complete.notes)
    extras = [*counts(complete), *(replace(e, visit=v) for v in frame.visits for e in events(complete.at(v)))]
    try:
        method, status, measures, more = _together(complete, working, baseline_by_visit, conf_level, notes)
    except NoModelError as reason:
        note = f"{reason}: each visit analysed by itself"
        alone = logistic(replace(frame, notes=(*frame.notes, note)), conf_level)
        return [replace(one, model=replace(one.model, status=max(one.model.status, Status.reduced))) for one in alone]
    except NotFittedError as error:
        model = ModelResult(_method(working), Status.failed, (), extras, notes, error=str(error))
        return [MeasuredResult(model, [m for v in frame.visits for m in without_values(complete, v, frame.arms)])]
    return [MeasuredResult(ModelResult(method, status, (), [*extras, *more], notes), measures)]


def _method(working: WorkingCorrelation) -> str:
    return f"gee {working} mancl-derouen t delta"


def _together(
    frame: AnalysisFrame, working: WorkingCorrelation, baseline_by_visit: bool, conf_level: float, notes: list[str]
) -> tuple[str, Status, list[Measure], list[Extra]]:
    """Return method, status, measures and further statistics of one model of all visits, adding to the notes.

    Raises:
        NoModelError: the equations have no solution.
        NotFittedError: the arms cannot be compared in these data.
    """
    y = zeros_and_ones(frame)
    for visit in frame.model_visits:
        at = frame.at(visit)
        notes += [
            f"{frame.terms.visit(visit)}: {note}"
            for note in sparse_cells(at, zeros_and_ones(at).astype(np.intp), LEVELS)
        ]
    if np.ptp(y) == 0:
        raise NoModelError(f"all {y.size} observations have the same value")
    design, status = checked_design(frame, notes, baseline_by_visit=baseline_by_visit)
    df = design.n_units - design.between_rank
    if df < 1 or len(y) <= design.X.shape[1]:
        raise NoModelError(
            f"{frame.terms.counted(design.n_units)}, {len(y)} observations for {design.X.shape[1]} coefficients"
        )
    if (kind := separation(design.X, y)) != "none":
        raise NoModelError(f"{kind} separation: the model's terms predict outcomes without error")
    fit = estimating_equations(design.X, y, design.unit, working, notes)
    if fit.working != working:
        status = Status.reduced
    return (
        _method(fit.working),
        status,
        _measures(frame, design, fit, Wald(conf_level, float(df))),
        [Extra("correlation", fit.correlation, context=fit.working)],
    )


def estimating_equations(
    X: FloatArray, y: FloatArray, unit: NDArray[np.intp], working: WorkingCorrelation, notes: list[str]
) -> GeeFit:
    """Solve the estimating equations of a logistic mean; by independence where the working correlation fails.

    Args:
        X: design of full rank, shape (n, p).
        y: zeros and ones that X does not separate, shape (n,).
        unit: code of the unit of each row, shape (n,).
        working: correlation of a unit's observations.
        notes: get what was done instead, and what statsmodels warns of.

    Raises:
        NoModelError: no solution under independence either.
    """
    largest = int(np.bincount(unit).max())
    tried: list[WorkingCorrelation] = (
        ["exchangeable", "independence"] if working == "exchangeable" else ["independence"]
    )
    for structure in tried:
        if structure == "exchangeable" and largest == 1:
            notes.append("one observation each: working independence")
            continue
        found = _solve(X, y, unit, structure, notes)
        if found is None:
            notes.append(f"estimating equations with working {structure} did not converge")
        elif structure == "exchangeable" and not -1 / (largest - 1) < found.correlation < 1:
            notes.append(f"working correlation {found.correlation:.2f} is not possible: working independence")
        else:
            return found
    raise NoModelError("estimating equations did not converge")


def _solve(
    X: FloatArray, y: FloatArray, unit: NDArray[np.intp], structure: WorkingCorrelation, notes: list[str]
) -> GeeFit | None:
    """Return the solution under a working correlation, None where the iterations do not end in one."""
    from statsmodels.genmod.cov_struct import Exchangeable, Independence
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    correlated = Exchangeable() if structure == "exchangeable" else Independence()
    with python_warnings() as said:
        try:
            model = GEE(y, X, groups=unit, family=Binomial(), cov_struct=correlated)
            fit = model.fit(maxiter=200, ctol=1e-9, cov_type="bias_reduced")
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return None
    if fit is None or not fit.converged:
        return None
    beta, vcov = np.asarray(fit.params, dtype=np.float64), np.asarray(fit.cov_robust_bc, dtype=np.float64)
    if not (np.isfinite(beta).all() and np.isfinite(vcov).all()):
        return None
    notes += said
    correlation = float(correlated.dep_params) if structure == "exchangeable" else 0.0
    return GeeFit(structure, beta, vcov, correlation)


def _measures(frame: AnalysisFrame, design: LinearDesign, fit: GeeFit, wald: Wald) -> list[Measure]:
    found = []
    for visit in frame.visits:
        column = {arm: design.effects[arm, visit] for arm in frame.arms[1:] if (arm, visit) in design.effects}
        own: list[Measure] = []
        if column:
            own = standardised(design.as_if_at(visit), column, frame.reference, fit.beta, fit.vcov, wald)
            for arm, j in column.items():
                se = sqrt(fit.vcov[j, j])
                own.append(wald.ratio("odds_ratio", arm, frame.reference, float(fit.beta[j]), se))
        left_out = [arm for arm in frame.arms if arm not in column and (arm != frame.reference or not column)]
        found += [replace(measure, visit=visit) for measure in own] + without_values(frame, visit, left_out)
    return found
