"""Bayesian analyses of the plan: results under every set of priors, gates, files, and what they must not touch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from estimate import trials
from pipanalysis.estimate.bayes import bayes_results
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.study.bayes_plan import BayesPlan

PLAN: dict[str, Any] = {
    "prior_sets": [
        {"name": "wide", "label": "Wide", "effect": [{"mean": 0, "sd": 5}]},
        {"name": "narrow", "label": "Narrow", "effect": [{"mean": 0, "sd": 0.1}]},
    ],
    "nuisance": {"coefficient_sd": 20, "residual_scale": 5},
    "mcids": [{"outcome": "total", "mcid": 2}, {"outcome": "flat", "mcid": 1}],
    "rope": 0.1,
    "interval": {"kind": "eti", "probability": 0.9},
    "sampling": {"draws": 1000, "tune": 500},
}
VISITS = {"baseline": 0, "month6": 6, "month12": 12}


def trial(folder: Path, bayes: dict[str, Any]) -> TrialData:
    """80 units, lower is better, treated 3 lower (SD 5); the outcome `flat` does not vary after baseline."""
    rng = np.random.default_rng(8)
    n = 80
    units = [f"u{i:02d}" for i in range(n)]
    arm = np.repeat(["control", "treated"], n // 2)
    before = 20 + 5 * rng.standard_normal(n)
    after = 10 + 0.5 * before[:, None] - 3 * (arm == "treated")[:, None] + 4 * rng.standard_normal((n, 2))
    after[rng.random((n, 2)) < 0.15] = np.nan
    long = pd.concat(
        [
            pd.DataFrame({"unit": units, "visit": visit, "value": value, "score": f"form.{score}"})
            for score in ("total", "flat")
            for visit, value in zip(VISITS, (before, *after.T), strict=True)
        ]
    ).dropna(subset=["value"])
    long.loc[(long["score"] == "form.flat") & (long["visit"] != "baseline"), "value"] = 7.0
    study = trials.study(
        [
            {"name": "mmrm", "method": "mmrm", "outcomes": ["total"]},
            {"name": "bayes", "method": "bayes_mmrm", "outcomes": ["total", "flat"]},
        ],
        visits=VISITS,
        scores={"total": "continuous", "flat": "continuous"},
        better="lower",
        folder=folder,
    )
    study = replace(study, plan=study.plan.model_copy(update={"bayes": BayesPlan.model_validate(bayes)}))
    return trials.trial(study, pd.DataFrame({"unit": units, "arm": arm}), long)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialData, pd.DataFrame]:
    data = trial(tmp_path_factory.mktemp("bayes"), PLAN)
    return data, bayes_results(data)


def effect(results: pd.DataFrame, visit: str, context: str, outcome: str = "total") -> pd.Series:
    where = (results["visit"] == visit) & (results["context"] == context) & (results["outcome"] == outcome)
    chosen = results[where & (results["contrast"] == "treated - control")]
    return chosen.set_index("stat_name")["stat"]


def test_under_a_wide_prior_the_answer_is_that_of_reml(made: tuple[TrialData, pd.DataFrame]) -> None:
    data, results = made
    reml = trials.effects(family_results(data, "mmrm"), analysis="mmrm")
    for visit in ("month6", "month12"):
        found = effect(results, visit, "prior=wide")
        estimate, error = reml.loc[visit, "estimate"], reml.loc[visit, "std_error"]
        assert abs(found["posterior_mean"] - estimate) < 0.1 * error
        assert found["posterior_sd"] == pytest.approx(error, rel=0.05)
        assert found["cred_low"] == pytest.approx(estimate - 1.66 * error, abs=0.15 * error)
        assert found["p_benefit"] == pytest.approx(norm.cdf(-estimate / error), abs=0.02)
        assert found["p_beyond_mcid"] == pytest.approx(norm.cdf((-2 - estimate) / error), abs=0.04)


def test_standardised_effects_are_benefit(made: tuple[TrialData, pd.DataFrame]) -> None:
    data, results = made
    baseline = data.at_baseline("form.total")
    arms = data.participants["arm"].to_numpy()
    sd = np.sqrt(np.mean([baseline[arms == arm].var(ddof=1) for arm in trials.ARMS]))
    raw = effect(results, "month6", "prior=wide")
    standardised = effect(results, "month6", "prior=wide, measure=standardised")
    assert standardised["posterior_mean"] == pytest.approx(-raw["posterior_mean"] / sd, rel=1e-6)
    assert standardised["cred_low"] == pytest.approx(-raw["cred_high"] / sd, rel=1e-6)
    assert raw["rope"] == pytest.approx(0.1 * sd, rel=1e-6)


def test_a_narrow_prior_pulls_to_no_effect(made: tuple[TrialData, pd.DataFrame]) -> None:
    _, results = made
    wide, narrow = (effect(results, "month6", f"prior={name}") for name in ("wide", "narrow"))
    assert abs(narrow["posterior_mean"]) < 0.5 * abs(wide["posterior_mean"])
    assert narrow["p_equivalence"] > wide["p_equivalence"]


def test_limits_carry_the_plan_s_probability(made: tuple[TrialData, pd.DataFrame]) -> None:
    _, results = made
    limits = results[results["stat_name"].isin(["cred_low", "cred_high"])]
    assert len(limits) > 10
    assert set(limits["conf_level"]) == {0.9}
    assert results["method"].str.endswith("nutpie eti").all()


def test_an_outcome_without_variance_is_refused_in_words(made: tuple[TrialData, pd.DataFrame]) -> None:
    _, results = made
    own = results[(results["outcome"] == "flat") & (results["stat_name"] == "fit_status")]
    assert own["stat_label"].tolist() == ["failed", "failed"]
    assert own["error"].str.startswith("no variation: all ").all()
    assert effect(results, "month6", "prior=wide", "flat").isna().all()


def test_predictive_checks_stand_by_arm_and_visit(made: tuple[TrialData, pd.DataFrame]) -> None:
    _, results = made
    checks = results[(results["stat_name"] == "predictive_p") & results["context"].str.contains("check=posterior")]
    assert len(checks) == 8
    assert checks["stat"].between(0.02, 0.98).all()
    observed = results[results["context"].str.endswith("check=posterior mean") & (results["stat_name"] == "observed")]
    assert set(observed["arm"]) == set(trials.ARMS)


def test_draws_are_kept_without_units(made: tuple[TrialData, pd.DataFrame]) -> None:
    import arviz as az

    data, results = made
    path = data.study.layout.draws("bayes")
    tree = az.from_netcdf(path)
    drawn = tree["posterior"]["effect"]
    assert drawn.dims == ("chain", "draw", "prior", "outcome", "arm", "visit")
    kept = drawn.sel(prior="wide", outcome="total", arm="treated", visit="month6")
    found = effect(results, "month6", "prior=wide, measure=standardised")
    assert float(kept.mean()) == pytest.approx(found["posterior_mean"], rel=1e-4)
    assert set(tree["posterior"].coords) == {"chain", "draw", "prior", "outcome", "arm", "visit"}
    assert path.stat().st_size < 1_000_000
    assert not any(unit.encode() in path.read_bytes() for unit in data.participants["unit"])


def test_a_model_that_fails_its_gates_twice_shows_nothing(tmp_path: Path) -> None:
    plan = PLAN | {"gates": {"ess": 1e6}, "sampling": {"draws": 100, "tune": 100}, "prior_sets": PLAN["prior_sets"][:1]}
    results = bayes_results(trial(tmp_path, plan))
    status = results[(results["stat_name"] == "fit_status") & (results["outcome"] == "total")].iloc[0]
    assert status["stat_label"] == "failed"
    assert "gates not passed: " in status["error"]
    assert "not above 1e+06" in status["error"]
    assert "sampled again" in status["warning"]
    own = results[(results["outcome"] == "total") & (results["contrast"] != "")]
    assert own["stat"].isna().all()
    assert (own["error"] != "").all()


CHAIN = """
import sys
from pathlib import Path
from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.estimate.step import estimate
from pipanalysis.intake.step import intake
from pipanalysis.study.load import load_study
study = load_study(Path())
intake(study); derive(study); allocate(study); estimate(study, "mmrm"); estimate(study, "ancova")
print([name for name in ("pymc", "pytensor", "nutpie", "arviz", "numba") if name in sys.modules])
"""


def test_no_other_step_imports_pymc(study_folder: Callable[..., Path], root: Path) -> None:
    source = root / "examples" / "beat-the-blues"
    folder = study_folder(source)
    (folder / "data").mkdir()
    (folder / "data" / "raw").symlink_to(source / "data" / "raw")
    done = subprocess.run([sys.executable, "-c", CHAIN], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_densities_of_an_effect_before_and_after_the_data(made: tuple[TrialData, pd.DataFrame]) -> None:
    """The prior's is exact; the posterior's has the mean and SD that the results give, and only under the default."""
    _, results = made
    rows = results[results["stat_name"].isin(["posterior_density", "prior_density"]) & (results["visit"] == "month6")]
    assert set(rows["context"].str.extract(r"prior=(\w+)")[0]) == {"wide"}
    at = rows["context"].str.extract(r"measure=standardised, at=(.+)$")[0].astype(float)
    densities = rows.assign(at=at).pivot(index="at", columns="stat_name", values="stat")
    assert densities.index.to_numpy() == pytest.approx(np.arange(-30, 31) / 20)
    assert densities["prior_density"].to_numpy() == pytest.approx(norm.pdf(densities.index, 0, 5))
    posterior, step = densities["posterior_density"], 0.05
    found = effect(results, "month6", "prior=wide, measure=standardised")
    mean = (posterior * posterior.index).sum() * step
    assert posterior.sum() * step == pytest.approx(1, abs=0.02)
    assert mean == pytest.approx(found["posterior_mean"], abs=0.02)
    variance = (posterior * (posterior.index - mean) ** 2).sum() * step
    assert np.sqrt(variance) == pytest.approx(found["posterior_sd"], rel=0.06)
