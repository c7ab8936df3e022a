"""Moderated effects: least squares on complete data, statsmodels on incomplete data, and what is said."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.moderator import SLOPE, SLOPE_PER_SD
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

VISITS = {"baseline": 0, "month6": 6, "month12": 12}
AFTER = ("month6", "month12")
AGE = {"name": "age", "label": "Age", "type": "number"}
DIFFERENCE = "treated - control"


def made(n: int = 50, seed: int = 1, arms: tuple[str, ...] = ("control", "treated")) -> pd.DataFrame:
    """Wide data, a row per unit: unit, arm, age, baseline, month6, month12."""
    rng = np.random.default_rng(seed)
    wide = pd.DataFrame({"unit": [f"u{i:03}" for i in range(n)], "arm": np.resize(arms, n)})
    wide["age"], wide["baseline"] = rng.gamma(4, 2, size=n).round(3), rng.normal(20, 4, size=n).round(3)
    common = rng.normal(size=n)
    treated = (wide["arm"] != arms[0]).to_numpy()
    for k, visit in enumerate(AFTER):
        wide[visit] = 0.4 * wide["baseline"] + common + (1 + k) * rng.normal(size=n) + treated * 0.1 * wide["age"]
    return wide


def trial_of(wide: pd.DataFrame, **options: Any) -> TrialData:
    analysis = {"method": "mmrm", "moderator": "age", "role": "exploratory"} | options
    configuration = trials.study([analysis], visits=VISITS, variables=[AGE], arms=tuple(dict.fromkeys(wide["arm"])))
    return trials.trial(
        configuration, wide[["unit", "arm", "age"]], wide.melt("unit", list(VISITS), "visit").dropna(subset="value")
    )


def results_of(wide: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return family_results(trial_of(wide, **options), "mmrm")


def test_complete_data_are_least_squares_at_each_visit() -> None:
    """All visits have the same regressors: effects, slopes, standard errors, P and df are those of each visit alone."""
    wide = made()
    results = results_of(wide)
    mean, sd = wide["age"].mean(), wide["age"].std()
    assert stat(results, "mean", context="moderator") == pytest.approx(mean)
    assert stat(results, "sd", context="moderator") == pytest.approx(sd)
    places = {"moderator=mean - 1 SD": mean - sd, "moderator=mean": mean, "moderator=mean + 1 SD": mean + sd}
    for visit in AFTER:
        where = {"visit": visit, "contrast": DIFFERENCE}
        for context, place in places.items():
            fit = smf.ols(f"{visit} ~ C(arm) * I(age - {place!r}) + baseline", wide).fit()
            assert stat(results, "estimate", context=context, **where) == pytest.approx(
                fit.params["C(arm)[T.treated]"], rel=1e-6
            )
            assert stat(results, "std_error", context=context, **where) == pytest.approx(
                fit.bse["C(arm)[T.treated]"], rel=1e-5
            )
        fit = smf.ols(f"{visit} ~ C(arm) * age + baseline", wide).fit()
        term = "C(arm)[T.treated]:age"
        for context, per in ((SLOPE, 1.0), (SLOPE_PER_SD, sd)):
            assert stat(results, "estimate", context=context, **where) == pytest.approx(
                fit.params[term] * per, rel=1e-6
            )
            assert stat(results, "std_error", context=context, **where) == pytest.approx(fit.bse[term] * per, rel=1e-5)
            assert stat(results, "df", context=context, **where) == pytest.approx(fit.df_resid, rel=1e-5)
        assert stat(results, "p_value_interaction", visit=visit) == pytest.approx(fit.pvalues[term], rel=1e-4)
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(fit.tvalues[term] ** 2, rel=1e-5)


def test_the_baseline_value_as_moderator_stands_in_the_model_once() -> None:
    wide = made(seed=2)
    results = results_of(wide, moderator="form.total")
    assert row(results, "fit_status")["stat_label"] == "ok"
    for visit in AFTER:
        fit = smf.ols(f"{visit} ~ C(arm) * baseline", wide).fit()
        term = "C(arm)[T.treated]:baseline"
        where = {"visit": visit, "contrast": DIFFERENCE, "context": SLOPE}
        assert stat(results, "estimate", **where) == pytest.approx(fit.params[term], rel=1e-6)
        assert stat(results, "std_error", **where) == pytest.approx(fit.bse[term], rel=1e-5)


def test_incomplete_data_agree_with_statsmodels() -> None:
    """Compound symmetry is statsmodels' random intercept: the same slopes, and errors at its variances."""
    wide = made(seed=3)
    wide.loc[::6, "month12"] = np.nan
    results = results_of(wide, covariance="cs", df="residual")
    long = wide.melt(["unit", "arm", "age", "baseline"], list(AFTER), "visit", "value").dropna()
    model = smf.mixedlm("value ~ C(arm) * C(visit) * age + C(visit) * baseline", long, groups=long["unit"])
    fit = model.fit(reml=True, method=["bfgs"], gtol=1e-8)
    same = long["unit"].to_numpy()[:, None] == long["unit"].to_numpy()
    V = fit.scale * np.eye(len(long)) + float(fit.cov_re.iloc[0, 0]) * same
    vcov = np.linalg.inv(model.exog.T @ np.linalg.solve(V, model.exog))
    names = list(fit.fe_params.index)
    weights = np.zeros(len(names))
    weights[names.index("C(arm)[T.treated]:age")] = 1
    for visit in ("month12", "month6"):  # the first level by the alphabet is month12
        where = {"visit": visit, "contrast": DIFFERENCE, "context": SLOPE}
        if visit == "month6":
            weights[names.index("C(arm)[T.treated]:C(visit)[T.month6]:age")] = 1
        se = np.sqrt(weights @ vcov @ weights)
        assert stat(results, "estimate", **where) == pytest.approx(weights @ fit.fe_params, abs=1e-4 * se)
        assert stat(results, "std_error", **where) == pytest.approx(se, rel=1e-4)


