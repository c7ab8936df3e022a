"""Effects within subgroups: by algebra and analysis of variance on complete data, by statsmodels on incomplete data."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

VISITS = {"baseline": 0, "month6": 6, "month12": 12}
AFTER = ("month6", "month12")
LEVELS = {"1": "Low", "2": "Middle", "3": "High"}
GROUP = {"name": "group", "label": "Group", "type": "category", "levels": LEVELS}


def made(
    per_cell: int | dict[tuple[str, str], int],
    levels: tuple[str, ...] = ("1", "2"),
    arms: tuple[str, ...] = ("control", "treated"),
    seed: int = 1,
) -> pd.DataFrame:
    """Wide data, a row per unit: unit, arm, group, baseline, month6, month12."""
    rng = np.random.default_rng(seed)
    cells = [(a, g) for a in arms for g in levels]
    sizes = [per_cell if isinstance(per_cell, int) else per_cell[cell] for cell in cells]
    wide = pd.DataFrame(
        [cell for cell, n in zip(cells, sizes, strict=True) for _ in range(n)], columns=["arm", "group"]
    )
    n = len(wide)
    wide["unit"] = [f"u{i:03}" for i in range(n)]
    wide["baseline"] = rng.normal(size=n)
    effect = (wide["arm"] != arms[0]).to_numpy() * (wide["group"] == levels[0]).to_numpy()
    common = 2 * rng.normal(size=n)
    for k, visit in enumerate(AFTER):
        wide[visit] = 0.5 * wide["baseline"] + common + rng.normal(size=n) * (1 + k) + (k + 0.5) * effect
    return wide


def trial_of(wide: pd.DataFrame, *, strata: list[str] | None = None, **options: Any) -> TrialData:
    arms = tuple(dict.fromkeys(wide["arm"]))
    analysis = {"method": "mmrm", "subgroup": "group", "role": "exploratory"} | options
    configuration = trials.study([analysis], visits=VISITS, variables=[GROUP], strata=strata, arms=arms)
    people = wide[["unit", "arm", "group"]]
    return trials.trial(configuration, people, wide.melt("unit", list(VISITS), "visit").dropna())


def results_of(wide: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return family_results(trial_of(wide, **options), "mmrm")


def test_complete_balanced_data_by_algebra() -> None:
    """Differences of cell means; pooled within-cell variances; N - cells degrees of freedom; t² of the contrast."""
    wide = made(6)
    results = results_of(wide, baseline=False)
    for visit in AFTER:
        cells = wide.groupby(["arm", "group"])[visit]
        mean, pooled = cells.mean(), cells.var().mean()
        differences = {g: mean["treated", g] - mean["control", g] for g in ("1", "2")}
        for code, difference in differences.items():
            where = {"visit": visit, "contrast": "treated - control", "context": f"subgroup={LEVELS[code]}"}
            assert stat(results, "estimate", **where) == pytest.approx(difference, rel=1e-8)
            assert stat(results, "std_error", **where) == pytest.approx(np.sqrt(pooled * 2 / 6), rel=1e-6)
            assert stat(results, "df", **where) == pytest.approx(24 - 4, rel=1e-6)
        t = (differences["2"] - differences["1"]) / np.sqrt(pooled * 4 / 6)
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(t**2, rel=1e-6)
        assert stat(results, "num_df_interaction", visit=visit) == 1
        assert stat(results, "den_df_interaction", visit=visit) == pytest.approx(20, rel=1e-6)
    assert row(results, "fit_status")["stat_label"] == "ok"


@pytest.mark.parametrize("arms", [("control", "treated"), ("control", "low", "high")])
def test_complete_data_give_the_interaction_of_the_analysis_of_variance(arms: tuple[str, ...]) -> None:
    """Unbalanced, three levels: at each visit the F of arm by level of two-way analysis of variance, P included."""
    sizes = {(a, g): 3 + (2 * i + 3 * j) % 5 for i, a in enumerate(arms) for j, g in enumerate(LEVELS)}
    wide = made(sizes, tuple(LEVELS), arms, seed=2)
    results = results_of(wide, baseline=False)
    for visit in AFTER:
        table = anova_lm(smf.ols(f"{visit} ~ C(arm) * C(group)", wide).fit())
        expected = table.loc["C(arm):C(group)"]
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(expected["F"], rel=1e-6)
        assert stat(results, "num_df_interaction", visit=visit) == expected["df"]
        assert stat(results, "den_df_interaction", visit=visit) == pytest.approx(table.loc["Residual", "df"], rel=1e-6)
        assert stat(results, "p_value_interaction", visit=visit) == pytest.approx(expected["PR(>F)"], rel=1e-5)


def test_incomplete_data_agree_with_statsmodels() -> None:
    """Compound symmetry is statsmodels' random intercept: the same differences, standard errors and Wald statistic."""
    wide = made({("control", "1"): 14, ("control", "2"): 11, ("treated", "1"): 10, ("treated", "2"): 15}, seed=3)
    wide.loc[::5, "month12"] = np.nan
    wide.loc[3::7, "month6"] = np.nan
    results = results_of(wide, covariance="cs", df="residual")
    long = wide.melt(["unit", "arm", "group", "baseline"], list(AFTER), "visit", "value").dropna()
    long["cell"] = long["visit"] + " " + long["arm"] + " " + long["group"]
    model = smf.mixedlm("value ~ 0 + C(cell) + C(visit):baseline", long, groups=long["unit"])
    fit = model.fit(reml=True, method=["bfgs"], gtol=1e-8)
    names, beta = list(fit.fe_params.index), fit.fe_params.to_numpy()
    # generalised least squares at statsmodels' variances: its own errors invert the information of all parameters
    same_unit = long["unit"].to_numpy()[:, None] == long["unit"].to_numpy()
    V = fit.scale * np.eye(len(long)) + float(fit.cov_re.iloc[0, 0]) * same_unit
    vcov = np.linalg.inv(model.exog.T @ np.linalg.solve(V, model.exog))

    def contrast(visit: str, code: str) -> np.ndarray:
        weights = np.zeros(len(names))
        weights[names.index(f"C(cell)[{visit} treated {code}]")] = 1
        weights[names.index(f"C(cell)[{visit} control {code}]")] = -1
        return weights

    for visit in AFTER:
        both = [contrast(visit, code) for code in ("1", "2")]
        for code, weights in zip(("1", "2"), both, strict=True):
            where = {"visit": visit, "contrast": "treated - control", "context": f"subgroup={LEVELS[code]}"}
            assert stat(results, "estimate", **where) == pytest.approx(weights @ beta, rel=1e-4)
            assert stat(results, "std_error", **where) == pytest.approx(np.sqrt(weights @ vcov @ weights), rel=1e-4)
        interaction = both[1] - both[0]
        wald = (interaction @ beta) ** 2 / (interaction @ vcov @ interaction)
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(wald, rel=1e-4)


