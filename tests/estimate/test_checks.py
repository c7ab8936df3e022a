"""Checks of assumptions: from the fit that is there, against other programs and refits, and without single units."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from scipy import stats

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate import checks
from pipanalysis.estimate.analysis_data import analysis_frame
from pipanalysis.estimate.analysis_results import Scope, as_results
from pipanalysis.estimate.cross_check import counterparts, cross_check_rows
from pipanalysis.estimate.mmrm import mmrm
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.mmrm import MMRM

FALLBACK = {"fallback": ["toeph", "ar1h", "csh", "cs"]}
CHECKED: dict[str, Any] = {"method": "mmrm", "baseline_by_visit": False, "checks": True} | FALLBACK
RANDOM_INTERCEPT = {"method": "mixed_model", "baseline_by_visit": False}
MONTHS = [f"month{m}" for m in (2, 3, 5, 8)]
MONTH8 = {"visit": "month8", "contrast": "treated - control"}


PLANNED = trials.study([CHECKED | {"baseline": False}], visits={"month6": 6}).plan.analyses[0]
SCOPE = Scope(PLANNED, "total", "health", 0.95, "mmrm")


@pytest.fixture(scope="module")
def trial(beat_the_blues: Callable[..., TrialData]) -> TrialData:
    return beat_the_blues(CHECKED, RANDOM_INTERCEPT)


@pytest.fixture(scope="module")
def results(trial: TrialData) -> pd.DataFrame:
    return family_results(trial, "mmrm")


@pytest.fixture(scope="module")
def data(trial: TrialData) -> pd.DataFrame:
    """The rows of the model, put together here: value, arm, visit, baseline and strata of each unit."""
    wide = pd.DataFrame(trial.values("form.total"), columns=["base", *MONTHS])
    people = trial.participants[["unit", "arm", "drug", "episode"]].astype("str")
    long = wide.assign(unit=people["unit"]).melt(["unit", "base"], MONTHS, "visit", "y").dropna()
    return long.merge(people, on="unit").reset_index(drop=True)


@pytest.fixture(scope="module")
def refit(data: pd.DataFrame) -> Callable[..., Any]:
    def fit(rows: pd.DataFrame = data, covariance: str = "us") -> Any:
        formula = "y ~ base + drug + episode + arm * visit"
        return MMRM(formula, rows, subject="unit", visit="visit", covariance=covariance).fit()

    return fit


def test_normality_is_that_of_pingouin_on_the_normalised_residuals(
    results: pd.DataFrame, refit: Callable[..., Any]
) -> None:
    residual = refit().residuals("normalized").to_numpy()
    expected = pg.normality(residual).iloc[0]
    assert stat(results, "shapiro_w", context=checks.RESIDUALS) == pytest.approx(expected["W"], abs=1e-6)
    assert stat(results, "p_value", context=checks.RESIDUALS) == pytest.approx(expected["pval"], rel=1e-3)
    assert stat(results, "skewness", context=checks.RESIDUALS) == pytest.approx(stats.skew(residual), abs=1e-5)
    quantiles = results[results["stat_name"] == "residual_quantile"]
    assert len(quantiles) == 19
    assert stat(results, "residual_quantile", context="check=residuals p=0.50") == pytest.approx(np.median(residual))


def test_scale_location_is_that_of_bins_between_quantiles(
    results: pd.DataFrame, data: pd.DataFrame, refit: Callable[..., Any]
) -> None:
    """Bins by pandas, the residuals from the covariance by hand: each unit's inverse Cholesky factor times y - Xb."""
    fit = refit()
    rows = results[results["context"].str.startswith(checks.SCALE)]
    bins = rows["context"].unique()
    residual, covariance = np.empty(len(data)), fit.covariance
    for own in data.groupby("unit").indices.values():
        visits = data["visit"].iloc[own].tolist()
        own = own[np.argsort([MONTHS.index(visit) for visit in visits])]
        at = [visit for visit in MONTHS if visit in visits]
        L = np.linalg.cholesky(covariance.loc[at, at].to_numpy())
        residual[own] = np.linalg.solve(L, data["y"].to_numpy()[own] - fit.fitted[own])
    made = data.assign(mean=fit.fitted, root=np.sqrt(np.abs(residual)))
    made["bin"] = pd.qcut(made["mean"], len(bins), labels=False)
    assert made.groupby("bin")["unit"].nunique().min() >= checks.UNITS_OF_BIN
    assert len(bins) == checks.MOST_BINS
    for i, own in made.groupby("bin"):
        where = {"context": f"check=scale bin={i + 1:02d}"}
        assert stat(results, "n_in_bin", **where) == len(own)
        assert stat(results, "fitted_mean", **where) == pytest.approx(own["mean"].mean(), rel=1e-6)
        assert stat(results, "root_residual", **where) == pytest.approx(own["root"].mean(), rel=1e-5)
        assert stat(results, "root_residual_q1", **where) == pytest.approx(own["root"].quantile(0.25), rel=1e-5)
        assert stat(results, "root_residual_q3", **where) == pytest.approx(own["root"].quantile(0.75), rel=1e-5)