def test_values_of_the_plan_are_points_on_the_line() -> None:
    wide = made(seed=4)
    results = results_of(wide, moderator_at=[3, 6, 12])
    for visit in AFTER:
        where = {"visit": visit, "contrast": DIFFERENCE}
        at = {v: stat(results, "estimate", context=f"moderator={v}", **where) for v in (3, 6, 12)}
        slope = stat(results, "estimate", context=SLOPE, **where)
        assert at[6] - at[3] == pytest.approx(3 * slope, rel=1e-6)
        assert at[12] - at[6] == pytest.approx(6 * slope, rel=1e-6)
    assert not results["context"].eq("moderator=mean").any()


def test_units_of_measurement_of_the_moderator_do_not_matter() -> None:
    wide = made(seed=5)
    first, second = results_of(wide), results_of(wide.assign(age=1000 * wide["age"] - 5))
    for visit in AFTER:
        where = {"visit": visit, "contrast": DIFFERENCE}
        for context in (SLOPE_PER_SD, "moderator=mean + 1 SD"):
            for name in ("estimate", "std_error", "df"):
                found = [stat(r, name, context=context, **where) for r in (first, second)]
                assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_three_arms_have_one_joint_test() -> None:
    wide = made(60, seed=6, arms=("control", "low", "high"))
    results = results_of(wide)
    for visit in AFTER:
        fits = [smf.ols(f"{visit} ~ {terms} + baseline", wide).fit() for terms in ("C(arm) * age", "C(arm) + age")]
        f, p, df = fits[0].compare_f_test(fits[1])
        assert stat(results, "num_df_interaction", visit=visit) == df
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(f, rel=1e-5)
        assert stat(results, "p_value_interaction", visit=visit) == pytest.approx(p, rel=1e-4)


def test_one_visit_is_one_model_of_that_visit() -> None:
    wide = made(seed=7)
    results = results_of(wide, visits=["month12"])
    fit = smf.ols("month12 ~ C(arm) * age + baseline", wide).fit()
    assert stat(results, "p_value_interaction", visit="month12") == pytest.approx(
        fit.pvalues["C(arm)[T.treated]:age"], rel=1e-5
    )


def test_units_without_the_moderator_are_left_out_and_counted() -> None:
    wide = made(seed=8)
    wide.loc[[0, 3], "age"] = np.nan
    results = results_of(wide)
    assert stat(results, "n_units") == 48
    assert "left out for want of age: 2 participants, 4 observations" in row(results, "fit_status")["warning"]


def test_a_moderator_that_does_not_vary_is_a_failed_fit_with_its_rows() -> None:
    results = results_of(made(seed=9).assign(age=7.0))
    status = row(results, "fit_status")
    assert (status["stat_label"], status["error"]) == ("failed", "no interaction: all participants have the same age")
    where = {"visit": "month6", "contrast": DIFFERENCE, "context": "moderator=mean"}
    assert np.isnan(stat(results, "estimate", **where))
    assert row(results, "p_value_interaction", visit="month6")["error"] == status["error"]