def test_one_visit_is_one_model_of_that_visit() -> None:
    wide = made(7, seed=4)
    results = results_of(wide, visits=["month12"])
    ols = smf.ols("month12 ~ C(arm) * C(group) + baseline", wide).fit()
    term = "C(arm)[T.treated]:C(group)[T.2]"
    assert stat(results, "p_value_interaction", visit="month12") == pytest.approx(ols.pvalues[term], rel=1e-6)
    where = {"contrast": "treated - control", "context": "subgroup=Low"}
    assert stat(results, "estimate", **where) == pytest.approx(ols.params["C(arm)[T.treated]"], rel=1e-8)


def test_order_of_the_levels_does_not_matter() -> None:
    wide = made({("control", "1"): 6, ("control", "2"): 9, ("treated", "1"): 8, ("treated", "2"): 5}, seed=5)
    swapped = wide.assign(group=wide["group"].map({"1": "2", "2": "1"}))
    first, second = results_of(wide), results_of(swapped)
    for visit in AFTER:
        p = [stat(found, "p_value_interaction", visit=visit) for found in (first, second)]
        assert p[0] == pytest.approx(p[1], rel=1e-6)


def test_a_stratum_as_subgroup_stands_in_the_model_once() -> None:
    wide = made(6, seed=6)
    as_stratum, alone = results_of(wide, strata=["group"]), results_of(wide)
    assert row(as_stratum, "fit_status")["stat_label"] == "ok"
    pd.testing.assert_frame_equal(as_stratum, alone)


