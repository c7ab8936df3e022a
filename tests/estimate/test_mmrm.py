"""MMRM and constrained longitudinal analysis of the plan."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import effects, row, stat
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

MMRM = {"method": "mmrm", "baseline_by_visit": False}
MONTHS = (2, 3, 5, 8)


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Any]:
    """R mmrm 0.3.18: bdi ~ bdi.pre + drug + length + treatment * month + us(month | subject), REML."""
    return json.loads((shared / "reference" / "results" / "mmrm_btheb.json").read_text())["models"]["us_reml"]


@pytest.fixture(scope="module")
def results(beat_the_blues: Callable[..., TrialData]) -> pd.DataFrame:
    return family_results(beat_the_blues(MMRM), "mmrm")


def test_differences_are_those_of_r(results: pd.DataFrame, reference: dict[str, Any]) -> None:
    """For an unstructured covariance R's linear Kenward-Roger is the general one."""
    found = effects(results)
    for expected in reference["methods"]["Kenward-Roger-Linear"]["contrasts"]:
        at = found.loc[f"month{expected['month']}"]
        assert at["estimate"] == pytest.approx(expected["estimate"], rel=1e-5)
        assert at["std_error"] == pytest.approx(expected["SE"], rel=1e-5)
        assert at["df"] == pytest.approx(expected["df"], rel=1e-4)
        assert at["p_value"] == pytest.approx(expected["p.value"], abs=1e-6)
        assert at["conf_low"] == pytest.approx(expected["lower.CL"], rel=1e-5)
        assert at["conf_high"] == pytest.approx(expected["upper.CL"], rel=1e-5)


def test_adjusted_means_are_those_of_r_emmeans(results: pd.DataFrame, reference: dict[str, Any]) -> None:
    arms = {"TAU": "control", "BtheB": "treated"}
    means = reference["methods"]["Kenward-Roger-Linear"]["lsmeans"]
    means = means["equal"] if isinstance(means, dict) else means
    assert len(means) == 8
    for expected in means:
        where = {"visit": f"month{expected['month']}", "arm": arms[expected["treatment"]]}
        assert stat(results, "estimate", **where) == pytest.approx(expected["emmean"], rel=1e-5)
        assert stat(results, "std_error", **where) == pytest.approx(expected["SE"], rel=1e-5)


def test_fit_statistics_are_those_of_r(results: pd.DataFrame, reference: dict[str, Any]) -> None:
    assert stat(results, "deviance") == pytest.approx(reference["neg2_loglik"], rel=1e-7)
    covariance = np.array(reference["covariance"]["values"])
    for i, month in enumerate(MONTHS):
        assert stat(results, "variance_visit", visit=f"month{month}") == pytest.approx(covariance[i, i], rel=1e-4)
    rho = covariance[0, 3] / np.sqrt(covariance[0, 0] * covariance[3, 3])
    assert stat(results, "correlation", context="visits=month2,month8") == pytest.approx(rho, rel=1e-4)
    assert stat(results, "n_units") == reference["n_subjects"]
    assert stat(results, "n_observations") == reference["n_obs"]
    assert row(results, "fit_status")["stat_label"] == "ok"
    assert row(results, "fit_status")["method"] == "mmrm us kenward-roger reml"


@pytest.mark.parametrize("df", ["satterthwaite", "between-within"])
def test_planned_degrees_of_freedom_are_used(
    beat_the_blues: Callable[..., TrialData], reference: dict[str, Any], df: str
) -> None:
    found = effects(family_results(beat_the_blues(MMRM | {"df": df}), "mmrm"))
    for expected in reference["methods"][df.title()]["contrasts"]:
        assert found.loc[f"month{expected['month']}", "df"] == pytest.approx(expected["df"], rel=1e-4)


def trial_from(values: np.ndarray, baseline: np.ndarray | None = None, **options: Any) -> TrialData:
    n, k = values.shape
    arms = ["control"] * (n // 2) + ["treated"] * (n - n // 2)
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(n)], "arm": arms})
    names = [f"month{6 * (j + 1)}" for j in range(k)]
    wide = pd.DataFrame(values, columns=names).assign(unit=people["unit"])
    if baseline is not None:
        wide["baseline"] = baseline
        names = ["baseline", *names]
    visits = {"baseline": 0} | {f"month{6 * (j + 1)}": 6 * (j + 1) for j in range(k)}
    configuration = trials.study([{"method": "mmrm"} | options], visits=visits, instrument_visits=names)
    return trials.trial(configuration, people, wide.melt("unit", names, "visit").dropna())


