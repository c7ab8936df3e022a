"""Non-inferiority and equivalence: the difference between arms against a margin, from the fit that is there already.

With d the difference in the direction of benefit and M > 0 the margin, d > -M is non-inferiority and -M < d < M
equivalence, by two one-sided tests (Schuirmann 1987, J Pharmacokinet Biopharm 15:657-680). Each one-sided test is at
(1 - conf_level) / 2, so that the printed interval decides (ICH E9, section 3.3.2): non-inferior where it lies above -M,
equivalent where it lies within the margins, inferior where it lies below -M.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING

from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.model_result import Effect, ModelResult
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.study.plan import Margin


def margin_rows(scope: Scope, result: ModelResult, margin: Margin, better: str) -> Iterator[Row]:
    """Yield the comparison of each difference of a fit with a margin.

    Args:
        scope: the analysis and outcome.
        result: the fit.
        margin: of the outcome, in its units.
        better: whether higher or lower values of the outcome are.
    """
    scope = replace(scope, method=result.method)
    for effect in result.effects:
        if not effect.reference or not (margin.visits == "all" or effect.visit in margin.visits):
            continue
        for name, value in against_margin(effect, margin.margin, better, scope.conf_level).items():
            yield scope.row(
                name,
                value,
                visit=effect.visit,
                contrast=contrast_name(effect.arm, effect.reference),
                context=f"margin={margin.kind}",
                warning=result.said,
                error=effect.error or result.error,
            )


def against_margin(effect: Effect, margin: float, better: str, conf_level: float) -> dict[str, float]:
    """Compare a difference with a margin on either side.

    Args:
        effect: difference between arms, its standard error and degrees of freedom.
        margin: largest difference that does not matter, in units of the outcome, positive.
        better: higher or lower.
        conf_level: of the interval that decides.

    Returns:
        One-sided P values against a difference as bad as the margin (`p_value_noninferiority`) and as good as it
        (`p_value_nonsuperiority`), the larger of them (`p_value_equivalence`), and as 1 or 0 what the interval shows:
        `shows_noninferiority`, `shows_equivalence`, `shows_inferiority` (worse by more than the margin).
    """
    from scipy.stats import t

    benefit = effect.estimate if better == "higher" else -effect.estimate
    se, df, level = effect.std_error, effect.df, (1 - conf_level) / 2
    worse = float(t.sf((benefit + margin) / se, df))
    as_good = float(t.cdf((benefit - margin) / se, df))
    known = not isnan(worse)
    return {
        "margin": margin,
        "p_value_noninferiority": worse,
        "p_value_nonsuperiority": as_good,
        "p_value_equivalence": max(worse, as_good) if known else nan,
        "shows_noninferiority": float(worse < level) if known else nan,
        "shows_equivalence": float(max(worse, as_good) < level) if known else nan,
        "shows_inferiority": float(1 - worse < level) if known else nan,
    }
