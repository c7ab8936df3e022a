"""Two programs, one model: MMRM with compound symmetry is the random-intercept model, so statsmodels must agree.

Compared are the differences between arms and their model-based standard errors. The programs share the data frame and
nothing else: the design matrix, the likelihood and the optimiser are each their own.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.comparison import check_fittable, complete_rows
from pipanalysis.estimate.linear_design import check_residual, design_effects, linear_design
from pipanalysis.estimate.mixed_model import random_intercept, varies_between_units
from pipanalysis.estimate.mmrm import differences, fitted
from pipanalysis.estimate.model_result import Effect, NotFittedError, contrast_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.study.plan import Analysis

METHOD = "cross_check mmrm-cs v MixedLM reml"
CONTEXT = "cross-check"


def cross_check_rows(scope: Scope, frame: AnalysisFrame) -> Iterator[Row]:
    """Yield the differences between the programs by contrast and visit, and the largest relative one.

    A model that one of them cannot be fitted with (compound symmetry allows a negative correlation, a random intercept
    does not) gives one row without a value that says so.
    """
    try:
        ours, theirs = compared(complete_rows(frame), scope.analysis)
    except NotFittedError as error:
        yield scope.row("max_relative_difference", nan, context=CONTEXT, warning=f"not compared: {error}")
        return
    largest = 0.0
    for a, b in zip(ours, theirs, strict=True):
        contrast = contrast_name(a.arm, a.reference)
        where = {"visit": a.visit, "contrast": contrast, "context": CONTEXT}
        yield scope.row("difference_estimate", a.estimate - b.estimate, error=a.error or b.error, **where)
        yield scope.row("difference_std_error", a.std_error - b.std_error, error=a.error or b.error, **where)
        # an estimate may be near zero, so both differences are relative to the standard error
        relative = [abs(a.estimate - b.estimate) / b.std_error, abs(a.std_error - b.std_error) / b.std_error]
        largest = max([largest, *(value for value in relative if value == value)])
    yield scope.row("max_relative_difference", largest, context=CONTEXT)


def compared(frame: AnalysisFrame, analysis: Analysis) -> tuple[list[Effect], list[Effect]]:
    """Return the differences between arms by MMRM with compound symmetry and by MixedLM, in the same order.

    Raises:
        NotFittedError: one of the two cannot be fitted, or they are not the same model.
    """
    check_fittable(frame)
    design = linear_design(frame, baseline_by_visit=analysis.baseline_by_visit)
    check_residual(design)
    if len(design.y) == design.n_units:
        raise NotFittedError("one observation a unit")
    if not varies_between_units(design.y, design.X, design.unit):
        raise NotFittedError("the correlation within units is not positive")
    theirs, _ = random_intercept(design.y, design.X, design.unit)
    model_based = analysis.model_copy(update={"df": "residual"})
    ours = differences(fitted(frame, model_based, "cs"), frame, model_based)
    return ours, design_effects(frame, design, theirs.beta, theirs.vcov, nan)
