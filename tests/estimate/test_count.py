"""Counts: R's glm.nb, closed forms, the boundary of the dispersion, and what happens where the data do not suffice."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, nbinom, t

from estimate import reference_r, trials
from estimate.trials import ARMS, measure, row, stat
from pipanalysis.estimate import count
from pipanalysis.estimate.analysis_data import analysis_frame
from pipanalysis.estimate.count import fit_counts
from pipanalysis.estimate.step import family_results

R = reference_r.answers("categorical")["count"]


def results_of(people: pd.DataFrame, *, strata: dict[str, list[str]] | None = None) -> pd.DataFrame:
    """Results of people with an arm, a value and strata."""
    people = people.assign(unit=[f"u{i:03}" for i in range(len(people))])
    long = people.assign(visit="month6", score="form.days")[["unit", "visit", "value", "score"]].dropna()
    variables = [
        {"name": name, "label": name, "type": "category", "levels": {level: level for level in levels}}
        for name, levels in (strata or {}).items()
    ]
    configuration = trials.study(
        [{"method": "count"}],
        visits={"baseline": 0, "month6": 6},
        instrument_visits=["month6"],
        scores={"days": "count"},
        variables=variables,
        strata=list(strata or {}),
    )
    return family_results(trials.trial(configuration, people, long), "categorical")


def arms(control: list[float], treated: list[float], **options: Any) -> pd.DataFrame:
    people = [(arm, value) for arm, sample in zip(ARMS, (control, treated), strict=True) for value in sample]
    return results_of(pd.DataFrame(people, columns=["arm", "value"]), **options)


def test_agrees_with_r_on_quine() -> None:
    """Aitkin 1978: MASS's glm.nb; derivatives of the standardised means taken numerically in R. P and limits by t."""
    file = reference_r.data("quine").rename(columns=str.lower)
    people = file.assign(arm=file["eth"].map({"A": "control", "N": "treated"}), value=file["days"].astype(float))
    strata = {"sex": ["F", "M"], "age": ["F0", "F1", "F2", "F3"], "lrn": ["AL", "SL"]}
    results = results_of(people, strata=strata)
    assert row(results, "fit_status")[["stat_label", "method"]].tolist() == ["ok", count.METHOD]
    ratio = measure(results, "measure=rate_ratio")
    assert np.log(ratio["estimate"]) == pytest.approx(R["log_ratio"], rel=1e-8)
    assert ratio["std_error"] == pytest.approx(R["se"], rel=1e-8)
    df = 146 - 7
    assert set(results.loc[results["stat_name"] == "df", "stat"]) == {df}
    assert ratio["p_value"] == pytest.approx(2 * t.sf(abs(R["log_ratio"] / R["se"]), df), rel=1e-6)
    assert ratio["conf_low"] == pytest.approx(np.exp(R["log_ratio"] - t.ppf(0.975, df) * R["se"]), rel=1e-7)
    found = [measure(results, "measure=mean", arm=arm) for arm in ARMS]
    found.append(measure(results, "measure=mean_difference"))
    assert [one["estimate"] for one in found] == pytest.approx(R["means"], rel=1e-8)
    assert [one["std_error"] for one in found] == pytest.approx(R["means_se"], rel=1e-7)
    assert stat(results, "dispersion") == pytest.approx(1 / R["theta"], rel=1e-8)
    assert stat(results, "p_value_dispersion") == pytest.approx(chi2.sf(R["lr"], 1) / 2, rel=1e-6)


def test_without_covariates_the_means_are_those_of_the_arms() -> None:
    control, treated = [0.0, 3, 9, 2, 15, 4, 1, 7], [1.0, 0, 2, 8, 1, 0, 3, 5]
    results = arms(control, treated)
    assert measure(results, "measure=mean_difference")["estimate"] == pytest.approx(np.mean(treated) - np.mean(control))
    assert measure(results, "measure=rate_ratio")["estimate"] == pytest.approx(np.mean(treated) / np.mean(control))
    assert stat(results, "mean", arm="treated", context="") == np.mean(treated)