@pytest.mark.parametrize(("n", "bins"), [(18, 0), (20, 2), (35, 3), (500, 10)])
def test_no_bin_of_a_scale_location_plot_has_few_units(n: int, bins: int) -> None:
    """Two observations a unit with neighbouring means: a bin of 10 observations would be of 5 units."""
    mean = np.repeat(np.arange(n, dtype=float), 2)
    mean[1::2] += 0.5
    found = as_results(checks.scale_location_rows(SCOPE, np.ones(2 * n), mean, np.repeat(range(n), 2).tolist()))
    assert found["context"].nunique() == (bins or 1)
    if not bins:
        assert found["error"].tolist() == ["too few observed: 2 bins of fitted means need 10 in each"]
        return
    assert found.loc[found["stat_name"] == "n_in_bin", "stat"].sum() == 2 * n
    assert found.loc[found["stat_name"] == "n_in_bin", "stat"].min() >= 20


def test_equal_fitted_means_are_in_one_bin_whatever_the_order_of_the_data() -> None:
    rng = np.random.default_rng(5)
    mean, residual = np.repeat([1.0, 2.0, 3.0], 30), rng.normal(size=90)
    shuffled = rng.permutation(90)
    units = list(range(90))
    first = as_results(checks.scale_location_rows(SCOPE, residual, mean, units))
    again = as_results(checks.scale_location_rows(SCOPE, residual[shuffled], mean[shuffled], units))
    assert first.loc[first["stat_name"] == "fitted_mean", "stat"].tolist() == [1.0, 2.0, 3.0]
    assert np.allclose(first["stat"], again["stat"])


def test_a_spread_that_grows_with_the_mean_rises_to_the_right() -> None:
    """Residuals of size 1 + mean: the root of that, to the Monte Carlo error."""
    rng = np.random.default_rng(6)
    mean = rng.uniform(0, 9, 50_000)
    residual = rng.normal(size=mean.size) * (1 + mean)
    found = as_results(checks.scale_location_rows(SCOPE, residual, mean, list(range(mean.size))))
    by_stat = found.pivot(index="context", columns="stat_name", values="stat")
    normal = stats.norm.expect(lambda z: np.sqrt(np.abs(z)))
    expected = normal * np.sqrt(1 + by_stat["fitted_mean"])
    assert np.allclose(by_stat["root_residual"], expected, rtol=0.03)


