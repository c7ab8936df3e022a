"""The joint model and the logistic regression as the plan asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from pipanalysis.estimate.bayes import bayes_results
from pipanalysis.study.bayes_plan import BayesPlan
from pipanalysis.study.plan import Domain

PLAN: dict[str, Any] = {
    "prior_sets": [
        {"name": "wide", "label": "Wide", "effect": [{"mean": 0, "sd": 1}]},
        {"name": "narrow", "label": "Narrow", "effect": [{"mean": 0, "sd": 0.3}]},
    ],
    "mcids": [{"outcome": name, "mcid": 1} for name in ("x1", "x2", "y1", "case")],
    "sampling": {"draws": 500, "tune": 400},
    "gates": {"ess": 100, "r_hat": 1.05, "divergences": 50},
}
SHIFT = {"x1": 0.8, "x2": 0.8, "y1": 0.0}
CONTRAST = "treated - control"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """100 units; x1 and x2 of one domain 0.8 SD better when treated, y1 of another not; case is rarer when treated."""
    rng = np.random.default_rng(3)
    n = 100
    arm = np.repeat(trials.ARMS, n // 2)
    treated = arm == "treated"
    trait = rng.standard_normal(n)
    frames = []
    for name, shift in SHIFT.items():
        before = trait + rng.standard_normal(n)
        after = before + 1.4 * shift * treated + rng.standard_normal(n)
        frames += [(name, "baseline", before), (name, "month6", after)]
    frames.append(("case", "month6", (rng.random(n) < np.where(treated, 0.2, 0.6)).astype(float)))
    units = [f"u{i:03d}" for i in range(n)]
    long = pd.concat(
        [pd.DataFrame({"unit": units, "visit": v, "score": f"form.{s}", "value": x}) for s, v, x in frames]
    )
    study = trials.study(
        [
            {"name": "joint", "method": "bayes_joint", "outcomes": list(SHIFT)},
            {"name": "binary", "method": "bayes_logistic", "outcomes": ["case"], "baseline": False},
        ],
        visits={"baseline": 0, "month6": 6},
        scores=dict.fromkeys(SHIFT, "continuous") | {"case": "binary"},
        better="higher",
        outcomes=[
            {"name": name, "label": name, "domain": "health" if name != "y1" else "other", "score": f"form.{name}"}
            for name in (*SHIFT, "case")
        ],
        folder=tmp_path_factory.mktemp("joint"),
    )
    plan = {"bayes": BayesPlan.model_validate(PLAN)}
    domains = [*study.plan.domains, Domain(name="other", label="Other")]
    study = replace(study, plan=study.plan.model_copy(update=plan | {"domains": domains}))
    return bayes_results(trials.trial(study, pd.DataFrame({"unit": units, "arm": arm}), long))


def stat(results: pd.DataFrame, name: str, outcome: str, context: str = "prior=wide", visit: str = "month6") -> float:
    return trials.stat(results, name, outcome=outcome, context=context, visit=visit, contrast=CONTRAST)


def test_effects_of_outcomes_domains_and_all(results: pd.DataFrame) -> None:
    joint = results[results["analysis"] == "joint"]
    means = {name: stat(joint, "posterior_mean", name, "prior=wide, measure=standardised") for name in SHIFT}
    assert stat(joint, "posterior_mean", "health") == pytest.approx((means["x1"] + means["x2"]) / 2, abs=1e-9)
    assert stat(joint, "posterior_mean", "other") == pytest.approx(means["y1"], abs=1e-9)
    both = (stat(joint, "posterior_mean", "health") + stat(joint, "posterior_mean", "other")) / 2
    assert stat(joint, "posterior_mean", "overall") == pytest.approx(both, abs=1e-9)
    assert stat(joint, "posterior_mean", "overall", visit="") == pytest.approx(both, abs=1e-9)
    assert stat(joint, "p_benefit", "health") > 0.99
    assert stat(joint, "p_benefit", "health") > stat(joint, "p_benefit", "other")


def test_every_set_of_priors_has_a_status_and_its_draws_differ(results: pd.DataFrame) -> None:
    status = results[(results["stat_name"] == "fit_status") & (results["analysis"] == "joint")]
    assert status["stat_label"].tolist() == ["ok", "ok"]
    joint = results[results["analysis"] == "joint"]
    wide, narrow = (stat(joint, "posterior_mean", "overall", f"prior={name}") for name in ("wide", "narrow"))
    assert 0 < narrow < wide


def test_risks_differ_as_the_data_do(results: pd.DataFrame) -> None:
    """`better: higher` makes the event a good one: fewer of it is harm, and the difference is of risks as they are."""
    binary = results[results["analysis"] == "binary"]
    context = "prior=wide, measure=risk_difference"
    assert stat(binary, "posterior_mean", "case", context) == pytest.approx(-0.4, abs=0.2)
    assert stat(binary, "p_benefit", "case", context) < 0.01
    risks = binary[(binary["context"] == "prior=wide, parameter=risk") & (binary["stat_name"] == "posterior_mean")]
    by_arm = risks.set_index("arm")["stat"]
    difference = by_arm["treated"] - by_arm["control"]
    assert difference == pytest.approx(stat(binary, "posterior_mean", "case", context), abs=1e-9)
