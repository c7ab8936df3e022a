"""Simulated trials of practices that were allocated whole: analysis of covariance with and without regard to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from estimate import trials
from estimate.simulated import COVERAGE, LEVEL, Statistics, rates
from pipanalysis.estimate.step import family_results

SIZES = (2, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 8, 10)
"""of 15 practices; 7 or 8 of them are treated"""
ICC = 0.1
EFFECT = 0.5
SCENARIO = f"{sum(SIZES)} units in {len(SIZES)} practices allocated whole, ICC {ICC:g}"
KINDS = {"`ancova`, practices ignored": (COVERAGE, LEVEL), "`ancova`, cluster-robust (CR2)": (COVERAGE, LEVEL)}
STUDY = trials.study(
    [{"method": "ancova"}, {"name": "cluster", "method": "ancova", "standard_error": "cluster", "cluster": "practice"}],
    visits={"baseline": 0, "month6": 6},
    variables=[{"name": "practice", "label": "Practice", "type": "text"}],
)


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """Simulate trials with one visit after baseline."""
    return rates(SCENARIO, KINDS, [_one(np.random.default_rng([seed, run])) for run in range(runs)])


def _one(rng: np.random.Generator) -> dict[str, bool]:
    practice = np.repeat(np.arange(len(SIZES)), SIZES)
    treated = rng.permutation((np.arange(len(SIZES)) + rng.integers(2)) % 2)[practice]
    baseline = rng.normal(size=practice.size)
    shared = rng.normal(size=len(SIZES))[practice]
    value = (
        EFFECT * treated + 0.5 * baseline + np.sqrt(ICC) * shared + np.sqrt(1 - ICC) * rng.normal(size=practice.size)
    )
    people = pd.DataFrame({"unit": range(practice.size), "arm": np.array(trials.ARMS)[treated]})
    people["practice"] = practice.astype(str)
    long = [people[["unit"]].assign(visit=v, value=y) for v, y in (("baseline", baseline), ("month6", value))]
    s = Statistics(family_results(trials.trial(STUDY, people, pd.concat(long)), "ancova"))
    at = ("month6", "treated - control")
    return {
        "`ancova`, practices ignored": s.holds("ancova", EFFECT, *at),
        "`ancova`, cluster-robust (CR2)": s.holds("cluster", EFFECT, *at),
    }
