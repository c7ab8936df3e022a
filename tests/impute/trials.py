"""Small trials with gaps for tests of imputation."""

import numpy as np

from pipanalysis.impute.incomplete import IncompleteTrial
from pipanalysis.mmrm.arrays import FloatArray, IntArray


def incomplete_trial(y: FloatArray, arm: IntArray, baseline: FloatArray) -> IncompleteTrial:
    """Visit, baseline by visit and arm by visit in the imputation model; baseline and arm in the comparison."""
    n, t = y.shape
    arms = int(arm.max()) + 1
    in_arm = arm[:, None] == np.arange(1, arms)
    X = np.zeros((n, t, t * (arms + 1)))
    for v in range(t):
        X[:, v, v] = 1.0
        X[:, v, t + v] = baseline
        X[:, v, 2 * t + v :: t] = in_arm
    X_reference = X.copy()
    X_reference[:, :, 2 * t :] = 0.0
    Z = np.column_stack([np.ones(n), baseline, in_arm])
    return IncompleteTrial(y, arm, X, X_reference, Z, tuple(range(2, 1 + arms)))


def simulated(n: int = 40, t: int = 3, *, arms: int = 2, seed: int = 1) -> tuple[FloatArray, IntArray, FloatArray]:
    """Outcomes with dropout in every arm and one gap before a later value, arms, and baseline."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % arms
    baseline = rng.standard_normal(n)
    shared = rng.standard_normal((n, 1))
    y = 0.5 * baseline[:, None] + shared + rng.standard_normal((n, t)) + 0.8 * arm[:, None] * np.arange(1, t + 1) / t
    for unit in range(0, n, 4):
        y[unit : unit + arms, 1 + (unit // 4) % (t - 1) :] = np.nan
    y[3, 0] = np.nan
    return y, arm, baseline