def test_spread_by_algebra(results: pd.DataFrame, data: pd.DataFrame, refit: Callable[..., Any]) -> None:
    """Least squares of roots on the standardised mean; SDs of the arms; Brown and Forsythe by ANOVA of |r - med|."""
    fit = refit()
    at = (data["visit"] == "month8").to_numpy()
    sd = np.sqrt(fit.covariance.loc["month8", "month8"])
    residual = (data["y"].to_numpy() - fit.fitted)[at] / sd
    mean = fit.fitted[at]
    slope = np.polyfit((mean - mean.mean()) / mean.std(), np.sqrt(np.abs(residual)), 1)[0]
    where = {"visit": "month8", "context": checks.SPREAD}
    assert stat(results, "scale_slope", **where) == pytest.approx(slope, rel=1e-6)
    arm = data["arm"].to_numpy()[at]
    own, reference = residual[arm == "treated"], residual[arm == "control"]
    assert stat(results, "sd_ratio", **where) == pytest.approx(own.std(ddof=1) / reference.std(ddof=1), rel=1e-6)
    spread = [np.abs(r - np.median(r)) for r in (own, reference)]
    p_value = stats.f_oneway(*spread).pvalue
    assert stat(results, "p_value", **where | MONTH8) == pytest.approx(p_value, rel=1e-5)


def test_influence_is_that_of_generalised_least_squares_without_each_unit(
    results: pd.DataFrame, data: pd.DataFrame, refit: Callable[..., Any]
) -> None:
    """By definition: the model of the others at the covariance fitted to all, one unit at a time."""
    fit = refit()
    V = fit.covariance.loc[MONTHS, MONTHS].to_numpy()
    names = list(fit.names)
    L = np.zeros(len(names))
    L[names.index("arm[T.treated]" if "arm[T.treated]" in names else "armtreated")] = 1
    L[[i for i, n in enumerate(names) if "treated" in n and "month8" in n]] = 1
    position = data["visit"].map({name: i for i, name in enumerate(MONTHS)}).to_numpy()
    unit = data["unit"].to_numpy()
    blocks = {}
    for name in np.unique(unit):
        rows = np.flatnonzero(unit == name)
        W = np.linalg.inv(V[np.ix_(position[rows], position[rows])])
        X, y = fit.X[rows], data["y"].to_numpy()[rows]
        blocks[name] = X.T @ W @ X, X.T @ W @ y
    total = [sum(part[i] for part in blocks.values()) for i in (0, 1)]
    beta = np.linalg.solve(*total)
    without = np.array([L @ np.linalg.solve(total[0] - a, total[1] - b) for a, b in blocks.values()])
    where = MONTH8 | {"context": checks.INFLUENCE}
    assert L @ beta == pytest.approx(stat(results, "estimate", context="", **MONTH8), rel=1e-6)
    assert stat(results, "estimate_least", **where) == pytest.approx(without.min(), rel=1e-6)
    assert stat(results, "estimate_greatest", **where) == pytest.approx(without.max(), rel=1e-6)
    change = [beta - np.linalg.solve(total[0] - a, total[1] - b) for a, b in blocks.values()]
    cooks = max(d @ total[0] @ d / len(beta) for d in change)
    assert stat(results, "max_cooks_distance") == pytest.approx(cooks, rel=1e-6)


def test_conclusions_that_hang_on_one_unit_are_counted_and_nobody_is_named() -> None:
    """Arms alike but for one unit, far out: without it, and it alone, the interval includes zero."""
    rng = np.random.default_rng(4)
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(40)], "arm": ["control", "treated"] * 20})
    value = rng.normal(size=(40, 2))
    value -= value.mean(axis=0)
    value[:, 0] += 0.62 * (people["arm"] == "treated")
    value[1, 0] += 2.0
    wide = pd.DataFrame(value, columns=["month6", "month12"]).assign(unit=people["unit"])
    configuration = trials.study(
        [{"method": "mmrm", "checks": True, "baseline": False}],
        visits={"month6": 6, "month12": 12},
    )
    made = trials.trial(configuration, people, wide.melt("unit", var_name="visit"))
    found = family_results(made, "mmrm")
    by_unit = [shows_a_difference(made, without=unit) for unit in people["unit"]]
    at = {"visit": "month6", "contrast": "treated - control", "context": ""}
    low, high = stat(found, "conf_low", **at), stat(found, "conf_high", **at)
    planned = low > 0 or high < 0
    where = {"visit": "month6", "contrast": "treated - control", "context": checks.INFLUENCE}
    assert stat(found, "n_conclusions_changed", **where) == sum(one != planned for one in by_unit) > 0
    assert not re.search(r"\bu\d\d\b", found.to_csv())


