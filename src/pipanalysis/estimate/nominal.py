"""Nominal outcomes at each visit: multinomial logistic regression, and the probability of each level that it implies.

Relative risk ratios are conditional on stratification variables and covariates: the odds of a level against the
reference level, of an arm over the reference arm. Probabilities of the levels are standardised over the units in the
model. Whether the arm makes any difference is one likelihood ratio test of all its coefficients; the exact test of
Fisher, Freeman and Halton stands beside it, unadjusted, since levels with few units are common.

Where the data are separated the estimate does not exist, and Jeffreys' penalty takes maximum likelihood's place; where
no model can be fitted at all, the table of arms by levels is described as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import complete_rows, counts, level_counts, sparse_cells
from pipanalysis.estimate.exact import fisher_freeman_halton, two_by_two, wilson_interval
from pipanalysis.estimate.linear_design import checked_design, in_arm
from pipanalysis.estimate.measures import (
    EXACT_TEST,
    FitTest,
    Measure,
    MeasuredResult,
    NoModelError,
    Wald,
    share_measures,
)
from pipanalysis.estimate.model_result import ModelResult, NotFittedError, Status
from pipanalysis.estimate.multinomial import Multinomial, maximum_likelihood, penalised, separated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_data import AnalysisFrame

METHOD = "nominal multinomial ml delta"
PENALISED = "nominal multinomial jeffreys delta"
EXACT = "fisher freeman halton exact newcombe unadjusted"
OVERALL = "test=all_levels"


@dataclass(frozen=True)
class _Observed:
    """Levels that are taken: the level of each unit (n,), 0 the one compared with, and their labels in that order."""

    code: NDArray[np.intp]
    labels: tuple[str, ...]


def nominal(frame: AnalysisFrame, labels: Sequence[str], reference: str, conf_level: float) -> list[MeasuredResult]:
    """Compare the arms on a nominal outcome at each visit of a frame: a result for each.

    Args:
        frame: a row per unit and visit, `value` the position of the level in `labels`, or missing.
        labels: of all levels.
        reference: label of the level that the others are compared with.
        conf_level: as 0.95.
    """
    complete = complete_rows(frame)
    return [_at_visit(complete.at(visit), visit, labels, reference, conf_level) for visit in frame.visits]


def _at_visit(
    frame: AnalysisFrame, visit: str, labels: Sequence[str], reference: str, conf_level: float
) -> MeasuredResult:
    position = frame.data["value"].to_numpy(dtype=np.float64).astype(np.intp)
    extras = [replace(e, visit=visit) for e in [*counts(frame), *level_counts(frame, position, labels)]]
    notes = [*frame.notes, *sparse_cells(frame, position, labels)]
    compared = [arm for arm in frame.arms if (arm, visit) not in frame.not_compared]
    if frame.data.empty:
        error = frame.nothing_compared
        model = ModelResult(METHOD, Status.failed, (), extras, notes, error=error, visit=visit)
        return MeasuredResult(
            model, _without_values(frame, visit, labels, reference, frame.arms), _untested(frame.arms)
        )
    observed = _observed(position, labels, reference, notes)
    tests = [_exact_test(frame, observed, arm) for arm in compared[1:]]
    try:
        method, status, measures, more = _modelled(frame, visit, compared, observed, conf_level, notes)
        tests = [*more, *tests]
    except NoModelError as reason:
        notes.append(f"{reason}: probabilities as observed, unadjusted; differences with Newcombe's score interval")
        method, status, measures = EXACT, Status.reduced, _tabulated(frame, compared, observed, conf_level)
        tests = [*(replace(test, context=OVERALL) for test in tests), *tests]
    except NotFittedError as error:
        model = ModelResult(METHOD, Status.failed, (), extras, notes, error=str(error), visit=visit)
        return MeasuredResult(
            model, _without_values(frame, visit, labels, reference, frame.arms), _untested(frame.arms)
        )
    left_out = [arm for arm in frame.arms if arm not in compared]
    measures += _without_values(frame, visit, labels, reference, left_out)
    tests += _untested([frame.reference, *left_out])
    return MeasuredResult(ModelResult(method, status, (), extras, notes, visit=visit), measures, tests)


def _observed(position: NDArray[np.intp], labels: Sequence[str], reference: str, notes: list[str]) -> _Observed:
    """Put the reference level first, and leave out levels that nobody is at."""
    taken = [k for k in range(len(labels)) if (position == k).any()]
    absent = [label for k, label in enumerate(labels) if k not in taken]
    if absent:
        notes.append(f"levels that nobody is at are left out: {', '.join(absent)}")
    if reference in absent:
        notes.append(f"compared with {labels[taken[0]]}, since nobody is at {reference}")
    first = labels.index(reference) if reference not in absent else taken[0]
    order = [first, *(k for k in taken if k != first)]
    code = np.argmax(position[:, None] == np.array(order), axis=1)
    return _Observed(code.astype(np.intp), tuple(labels[k] for k in order))


def _modelled(
    frame: AnalysisFrame, visit: str, compared: list[str], observed: _Observed, conf_level: float, notes: list[str]
) -> tuple[str, Status, list[Measure], list[FitTest]]:
    """Return method, status, measures and tests of the multinomial model, adding to the notes.

    Raises:
        NoModelError: no model can be fitted.
        NotFittedError: the arms cannot be compared in these data.
    """
    y, labels = observed.code, observed.labels
    if len(labels) < 2:
        raise NoModelError(f"all {frame.terms.counted(y.size)} are at {labels[0]}")
    design, status = checked_design(frame, notes)
    column = {arm: design.effects[arm, visit] for arm in compared[1:]}
    X, coefficients = design.X, design.X.shape[1] * (len(labels) - 1)
    if len(X) <= coefficients:
        raise NoModelError(f"{frame.terms.counted(len(X))} for {coefficients} coefficients")
    method, why = METHOD, "separation" if separated(X, y) else ""
    fit = None if why else maximum_likelihood(X, y)
    without = {arm: None if why else maximum_likelihood(np.delete(X, j, axis=1), y) for arm, j in column.items()}
    if fit is None or None in without.values():
        method, status, why = PENALISED, Status.reduced, why or "maximum likelihood did not converge"
        try:
            fit = penalised(X, y)
            without = {arm: penalised(X, y, absent=j) for arm, j in column.items()}
        except NotFittedError as error:
            raise NoModelError(f"{why}; {error}") from None
        if why == "separation":
            why += ": the model's terms tell some levels apart without error, and the likelihood has no maximum"
        notes.append(f"{why}; fitted with Jeffreys' penalty, which draws probabilities towards each other")
    shares = {arm: fit.shares(in_arm(X, column, arm)) for arm in compared}
    wald = Wald(conf_level)
    measures = share_measures(shares, compared, labels, fit.vcov, wald)
    measures += _relative_risk_ratios(fit, column, compared[0], labels, wald)
    tests = [_likelihood_ratio(fit, simpler, arm, compared[0]) for arm, simpler in without.items() if simpler]
    return method, status, measures, tests


def _relative_risk_ratios(
    fit: Multinomial, column: dict[str, int], reference: str, labels: Sequence[str], wald: Wald
) -> list[Measure]:
    found = []
    for arm, j in column.items():
        for k, label in enumerate(labels[1:]):
            at = k * fit.beta.shape[1] + j
            one = wald.ratio("relative_risk_ratio", arm, reference, float(fit.beta[k, j]), sqrt(fit.vcov[at, at]))
            found.append(replace(one, level=label))
    return found


def _likelihood_ratio(fit: Multinomial, simpler: Multinomial, arm: str, reference: str) -> FitTest:
    from scipy.stats import chi2

    statistic, df = max(2 * (fit.loglik - simpler.loglik), 0.0), len(fit.beta)
    p_value = float(chi2.sf(statistic, df))
    return FitTest(OVERALL, arm, reference, {"chi_squared": statistic, "df": df, "p_value": p_value})


def _exact_test(frame: AnalysisFrame, observed: _Observed, arm: str) -> FitTest:
    arms, levels = frame.data["arm"].to_numpy(), range(len(observed.labels))
    first, second = (
        [int(((arms == one) & (observed.code == k)).sum()) for k in levels] for one in (arm, frame.reference)
    )
    return FitTest(EXACT_TEST, arm, frame.reference, {"p_value": fisher_freeman_halton(first, second)})


def _untested(arms: Sequence[str]) -> list[FitTest]:
    """Return the tests that were planned for arms, the reference first, without values."""
    return [FitTest(OVERALL, arm, arms[0], {"p_value": nan}) for arm in arms[1:]]


def _tabulated(frame: AnalysisFrame, compared: Sequence[str], observed: _Observed, conf_level: float) -> list[Measure]:
    """Return what the table of arms by levels says without a model."""
    arms = frame.data["arm"].to_numpy()
    n = {arm: int((arms == arm).sum()) for arm in compared}
    reference, found = compared[0], []
    for k, label in enumerate(observed.labels):
        at = {arm: int(((arms == arm) & (observed.code == k)).sum()) for arm in compared}
        for arm in compared:
            limits = wilson_interval(at[arm], n[arm], conf_level)
            found.append(Measure("probability", arm, "", at[arm] / n[arm], nan, *limits, level=label))
        for arm in compared[1:]:
            table = two_by_two(at[arm], n[arm], at[reference], n[reference], conf_level)
            limits, p = table.difference_limits, table.p_value
            one = Measure("probability_difference", arm, reference, table.difference, nan, *limits, p, level=label)
            found.append(one)
            if k:
                found.append(Measure("relative_risk_ratio", arm, reference, level=label))
    return found


def _without_values(
    frame: AnalysisFrame, visit: str, labels: Sequence[str], reference: str, arms: Sequence[str]
) -> list[Measure]:
    """Return the measures that were planned for arms, without values."""
    found = []
    for label in labels:
        for arm in arms:
            why = frame.not_compared.get((arm, visit), "")
            found.append(Measure("probability", arm, error=why, visit=visit, level=label))
            if arm == frame.reference:
                continue
            names = ("probability_difference", *(["relative_risk_ratio"] if label != reference else []))
            found += [Measure(name, arm, frame.reference, error=why, visit=visit, level=label) for name in names]
    return found
