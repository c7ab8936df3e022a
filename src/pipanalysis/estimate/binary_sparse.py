"""Binary outcomes where likelihood is not to be relied on: Firth's penalty, exact tests, tables without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, nan, sqrt
from typing import TYPE_CHECKING

from pipanalysis.estimate.exact import two_by_two, wilson_interval
from pipanalysis.estimate.firth import FirthFit, firth, profile_interval, profile_p_value
from pipanalysis.estimate.measures import EXACT_TEST, PENALISED_ODDS, FitTest, Measure
from pipanalysis.estimate.model_result import NotFittedError

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray


def penalised_odds(
    X: FloatArray, y: FloatArray, fit: FirthFit, column: Mapping[str, int], reference: str, conf_level: float
) -> list[Measure]:
    """Return odds ratios with limits and P values of their profile penalised likelihood.

    Raises:
        NotFittedError: a profile did not converge.
    """
    odds = []
    for arm, j in column.items():
        low, high = (exp(limit) for limit in profile_interval(X, y, fit, j, conf_level))
        se, p_value = sqrt(fit.vcov[j, j]), profile_p_value(X, y, fit, j)
        odds.append(Measure("odds_ratio", arm, reference, exp(fit.beta[j]), se, low, high, p_value))
    return odds


def penalised_beside(
    X: FloatArray, y: FloatArray, column: Mapping[str, int], reference: str, conf_level: float, notes: list[str]
) -> list[Measure]:
    """Return the odds ratios of Firth's penalised likelihood under a name of their own; none where it fails."""
    try:
        odds = penalised_odds(X, y, firth(X, y), column, reference, conf_level)
    except NotFittedError as error:
        notes.append(str(error))
        return []
    return [replace(one, name=PENALISED_ODDS) for one in odds]


def exact_tests(frame: AnalysisFrame, compared: list[str], y: FloatArray, conf_level: float) -> list[FitTest]:
    """Return Fisher's exact test of each arm against the reference, unadjusted."""
    table = events_by_arm(frame, compared, y)
    reference = compared[0]
    found = {name: two_by_two(*table[name], *table[reference], conf_level).p_value for name in compared[1:]}
    return [FitTest(EXACT_TEST, name, reference, {"p_value": p_value}) for name, p_value in found.items()]


def events_by_arm(frame: AnalysisFrame, compared: Sequence[str], y: FloatArray) -> dict[str, tuple[int, int]]:
    """Return for each arm how many units have the event, and how many there are."""
    arm = frame.data["arm"].to_numpy()
    return {name: (int(y[arm == name].sum()), int((arm == name).sum())) for name in compared}


def tabulated(frame: AnalysisFrame, compared: list[str], y: FloatArray, conf_level: float) -> list[Measure]:
    """Return what the table of arms by outcome says without a model."""
    table = events_by_arm(frame, compared, y)
    reference = compared[0]
    found = []
    for name, (events, n) in table.items():
        found.append(Measure("risk", name, "", events / n, nan, *wilson_interval(events, n, conf_level)))
    for name in compared[1:]:
        exact = two_by_two(*table[name], *table[reference], conf_level)
        found += [
            Measure("risk_difference", name, reference, exact.difference, nan, *exact.difference_limits),
            Measure("risk_ratio", name, reference, exact.ratio, nan, *exact.ratio_limits),
            Measure("odds_ratio", name, reference, exact.odds_ratio, nan, *exact.odds_limits, exact.p_value),
        ]
    return found
