"""Complier average causal effects: AER's and sandwich's numbers, Bloom's and Wald's by algebra, weak instruments."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimate import trials
from pipanalysis.estimate.analysis_data import analysis_frame
from pipanalysis.estimate.cace import cace, two_stage_least_squares
from pipanalysis.estimate.model_result import ModelResult, NotFittedError, Status
from pipanalysis.study.plan import Exposure

R = Path(__file__).resolve().parents[1] / "fixtures" / "r"
ANSWERS = json.loads((R / "received.json").read_text())["models"]
DATA = pd.read_csv(R / "received.csv")
SITE = {"name": "site", "label": "Site", "type": "category", "levels": {"a": "A", "b": "B", "c": "C"}}
RECEIVED, DOSE = "exposure=at least 8 sessions", "exposure=per 10 sessions"


def design(adjusted: bool = True) -> np.ndarray:
    columns = [np.ones(len(DATA)), DATA["arm"]]
    columns += [DATA["baseline"], DATA["site"] == "b", DATA["site"] == "c"] if adjusted else []
    return np.column_stack([np.asarray(column, dtype=float) for column in columns])


@pytest.mark.parametrize("form", ["received", "dose", "received_unadjusted"])
def test_numbers_are_those_of_aer_and_sandwich(form: str) -> None:
    """ivreg with vcovHC HC3, and the first stage's F by waldtest with HC3."""
    attended = DATA["attended"].to_numpy(float)
    exposure = attended / 10 if form == "dose" else (attended >= 8).astype(float)
    fit = two_stage_least_squares(DATA["y"].to_numpy(float), design(form != "received_unadjusted"), 1, exposure)
    expected = ANSWERS[form]
    assert fit.estimate == pytest.approx(expected["estimate"], rel=1e-9)
    assert fit.std_error == pytest.approx(expected["se_HC3"], rel=1e-9)
    assert fit.df == expected["df"]
    assert fit.first_stage == pytest.approx(expected["first_stage"], rel=1e-9)
    assert fit.f_first_stage == pytest.approx(expected["f_first_stage"], rel=1e-9)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), n=st.integers(8, 60), share=st.floats(0.2, 0.9))
def test_without_covariates_it_is_the_estimator_of_wald_and_bloom(seed: int, n: int, share: float) -> None:
    """Difference in means over difference in exposure; with one-sided access, over the share that received it."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0.0, 1.0], n)
    exposure = arm * (rng.random(2 * n) < share)
    exposure[n], exposure[n + 1] = 1.0, 0.0
    y = rng.normal(size=2 * n) + exposure
    fit = two_stage_least_squares(y, np.column_stack([np.ones(2 * n), arm]), 1, exposure)
    difference = y[n:].mean() - y[:n].mean()
    assert fit.estimate == pytest.approx(difference / exposure[n:].mean(), rel=1e-8)
    # adding a constant to the outcome and turning units of measurement changes nothing but the scale
    moved = two_stage_least_squares(3 * y + 50, np.column_stack([np.ones(2 * n), arm]), 1, exposure)
    assert moved.estimate == pytest.approx(3 * fit.estimate, rel=1e-7, abs=1e-9)
    assert moved.std_error == pytest.approx(3 * fit.std_error, rel=1e-7)


def test_full_compliance_is_the_difference_between_arms_with_an_infinite_f() -> None:
    from statsmodels.regression.linear_model import OLS

    X, y = design(), DATA["y"].to_numpy(float)
    fit = two_stage_least_squares(y, X, 1, X[:, 1])
    ols = OLS(y, X).fit(cov_type="HC3", use_t=True)
    assert fit.estimate == pytest.approx(ols.params[1], rel=1e-9)
    assert fit.std_error == pytest.approx(ols.bse[1], rel=1e-9)
    assert fit.f_first_stage == np.inf


def test_exposure_that_nobody_has_is_refused() -> None:
    with pytest.raises(NotFittedError, match="the treatment received is 0 throughout"):
        two_stage_least_squares(DATA["y"].to_numpy(float), design(), 1, np.zeros(len(DATA)))


def results_of(data: pd.DataFrame, *, said: list[str] | None = None) -> ModelResult:
    configuration = trials.study(
        [{"method": "cace", "exposure": {"min_sessions": 8}}],
        visits={"baseline": 0, "month6": 6},
        variables=[SITE],
        strata=["site"],
    )
    people = data.assign(arm=np.where(data["arm"] == 1, "treated", "control"))[["unit", "arm", "site"]]
    long = data.rename(columns={"y": "month6"}).melt("unit", ["baseline", "month6"], "visit").dropna()
    trial = trials.trial(configuration, people, long)
    frame = analysis_frame(trial, trials.analysis(configuration), configuration.plan.outcomes[0])
    attended = {"month6": (dict(zip(data["unit"], data["attended"], strict=True)), said or [])}
    (result,) = cace(frame, Exposure(min_sessions=8), "treated", attended)
    return result


def test_through_the_plan_both_forms_have_the_numbers_of_r() -> None:
    result = results_of(DATA)
    assert result.status == Status.ok
    for effect, form in zip(result.effects, ("received", "dose"), strict=True):
        assert effect.estimate == pytest.approx(ANSWERS[form]["estimate"], rel=1e-8)
        assert effect.std_error == pytest.approx(ANSWERS[form]["se_HC3"], rel=1e-8)
    found = {(e.stat_name, e.arm, e.context): e.stat for e in result.extras}
    offered = DATA[DATA["arm"] == 1]
    assert found["n_level", "treated", RECEIVED] == (offered["attended"] >= 8).sum()
    assert found["mean", "treated", "sessions=attended"] == pytest.approx(offered["attended"].mean())
    assert found["f_first_stage", "", DOSE] == pytest.approx(ANSWERS["dose"]["f_first_stage"], rel=1e-8)


def test_missing_outcomes_are_counted_and_said() -> None:
    data = DATA.copy()
    data.loc[[0, 1, 2, 50], "y"] = np.nan
    result = results_of(data)
    found = {(e.stat_name, e.arm): e.stat for e in result.extras}
    assert (found["n", "control"], found["n_missing", "control"]) == (32, 3)
    assert (found["n", "treated"], found["n_missing", "treated"]) == (34, 1)
    assert "complete cases: left out 3 in Control, 1 in Treated" in result.warnings


def test_sessions_recorded_in_the_reference_arm_are_not_treatment_received() -> None:
    with_some = DATA.assign(attended=np.where(DATA["arm"] == 0, 5, DATA["attended"]))
    assert results_of(with_some).effects == results_of(DATA).effects


def test_a_weak_instrument_is_warned_of_by_its_rule() -> None:
    few = DATA.assign(attended=np.where(DATA.index.isin([40, 50, 60]), 9, 0))
    result = results_of(few)
    weak = [warning for warning in result.warnings if warning.startswith("weak instrument: first-stage F ")]
    forms = [warning.partition(" (")[2] for warning in weak]
    assert forms == ["at least 8 sessions), below 10", "per 10 sessions), below 10"]
    assert not any(warning.startswith("weak instrument") for warning in results_of(DATA).warnings)


def test_nobody_received_is_a_failed_fit_that_says_so() -> None:
    result = results_of(DATA.assign(attended=0))
    assert (result.status, result.error) == (Status.failed, "the treatment received is 0 throughout")
    assert [effect.context for effect in result.effects] == [RECEIVED, DOSE]
