"""Conditional mean imputation: R's rbmi on the asthma trial, algebra, and what must not change the answer."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impute.trials import incomplete_trial, simulated
from pipanalysis.impute.conditional_mean import conditional_mean_imputation
from pipanalysis.impute.incomplete import IncompleteTrial, completed, dropout, fit_imputation_model
from pipanalysis.impute.strategies import STRATEGIES, Strategy
from pipanalysis.mmrm.errors import MMRMError

RBMI: dict[Strategy, str] = {"mar": "MAR", "j2r": "JR", "cr": "CR", "cir": "CIR", "lmcf": "LMCF"}
MODELS: dict[str, dict[str, bool]] = {"reml": {}, "ml": {"reml": False}, "separate_cov": {"by_arm": True}}


@lru_cache
def asthma(reference: Path) -> tuple[IncompleteTrial, pd.DataFrame, dict[str, Any]]:
    """The trial, its outcomes (patients by weeks), and the answers of rbmi 1.6.0; treatment 1 is the reference."""
    long = pd.read_csv(reference / "data" / "asthma.csv")
    wide = long.pivot_table(index="id", columns="time", values="fev", dropna=False)
    people = long.groupby("id")[["treat", "base"]].first().loc[wide.index]
    answers = json.loads((reference / "results" / "rbmi_asthma.json").read_text())
    trial = incomplete_trial(wide.to_numpy(), people["treat"].to_numpy() - 1, people["base"].to_numpy())
    return trial, wide, answers


@pytest.mark.parametrize("model", MODELS)
def test_asthma_is_that_of_rbmi(shared: Path, model: str) -> None:
    """Estimates within 0.1% of a standard error; standard errors within 0.02%.

    rbmi stops its fits when they change by less than 1e-3 to 1e-5 or so (the reference's README): our likelihood is
    the higher one, and the distance of the coefficients is that of the estimates.
    """
    trial, wide, answers = asthma(shared / "reference")
    event = {one["id"]: one["time"] for one in answers["meta"]["ice"]}
    weeks = [str(week) for week in wide.columns]
    assert dropout(trial.y).tolist() == [weeks.index(event[str(i)]) if str(i) in event else 4 for i in wide.index]
    found = conditional_mean_imputation(trial, STRATEGIES, **MODELS[model])
    for strategy, name in RBMI.items():
        pooled = answers["results"][f"condmean_jackknife_{model}__{name}"]["pooled"]
        theirs = {one["parameter"]: one for one in pooled}
        ours = found[strategy]
        for j, week in enumerate(wide.columns):
            for parameter, estimate, se in (
                (f"trt_{week}", ours.effects.value[0, j], ours.effects.std_error[0, j]),
                (f"lsm_ref_{week}", ours.means.value[0, j], ours.means.std_error[0, j]),
                (f"lsm_alt_{week}", ours.means.value[1, j], ours.means.std_error[1, j]),
            ):
                assert estimate == pytest.approx(theirs[parameter]["est"], abs=1e-3 * se), (strategy, parameter)
                assert se == pytest.approx(theirs[parameter]["se"], rel=2e-4), (strategy, parameter)


def test_imputed_values_are_those_of_rbmi(shared: Path) -> None:
    trial, wide, _ = asthma(shared / "reference")
    theirs = pd.read_csv(shared / "reference" / "results" / "rbmi_asthma_condmean_imputed_J2R.csv")
    number = theirs["id"].str.removeprefix("new_pt_").astype(int)
    table = theirs.assign(number=number).pivot_table(index="number", columns="time", values="fev")
    model = fit_imputation_model(trial, np.arange(len(trial.y)))
    np.testing.assert_allclose(completed(trial, model, "j2r"), table.to_numpy(), atol=2e-4)
    assert list(table.columns) == list(wide.columns)


def test_complete_data_by_algebra() -> None:
    """Nothing to impute: least squares; without a baseline its jackknife variance has a closed form.

    Leaving i of the n_a units of an arm out moves its mean by (mean - y_i) / (n_a - 1).
    """
    rng = np.random.default_rng(2)
    y, arm = rng.standard_normal((30, 2)), np.repeat([0, 1], [12, 18])
    X = np.zeros((30, 2, 4))
    for v in range(2):
        X[:, v, v], X[:, v, 2 + v] = 1.0, arm
    X_reference = X * np.array([1, 1, 0, 0])
    trial = IncompleteTrial(y, arm, X, X_reference, np.column_stack([np.ones(30), arm]), (1,))
    found = conditional_mean_imputation(trial, ["j2r"])["j2r"]
    squares = sum(y[arm == a].var(axis=0, ddof=1) / ((arm == a).sum() - 1) for a in (0, 1))
    np.testing.assert_allclose(found.effects.value[0], y[arm == 1].mean(axis=0) - y[arm == 0].mean(axis=0))
    np.testing.assert_allclose(found.effects.std_error[0], np.sqrt(29 / 30 * squares))
    np.testing.assert_allclose(found.means.value, [y[arm == a].mean(axis=0) for a in (0, 1)])


def test_a_gap_is_filled_by_regression_on_what_is_observed() -> None:
    """Two visits, the second missing in some: the fitted normal's regression of it on the first, arm and baseline."""
    y, arm, baseline = simulated(n=60, t=2, seed=4)
    y[3, 0] = 0.3  # dropout alone
    trial = incomplete_trial(y, arm, baseline)
    filled = completed(trial, fit_imputation_model(trial, np.arange(60), reml=False), "mar")
    seen = np.isfinite(y[:, 1])
    # Monotone missing values: by maximum likelihood that regression is least squares among those who have both.
    columns = np.column_stack([np.ones(60), y[:, 0], baseline, arm])
    beta = np.linalg.lstsq(columns[seen], y[seen, 1], rcond=None)[0]
    np.testing.assert_allclose(filled[~seen, 1], (columns @ beta)[~seen], atol=1e-6)


def test_jump_to_reference_takes_the_effect_away_from_those_who_drop_out() -> None:
    """Uncorrelated visits, no baseline slope: an arm's mean is its observed ones' and the reference's for the rest."""
    y, arm, _ = simulated(n=48, t=2, seed=6)
    y[3, 0] = 0.3
    baseline = np.zeros(48)
    trial = incomplete_trial(y, arm, baseline)
    model = fit_imputation_model(trial, np.arange(48))
    flat = type(model)(model.beta, np.diag(np.diagonal(model.covariance[0]))[None], model.theta)
    filled = completed(trial, flat, "j2r")
    treated, lost = arm == 1, ~np.isfinite(y[:, 1])
    np.testing.assert_allclose(filled[treated & lost, 1], model.beta[1])
    assert model.beta[5] != 0


@given(st.integers(0, 200))
def test_reference_arm_and_earlier_gaps_are_the_same_under_strategies_that_copy_it(seed: int) -> None:
    y, arm, baseline = simulated(seed=seed)
    trial = incomplete_trial(y, arm, baseline)
    model = fit_imputation_model(trial, np.arange(len(y)))
    mar = completed(trial, model, "mar")
    for strategy in STRATEGIES:
        filled = completed(trial, model, strategy)
        np.testing.assert_array_equal(filled[np.isfinite(y)], y[np.isfinite(y)])
        np.testing.assert_allclose(filled[3, 0], mar[3, 0], rtol=1e-9)  # observed later: not dropped out
        if strategy != "lmcf":
            np.testing.assert_allclose(filled[arm == 0], mar[arm == 0], rtol=1e-9, atol=1e-12)


@settings(max_examples=10)
@given(st.integers(0, 50), st.floats(-20, 20), st.floats(0.1, 10))
def test_units_in_another_order_and_another_scale(seed: int, shift: float, factor: float) -> None:
    y, arm, baseline = simulated(n=24, seed=seed, t=2)
    order = np.random.default_rng(seed).permutation(24)
    one = conditional_mean_imputation(incomplete_trial(y, arm, baseline), ["j2r"])["j2r"]
    changed = incomplete_trial((shift + factor * y)[order], arm[order], baseline[order])
    other = conditional_mean_imputation(changed, ["j2r"])["j2r"]
    np.testing.assert_allclose(other.effects.value, factor * one.effects.value, rtol=1e-4, atol=1e-5 * factor)
    np.testing.assert_allclose(other.means.value, shift + factor * one.means.value, rtol=1e-4, atol=1e-5 * factor)
    np.testing.assert_allclose(other.effects.std_error, factor * one.effects.std_error, rtol=1e-3)


def test_three_arms_are_each_held_against_the_reference() -> None:
    """With a covariance for each arm and no baseline slope, two arms alone give the same difference."""
    y, arm, _ = simulated(n=60, t=2, arms=3, seed=8)
    baseline = np.zeros(60)
    whole = conditional_mean_imputation(incomplete_trial(y, arm, baseline), ["j2r"], by_arm=True)["j2r"]
    two = arm < 2
    part = conditional_mean_imputation(incomplete_trial(y[two], arm[two], baseline[two]), ["j2r"], by_arm=True)["j2r"]
    assert whole.effects.value.shape == (2, 2)
    np.testing.assert_allclose(whole.effects.value[0], part.effects.value[0], atol=1e-5)


def test_dropout_is_the_first_of_the_visits_missed_to_the_end() -> None:
    gone = np.nan
    y = np.array([[1.0, 2.0, 3.0], [1.0, gone, 3.0], [1.0, gone, gone], [gone, 2.0, gone], [gone, gone, gone]])
    assert dropout(y).tolist() == [3, 3, 1, 2, 0]


def test_data_that_no_model_fits_are_refused() -> None:
    y, arm, baseline = simulated(n=24)
    y[:, 2] = np.nan
    with pytest.raises(MMRMError, match="visit"):
        conditional_mean_imputation(incomplete_trial(y, arm, baseline), ["mar"])


def test_a_unit_that_alone_makes_a_model_possible_is_told_of() -> None:
    """Visits 1 and 3 are seen together in one unit alone: without it their covariance cannot be estimated."""
    y, arm, baseline = simulated(n=24)
    seen_both = np.isfinite(y[:, 0]) & np.isfinite(y[:, 2])
    y[np.flatnonzero(seen_both)[1:], 0] = np.nan
    with pytest.raises(MMRMError, match="jackknife: not fitted without 1 of the 24 units"):
        conditional_mean_imputation(incomplete_trial(y, arm, baseline), ["mar"])