def shows_a_difference(made: TrialData, without: str) -> bool:
    """Whether the interval at month 6 leaves out zero without a unit: two means of independent units, by hand.

    Without missing values and baseline the estimate is the difference of the observed means and its model-based
    variance s²(1/n + 1/m), s² that of all; Kenward and Roger's standard error is that one here, with 38 degrees of
    freedom.
    """
    value, arm = made.values("form.total")[:, 0], made.participants["arm"].to_numpy(dtype=object)
    groups = [value[arm == name] for name in ("treated", "control")]
    s2 = sum(((g - g.mean()) ** 2).sum() for g in groups) / 38
    kept = made.participants["unit"].to_numpy(dtype=object) != without
    own, reference = (value[kept & (arm == name)] for name in ("treated", "control"))
    se = np.sqrt(s2 * (1 / own.size + 1 / reference.size))
    return bool(abs(own.mean() - reference.mean()) > stats.t.ppf(0.975, 38) * se)


def test_structures_are_compared_as_fitted_by_themselves(results: pd.DataFrame, refit: Callable[..., Any]) -> None:
    full = refit()
    for structure in ("toeph", "ar1h", "csh", "cs"):
        alone = refit(covariance=structure)
        test = full.likelihood_ratio(alone)
        context = {"context": f"check=structure {structure}"}
        assert stat(results, "aic", **context) == pytest.approx(alone.aic, rel=1e-9)
        assert stat(results, "bic", **context) == pytest.approx(alone.bic, rel=1e-9)
        assert stat(results, "lr_statistic", **context) == pytest.approx(test.statistic, rel=1e-5)
        assert stat(results, "lr_df", **context) == test.df
        assert stat(results, "p_value", **context) == pytest.approx(test.p, rel=1e-4)
    assert stat(results, "n_covariance_parameters", context="check=structure us") == 10


def test_with_two_visits_structures_that_are_the_same_model_are_not_fitted_again() -> None:
    rng = np.random.default_rng(1)
    people = pd.DataFrame({"unit": range(30), "arm": ["control", "treated"] * 15})
    wide = pd.DataFrame(rng.normal(size=(30, 2)), columns=["month6", "month12"]).assign(unit=range(30))
    configuration = trials.study([CHECKED | {"baseline": False}], visits={"month6": 6, "month12": 12})
    found = family_results(trials.trial(configuration, people, wide.melt("unit", var_name="visit")), "mmrm")
    fitted = found.loc[found["stat_name"] == "aic", "context"]
    assert sorted(fitted) == ["", "check=structure cs", "check=structure us"]
    assert not found["context"].eq(checks.SPHERICITY).any()


def test_sphericity_is_that_of_pingouin(results: pd.DataFrame, data: pd.DataFrame, refit: Callable[..., Any]) -> None:
    residual = data.assign(r=data["y"] - refit().fitted).pivot(index="unit", columns="visit", values="r").dropna()
    test = pg.sphericity(residual)
    found = row(results, "sphericity_w", context=checks.SPHERICITY)
    assert found["stat"] == pytest.approx(test.W, rel=1e-5)
    assert found["warning"] == f"of the {len(residual)} participants observed at every visit"
    assert stat(results, "epsilon") == pytest.approx(pg.epsilon(residual, correction="gg"), rel=1e-5)


