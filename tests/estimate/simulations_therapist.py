"""Simulated trials with therapists in one arm: how often tests reject a true null and intervals hold the truth.

38 units an arm, 6 therapists who see 4 to 9 units each, an outcome with variance 1 in both arms, adjusted for a
baseline value. The partially nested model against the analysis of covariance that ignores therapists.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from estimate.simulated import ALPHA, COVERAGE, LEVEL, TYPE_ONE, rate

PER_ARM = 38
SIZES = (9, 8, 7, 6, 4, 4)
BASELINE_SLOPE = 0.5


def coverage(runs: int, seed: int) -> list[dict]:
    """Simulate trials without a treatment effect, with therapist intraclass correlations of 0, 0.05 and 0.1.

    Returns:
        Records of estimator, scenario, quantity, nominal, found, mcse (of found) and runs.
    """
    found = []
    for number, icc in enumerate((0.0, 0.05, 0.1)):
        answers = np.array([_one(np.random.default_rng([seed, number, run]), icc) for run in range(runs)], dtype=float)
        scenario = f"{PER_ARM} an arm, {len(SIZES)} therapists, ICC {icc:g}"
        for j, (estimator, quantity, nominal) in enumerate(
            [
                ("`therapist`, partially nested", TYPE_ONE, ALPHA),
                ("`therapist`, partially nested", COVERAGE, LEVEL),
                ("`ancova`, therapists ignored", TYPE_ONE, ALPHA),
                ("`ancova`, therapists ignored", COVERAGE, LEVEL),
                ("`therapist`, limits of the ICC", COVERAGE, LEVEL),
            ]
        ):
            found.append(rate(estimator, scenario, quantity, nominal, answers[:, j]))
    return found


def _one(rng: np.random.Generator, icc: float) -> tuple[bool, bool, bool, bool, bool]:
    from scipy.stats import t
    from statsmodels.regression.linear_model import OLS

    from pipanalysis.partially_nested import fit_partially_nested

    arm = np.repeat([0, 1], PER_ARM)
    cluster = np.concatenate([np.full(PER_ARM, -1), np.repeat(np.arange(len(SIZES)), SIZES)])
    therapist = sqrt(icc) * rng.normal(size=len(SIZES))
    sd = np.where(arm == 1, sqrt(1 - icc), 1.0)
    baseline = rng.normal(size=arm.size)
    y = BASELINE_SLOPE * baseline + sd * rng.normal(size=arm.size) + np.where(arm == 1, therapist[cluster], 0.0)
    X = np.column_stack([np.ones(arm.size), baseline, arm])
    fit = fit_partially_nested(y, X, arm, cluster)
    ratio = abs(fit.beta[2]) / sqrt(fit.vcov[2, 2])
    nested = ratio > t.ppf(0.5 + LEVEL / 2, fit.df(np.array([0.0, 0.0, 1.0])))
    ignored = OLS(y, X).fit().pvalues[2] < ALPHA
    low, high = fit.icc_interval(LEVEL)
    return bool(nested), not nested, bool(ignored), not ignored, low <= icc <= high
