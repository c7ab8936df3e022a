"""The synthetic truth lies inside the intervals at the nominal rate, from raw files to the primary analysis."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from estimate.simulations_workflow import covered

SEEDS = 200
FIRST_SEED = 1000


@pytest.mark.validation
def test_coverage_of_the_synthetic_truth() -> None:
    """200 trials of 76 dyads with dropout and missing items; within 3 Monte Carlo standard errors of 95%.

    Intervals of one trial are correlated, so the standard error is that of the trials' own coverages.
    """
    begun = time.perf_counter()
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        trials = list(pool.map(covered, range(FIRST_SEED, FIRST_SEED + SEEDS)))
    assert {len(trial) for trial in trials} == {34}
    by_trial = np.array([np.mean(list(trial.values())) for trial in trials])
    coverage, se = by_trial.mean(), by_trial.std(ddof=1) / np.sqrt(SEEDS)
    primary = np.mean([[trial[f"bayley_cognitive {v}"] for v in ("month6", "month12")] for trial in trials])
    print(
        f"\ncoverage {100 * coverage:.2f}% (Monte Carlo SE {100 * se:.2f}) of 95% intervals, {SEEDS} trials x 34; "
        f"primary outcome {100 * primary:.1f}%; {time.perf_counter() - begun:.0f} s"
    )
    assert abs(coverage - 0.95) < 3 * se
