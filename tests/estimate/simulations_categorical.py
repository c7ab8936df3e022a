"""Coverage and type I error of the estimators of ordinal, nominal and count outcomes at the trial's size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from estimate.simulated import rate
from estimate.simulated_frames import NODES, PER_ARM, WEIGHTS, frame, lost, people
from pipanalysis.estimate.count import count
from pipanalysis.estimate.measures import MeasuredResult
from pipanalysis.estimate.nominal import nominal
from pipanalysis.estimate.ordinal import ordinal

SIZE = f"{PER_ARM} an arm, 20% lost"
CUTS = np.array([-1.8, -0.5, 0.6, 1.8])
LOG_ODDS = np.array([[-0.8, 0.0], [-1.3, 0.0], [-0.5, 0.6]])
"""nominal: of each level against the first, without and with the arm"""
HIGHEST = 53


def _of(results: list[MeasuredResult], name: str, level: str = "") -> Any:
    return next(one for one in results[0].measures if one.name == name and one.level == level and one.reference)


def _observed(results: list[MeasuredResult]) -> set[str]:
    return {one.level for one in results[0].measures if one.name == "probability_difference"}


def _p(results: list[MeasuredResult], context: str) -> float:
    tests = [test for test in results[0].tests if test.context == context]
    return tests[0].statistics["p_value"] if tests else np.nan


def ordinal_lines(runs: int, seed: int) -> list[dict[str, Any]]:
    """Five levels by proportional odds."""
    rng, effect = np.random.default_rng(seed), 0.8

    def linear(arm: Any, site: Any, severity: Any) -> Any:
        return effect * arm - 0.5 * site + 0.9 * severity

    shares = []
    for arm in (0.0, 1.0):
        at = [expit(CUTS - linear(arm, site, NODES)[:, None]) for site in (0.0, 1.0)]
        upper = np.mean([WEIGHTS @ one for one in at], axis=0)
        shares.append(np.diff(np.concatenate([[0.0], upper, [1.0]])))
    order = np.arange(5)
    better = float(shares[1] @ (np.sign(order[:, None] - order) / 2 + 0.5) @ shares[0])
    covered: dict[str, list[bool]] = {"odds_ratio": [], "probability_better": []}
    rejected, doubted = [], []
    for _ in range(runs):
        for shown in (1.0, 0.0):
            arm, site, severity = people(rng)
            latent = linear(arm * shown, site, severity) + rng.logistic(size=len(arm))
            values = lost(rng, np.digitize(latent, CUTS).astype(float)[:, None])
            results = ordinal(frame(arm, site, severity, values), "higher", 0.95)
            if shown:
                for name, truth in (("odds_ratio", np.exp(effect)), ("probability_better", better)):
                    one = _of(results, name)
                    covered[name].append(bool(one.low <= truth <= one.high))
                doubted.append(_p(results, "assumption=proportional_odds") < 0.05)
            else:
                rejected.append(_of(results, "odds_ratio").p_value < 0.05)
    return [
        *(rate("`ordinal`", f"{SIZE}, five levels", f"coverage, {name}", 0.95, hits) for name, hits in covered.items()),
        rate("`ordinal`", f"{SIZE}, five levels", "type I error, odds ratio", 0.05, rejected),
        rate("`ordinal`", f"{SIZE}, five levels", "type I error, test of proportional odds", 0.05, doubted),
    ]


def nominal_lines(runs: int, seed: int) -> list[dict[str, Any]]:
    """Four levels, one of them rare, with an effect of the arm on the fourth; adjusted for site."""
    rng, labels = np.random.default_rng(seed), ("a", "b", "c", "d")

    def shares(arm: Any, site: Any) -> np.ndarray:
        eta = LOG_ODDS[:, 0] + LOG_ODDS[:, 1] * np.asarray(arm)[..., None] + 0.4 * np.asarray(site)[..., None]
        return np.asarray(softmax(np.concatenate([np.zeros((*eta.shape[:-1], 1)), eta], axis=-1), axis=-1))

    truth = np.mean([shares(1.0, site) - shares(0.0, site) for site in (0.0, 1.0)], axis=0)
    covered: dict[str, list[bool]] = {level: [] for level in labels}
    rejected, exact = [], []
    for _ in range(runs):
        for shown in (1.0, 0.0):
            arm, site, severity = people(rng)
            drawn = (rng.random((len(arm), 1)) > shares(arm * shown, site).cumsum(axis=1)).sum(axis=1)
            trial = frame(arm, site, severity, lost(rng, drawn.astype(float)[:, None]))
            results = nominal(replace(trial, baseline=False), labels, "a", 0.95)
            if shown:
                for level, value in zip(labels, truth, strict=True):
                    if level in _observed(results):
                        one = _of(results, "probability_difference", level)
                        covered[level].append(bool(one.low <= value <= one.high))
            else:
                rejected.append(_p(results, "test=all_levels") < 0.05)
                exact.append(_p(results, "test=exact") < 0.05)
    return [
        *(
            rate("`nominal`", f"{SIZE}, four levels", f"coverage, difference at {share}", 0.95, covered[level])
            for level, share in (("c", "a level of about 0.11"), ("d", "a level of about 0.35"))
        ),
        rate("`nominal`", f"{SIZE}, four levels", "type I error, likelihood ratio", 0.05, rejected),
        rate("`nominal`", f"{SIZE}, four levels", "type I error, exact test", 0.05, exact),
    ]


def count_lines(runs: int, seed: int) -> list[dict[str, Any]]:
    """Negative binomial counts; and counts of 53 symptoms, which are bounded and of another distribution."""
    lines = []
    for scenario in ("negative binomial", f"symptoms out of {HIGHEST}"):
        rng, covered, rejected = np.random.default_rng(seed), [], []
        for _ in range(runs):
            for shown in (1.0, 0.0):
                arm, site, severity = people(rng)
                if scenario == "negative binomial":
                    truth = np.exp(-0.3)
                    mean = np.exp(3.2 - 0.3 * arm * shown + 0.2 * site + 0.3 * severity)
                    y = rng.poisson(mean * rng.gamma(1 / 0.2, 0.2, len(arm)))
                else:
                    # a beta-binomial with a mean that is log-linear in the arm alone
                    truth = np.exp(-0.3)
                    p = 0.6 * np.exp(-0.3 * arm * shown)
                    y = rng.binomial(HIGHEST, rng.beta(p * 4, (1 - p) * 4))
                results = count(frame(arm, site, severity, lost(rng, y.astype(float)[:, None])), HIGHEST, 0.95)
                ratio = _of(results, "rate_ratio")
                if shown:
                    covered.append(bool(ratio.low <= truth <= ratio.high))
                else:
                    rejected.append(bool(ratio.p_value < 0.05))
        lines.append(rate("`count`", f"{SIZE}, {scenario}", "coverage, rate_ratio", 0.95, covered))
        lines.append(rate("`count`", f"{SIZE}, {scenario}", "type I error, rate ratio", 0.05, rejected))
    return lines


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """All of them."""
    return [*ordinal_lines(runs, seed), *nominal_lines(runs, seed), *count_lines(runs, seed)]
