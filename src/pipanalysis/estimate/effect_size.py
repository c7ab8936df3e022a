"""Hedges' g between arms at each visit (pingouin): unadjusted, with the SD pooled over the arms at that visit."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.comparison import MIN_OBSERVED, too_few_observed
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray

METHOD = "effect_size hedges-g unadjusted pingouin"
UNROUNDED = 15
"""decimals: pingouin rounds confidence limits to two unless told otherwise"""


def hedges_g(values: FloatArray, reference: FloatArray, conf_level: float) -> tuple[float, float, float]:
    """Return Hedges' g of two samples and its confidence limits.

    Args:
        values: sample of the arm, shape (n,), without missing values, n at least 2.
        reference: sample of the reference arm.
        conf_level: as 0.95.

    g = J (mean difference) / (pooled SD), J = 1 - 3 / (4 (n1 + n2) - 9); the limits are g ± t(n1 + n2 - 2) times
    sqrt((n1 + n2) / (n1 n2) + g² / (2 (n1 + n2))) (Hedges and Olkin 1985, with t in place of z).
    """
    import pingouin as pg

    g = float(pg.compute_effsize(values, reference, eftype="hedges"))
    low, high = pg.compute_esci(
        stat=g, nx=values.size, ny=reference.size, eftype="hedges", confidence=conf_level, decimals=UNROUNDED
    )
    return g, float(low), float(high)


def effect_size_rows(scope: Scope, frame: AnalysisFrame) -> Iterator[Row]:
    """Yield g of every arm against the reference at every visit, over all units observed at the visit."""
    for visit in frame.visits:
        at_visit = frame.data[(frame.data["visit"] == visit) & frame.data["value"].notna()]
        sample = {arm: at_visit.loc[at_visit["arm"] == arm, "value"].to_numpy(dtype=np.float64) for arm in frame.arms}
        for arm in frame.arms:
            yield scope.row("n", sample[arm].size, visit=visit, arm=arm)
        for arm in frame.arms[1:]:
            x, y = sample[arm], sample[frame.reference]
            numbers = {arm: x.size, frame.reference: y.size}
            g, error = (nan, nan, nan), ""
            if min(x.size, y.size) < MIN_OBSERVED:
                error = too_few_observed(frame.terms, visit, numbers)
            elif np.ptp(x) == 0 and np.ptp(y) == 0:
                error = f"no variation within the arms {frame.terms.at(visit)} ({frame.terms.by_arm(numbers)})"
            else:
                g = hedges_g(x, y, scope.conf_level)
            contrast = contrast_name(arm, frame.reference)
            for name, value in zip(("hedges_g", "conf_low", "conf_high"), g, strict=True):
                yield scope.row(name, value, visit=visit, contrast=contrast, error=error)
