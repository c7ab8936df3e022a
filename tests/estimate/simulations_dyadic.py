"""Simulated dyads: how often tests reject true nulls and intervals hold the truth, at the trial's size.

38 dyads an arm, two roles at two visits with an outcome each, correlated within the dyad; a fifth of the outcomes is
missing at random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from estimate.simulated import ALPHA, COVERAGE, LEVEL, TYPE_ONE, rate

PER_ARM = 38
ROLES = ("mother", "infant")
VISITS = ("month6", "month12")
WITHIN = 0.4
"""correlation of the two roles' outcomes at a visit, given both baselines"""
EFFECTS = {"mother": 0.5, "infant": 0.2}
MISSING = 0.2


def coverage(runs: int, seed: int) -> list[dict]:
    """Simulate trials in which the arms have the same correlation and the roles different effects.

    Returns:
        Records of estimator, scenario, quantity, nominal, found, mcse (of found) and runs.
    """
    answers = np.array([_one(np.random.default_rng([seed, run])) for run in range(runs)], dtype=float)
    names = (
        ("correlation within an arm", COVERAGE),
        ("correlation pooled within arms", COVERAGE),
        ("difference of correlations, limits of Zou", COVERAGE),
        ("difference of correlations, Fisher's z", TYPE_ONE),
        ("treatment effect of a role", COVERAGE),
        ("difference of two roles' effects", COVERAGE),
        ("covariance between arms", COVERAGE),
    )
    found = []
    for j, (estimator, quantity) in enumerate(names):
        nominal = LEVEL if quantity == COVERAGE else ALPHA
        scenario = f"{PER_ARM} dyads an arm, {MISSING:.0%} missing"
        found.append(rate(f"`dyadic`, {estimator}", scenario, quantity, nominal, answers[:, j]))
    return found


def simulated(rng: np.random.Generator) -> pd.DataFrame:
    """Return wide data: unit, arm, and each role's outcome at each visit, with variance 1 given its baseline."""
    arm = np.repeat([0, 1], PER_ARM)
    n = arm.size
    columns: dict[str, Any] = {"unit": [f"d{i:03}" for i in range(n)]}
    columns["arm"] = np.where(arm == 1, "treated", "control")
    baselines = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], size=n)
    visit = np.array([[1.0, 0.5], [0.5, 1.0]])
    residual = rng.multivariate_normal(np.zeros(4), np.kron([[1.0, WITHIN], [WITHIN, 1.0]], visit), size=n)
    for r, role in enumerate(ROLES):
        columns[f"{role} baseline"] = baselines[:, r]
        for v, name in enumerate(VISITS):
            value = 0.5 * baselines[:, r] + EFFECTS[role] * arm + residual[:, 2 * r + v]
            columns[f"{role} {name}"] = np.where(rng.random(n) < MISSING, np.nan, value)
    return pd.DataFrame(columns)


def frames(wide: pd.DataFrame) -> list[Any]:
    """Return the two roles as the estimators meet them, in the units of the simulation."""
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.comparison import complete_rows
    from pipanalysis.estimate.dyadic import Role

    made = []
    for role in ROLES:
        long = wide.melt(["unit", "arm", f"{role} baseline"], [f"{role} {v}" for v in VISITS], "visit", "value")
        long = long.rename(columns={f"{role} baseline": "baseline"})
        long["visit"] = pd.Categorical(long["visit"].str.removeprefix(f"{role} "), categories=list(VISITS))
        long["arm"] = pd.Categorical(long["arm"], categories=["control", "treated"])
        frame = AnalysisFrame(long, ("control", "treated"), VISITS, True, (), 1.0, {})
        made.append(Role(role, role, complete_rows(frame), {"control": PER_ARM, "treated": PER_ARM}))
    return made


def _one(rng: np.random.Generator) -> list[bool]:
    from pipanalysis.estimate.analysis_results import Scope
    from pipanalysis.estimate.dyadic import association_rows, joint_effects
    from pipanalysis.estimate.model_result import model_rows
    from pipanalysis.study.plan import Analysis

    roles = frames(simulated(rng))
    given = {"name": "dyads", "label": "x", "method": "dyadic", "role": "exploratory", "analysis_set": "all"}
    analysis = Analysis.model_validate(given)
    scope = Scope(analysis, "x", "", LEVEL, "x")
    rows = list(association_rows(scope, "month12", *roles))
    result, products = joint_effects(roles, analysis, list(VISITS), LEVEL, 1)
    rows += [row for row in model_rows(scope, result) if row["visit"] == "month12"]
    found = {(r["arm"], r["contrast"], r["context"], r["stat_name"]): r["stat"] for r in rows}

    def holds(arm: str, contrast: str, context: str, truth: float) -> bool:
        low, high = (found[arm, contrast, context, name] for name in ("conf_low", "conf_high"))
        return bool(low <= truth <= high)

    difference, pair = "treated - control", "pair=mother,infant"
    _, low, high = next(limits for visit, _, _, limits in products if visit == "month12")
    mother = [row for row in products if row[0] == "month12"]
    share = _share(roles)
    assert len(mother) == 1
    return [
        holds("treated", "", pair, WITHIN),
        holds("", "", pair, WITHIN),
        holds("", difference, pair, 0.0),
        bool(found["", difference, pair, "p_value"] < ALPHA),
        holds("", difference, "role=mother", EFFECTS["mother"]),
        holds("", difference, "roles=mother - infant", EFFECTS["mother"] - EFFECTS["infant"]),
        bool(low <= share * (1 - share) * EFFECTS["mother"] * EFFECTS["infant"] <= high),
    ]


def _share(roles: list[Any]) -> float:
    observed = {arm: sum(role.frame.observed[arm, "month12"] for role in roles) for arm in ("control", "treated")}
    return observed["treated"] / sum(observed.values())
