"""Delta adjustment: the difference between arms if values that are missing lie above or below what the model expects.

A model that takes values for missing at random expects those that an arm misses at a visit where its mean puts them.
Let their mean lie d further up (in units of the outcome), and let a share p of the arm miss the visit: the arm's mean
moves by p d, whatever the model, and the difference between arms by p1 d1 - p0 d0. Its variance grows by
d^2 p (1 - p) / n of each arm of n units, since p is a proportion of a sample (law of total variance); multiple
imputation with d added to the imputed values tends to the same estimate and, by Rubin's rules, variance. Over a grid of
d for both arms this is a tipping-point analysis (Yan, Lee and Li 2009, J Biopharm Stat 19:1085-1098; in closed form
White, Joseph and Best 2020, J Biopharm Stat 30:334-350).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import nan, sqrt
from typing import TYPE_CHECKING

from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.model_result import Effect, ModelResult, effect_statistics
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.study.plan import DeltaAdjustment

STATISTICS = ("estimate", "std_error", "df", "conf_low", "conf_high", "statistic", "p_value")


def delta_context(reference_delta: float, arm_delta: float) -> str:
    """Return the context of a difference under the deltas of the reference arm and of the other."""
    return f"delta={reference_delta:g},{arm_delta:g}"


def delta_rows(
    scope: Scope, result: ModelResult, adjustment: DeltaAdjustment, members: dict[str, int]
) -> Iterator[Row]:
    """Yield each difference of a fit under every pair of deltas, and the units of each arm with and without a value.

    Args:
        scope: the analysis and outcome.
        result: the fit, with the units by arm and visit that it has.
        adjustment: the deltas, in units of the outcome.
        members: arm → units of the analysis set.
    """
    scope = replace(scope, method=result.method)
    observed = {(extra.arm, extra.visit): extra.stat for extra in result.extras if extra.stat_name == "n"}
    for effect in result.effects:
        asked = adjustment.visits == "all" or effect.visit in adjustment.visits
        if not (effect.reference and asked):
            continue
        missing = {
            arm: members[arm] - int(observed.get((arm, effect.visit), 0)) for arm in (effect.reference, effect.arm)
        }
        for arm, n in missing.items():
            where = {"visit": effect.visit, "arm": arm, "context": "delta"}
            yield scope.row("n", members[arm] - n, **where, warning=result.said)
            yield scope.row("n_missing", n, **where, warning=result.said)
        for reference_delta, arm_delta in product(adjustment.deltas, repeat=2):
            shifts = {effect.reference: reference_delta, effect.arm: arm_delta}
            shifted = delta_adjusted(effect, shifts, missing, members)
            statistics = effect_statistics(scope.conf_level, shifted)
            for name in STATISTICS:
                yield scope.row(
                    name,
                    statistics[name],
                    visit=effect.visit,
                    contrast=contrast_name(effect.arm, effect.reference),
                    context=delta_context(reference_delta, arm_delta),
                    warning=result.said,
                    error=effect.error or result.error,
                )


def delta_adjusted(
    effect: Effect, deltas: dict[str, float], missing: dict[str, int], members: dict[str, int]
) -> Effect:
    """Return a difference between arms with the values that each arm misses shifted by its delta.

    Args:
        effect: the difference under missing at random.
        deltas: arm → shift of the mean of its missing values.
        missing: arm → its units without a value.
        members: arm → its units.
    """
    shift, variance = 0.0, effect.std_error**2
    for arm, sign in ((effect.arm, 1), (effect.reference, -1)):
        if members[arm] == 0:
            return replace(effect, estimate=nan, std_error=nan)
        share = missing[arm] / members[arm]
        shift += sign * share * deltas[arm]
        variance += deltas[arm] ** 2 * share * (1 - share) / members[arm]
    return replace(effect, estimate=effect.estimate + shift, std_error=sqrt(variance))