def test_units_are_counted_by_level() -> None:
    wide = made({("control", "1"): 6, ("control", "2"): 9, ("treated", "1"): 8, ("treated", "2"): 5}, seed=7)
    wide.loc[0, "month12"] = np.nan
    results = results_of(wide)
    where = {"visit": "month12", "arm": "control"}
    assert stat(results, "n", context="subgroup=Low", **where) == 5
    assert stat(results, "n", context="subgroup=Middle", **where) == 9
    assert stat(results, "n", context="", **where) == 14


def test_a_level_that_one_arm_lacks_is_left_out_of_the_test() -> None:
    sizes = {(a, g): 6 for a in ("control", "treated") for g in LEVELS} | {("treated", "3"): 1}
    results = results_of(made(sizes, tuple(LEVELS), seed=8), baseline=False)
    where = {"visit": "month6", "contrast": "treated - control", "context": "subgroup=High"}
    few = "too few observed at month6 in High (6 in Control, 1 in Treated; 2 needed in each arm)"
    assert row(results, "estimate", **where)["error"] == few
    assert np.isnan(row(results, "estimate", **where)["stat"])
    assert stat(results, "num_df_interaction", visit="month6") == 1
    assert np.isfinite(stat(results, "p_value_interaction", visit="month6"))
    status = row(results, "fit_status")
    assert status["stat_label"] == "reduced"
    assert "interaction at month6 tested over the levels with both arms alone" in status["warning"]


def test_no_unit_of_an_arm_in_a_level_is_told() -> None:
    sizes = {(a, g): 6 for a in ("control", "treated") for g in LEVELS} | {("treated", "3"): 0}
    results = results_of(made(sizes, tuple(LEVELS), seed=9))
    assert row(results, "fit_status")["stat_label"] == "reduced"
    for code, finite in (("Low", True), ("Middle", True), ("High", False)):
        where = {"visit": "month12", "contrast": "treated - control", "context": f"subgroup={code}"}
        assert np.isfinite(stat(results, "estimate", **where)) == finite


def test_one_level_alone_is_a_failed_fit_with_its_rows() -> None:
    results = results_of(made(6, ("1",), seed=10))
    status = row(results, "fit_status")
    assert (status["stat_label"], status["error"]) == ("failed", "no subgroups: all participants have the same group")
    assert np.isnan(stat(results, "p_value_interaction", visit="month6"))
    assert row(results, "p_value_interaction", visit="month6")["error"] == status["error"]
    where = {"visit": "month6", "contrast": "treated - control", "context": "subgroup=Low"}
    assert np.isnan(stat(results, "estimate", **where))


def test_real_trial(acupuncture: Callable[..., TrialData]) -> None:
    """Vickers 2004 by migraine, one model: levels' differences weighted by numbers are near the overall difference."""
    results = family_results(acupuncture({"method": "mmrm", "subgroup": "migraine"}), "mmrm")
    overall = trials.effects(family_results(acupuncture({"method": "mmrm"}), "mmrm"))
    for visit in ("month3", "month12"):
        where = {"visit": visit, "contrast": "treated - control"}
        within = [stat(results, "estimate", context=f"subgroup={label}", **where) for label in ("No", "Yes")]
        assert min(within) - 0.5 < overall.loc[visit, "estimate"] < max(within) + 0.5
        assert 0 < stat(results, "p_value_interaction", visit=visit) < 1