def test_one_visit_is_analysis_of_covariance(acupuncture: Callable[..., TrialData]) -> None:
    one = {"visits": ["month12"], "covariates": ["age", "sex", "migraine", "chronicity"]}
    ours = family_results(acupuncture({"method": "mmrm"} | one), "mmrm")
    ols = family_results(acupuncture({"method": "ancova"} | one), "ancova")
    for name in ("estimate", "std_error", "df", "p_value", "effect_size"):
        assert effects(ours).loc["month12", name] == pytest.approx(effects(ols).loc["month12", name], rel=1e-6)
    for arm in ("control", "treated"):
        for name in ("estimate", "std_error", "df", "conf_low"):
            assert stat(ours, name, arm=arm) == pytest.approx(stat(ols, name, arm=arm), rel=1e-6)


def test_constrained_analysis_on_complete_data_by_algebra() -> None:
    """Complete data, unstructured: the estimate is that of analysis of covariance with a slope for each visit.

    The likelihood factors into that of the baseline and that of the visits given the baseline, arm a covariate.
    """
    rng = np.random.default_rng(3)
    baseline = rng.normal(size=30)
    values = 0.6 * baseline[:, None] + rng.normal(size=(30, 2))
    found = effects(family_results(trial_from(values, baseline, method="clda"), "mmrm"))
    half = slice(0, 15), slice(15, 30)
    centred = np.concatenate([baseline[h] - baseline[h].mean() for h in half])
    for j, visit in enumerate(("month6", "month12")):
        b = (centred @ values[:, j]) / (centred @ centred)
        d, d0 = (v[half[1]].mean() - v[half[0]].mean() for v in (values[:, j], baseline))
        assert found.loc[visit, "estimate"] == pytest.approx(d - b * d0, abs=1e-8)


def test_constrained_analysis_keeps_units_without_follow_up(beat_the_blues: Callable[..., TrialData]) -> None:
    results = family_results(beat_the_blues({"method": "clda"}), "mmrm")
    status = row(results, "fit_status")
    assert (status["stat_label"], status["method"]) == ("ok", "clda us kenward-roger reml")
    assert sorted(effects(results).index) == [f"month{m}" for m in MONTHS]
    assert stat(results, "variance_visit", context="baseline as outcome") > 0


def test_structure_that_does_not_converge_gives_way_as_planned() -> None:
    """No unit is seen at both of two visits: their unstructured covariance cannot be estimated."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(20, 1)) + rng.normal(size=(20, 3))
    values[::2, 1] = np.nan
    values[1::2, 2] = np.nan
    results = family_results(trial_from(values, covariance="us", fallback=["cs"]), "mmrm")
    status = row(results, "fit_status")
    assert status["stat_label"] == "reduced"
    assert status["method"] == "mmrm cs kenward-roger reml"
    assert status["warning"].startswith("unstructured covariance did not converge: no subject was observed at both")
    assert np.isfinite(effects(results)["estimate"]).all()


def test_fit_that_fails_keeps_its_rows_with_the_reason() -> None:
    results = family_results(trial_from(np.full((8, 2), 4.0)), "mmrm")
    assert row(results, "fit_status")["stat_label"] == "failed"
    found = results[(results["stat_name"] == "estimate") & (results["contrast"] != "")]
    assert sorted(found["visit"]) == ["month12", "month6"]
    assert found["stat"].isna().all()
    assert (found["error"] == "no variation: all 16 values are 4").all()


def test_visit_that_one_arm_missed_is_left_out_and_said() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(16, 1)) + rng.normal(size=(16, 3))
    values[9:, 1] = np.nan
    results = family_results(trial_from(values), "mmrm")
    assert row(results, "fit_status")["stat_label"] == "reduced"
    gone = row(results, "estimate", visit="month12", contrast="treated - control")
    assert np.isnan(gone["stat"])
    assert gone["error"] == "too few observed at month12 (8 in Control, 1 in Treated; 2 needed in each arm)"
    assert np.isfinite(effects(results).loc[["month6", "month18"], "estimate"]).all()


def test_covariance_at_the_boundary_is_named() -> None:
    """Two visits that say the same up to one part in a thousand."""
    rng = np.random.default_rng(6)
    values = rng.normal(size=(40, 1)) + np.array([[0, 0, 1.0]]) * rng.normal(size=(40, 1))
    values[:, :2] += 1e-3 * rng.normal(size=(40, 2))
    results = family_results(trial_from(values), "mmrm")
    assert row(results, "fit_status")["stat_label"] == "boundary"
    assert "nearly singular" in row(results, "fit_status")["warning"]
    assert np.isfinite(effects(results)["std_error"]).all()
