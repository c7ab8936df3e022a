"""Simulated trials with a continuous outcome: the estimators of a difference between arms, all on the same trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from estimate import trials
from estimate.simulated import COVERAGE, LEVEL, TYPE_ONE, Statistics, rates
from pipanalysis.estimate.step import family_results

PER_ARM, SITES = 38, 4
VISITS = {"baseline": 0, "month6": 6, "month12": 12}
SD = np.array([10.0, 11.0, 12.0])
CORRELATION = np.array([[1.0, 0.55, 0.5], [0.55, 1.0, 0.6], [0.5, 0.6, 1.0]])
EFFECT = np.array([0.0, -2.5, -5.0])
"""worse in the treated arm, linear in time, and at month 12 by the margin of non-inferiority"""
MARGIN = 5.0
LOSS = np.array([0.12, 0.09])
"""share lost between visits, more likely the worse the value before: missing at random"""
SCENARIO = f"{PER_ARM} an arm, normal, 20% lost at random"
FAMILIES = ("mmrm", "ancova", "describe", "mixed_model")
MIXED_EVERY = 2
"""one trial in so many is fitted by MixedLM too, which takes as long as all else together"""
AT = ("month12", "treated - control")
KINDS = {
    "`mmrm`, unstructured, Kenward-Roger": (COVERAGE, LEVEL),
    "`mmrm`, margin of non-inferiority": (TYPE_ONE, (1 - LEVEL) / 2),
    "`mmrm`, interaction with a subgroup": (TYPE_ONE, 1 - LEVEL),
    "`clda`, unstructured, Kenward-Roger": (COVERAGE, LEVEL),
    "`reference_based`, missing at random": (TYPE_ONE, 1 - LEVEL),
    "`reference_based`, jump to reference": (TYPE_ONE, 1 - LEVEL),
    "`reference_based`, missing at random, multiple imputation": (TYPE_ONE, 1 - LEVEL),
    "`reference_based`, jump to reference, multiple imputation": (TYPE_ONE, 1 - LEVEL),
    "`mixed_model`, random intercept": (COVERAGE, LEVEL),
    "`growth`, slope": (COVERAGE, LEVEL),
    "`ancova`": (COVERAGE, LEVEL),
    "`ancova`, HC3": (COVERAGE, LEVEL),
    "`rerandomisation`": (TYPE_ONE, 1 - LEVEL),
    "`effect_size`, Hedges' g": (COVERAGE, LEVEL),
}
MODELS: list[dict[str, Any]] = [
    {
        "method": "mmrm",
        "margins": [{"outcome": "total", "margin": MARGIN, "kind": "non_inferiority", "visits": ["month12"]}],
    },
    {"name": "by_sex", "method": "mmrm", "subgroup": "sex"},
    {"method": "clda"},
    {"method": "reference_based", "outcomes": ["null"], "strategies": ["mar", "j2r"]},
    {
        "name": "multiple",
        "method": "reference_based",
        "outcomes": ["null"],
        "strategies": ["mar", "j2r"],
        "imputations": 50,
    },
    {"method": "mixed_model"},
    {"method": "growth"},
    {"method": "ancova"},
    {"name": "hc3", "method": "ancova", "standard_error": "HC3"},
    {"method": "rerandomisation", "outcomes": ["null"], "allocations": 1000},
    {"method": "effect_size"},
]
VARIABLES = [
    {"name": "site", "label": "Site", "type": "category", "levels": {str(i): str(i) for i in range(SITES)}},
    {"name": "sex", "label": "Sex", "type": "category", "levels": {"0": "Girl", "1": "Boy"}},
]
STUDY = trials.study(
    [{"outcomes": ["total"], "role": "secondary"} | model for model in MODELS],
    visits=VISITS,
    variables=VARIABLES,
    strata=["site"],
    scores={"total": "continuous", "null": "continuous"},
    better="higher",
)


def coverage(runs: int, seed: int) -> list[dict[str, Any]]:
    """Simulate trials of two arms, four sites and two visits after baseline."""
    hits = [_one(np.random.default_rng([seed, run]), mixed=run % MIXED_EVERY == 0) for run in range(runs)]
    return rates(SCENARIO, KINDS, hits)


def _one(rng: np.random.Generator, *, mixed: bool) -> dict[str, bool]:
    n = 2 * PER_ARM
    site = np.sort(rng.integers(0, SITES, n))
    arm = np.concatenate(
        [rng.permutation((np.arange(k) + rng.integers(2)) % 2) for k in np.bincount(site, minlength=4)]
    )
    people = pd.DataFrame({"unit": range(n), "arm": np.array(trials.ARMS)[arm], "site": site.astype(str)})
    people["sex"] = rng.integers(0, 2, n).astype(str)
    null = 50 + site[:, None] + rng.normal(size=(n, 3)) @ np.linalg.cholesky(np.outer(SD, SD) * CORRELATION).T
    here = np.ones((n, 3), dtype=bool)
    for visit, loss in enumerate(LOSS, start=1):
        worse = -(null[:, visit - 1] - null[:, visit - 1].mean()) / SD[visit - 1]
        stays = rng.random(n) >= expit(np.log(loss / (1 - loss)) + 0.5 * worse)
        here[:, visit] = here[:, visit - 1] & stays
    scores = {"form.null": null, "form.total": null + arm[:, None] * EFFECT}
    long = [
        pd.DataFrame({"unit": np.arange(n)[here[:, v]], "visit": visit, "score": score, "value": y[here[:, v], v]})
        for score, y in scores.items()
        for v, visit in enumerate(VISITS)
    ]
    trial = trials.trial(STUDY, people, pd.concat(long, ignore_index=True))
    s = Statistics(pd.concat([family_results(trial, f) for f in FAMILIES[: 4 if mixed else 3]]))
    truth = EFFECT[2]
    by_mixedlm = {
        "`mixed_model`, random intercept": lambda: s.holds("mixed_model", truth, *AT),
        "`growth`, slope": lambda: s.holds("growth", truth, "", AT[1], "slope=per year"),
    }
    imputed = {
        f"`reference_based`, {label}{kind}": s.get(name, "p_value", *AT, f"strategy={strategy}") < 1 - LEVEL
        for name, kind in (("reference_based", ""), ("multiple", ", multiple imputation"))
        for strategy, label in (("mar", "missing at random"), ("j2r", "jump to reference"))
    }
    return (
        {name: held() for name, held in by_mixedlm.items() if mixed}
        | imputed
        | {
            "`mmrm`, unstructured, Kenward-Roger": s.holds("mmrm", truth, *AT),
            "`mmrm`, margin of non-inferiority": bool(
                s.get("mmrm", "shows_noninferiority", *AT, "margin=non_inferiority")
            ),
            "`mmrm`, interaction with a subgroup": s.get("by_sex", "p_value_interaction", "month12", "") < 1 - LEVEL,
            "`clda`, unstructured, Kenward-Roger": s.holds("clda", truth, *AT),
            "`ancova`": s.holds("ancova", truth, *AT),
            "`ancova`, HC3": s.holds("hc3", truth, *AT),
            "`rerandomisation`": s.get("rerandomisation", "p_value", *AT) <= 1 - LEVEL,
            "`effect_size`, Hedges' g": s.holds("effect_size", truth / SD[2], *AT),
        }
    )
