"""Coverage and type I error with repeated binary outcomes, and of bootstrap intervals, at the trial's size."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from estimate.simulated import rate
from estimate.simulated_frames import NODES, PER_ARM, WEIGHTS, frame, lost, people
from pipanalysis.estimate.binary import Bootstrap, logistic
from pipanalysis.estimate.gee import gee
from pipanalysis.estimate.measures import Measure, MeasuredResult

EFFECT, CORRELATION, RESAMPLES = 0.8, 0.5, 999
SCENARIO = f"{PER_ARM} an arm, 20% lost, risks about a half"
RARE = f"{PER_ARM} an arm, 20% lost, risks about 0.1 and 0.2"


def _risk(arm: float, intercept: float, site: np.ndarray | float, severity: np.ndarray) -> np.ndarray:
    return expit(intercept + EFFECT * arm - 0.5 * site + 0.9 * severity)


def _truth(intercept: float) -> dict[str, float]:
    mean = [np.mean([WEIGHTS @ _risk(arm, intercept, site, NODES) for site in (0.0, 1.0)]) for arm in (0.0, 1.0)]
    return {"risk_difference": mean[1] - mean[0], "risk_ratio": mean[1] / mean[0]}


def _measures(results: list[MeasuredResult], visit: str) -> dict[str, Measure]:
    every = [(one, one.visit or result.model.visit) for result in results for one in result.measures]
    return {one.name: one for one, at in every if at == visit and one.reference}


def _repeated(rng: np.random.Generator, intercept: float, *, effect: bool) -> tuple[np.ndarray, ...]:
    """A trial of two visits whose outcomes have logistic risks and, by a normal copula, a correlation."""
    arm, site, severity = people(rng)
    shared, own = rng.normal(size=(len(arm), 1)), rng.normal(size=(len(arm), 2))
    uniform = norm.cdf(np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own)
    values = (uniform < _risk(arm * effect, intercept, site, severity)[:, None]).astype(float)
    return arm, site, severity, lost(rng, values)


def repeated(runs: int, seed: int) -> list[dict[str, Any]]:
    """Estimating equations: coverage of the risk difference and ratio, type I error of the odds ratio's test."""
    lines = []
    for scenario, intercept in ((SCENARIO, -0.4), (RARE, -2.4)):
        rng, truth = np.random.default_rng(seed), _truth(intercept)
        covered: dict[str, list[bool]] = {name: [] for name in truth}
        rejected = []
        for _ in range(runs):
            at = _measures(gee(frame(*_repeated(rng, intercept, effect=True)), "exchangeable", True, 0.95), "visit2")
            for name, value in truth.items():
                covered[name].append(at[name].low <= value <= at[name].high)
            null = _measures(gee(frame(*_repeated(rng, intercept, effect=False)), "exchangeable", True, 0.95), "visit2")
            rejected.append(null["odds_ratio"].p_value < 0.05)
        lines += [rate("`gee`", scenario, f"coverage, {name}", 0.95, hits) for name, hits in covered.items()]
        lines.append(rate("`gee`", scenario, "type I error, odds ratio", 0.05, rejected))
    return lines


def bootstrapped(runs: int, seed: int) -> list[dict[str, Any]]:
    """Logistic regression: coverage of the delta method and of the bootstrap, of the same trials."""
    lines = []
    for scenario, intercept in ((SCENARIO, -0.4), (RARE, -2.4)):
        rng, truth = np.random.default_rng(seed), _truth(intercept)
        delta: dict[str, list[bool]] = {name: [] for name in truth}
        drawn: dict[str, list[bool]] = {name: [] for name in truth}
        for i in range(runs):
            arm, site, severity = people(rng)
            y = (rng.random(len(arm)) < _risk(arm, intercept, site, severity)).astype(float)
            trial = frame(arm, site, severity, lost(rng, y[:, None]))
            at = _measures(logistic(trial, 0.95, Bootstrap(RESAMPLES, seed, str(i))), "visit1")
            for name, value in truth.items():
                delta[name].append(at[name].low <= value <= at[name].high)
                if "bootstrap_low" in at[name].further:
                    drawn[name].append(at[name].further["bootstrap_low"] <= value <= at[name].further["bootstrap_high"])
        for name in truth:
            lines.append(rate("`logistic`, delta method", scenario, f"coverage, {name}", 0.95, delta[name]))
            lines.append(rate("`logistic`, bootstrap", scenario, f"coverage, {name}", 0.95, drawn[name]))
    return lines


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """All of them."""
    return [*repeated(runs, seed), *bootstrapped(runs, seed)]
