"""Random-intercept model: R's digits, algebra, invariances, and a named end for every fit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from estimate import trials
from estimate.trials import effects, row, stat
from pipanalysis.estimate.mixed_model import random_intercept, varies_between_units
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

MIXED = {"method": "mixed_model"}


@pytest.fixture(scope="module")
def lmer(shared: Path) -> dict:
    """lme4 1.1-31: bdi ~ bdi.pre + drug + length + treatment * fmonth + (1 | subject), REML."""
    return json.loads((shared / "reference" / "results" / "lmer.json").read_text())["models"]["btheb_ri"]


@pytest.fixture(scope="module")
def results(beat_the_blues: Callable[..., TrialData]) -> pd.DataFrame:
    return family_results(beat_the_blues(MIXED | {"baseline_by_visit": False}), "mixed_model")


def test_effects_are_those_of_lme4(results: pd.DataFrame, lmer: dict) -> None:
    beta = {term["term"]: term["estimate"] for term in lmer["beta"]}
    names, vcov = lmer["vcov_asymptotic"]["cols"], np.array(lmer["vcov_asymptotic"]["values"])
    found = effects(results)
    for month in (2, 3, 5, 8):
        terms = ["treatmentBtheB", *([f"treatmentBtheB:fmonth{month}"] if month > 2 else [])]
        chosen = [names.index(term) for term in terms]
        se = np.sqrt(vcov[np.ix_(chosen, chosen)].sum())
        assert found.loc[f"month{month}", "estimate"] == pytest.approx(sum(beta[t] for t in terms), rel=1e-6)
        assert found.loc[f"month{month}", "std_error"] == pytest.approx(se, rel=1e-6)


def test_adjusted_means_are_those_of_emmeans_on_the_fit_of_lme4(results: pd.DataFrame, lmer: dict) -> None:
    """Asymptotic covariance, as behind Satterthwaite's degrees of freedom: standard errors without an adjustment."""
    arms = {"TAU": "control", "BtheB": "treated"}
    expected = lmer["methods"]["Satterthwaite"]["lsmeans"]
    assert len(expected) == 8
    for mean in expected:
        where = {"arm": arms[mean["treatment"]], "visit": f"month{mean['fmonth']}"}
        assert stat(results, "estimate", **where) == pytest.approx(mean["emmean"], rel=1e-6)
        assert stat(results, "std_error", **where) == pytest.approx(mean["SE"], rel=1e-6)


def test_variances_are_those_of_lme4(results: pd.DataFrame, lmer: dict) -> None:
    between, residual = (part["vcov"] for part in lmer["varcorr"])
    assert stat(results, "variance_unit") == pytest.approx(between, rel=1e-5)
    assert stat(results, "variance_residual") == pytest.approx(residual, rel=1e-5)
    assert stat(results, "icc") == pytest.approx(between / (between + residual), rel=1e-5)
    assert stat(results, "n_observations") == lmer["n_obs"]


def test_t_with_between_unit_degrees_of_freedom_is_reported_beside_z(results: pd.DataFrame) -> None:
    """97 patients with an observation; intercept, arm, baseline, drug and episode vary between patients."""
    found = effects(results)
    assert stat(results, "n_units") == 97
    assert (found["df"] == 97 - 5).all()
    ratio = found["estimate"] / found["std_error"]
    assert found["p_value"].to_numpy() == pytest.approx(2 * stats.t.sf(abs(ratio), 92))
    assert found["p_value_z"].to_numpy() == pytest.approx(2 * stats.norm.sf(abs(ratio)))
    half = stats.t.ppf(0.975, 92) * found["std_error"]
    assert (found["conf_high"] - found["conf_low"]).to_numpy() == pytest.approx(2 * half.to_numpy())


def balanced(rng: np.random.Generator, sd_unit: float, n: int = 12, visits: int = 2) -> TrialData:
    return trial_from(sd_unit * rng.normal(size=(n, 1)) + rng.normal(size=(n, visits)))