def test_no_overdispersion_is_the_boundary_and_poisson_takes_its_place() -> None:
    """Poisson by its closed form: the variance of the log ratio is the sum of the reciprocal totals."""
    control, treated = [4.0, 5, 6, 5, 4, 6, 5], [8.0, 7, 7, 8, 9, 8, 7]
    results = arms(control, treated)
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"]) == ("boundary", count.POISSON)
    assert "no overdispersion (Pearson's chi-squared 0.1" in fit["warning"]
    assert "standard errors are then too large" in fit["warning"]
    ratio = measure(results, "measure=rate_ratio")
    assert ratio["std_error"] == pytest.approx(np.sqrt(1 / sum(control) + 1 / sum(treated)), rel=1e-8)
    assert (stat(results, "dispersion"), stat(results, "p_value_dispersion")) == (0, 1)


def test_mass_beyond_the_highest_value_is_said() -> None:
    rng = np.random.default_rng(3)
    control, treated = (rng.negative_binomial(2, 2 / (2 + mean), 40).astype(float).clip(max=100) for mean in (60, 40))
    assert max(control.max(), treated.max()) <= 100
    people = pd.DataFrame({"arm": ["control"] * 40 + ["treated"] * 40, "value": [*control, *treated]})
    people = people.assign(unit=[f"u{i:03}" for i in range(80)])
    long = people.assign(visit="month6", score="form.days")[["unit", "visit", "value", "score"]]
    configuration = trials.study(
        [{"method": "count"}],
        visits={"baseline": 0, "month6": 6},
        instrument_visits=["month6"],
        scores={"days": "count"},
    )
    trial = trials.trial(configuration, people, long)
    frame = analysis_frame(trial, trials.analysis(configuration), configuration.outcomes["days"])
    (result,) = count.count(frame, 100.0, 0.95)
    extras = {extra.stat_name: extra.stat for extra in result.model.extras}
    size = 1 / extras["dispersion"]
    expected = np.mean([nbinom.sf(100, size, size / (size + mean)) for mean in (control.mean(), treated.mean())])
    assert extras["percent_beyond"] == pytest.approx(100 * expected, rel=1e-6)
    assert f"{100 * expected:.1f}% of the fitted distribution lies beyond 100" in "; ".join(result.model.warnings)


@pytest.mark.parametrize(
    ("control", "treated", "message"),
    [
        ([0.0, 0, 0, 0], [1.0, 4, 2, 3], "separation: the model's terms predict some zeros without error"),
        ([1.0, 2.5, 3], [1.0, 4, 2], "values that are not counts: 2.5"),
        ([1.0, -2, 3], [1.0, 4, 2], "values that are not counts: -2"),
        ([1.0], [1.0, 4, 2], "too few observed at month6"),
        ([2.0, 2], [2.0, 2], "no variation: all 4 values are 2"),
        ([1.0, np.inf], [2.0, 2], "1 infinite value"),
    ],
)
def test_data_that_do_not_suffice_end_in_a_failed_fit(control: list[float], treated: list[float], message: str) -> None:
    results = arms(control, treated)
    assert row(results, "fit_status")["stat_label"] == "failed"
    assert message in row(results, "fit_status")["error"]
    for name in ("rate_ratio", "mean_difference"):
        assert np.isnan(list(measure(results, f"measure={name}").values())).all()


@given(seed=st.integers(0, 10_000), dispersion=st.sampled_from([0.0, 0.05, 0.5, 2.0]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_fit_is_a_maximum_of_the_likelihood(seed: int, dispersion: float) -> None:
    """No small step of coefficients or dispersion raises it, the boundary included."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30), rng.normal(size=60)])
    mean = np.exp(X @ [1.5, 0.3, 0.4])
    y = rng.poisson(mean * (rng.gamma(1 / dispersion, dispersion, 60) if dispersion else 1)).astype(float)
    fit = fit_counts(X, y)

    def loglik(beta: np.ndarray, a: float) -> float:
        size = 1 / max(a, 1e-6)
        return float(nbinom.logpmf(y, size, size / (size + np.exp(X @ beta))).sum())

    best = loglik(fit.beta, fit.dispersion)
    for _ in range(20):
        step = rng.normal(size=4) * 0.02
        assert loglik(fit.beta + step[:3], max(fit.dispersion + step[3], 1e-6)) <= best + 1e-6
