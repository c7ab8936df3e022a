"""What the simulations have in common: records of rates from trials that were simulated one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

COVERAGE, TYPE_ONE = "coverage", "type I error"
LEVEL, ALPHA = 0.95, 0.05


def rate(estimator: str, scenario: str, quantity: str, nominal: float, hits: Sequence[bool]) -> dict[str, Any]:
    """A record of a rate: `hits` are those of the trials that gave an answer."""
    found = float(np.mean(hits))
    # the error at the nominal rate: that of the rate found is 0 where every trial is a hit
    mcse = sqrt(nominal * (1 - nominal) / len(hits))
    return {
        "estimator": estimator,
        "scenario": scenario,
        "quantity": quantity,
        "nominal": nominal,
        "found": found,
        "mcse": mcse,
        "runs": len(hits),
    }


def rates(
    scenario: str, kinds: Mapping[str, tuple[str, float]], hits: Sequence[Mapping[str, bool]]
) -> list[dict[str, Any]]:
    """Records of several estimators: kinds: estimator → quantity and nominal rate; hits: a mapping a trial."""
    return [
        rate(estimator, scenario, quantity, nominal, [trial[estimator] for trial in hits if estimator in trial])
        for estimator, (quantity, nominal) in kinds.items()
    ]


class Statistics:
    """Looks up statistics of one trial's results, faster than a data frame does."""

    def __init__(self, results: pd.DataFrame) -> None:
        keys = zip(*(results[c] for c in ("analysis", "visit", "contrast", "context", "stat_name")), strict=True)
        self._found = dict(zip(keys, results["stat"], strict=True))

    def get(self, analysis: str, name: str, visit: str, contrast: str, context: str = "") -> float:
        """Return a statistic; it must be there."""
        return float(self._found[analysis, visit, contrast, context, name])

    def holds(self, analysis: str, truth: float, visit: str, contrast: str, context: str = "") -> bool:
        """Whether an interval holds the truth."""
        low, high = (self.get(analysis, name, visit, contrast, context) for name in ("conf_low", "conf_high"))
        return low <= truth <= high
