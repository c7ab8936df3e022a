"""Repeated binary outcomes: R's gee, closed forms, and what happens where the equations have no solution."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from estimate import reference_r, trials
from estimate.test_binary import MEASURES, measure
from estimate.trials import ARMS, row, stat
from pipanalysis.estimate import gee
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

GEE = {"method": "gee"}
VISITS = {"baseline": 0, "month1": 1, "month2": 2, "month3": 3, "month4": 4}
CASE = {"scores": {"case": "binary"}}
R = reference_r.answers("categorical")["gee"]


def respiratory(**options: Any) -> TrialData:
    """Davis 1991, made unbalanced by the same rule as in the R script."""
    file = reference_r.data("respiratory").rename(columns={"subject": "unit"})
    file["arm"] = file["treatment"].map({"placebo": "control", "treatment": "treated"})
    people = file[file["month"] == 0].assign(centre=lambda one: one["centre"].astype(str))
    lost = ((file["unit"] % 7 == 0) & (file["month"] >= 3)) | ((file["unit"] % 5 == 0) & (file["month"] == 2))
    long = file[~lost].assign(score="form.case", value=file["good"].astype(float))
    long["visit"] = long["month"].map(dict(enumerate(VISITS)))
    variables = [
        {"name": "centre", "label": "Centre", "type": "category", "levels": {"1": "One", "2": "Two"}},
        {"name": "age", "label": "Age", "type": "number"},
    ]
    configuration = trials.study(
        [GEE | {"covariates": ["age"]} | options], visits=VISITS, variables=variables, strata=["centre"], **CASE
    )
    return trials.trial(configuration, people, long[["unit", "visit", "value", "score"]])


@pytest.mark.parametrize("working", ["independence", "exchangeable"])
def test_agrees_with_r(working: str) -> None:
    """R's gee for the estimates; its covariance freed of leverage by hand in R, deltas by numerical derivatives."""
    results = family_results(respiratory(working_correlation=working), "binary")
    expected = R[working]
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"], fit["warning"]) == ("ok", f"gee {working} mancl-derouen t delta", "")
    assert stat(results, "correlation") == pytest.approx(expected["alpha"], abs=1e-7)
    df = expected["units"] - expected["rank"]
    assert set(results.loc[results["stat_name"] == "df", "stat"]) == {df}
    for visit, answer in zip(list(VISITS)[1:], expected["visits"], strict=True):
        odds = measure(results, "odds_ratio", visit=visit)
        assert np.log(odds["estimate"]) == pytest.approx(answer["log_odds"], rel=1e-6)
        assert odds["std_error"] == pytest.approx(answer["log_odds_se"], rel=1e-6)
        assert odds["df"] == df
        assert odds["p_value"] == pytest.approx(2 * t.sf(answer["log_odds"] / answer["log_odds_se"], df), rel=1e-5)
        found = [measure(results, "risk", arm=arm, visit=visit) for arm in ARMS]
        found += [measure(results, name, visit=visit) for name in ("risk_difference", "risk_ratio")]
        estimates = [one["estimate"] for one in found]
        assert [*estimates[:3], np.log(estimates[3])] == pytest.approx(list(answer["estimate"].values()), rel=1e-6)
        assert [one["std_error"] for one in found] == pytest.approx(answer["se"], rel=1e-6)
        half = t.ppf(0.975, df) * answer["se"][2]
        assert found[2]["conf_low"] == pytest.approx(answer["estimate"]["rd"] - half, rel=1e-5)


def trial_of(values: dict[str, list[list[float]]], **options: Any) -> pd.DataFrame:
    """Results of arms whose units have values at month1 and month2, without adjustment."""
    people = pd.DataFrame([(arm, *both) for arm, units in values.items() for both in units], columns=["arm", "a", "b"])
    people["unit"] = [f"u{i:03}" for i in range(len(people))]
    long = pd.concat(
        people.assign(visit=visit, value=people[column], score="form.case")
        for visit, column in (("month1", "a"), ("month2", "b"))
    )
    configuration = trials.study(
        [GEE | options],
        visits={"baseline": 0, "month1": 1, "month2": 2},
        instrument_visits=["month1", "month2"],
        arms=tuple(values),
        **CASE,
    )
    return family_results(
        trials.trial(configuration, people, long[["unit", "visit", "value", "score"]].dropna()), "binary"
    )


