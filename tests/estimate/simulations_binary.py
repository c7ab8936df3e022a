"""Simulated trials with a binary outcome: a common and a rare event, for which the likelihood may need a penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from estimate import trials
from estimate.simulated import COVERAGE, LEVEL, Statistics, rates
from pipanalysis.estimate.step import family_results

PER_ARM, DROPOUT = 38, 0.2
LOG_ODDS = {"arm": 0.8, "site": -0.5, "severity": 0.9}
INTERCEPTS = {"common": -0.4, "rare": -3.4}
SITE = {"name": "site", "label": "Site", "type": "category", "levels": {"0": "North", "1": "South"}}
STUDY = trials.study(
    [{"method": "logistic", "outcomes": ["case"], "baseline_score": "form.total"}],
    visits={"baseline": 0, "month6": 6},
    scores={"total": "continuous", "case": "binary"},
    variables=[SITE],
    strata=["site"],
)
AT = ("month6", "treated - control")
MEASURES = {
    "risk_difference": "`logistic`, risk difference",
    "risk_ratio": "`logistic`, risk ratio",
    "odds_ratio": "`logistic`, odds ratio",
}
KINDS = dict.fromkeys(MEASURES.values(), (COVERAGE, LEVEL))


def probability(arm: Any, site: Any, severity: Any, intercept: float) -> Any:
    """Risk of units of the simulated population."""
    linear = intercept + LOG_ODDS["arm"] * arm + LOG_ODDS["site"] * site
    return expit(linear + LOG_ODDS["severity"] * severity)


def truths(intercept: float) -> dict[str, float]:
    """The measures in the whole population: by quadrature over the severity, half the units at each site."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    risk = [np.mean([weights @ probability(arm, site, nodes, intercept) for site in (0, 1)]) for arm in (0, 1)]
    return {
        "risk_difference": risk[1] - risk[0],
        "risk_ratio": risk[1] / risk[0],
        "odds_ratio": float(np.exp(LOG_ODDS["arm"])),
    }


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """Simulate trials with one visit after baseline; an interval that does not exist is not counted."""
    records = []
    for number, (name, intercept) in enumerate(INTERCEPTS.items()):
        truth = truths(intercept)
        hits = [_one(np.random.default_rng([seed, number, run]), intercept, truth) for run in range(runs)]
        scenario = f"{PER_ARM} an arm, {name} event (risk {risk_of_reference(intercept):.2f} in the reference arm)"
        records += rates(scenario, KINDS, hits)
    return records


def risk_of_reference(intercept: float) -> float:
    """Risk of the reference arm in the population."""
    truth = truths(intercept)
    return truth["risk_difference"] / (truth["risk_ratio"] - 1)


def statistics(rng: np.random.Generator, intercept: float) -> pd.DataFrame:
    """Simulate and analyse one trial."""
    n = 2 * PER_ARM
    arm, site, severity = np.repeat([0, 1], PER_ARM), rng.integers(0, 2, n), rng.normal(size=n)
    value = (rng.random(n) < probability(arm, site, severity, intercept)).astype(float)
    people = pd.DataFrame({"unit": range(n), "arm": np.array(trials.ARMS)[arm], "site": site.astype(str)})
    before = people.assign(visit="baseline", value=severity, score="form.total")
    after = people.assign(visit="month6", value=value, score="form.case")[rng.random(n) >= DROPOUT]
    return family_results(trials.trial(STUDY, people, pd.concat([before, after])), "binary")


def _one(rng: np.random.Generator, intercept: float, truth: dict[str, float]) -> dict[str, bool]:
    s = Statistics(statistics(rng, intercept))
    hits = {}
    for measure, estimator in MEASURES.items():
        if np.isfinite(s.get("logistic", "conf_low", *AT, f"measure={measure}")):
            hits[estimator] = s.holds("logistic", truth[measure], *AT, f"measure={measure}")
    return hits
