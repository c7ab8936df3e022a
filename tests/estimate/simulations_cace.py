"""Simulated trials with non-attendance: how often tests reject a true null and intervals hold the complier effect.

38 units an arm. Willingness to attend is correlated with the outcome, so that the units that attend differ from the
others of their arm. Sessions are counted, and an effect works per session or through a threshold.
"""

from __future__ import annotations

import numpy as np

from estimate.simulated import ALPHA, COVERAGE, LEVEL, TYPE_ONE, rate

PER_ARM = 38
THRESHOLD = 8
PER_SESSIONS = 10
CONFOUNDING = 0.5
"""regression of the outcome, with residual variance 1, on willingness in standard deviations"""
SCENARIOS = {
    "no effect": ("received", 0.0),
    "effect of 0.8 of receiving 8 sessions": ("received", 0.8),
    "effect of 0.4 per 10 sessions": ("dose", 0.4),
}


def coverage(runs: int, seed: int) -> list[dict]:
    """Simulate trials with and without an effect of the treatment received.

    Returns:
        Records of estimator, scenario, quantity, nominal, found, mcse (of found) and runs.
    """
    found = []
    for number, (scenario, (form, effect)) in enumerate(SCENARIOS.items()):
        rng = [np.random.default_rng([seed, number, run]) for run in range(runs)]
        answers = np.array([_one(generator, form, effect) for generator in rng], dtype=float)
        named = ("`cace`, two-stage least squares HC3", "as treated, least squares")
        for j, estimator in enumerate(named):
            hits = answers[:, j] == 0 if effect == 0 else answers[:, j] == 1
            aim = (TYPE_ONE, ALPHA) if effect == 0 else (COVERAGE, LEVEL)
            found.append(rate(f"{estimator} ({form})", f"{PER_ARM} an arm, {scenario}", *aim, hits))
    return found


def _one(rng: np.random.Generator, form: str, effect: float) -> tuple[bool, bool]:
    """Return whether the intervals of two-stage least squares, and of least squares as treated, hold the effect."""
    from scipy.stats import t
    from statsmodels.regression.linear_model import OLS

    from pipanalysis.estimate.cace import two_stage_least_squares

    arm = np.repeat([0.0, 1.0], PER_ARM)
    baseline, willing = rng.normal(size=(2, arm.size))
    attended = arm * np.maximum(0.0, np.round(14 + 9 * willing))
    exposure = (attended >= THRESHOLD).astype(float) if form == "received" else attended / PER_SESSIONS
    y = 0.5 * baseline + CONFOUNDING * willing + rng.normal(size=arm.size) + effect * exposure
    X = np.column_stack([np.ones(arm.size), baseline, arm])
    fit = two_stage_least_squares(y, X, 2, exposure)
    half = float(t.ppf(0.5 + LEVEL / 2, fit.df)) * fit.std_error
    low, high = OLS(y, np.column_stack([X[:, :2], exposure])).fit().conf_int(ALPHA)[2]
    return abs(fit.estimate - effect) <= half, bool(low <= effect <= high)