def test_saturated_model_under_independence_is_the_proportions() -> None:
    """Mancl and DeRouen in closed form: residuals of an arm of n over 1 - 1/n, so that var = p(1 - p) n / (n - 1)^2."""
    control = [[0, 0]] * 9 + [[0, 1]] * 5 + [[1, 1]] * 6 + [[1, 0]] * 5
    treated = [[0, 0]] * 4 + [[0, 1]] * 3 + [[1, 1]] * 11 + [[1, 0]] * 2
    results = trial_of({"control": control, "treated": treated}, working_correlation="independence")
    for visit, column in (("month1", 0), ("month2", 1)):
        p0, p1 = np.mean(control, axis=0)[column], np.mean(treated, axis=0)[column]
        v0, v1 = p0 * (1 - p0) * 25 / 24**2, p1 * (1 - p1) * 20 / 19**2
        difference = measure(results, "risk_difference", visit=visit)
        assert difference["estimate"] == pytest.approx(p1 - p0, rel=1e-8)
        assert difference["std_error"] == pytest.approx(np.sqrt(v0 + v1), rel=1e-8)
        assert difference["conf_high"] == pytest.approx(p1 - p0 + t.ppf(0.975, 43) * np.sqrt(v0 + v1), rel=1e-8)
        odds = measure(results, "odds_ratio", visit=visit)
        assert odds["estimate"] == pytest.approx(p1 * (1 - p0) / p0 / (1 - p1), rel=1e-8)
        assert odds["std_error"] == pytest.approx(
            np.sqrt(v0 / (p0 * (1 - p0)) ** 2 + v1 / (p1 * (1 - p1)) ** 2), rel=1e-8
        )
        assert stat(results, "n_level", arm="treated", visit=visit) == sum(unit[column] for unit in treated)


def test_separation_is_found_before_the_fit_and_each_visit_analysed_by_itself() -> None:
    values = {"control": [[0, 1], [1, 0]] * 8, "treated": [[0, 1], [0, 0]] * 8}
    results = trial_of(values)
    ended = results[results["stat_name"] == "fit_status"].set_index("visit")
    assert list(ended["stat_label"]) == ["reduced", "reduced"]
    assert list(ended["method"]) == ["logistic firth profile delta", "logistic ml delta"]
    assert ended["warning"].str.contains("quasi-complete separation.*each visit analysed by itself").all()
    assert measure(results, "risk_difference", visit="month2")["estimate"] == pytest.approx(0)


def test_no_solution_of_the_equations_is_a_named_state(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"control": [[0, 1], [1, 0], [1, 1]] * 6, "treated": [[0, 1], [0, 0], [1, 0]] * 6}
    solve = gee._solve
    monkeypatch.setattr(gee, "_solve", lambda *a: None if a[3] == "exchangeable" else solve(*a))
    results = trial_of(values)
    assert row(results, "fit_status")[["stat_label", "method"]].tolist() == [
        "reduced",
        "gee independence mancl-derouen t delta",
    ]
    assert "working exchangeable did not converge" in row(results, "fit_status")["warning"]
    monkeypatch.setattr(gee, "_solve", lambda *_: None)
    alone = trial_of(values)
    ended = alone[alone["stat_name"] == "fit_status"]
    assert set(ended["stat_label"]) == {"reduced"}
    assert ended["warning"].str.contains("estimating equations did not converge: each visit").all()


def test_one_observation_a_unit_leaves_nothing_to_correlate() -> None:
    values = {
        "control": [[0, np.nan], [1, np.nan], [np.nan, 0], [np.nan, 1]] * 5,
        "treated": [[0, np.nan], [1, np.nan], [1, np.nan], [np.nan, 0], [np.nan, 1]] * 5,
    }
    results = trial_of(values)
    fit = row(results, "fit_status")
    assert fit["method"] == "gee independence mancl-derouen t delta"
    assert "one observation each: working independence" in fit["warning"]


def test_a_visit_without_an_arm_is_left_out_and_the_other_compared() -> None:
    values = {"control": [[0, 0], [1, 1], [0, 1]] * 5, "treated": [[0, np.nan], [1, np.nan]] * 6}
    results = trial_of(values)
    assert row(results, "fit_status")["stat_label"] == "reduced"
    assert measure(results, "risk_difference", visit="month1")["estimate"] == pytest.approx(1 / 2 - 1 / 3)
    absent = measure(results, "risk_difference", visit="month2")
    assert np.isnan(list(absent.values())).all()
    errors = results.loc[(results["visit"] == "month2") & (results["stat_name"] == "estimate"), "error"]
    assert errors.str.contains("too few observed at month2").all()


def test_values_that_are_not_binary_end_in_a_failed_fit() -> None:
    results = trial_of({"control": [[0, 2], [1, 1]] * 3, "treated": [[0, 1], [1, 0]] * 3})
    assert row(results, "fit_status")["stat_label"] == "failed"
    assert "values other than 0 and 1: 2" in row(results, "fit_status")["error"]
    for visit in ("month1", "month2"):
        for name in MEASURES:
            assert np.isnan(measure(results, name, visit=visit)["estimate"])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_other_reference_arm_turns_differences_and_inverts_ratios(seed: int) -> None:
    rng = np.random.default_rng(seed)
    severity = rng.normal(size=(50, 1))
    values = (rng.normal(size=(50, 2)) + severity > 0).astype(float).tolist()
    one = trial_of({"control": values[:25], "treated": values[25:]})
    other = trial_of({"treated": values[25:], "control": values[:25]})
    for visit in ("month1", "month2"):
        for name in MEASURES:
            a, b = measure(one, name, visit=visit), measure(other, name, visit=visit, contrast="control - treated")
            low, high = (
                (-b["conf_high"], -b["conf_low"])
                if name == "risk_difference"
                else (1 / b["conf_high"], 1 / b["conf_low"])
            )
            assert [a["conf_low"], a["conf_high"]] == pytest.approx([low, high], rel=1e-5)
            assert a["p_value"] == pytest.approx(b["p_value"], rel=1e-5)
