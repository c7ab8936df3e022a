"""The synthetic trial of the study folder, from raw files to the mixed models: intervals that hold its truth."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from estimate.simulated import COVERAGE, LEVEL

ROOT = Path(__file__).resolve().parents[2]
COSTLY = 40
"""one trial for so many of the others: it goes from raw files through every step"""


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """Simulate the study's own trial with dropout and missing items; the intervals of one trial are correlated.

    The standard error is that of the trials' own coverages.
    """
    trials = [covered(seed + run) for run in range(max(2, runs // COSTLY))]
    by_trial = np.array([np.mean(list(trial.values())) for trial in trials])
    return [
        {
            "estimator": f"`mmrm`, all {len(trials[0])} differences, from raw files",
            "scenario": "the study's synthetic trial",
            "quantity": COVERAGE,
            "nominal": LEVEL,
            "found": float(by_trial.mean()),
            "mcse": float(by_trial.std(ddof=1) / np.sqrt(len(trials))),
            "runs": len(trials),
        }
    ]


def covered(seed: int) -> dict[str, bool]:
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
        found[f"{outcome} {visit}"] = bool(low <= difference <= high)
    return found