def trial_from(values: np.ndarray) -> TrialData:
    """Units by visits after baseline; the first half is the control arm."""
    n, k = values.shape
    people = pd.DataFrame(
        {"unit": [f"u{i:02}" for i in range(n)], "arm": ["control"] * (n // 2) + ["treated"] * (n - n // 2)}
    )
    names = [f"month{6 * (j + 1)}" for j in range(k)]
    long = pd.DataFrame(values, columns=names).assign(unit=people["unit"]).melt("unit", names, "visit").dropna()
    visits = {"baseline": 0} | {name: 6 * (j + 1) for j, name in enumerate(names)}
    return trials.trial(trials.study([MIXED], visits=visits, instrument_visits=names), people, long)


def test_balanced_data_by_algebra() -> None:
    """The difference at a visit is that of means, and its variance (σu² + σe²)(1/n1 + 1/n2), from the anova table."""
    rng = np.random.default_rng(1)
    values = 2 * rng.normal(size=(12, 1)) + rng.normal(size=(12, 3))
    results = family_results(trial_from(values), "mixed_model")
    means = values.mean(axis=1)
    arms = [slice(0, 6), slice(6, 12)]
    ms_between = 3 * sum(((means[a] - means[a].mean()) ** 2).sum() for a in arms) / 10
    residual = [values[a] - means[a][:, None] - values[a].mean(axis=0) + values[a].mean() for a in arms]
    ms_within = sum((r**2).sum() for r in residual) / 20
    assert stat(results, "variance_residual") == pytest.approx(ms_within, rel=1e-5)
    assert stat(results, "variance_unit") == pytest.approx((ms_between - ms_within) / 3, rel=1e-5)
    found = effects(results)
    expected = values[6:].mean(axis=0) - values[:6].mean(axis=0)
    assert found.loc[["month6", "month12", "month18"], "estimate"].to_numpy() == pytest.approx(expected)
    variance = ((ms_between - ms_within) / 3 + ms_within) / 3
    assert found["std_error"].to_numpy() == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_boundary_gives_least_squares_and_says_so() -> None:
    """Values that alternate within units: between units there is less variance than the residual implies."""
    rng = np.random.default_rng(2)
    wave = rng.normal(size=(12, 1)) * np.array([[1.0, -1.0]]) + 0.1 * rng.normal(size=(12, 2))
    results = family_results(trial_from(wave), "mixed_model")
    status = row(results, "fit_status")
    assert (status["stat"], status["stat_label"]) == (1, "boundary")
    assert status["method"] == "mixed_model no-random-intercept reml"
    assert "estimated as zero" in status["warning"]
    assert stat(results, "variance_unit") == 0
    residual = np.concatenate([wave[:6] - wave[:6].mean(axis=0), wave[6:] - wave[6:].mean(axis=0)])
    s2 = (residual**2).sum() / (24 - 4)
    assert effects(results)["std_error"].to_numpy() == pytest.approx(np.sqrt(s2 / 3))


def test_boundary_is_where_the_restricted_likelihood_falls_from_zero() -> None:
    """On balanced data by algebra: the between-unit variance is estimated as positive where MSB exceeds MSW."""
    rng = np.random.default_rng(3)
    agreed = []
    for _ in range(60):
        values = 0.3 * rng.normal(size=(10, 1)) + rng.normal(size=(10, 3))
        means = values.mean(axis=1)
        between = 3 * ((means - means.mean()) ** 2).sum() / 9
        within = ((values - means[:, None] - values.mean(axis=0) + values.mean()) ** 2).sum() / 18
        X = np.kron(np.ones((10, 1)), np.eye(3))
        found = varies_between_units(values.ravel(), X, np.repeat(np.arange(10), 3))
        assert found == (between > within)
        agreed.append(found)
    assert 10 < sum(agreed) < 58


def test_every_small_fit_ends_in_a_named_status_with_estimates() -> None:
    """Small trials, weak correlation within units: where MixedLM is known to stop at zeros or not to converge."""
    rng = np.random.default_rng(4)
    seen = set()
    for i in range(40):
        results = family_results(balanced(rng, 0.05 * (i % 8)), "mixed_model")
        status = row(results, "fit_status")
        assert status["stat_label"] in ("ok", "boundary"), status["error"]
        seen.add(status["stat_label"])
        found = effects(results)
        assert (found["estimate"] != 0).all()
        assert (found["std_error"] > 0).all()
    assert seen == {"ok", "boundary"}


def test_coefficients_of_exactly_zero_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What statsmodels issue 10239 describes: converged, and a coefficient that is not the data's but 0."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    from pipanalysis.estimate.model_result import NotFittedError

    rng = np.random.default_rng(5)
    y = (rng.normal(size=(20, 1)) + rng.normal(size=(20, 2))).ravel()
    X = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    unit = np.repeat(np.arange(20), 2)
    fit = MixedLM.fit

    def zeroed(self: MixedLM, **options: object) -> object:
        found = fit(self, **options)
        found.fe_params[1] = 0.0
        return found

    random_intercept(y, X, unit)
    monkeypatch.setattr(MixedLM, "fit", zeroed)
    with pytest.raises(NotFittedError, match="no optimiser"):
        random_intercept(y, X, unit)


def test_python_warnings_go_to_the_warning_column(monkeypatch: pytest.MonkeyPatch) -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    fit = MixedLM.fit

    def noisy(self: MixedLM, **options: object) -> object:
        import warnings

        warnings.warn("the optimiser\nstumbled", UserWarning, stacklevel=1)
        return fit(self, **options)

    monkeypatch.setattr(MixedLM, "fit", noisy)
    results = family_results(balanced(np.random.default_rng(6), 2.0), "mixed_model")
    assert (results["warning"] == "UserWarning: the optimiser stumbled").all()


def test_one_observation_a_unit_has_no_random_intercept() -> None:
    values = np.random.default_rng(7).normal(size=(12, 2))
    values[::2, 0] = np.nan
    values[1::2, 1] = np.nan
    results = family_results(trial_from(values), "mixed_model")
    assert row(results, "fit_status")["stat_label"] == "reduced"
    assert "one observation a participant" in row(results, "fit_status")["warning"]
    assert np.isfinite(effects(results)["std_error"]).all()


def test_values_that_do_not_vary_within_units_fail_with_that_reason() -> None:
    values = np.random.default_rng(8).normal(size=(12, 1)) + np.array([[0.0, 3.0]])
    results = family_results(trial_from(values), "mixed_model")
    assert row(results, "fit_status")["stat_label"] == "failed"
    assert row(results, "fit_status")["error"] == "no residual variance"


def test_visit_that_one_arm_missed_is_left_out_and_said() -> None:
    values = np.random.default_rng(9).normal(size=(12, 1)) + np.random.default_rng(10).normal(size=(12, 3))
    values[7:, 1] = np.nan
    results = family_results(trial_from(values), "mixed_model")
    assert row(results, "fit_status")["stat_label"] == "reduced"
    for where in ({"contrast": "treated - control"}, {"arm": "control"}, {"arm": "treated"}):
        gone = row(results, "estimate", visit="month12", **where)
        assert np.isnan(gone["stat"])
        assert gone["error"] == "too few observed at month12 (6 in Control, 1 in Treated; 2 needed in each arm)"
    values[:, 1] = np.nan
    without = effects(family_results(trial_from(values), "mixed_model"))
    pd.testing.assert_frame_equal(effects(results).loc[["month6", "month18"]], without.loc[["month6", "month18"]])


def test_units_without_baseline_are_left_out_and_counted(beat_the_blues: Callable[..., TrialData]) -> None:
    trial = beat_the_blues(MIXED)
    scores = trial._scores
    gone = (scores["unit_code"] == 0) & (scores["visit_code"] == 0)
    assert gone.sum() == 1
    seen = int(((scores["unit_code"] == 0) & (scores["visit_code"] > 0)).sum())
    shorn = TrialData(trial.study, trial.participants, scores[~gone])
    results = family_results(shorn, "mixed_model")
    expected = f"left out for want of the baseline value: 1 participant, {seen} observations"
    assert expected in row(results, "fit_status")["warning"]
    assert stat(results, "n_units") == 96
