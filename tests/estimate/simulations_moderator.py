"""Simulated trials with a moderator: how often the test of its interaction rejects, and its slope's interval holds.

38 units an arm, two visits, dropout of a fifth at the second one that depends on the first; the moderator is the
baseline value or another number, skewed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from estimate.simulated import ALPHA, COVERAGE, LEVEL, TYPE_ONE, rate

PER_ARM = 38
VISITS = ("month6", "month12")
SCENARIOS = {
    "no interaction, the baseline value moderates": (0.0, True),
    "no interaction, another moderator, skewed": (0.0, False),
    "interaction of 0.5 per SD, another moderator, skewed": (0.5, False),
}


def coverage(runs: int, seed: int) -> list[dict]:
    """Simulate trials with and without an interaction of arm and moderator at the second visit.

    Returns:
        Records of estimator, scenario, quantity, nominal, found, mcse (of found) and runs.
    """
    found = []
    for number, (scenario, (slope, own)) in enumerate(SCENARIOS.items()):
        rng = [np.random.default_rng([seed, number, run]) for run in range(runs)]
        answers = np.array([_one(generator, slope, own) for generator in rng], dtype=float)
        quantities = [(COVERAGE, LEVEL, answers[:, 0])]
        quantities += [(TYPE_ONE, ALPHA, answers[:, 1])] if slope == 0 else []
        for quantity, nominal, hits in quantities:
            found.append(
                rate("`mmrm`, interaction with a moderator", f"{PER_ARM} an arm, {scenario}", quantity, nominal, hits)
            )
    return found


def _one(rng: np.random.Generator, slope: float, own: bool) -> tuple[bool, bool]:
    """Return whether the interval of the slope per unit holds it, and whether the test rejects, at the second visit."""
    from scipy.stats import t

    from pipanalysis.estimate.analysis_data import AnalysisFrame, Covariate
    from pipanalysis.estimate.moderator import SLOPE, moderated_effects
    from pipanalysis.study.plan import Analysis

    arm = np.repeat([0, 1], PER_ARM)
    n = arm.size
    baseline = rng.normal(size=n)
    moderator = baseline if own else rng.exponential(size=n)
    residual = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1.3]], size=n)
    first = 0.5 * baseline + residual[:, 0]
    second = 0.4 * baseline + residual[:, 1] + slope * arm * moderator
    gone = rng.random(n) < 0.4 / (1 + np.exp(-first))
    data = pd.DataFrame(
        {
            "unit": np.repeat([f"u{i:03}" for i in range(n)], 2),
            "visit": pd.Categorical.from_codes(np.tile([0, 1], n), categories=pd.Index(VISITS)),
            "arm": pd.Categorical.from_codes(np.repeat(arm, 2), categories=pd.Index(["control", "treated"])),
            "value": np.column_stack([first, np.where(gone, np.nan, second)]).ravel(),
            "baseline": np.repeat(baseline, 2),
            "x1": np.repeat(moderator, 2),
        }
    )
    covariate = Covariate("x1", "m", factor=False)
    frame = AnalysisFrame(data, ("control", "treated"), VISITS, True, (covariate,), 1.0, {})
    given = {"name": "a", "label": "x", "method": "mmrm", "role": "exploratory", "analysis_set": "all"}
    result = moderated_effects(frame, Analysis.model_validate(given | {"moderator": "m"}))
    effect = next(e for e in result.effects if (e.visit, e.context) == ("month12", SLOPE))
    half = float(t.ppf(0.5 + LEVEL / 2, effect.df)) * effect.std_error
    p = next(e.stat for e in result.extras if (e.stat_name, e.visit) == ("p_value_interaction", "month12"))
    return abs(effect.estimate - slope) <= half, bool(p < ALPHA)
