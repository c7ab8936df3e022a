"""Ordinal outcomes at each visit: proportional odds, what they mean for the levels, and whether they hold.

The common odds ratio is conditional on baseline, stratification variables and covariates. Beside it stand quantities
that the model implies when every unit of it is put in each arm (standardisation): the probability of each level, and
the probability that a unit of one arm is better than a unit of the other, ties counted half, 1/2 where arms do not
differ. Standard errors are by the delta method, the covariates held as they are.

Levels with few units are merged with a neighbour by rule, whatever the arm. Where the covariates order the levels
without error, no estimate exists, and the Wilcoxon-Mann-Whitney test takes the model's place, unadjusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts, level_counts
from pipanalysis.estimate.linear_design import checked_design, in_arm
from pipanalysis.estimate.measures import FitTest, Measure, MeasuredResult, NoModelError, Wald, share_measures
from pipanalysis.estimate.model_result import ModelResult, NotFittedError, Status
from pipanalysis.estimate.proportional_odds import proportional_odds, proportionality, separated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "ordinal proportional-odds ml delta"
RANKS = "wilcoxon mann-whitney delong unadjusted"
ASSUMPTION = "assumption=proportional_odds"
MIN_UNITS = 5
"""units of all arms together that a level needs to stand by itself"""

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Levels:
    """Levels of an ordinal outcome after merging.

    Attributes:
        code: level of each unit, 0 to K - 1, each of them taken, shape (n,).
        labels: of the levels, in order.
        merged: labels of those that hold more than one value.
    """

    code: NDArray[np.intp]
    labels: tuple[str, ...]
    merged: tuple[str, ...]


def ordinal(frame: AnalysisFrame, better: Better, conf_level: float) -> list[MeasuredResult]:
    """Compare the arms on an ordinal outcome at each visit of a frame: a result for each.

    Args:
        frame: a row per unit and visit, `value` a number whose order alone counts, or missing.
        better: which values are better; odds ratios and probabilities are of better ones.
        conf_level: as 0.95.
    """
    complete = complete_rows(frame)
    return [_at_visit(complete.at(visit), visit, better, conf_level) for visit in frame.visits]


def merged_levels(values: FloatArray) -> Levels:
    """Merge levels until each has MIN_UNITS units or two are left.

    Args:
        values: of all arms together, shape (n,).

    The level with the fewest units (the lowest of several) is merged with the neighbour that has fewer, the lower one
    where they have as many.
    """
    found, taken = np.unique(values, return_counts=True)
    groups = [([float(value)], int(n)) for value, n in zip(found, taken, strict=True)]
    while len(groups) > 2 and min(n for _, n in groups) < MIN_UNITS:
        i = min(range(len(groups)), key=lambda k: groups[k][1])
        beside = [k for k in (i - 1, i + 1) if 0 <= k < len(groups)]
        first = min(i, j := min(beside, key=lambda k: groups[k][1]))
        last = max(i, j)
        groups[first : last + 1] = [(groups[first][0] + groups[last][0], groups[first][1] + groups[last][1])]
    highest = [group[-1] for group, _ in groups]
    labels = tuple(f"{group[0]:g}" if len(group) == 1 else f"{group[0]:g} to {group[-1]:g}" for group, _ in groups)
    merged = tuple(label for label, (group, _) in zip(labels, groups, strict=True) if len(group) > 1)
    return Levels(np.searchsorted(highest, values).astype(np.intp), labels, merged)


def _at_visit(frame: AnalysisFrame, visit: str, better: Better, conf_level: float) -> MeasuredResult:
    notes = list(frame.notes)
    extras = counts(frame)
    tests: list[FitTest] = []
    compared = [arm for arm in frame.arms if (arm, visit) not in frame.not_compared]
    try:
        check_fittable(frame)
        levels = merged_levels(frame.data["value"].to_numpy(dtype=np.float64))
        extras = [*extras, *level_counts(frame, levels.code, levels.labels)]
        if levels.merged:
            notes.append(f"levels with fewer than {MIN_UNITS} {frame.terms.units} merged: {', '.join(levels.merged)}")
        try:
            status, measures, tests = _modelled(frame, visit, compared, levels, better, conf_level, notes)
            method = METHOD
        except NoModelError as reason:
            notes.append(f"{reason}: Wilcoxon-Mann-Whitney test, unadjusted")
            method, status, measures = RANKS, Status.reduced, _ranked(frame, compared, better, Wald(conf_level))
    except NotFittedError as error:
        at = [replace(extra, visit=visit) for extra in extras]
        model = ModelResult(METHOD, Status.failed, (), at, notes, error=str(error), visit=visit)
        return MeasuredResult(model, _without_values(frame, visit, frame.arms))
    measures += _without_values(frame, visit, [arm for arm in frame.arms if arm not in compared])
    at = [replace(extra, visit=visit) for extra in extras]
    return MeasuredResult(ModelResult(method, status, (), at, notes, visit=visit), measures, tests)


def _modelled(
    frame: AnalysisFrame,
    visit: str,
    compared: list[str],
    levels: Levels,
    better: Better,
    conf_level: float,
    notes: list[str],
) -> tuple[Status, list[Measure], list[FitTest]]:
    """Return status, measures and tests of proportional odds, adding to the notes what must be known of them.

    Raises:
        NoModelError: the model cannot be fitted.
        NotFittedError: the arms cannot be compared in these data.
    """
    design, status = checked_design(frame, notes)
    if levels.merged:
        status = Status.reduced
    X = design.X[:, 1:]  # the cuts are its intercepts
    column = {arm: design.effects[arm, visit] - 1 for arm in compared[1:]}
    n, coefficients = len(X), X.shape[1] + len(levels.labels) - 1
    if n <= coefficients:
        raise NoModelError(f"{frame.terms.counted(n)} for {coefficients} coefficients")
    if separated(X, levels.code):
        raise NoModelError("separation: the model's terms order some levels without error")
    try:
        fit = proportional_odds(X, levels.code)
    except NotFittedError as error:
        raise NoModelError(str(error)) from None
    wald, sign, k = Wald(conf_level), 1 if better == "higher" else -1, len(fit.cuts)
    shares = {arm: fit.shares(in_arm(X, column, arm)) for arm in compared}
    measures = share_measures(shares, compared, levels.labels, fit.vcov, wald)
    tests = []
    for arm, j in column.items():
        se = sqrt(fit.vcov[k + j, k + j])
        measures.append(wald.ratio("odds_ratio", arm, compared[0], sign * float(fit.beta[j]), se))
        measures.append(_better(arm, compared[0], shares, fit.vcov, better, wald))
        if k > 1:
            statistic, df = proportionality(X, levels.code, fit, j)
            tests.append(_assumption(arm, compared[0], statistic, df))
            if (p := tests[-1].statistics["p_value"]) < 1 - conf_level:
                notes.append(
                    f"proportional odds are doubtful for {frame.terms.arm(arm)} (P = {p:.3f}): the common odds ratio "
                    "averages odds ratios that differ between the cuts"
                )
    return status, measures, tests


def _assumption(arm: str, reference: str, statistic: float, df: int) -> FitTest:
    from scipy.stats import chi2

    p_value = float(chi2.sf(statistic, df))
    return FitTest(ASSUMPTION, arm, reference, {"chi_squared": statistic, "df": df, "p_value": p_value})


def _better(
    arm: str,
    reference: str,
    shares: dict[str, tuple[FloatArray, FloatArray]],
    vcov: FloatArray,
    better: Better,
    wald: Wald,
) -> Measure:
    """Return the probability that a unit of an arm is better than one of the reference, ties counted half."""
    (p, g), (p0, g0) = shares[arm], shares[reference]
    level = np.arange(len(p))
    wins = np.sign(level[:, None] - level) * (1.0 if better == "higher" else -1.0) / 2 + 0.5
    gradient = g.T @ (wins @ p0) + g0.T @ (wins.T @ p)
    return _against_half(arm, reference, float(p @ wins @ p0), sqrt(float(gradient @ vcov @ gradient)), wald)


def _against_half(arm: str, reference: str, theta: float, se: float, wald: Wald) -> Measure:
    """Return a probability of being better, its limits and P value (of 1/2) on the logit scale."""
    if not 0 < theta < 1:
        return Measure("probability_better", arm, reference, theta)
    found = wald.proportion("probability_better", arm, theta, se)
    p_value = wald.p_value(log(theta / (1 - theta)), se / (theta * (1 - theta)))
    return replace(found, reference=reference, p_value=p_value)


def _ranked(frame: AnalysisFrame, compared: Sequence[str], better: Better, wald: Wald) -> list[Measure]:
    """Return the probability of being better as observed, with the Wilcoxon-Mann-Whitney test.

    The standard error is that of the placements (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837-845).
    """
    from scipy.stats import mannwhitneyu

    values = {arm: frame.data.loc[frame.data["arm"] == arm, "value"].to_numpy(dtype=np.float64) for arm in compared}
    reference = compared[0]
    sign = 1.0 if better == "higher" else -1.0
    found = []
    for arm in compared[1:]:
        wins = np.sign(values[arm][:, None] - values[reference]) * sign / 2 + 0.5
        by_unit = wins.mean(axis=1).var(ddof=1) / len(wins), wins.mean(axis=0).var(ddof=1) / wins.shape[1]
        one = _against_half(arm, reference, float(wins.mean()), sqrt(float(sum(by_unit))), wald)
        p_value = float(mannwhitneyu(values[arm], values[reference], method="asymptotic").pvalue)
        found += [replace(one, p_value=p_value), Measure("odds_ratio", arm, reference, p_value=p_value)]
    return found


def _without_values(frame: AnalysisFrame, visit: str, arms: Sequence[str]) -> list[Measure]:
    """Return the comparisons that were planned for arms, without values."""
    return [
        Measure(name, arm, frame.reference, error=frame.not_compared.get((arm, visit), ""), visit=visit)
        for arm in arms
        if arm != frame.reference
        for name in ("odds_ratio", "probability_better")
    ]
