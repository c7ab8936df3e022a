"""The synthetic truth lies inside the intervals at the nominal rate, from raw files to the primary analysis."""

import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 200
FIRST_SEED = 1000


def covered(seed: int) -> dict[str, float]:
    """Run the study on a synthetic trial of its own; whether each interval of the main analyses holds the truth."""
    from pipanalysis.derive.allocation import allocate
    from pipanalysis.derive.step import derive
    from pipanalysis.estimate.step import family_results
    from pipanalysis.estimate.trial_data import read_trial_data
    from pipanalysis.intake.step import intake
    from pipanalysis.simulate.step import simulate
    from pipanalysis.study.load import load_study

    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "config", Path(place) / "config")
        study = load_study(Path(place))
        simulate(study, seed=seed, clean=True)
        intake(study)
        derive(study)
        intake(study, closed=True)
        allocate(study)
        results = family_results(read_trial_data(study), "mmrm")
        truth = json.loads(study.layout.truth.read_text(encoding="utf-8"))["scores"]
    chosen = results[results["analysis"].isin(["primary", "secondary"]) & (results["contrast"] == "pip - control")]
    limits = chosen[chosen["stat_name"].isin(["conf_low", "conf_high"])].pivot_table(
        index=["outcome", "visit"], columns="stat_name", values="stat"
    )
    found = {}
    for (outcome, visit), low, high in zip(limits.index, limits["conf_low"], limits["conf_high"], strict=True):
        of_score = truth.get(study.outcomes[outcome].score)
        if of_score is None:  # made of other scores, so that its mean has no closed form
            continue
        difference = of_score["pip"][visit]["mean"] - of_score["control"][visit]["mean"]
        found[f"{outcome} {visit}"] = float(low <= difference <= high)
    return found


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
