"""Two programs, one model: MMRM with compound symmetry is the random-intercept model, so statsmodels must agree.

Compared are the differences between arms and their model-based standard errors, from the results of the two fits that
the plan asks for anyway: an analysis by `mmrm` with `checks`, which fits compound symmetry beside its own structure,
and one by `mixed_model` with the same adjustment. The programs share the data frame and nothing else: the design
matrix, the likelihood and the optimiser are each their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, nan
from typing import TYPE_CHECKING

from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.checks import structure_context
from pipanalysis.estimate.mixed_model import METHOD as RANDOM_INTERCEPT

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

METHOD = "cross_check mmrm-cs v MixedLM reml"
CONTEXT = "cross-check"
COMPARED = ("estimate", "std_error")
SAME = ("analysis_set", "visits", "baseline", "baseline_by_visit", "strata", "covariates")
"""what two analyses must have in common to be of one model"""

Cells = dict[tuple[str, str], dict[str, float]]


def cross_check_rows(study: Study, results: pd.DataFrame) -> Iterator[Row]:
    """Yield the differences between the programs by outcome, contrast and visit, and the largest relative one.

    Args:
        study: the configuration.
        results: those of all method families.

    An outcome for which the two are not the same model (compound symmetry allows a negative correlation, a random
    intercept does not) has one row without a value that says so.
    """
    chosen = results[results["stat_name"].isin(COMPARED) & (results["contrast"] != "")]
    for ours, theirs in counterparts(study):
        for outcome in study.analysis_outcomes(ours):
            own = chosen[(chosen["analysis"] == ours.name) & (chosen["outcome"] == outcome.name)]
            other = chosen[(chosen["analysis"] == theirs.name) & (chosen["outcome"] == outcome.name)]
            own, other = own[own["context"] == structure_context("cs")], other[other["context"] == ""]
            if len(own) and len(other):
                scope = Scope(ours, outcome.name, outcome.domain, study.plan.conf_level, METHOD)
                yield from _compared(scope, _cells(own), _cells(other), set(other["method"]) == {RANDOM_INTERCEPT})


def counterparts(study: Study) -> list[tuple[Analysis, Analysis]]:
    """Return the analyses by `mmrm` with checks, each with the analysis by `mixed_model` of the same model."""
    plan = study.plan.analyses
    return [
        (ours, theirs)
        for ours in plan
        for theirs in plan
        if ours.method == "mmrm" and ours.checks and theirs.method == "mixed_model"
        if all(getattr(ours, key) == getattr(theirs, key) for key in SAME)
    ]


def _cells(rows: pd.DataFrame) -> Cells:
    found: Cells = {}
    for visit, contrast, name, value in rows[["visit", "contrast", "stat_name", "stat"]].itertuples(index=False):
        found.setdefault((visit, contrast), {})[name] = value
    return found


def _compared(scope: Scope, ours: Cells, theirs: Cells, same: bool) -> Iterator[Row]:
    if not same:
        said = "not compared: the random-intercept model was fitted without its intercept, or not at all"
        yield scope.row("max_relative_difference", nan, context=CONTEXT, warning=said)
        return
    largest, known = 0.0, False
    for (visit, contrast), a in ours.items():
        b = theirs.get((visit, contrast), dict.fromkeys(COMPARED, nan))
        for name in COMPARED:
            # an estimate may be near zero, so both differences are relative to the standard error
            relative = abs(a[name] - b[name]) / b["std_error"]
            if isfinite(relative):
                largest, known = max(largest, relative), True
            yield scope.row(f"difference_{name}", a[name] - b[name], visit=visit, contrast=contrast, context=CONTEXT)
    yield scope.row("max_relative_difference", largest if known else nan, context=CONTEXT)