def test_nothing_is_fitted_twice(trial: TrialData, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planned structure once and each simpler one once, whatever is asked of them."""
    fits: list[str] = []
    original = MMRM._fit_structure

    def counted(self: MMRM, name: str, *rest: Any) -> Any:
        fits.append(name)
        return original(self, name, *rest)

    monkeypatch.setattr(MMRM, "_fit_structure", counted)
    family_results(trial, "mmrm")
    assert sorted(fits) == ["ar1h", "cs", "csh", "toeph", "us"]


def test_two_programs_agree_on_one_model(trial: TrialData, results: pd.DataFrame) -> None:
    """Their differences are those of their stopping rules."""
    both = pd.concat([results, family_results(trial, "mixed_model")])
    found = as_results(cross_check_rows(trial.study, both))
    assert set(found["method"]) == {"cross_check mmrm-cs v MixedLM reml"}
    assert stat(found, "max_relative_difference") < 1e-5
    assert sorted(found.loc[found["stat_name"] == "difference_std_error", "visit"]) == MONTHS


def test_cross_check_says_where_the_models_are_not_the_same() -> None:
    rng = np.random.default_rng(2)
    wave = rng.normal(size=(20, 1)) * np.array([[1.0, -1.0]]) + 0.5 * rng.normal(size=(20, 2))
    people = pd.DataFrame({"unit": range(20), "arm": ["control", "treated"] * 10})
    wide = pd.DataFrame(wave, columns=["month6", "month12"]).assign(unit=range(20))
    plan = [CHECKED | {"baseline": False}, RANDOM_INTERCEPT | {"baseline": False}]
    made = trials.trial(
        trials.study(plan, visits={"month6": 6, "month12": 12}), people, wide.melt("unit", var_name="visit")
    )
    both = pd.concat([family_results(made, "mmrm"), family_results(made, "mixed_model")])
    found = row(as_results(cross_check_rows(made.study, both)), "max_relative_difference")
    assert np.isnan(found["stat"])
    assert found["warning"].startswith("not compared: the random-intercept model was fitted without its intercept")


def test_models_that_differ_are_not_cross_checked(beat_the_blues: Callable[..., TrialData]) -> None:
    other = beat_the_blues(CHECKED, RANDOM_INTERCEPT | {"baseline_by_visit": True})
    assert counterparts(other.study) == []


def test_three_arms_at_one_visit() -> None:
    """One visit: the model is the analysis of covariance, and what is left out are its rows one by one."""
    rng = np.random.default_rng(8)
    arms = ("control", "low", "high")
    people = pd.DataFrame({"unit": range(45), "arm": np.repeat(arms, 15)})
    long = people.assign(visit="month6", value=rng.normal(size=45))[["unit", "visit", "value"]]
    plan = {"method": "mmrm", "checks": True, "baseline": False}
    configuration = trials.study([plan], visits={"baseline": 0, "month6": 6}, arms=arms)
    found = family_results(trials.trial(configuration, people, long), "mmrm")
    value = {arm: long["value"].to_numpy()[(people["arm"] == arm).to_numpy()] for arm in arms}
    for arm in arms[1:]:
        means = {name: (value[name].sum() - value[name]) / 14 for name in (arm, "control")}
        own = np.concatenate([means[arm] - value["control"].mean(), value[arm].mean() - means["control"]])
        own = np.append(own, value[arm].mean() - value["control"].mean())  # a unit of the third arm changes nothing
        where = {"visit": "month6", "contrast": f"{arm} - control", "context": checks.INFLUENCE}
        assert stat(found, "estimate_least", **where) == pytest.approx(own.min())
        assert stat(found, "estimate_greatest", **where) == pytest.approx(own.max())


def test_a_fit_that_failed_has_no_checks(trial: TrialData) -> None:
    analysis = trial.study.plan.analyses[0]
    frame = analysis_frame(trial, analysis, trial.study.plan.outcomes[0])
    empty = frame.data.assign(value=1.0)
    result, fit = mmrm(type(frame)(**{**vars(frame), "data": empty}), analysis)
    assert fit is None
    assert "no variation" in result.error
