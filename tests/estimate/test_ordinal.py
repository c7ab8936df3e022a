"""Ordinal outcomes: R's polr and clm, closed forms, the merging of levels, and what happens where no model exists."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, mannwhitneyu, norm

from estimate import reference_r, trials
from estimate.trials import ARMS, measure, row, stat
from pipanalysis.estimate import ordinal
from pipanalysis.estimate.ordinal import merged_levels
from pipanalysis.estimate.proportional_odds import proportional_odds, proportionality, separated
from pipanalysis.estimate.step import family_results

VISITS = {"baseline": 0, "month6": 6}
R = reference_r.answers("categorical")["ordinal"]
Z = norm.ppf(0.975)


def results_of(
    people: pd.DataFrame, *, better: str = "higher", strata: dict[str, list[str]] | None = None
) -> pd.DataFrame:
    """Results of people with an arm, a value and strata."""
    people = people.assign(unit=[f"u{i:03}" for i in range(len(people))])
    long = people.assign(visit="month6", score="form.level")[["unit", "visit", "value", "score"]].dropna()
    variables = [
        {"name": name, "label": name, "type": "category", "levels": {level: level for level in levels}}
        for name, levels in (strata or {}).items()
    ]
    configuration = trials.study(
        [{"method": "ordinal"}],
        visits=VISITS,
        instrument_visits=["month6"],
        scores={"level": "ordinal"},
        better=better,
        variables=variables,
        strata=list(strata or {}),
        arms=tuple(dict.fromkeys([*ARMS, *people["arm"]])),
    )
    return family_results(trials.trial(configuration, people, long), "categorical")


def arms(values: dict[str, list[float]], **options: Any) -> pd.DataFrame:
    people = [(arm, value) for arm, sample in values.items() for value in sample]
    return results_of(pd.DataFrame(people, columns=["arm", "value"]), **options)


@pytest.fixture(scope="module")
def wine() -> pd.DataFrame:
    """Randall 1989: bitterness on five levels; contact of juice and skins is the arm, temperature a stratum."""
    file = reference_r.data("wine")
    return file.assign(arm=file["contact"].map({"no": "control", "yes": "treated"}), value=file["rating"])


def test_agrees_with_r(wine: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """polr and clm for the fit; derivatives of the standardised quantities taken numerically in R."""
    monkeypatch.setattr(ordinal, "MIN_UNITS", 1)
    results = results_of(wine, strata={"temp": ["cold", "warm"]})
    assert row(results, "fit_status")[["stat_label", "method", "warning"]].tolist() == ["ok", ordinal.METHOD, ""]
    odds = measure(results, "measure=odds_ratio")
    beta, se = R["clm"]["theta"][4], np.sqrt(R["clm"]["vcov"][4][4])
    assert np.log(odds["estimate"]) == pytest.approx(beta, rel=1e-7)
    assert np.log(odds["estimate"]) == pytest.approx(R["polr"]["coef"]["contactyes"], rel=1e-6)
    assert odds["std_error"] == pytest.approx(se, rel=1e-7)
    assert odds["std_error"] == pytest.approx(R["polr"]["se"][0], rel=1e-4)
    assert odds["conf_high"] == pytest.approx(np.exp(beta + Z * se), rel=1e-6)
    assert odds["p_value"] == pytest.approx(2 * norm.sf(beta / se), rel=1e-6)
    better = measure(results, "measure=probability_better")
    assert better["estimate"] == pytest.approx(R["better"], rel=1e-7)
    assert better["std_error"] == pytest.approx(R["better_se"], rel=1e-6)
    for i, arm in enumerate(ARMS):
        for k in range(5):
            found = measure(results, f"measure=probability; level={k + 1}", arm=arm)
            assert found["estimate"] == pytest.approx(R["shares"][5 * i + k], rel=1e-7)
            assert found["std_error"] == pytest.approx(R["shares_se"][5 * i + k], rel=1e-6)
    test = measure(results, "assumption=proportional_odds")
    assert (test["chi_squared"], test["df"]) == (pytest.approx(R["score"], rel=1e-6), R["score_df"])
    assert test["p_value"] == pytest.approx(chi2.sf(R["score"], R["score_df"]), rel=1e-6)


def test_two_levels_are_logistic_regression() -> None:
    """The odds ratio and its variance of a two-by-two table; the better arm by the difference of proportions."""
    results = arms({"control": [0.0] * 20 + [1.0] * 10, "treated": [0.0] * 12 + [1.0] * 18})
    odds = measure(results, "measure=odds_ratio")
    assert odds["estimate"] == pytest.approx(18 * 20 / (12 * 10), rel=1e-8)
    assert odds["std_error"] == pytest.approx(np.sqrt(1 / 18 + 1 / 20 + 1 / 12 + 1 / 10), rel=1e-8)
    assert measure(results, "measure=probability_better")["estimate"] == pytest.approx(0.5 + (18 / 30 - 10 / 30) / 2)
    assert not (results["context"] == "assumption=proportional_odds").any()


def test_score_statistic_is_chi_squared_where_the_odds_are_proportional() -> None:
    """400 trials of 400 under proportional odds: mean of chi-squared with 2 df, within 3 Monte Carlo errors."""
    rng = np.random.default_rng(20160302)
    arm = np.repeat([0.0, 1.0], 200)[:, None]
    found = []
    for _ in range(400):
        latent = rng.logistic(size=400) + 0.7 * arm[:, 0]
        y = np.digitize(latent, [-1.0, 0.3, 1.5])
        statistic, df = proportionality(arm, y, proportional_odds(arm, y), 0)
        assert df == 2
        found.append(statistic)
    assert abs(np.mean(found) - 2) < 3 * 2 / np.sqrt(len(found))


def test_odds_that_are_not_proportional_are_said() -> None:
    """The treated are more often at both ends, so that the cuts have opposite odds ratios."""
    values = {"control": [1.0] * 5 + [2.0] * 30 + [3.0] * 5, "treated": [1.0] * 18 + [2.0] * 4 + [3.0] * 18}
    results = arms(values)
    assert measure(results, "assumption=proportional_odds")["p_value"] < 0.001
    assert "proportional odds are doubtful for Treated" in row(results, "fit_status")["warning"]


def test_lower_is_better_turns_it_round() -> None:
    values = {"control": [1.0] * 8 + [2.0] * 10 + [3.0] * 12, "treated": [1.0] * 12 + [2.0] * 10 + [3.0] * 8}
    one, other = arms(values, better="higher"), arms(values, better="lower")
    a, b = measure(one, "measure=odds_ratio"), measure(other, "measure=odds_ratio")
    assert [a["estimate"], a["conf_low"], a["conf_high"]] == pytest.approx(
        [1 / b["estimate"], 1 / b["conf_high"], 1 / b["conf_low"]]
    )
    a, b = measure(one, "measure=probability_better"), measure(other, "measure=probability_better")
    assert [a["estimate"], a["conf_low"]] == pytest.approx([1 - b["estimate"], 1 - b["conf_high"]])


@pytest.mark.parametrize(
    ("counts", "labels", "codes"),
    [
        ({1: 6, 2: 7, 3: 5}, ("1", "2", "3"), [0, 1, 2]),
        ({1: 2, 2: 9, 3: 3, 4: 8, 5: 6}, ("1 to 2", "3 to 4", "5"), [0, 0, 1, 1, 2]),
        ({-1: 1, 0: 1, 4: 20, 8: 2, 9: 9}, ("-1 to 4", "8 to 9"), [0, 0, 0, 1, 1]),
        ({1: 3, 2: 2}, ("1", "2"), [0, 1]),
        ({5: 8}, ("5",), [0]),
    ],
)
def test_levels_are_merged_until_each_has_enough_units(
    counts: dict[int, int], labels: tuple[str, ...], codes: list[int]
) -> None:
    levels = merged_levels(np.repeat(np.array(list(counts), dtype=float), list(counts.values())))
    assert levels.labels == labels
    assert levels.code.tolist() == np.repeat(codes, list(counts.values())).tolist()
    assert levels.merged == tuple(label for label in labels if "to" in label)


@given(values=st.lists(st.integers(0, 12), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_merging_keeps_the_order_and_leaves_no_level_with_few_units(values: list[int]) -> None:
    levels = merged_levels(np.array(values, dtype=float))
    order = np.argsort(values, kind="stable")
    assert (np.diff(levels.code[order]) >= 0).all()
    taken = np.bincount(levels.code, minlength=len(levels.labels))
    assert (taken > 0).all()
    assert len(taken) <= 2 or (taken >= ordinal.MIN_UNITS).all()


def test_merged_levels_are_said() -> None:
    results = arms({"control": [1.0, 2, 2, 2, 3, 3, 3, 3], "treated": [2.0, 2, 2, 3, 3, 4, 3, 3]})
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"]) == ("reduced", ordinal.METHOD)
    assert fit["warning"] == "levels with fewer than 5 participants merged: 1 to 2, 3 to 4"
    assert stat(results, "n_level", arm="treated", context="level=3 to 4") == 5


def test_separation_leaves_the_rank_test() -> None:
    """A stratum of which all are at the highest level, and an arm wholly above the other."""
    control, treated = [1.0] * 6 + [2.0] * 6, [3.0] * 7 + [4.0] * 6
    results = arms({"control": control, "treated": treated})
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"]) == ("reduced", ordinal.RANKS)
    assert "separation" in fit["warning"]
    better = measure(results, "measure=probability_better")
    assert better["estimate"] == 1
    assert np.isnan(better["conf_low"])
    assert better["p_value"] == pytest.approx(mannwhitneyu(treated, control, method="asymptotic").pvalue)
    odds = measure(results, "measure=odds_ratio")
    assert np.isnan(odds["estimate"])
    assert odds["p_value"] == better["p_value"]


def test_rank_test_counts_ties_half_and_has_delongs_standard_error() -> None:
    """DeLong's variance of the area under the curve by its definition, unit by unit."""
    control, treated = [1.0, 1, 2, 2, 3, 3], [1.0, 2, 2, 3, 3, 3, 3]
    people = pd.DataFrame({"arm": ["control"] * 6 + ["treated"] * 7 + ["control", "treated"] * 3})
    people["value"] = [*control, *treated, 4, 4, 4, 4, 4, 4]
    people["site"] = ["a"] * 13 + ["b"] * 6
    results = results_of(people, strata={"site": ["a", "b"]})
    assert row(results, "fit_status")["method"] == ordinal.RANKS
    x = people.loc[people["arm"] == "treated", "value"].to_numpy()
    y = people.loc[people["arm"] == "control", "value"].to_numpy()
    wins = [[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x]
    se = np.sqrt(np.var(np.mean(wins, 1), ddof=1) / len(x) + np.var(np.mean(wins, 0), ddof=1) / len(y))
    better = measure(results, "measure=probability_better")
    assert better["estimate"] == pytest.approx(np.mean(wins))
    assert better["std_error"] == pytest.approx(se)
    assert better["conf_low"] < better["estimate"] < better["conf_high"] < 1


def test_separation_is_found_by_linear_programming() -> None:
    X = np.array([0.0, 0, 1, 1, 2, 2])[:, None]
    assert separated(X, np.array([0, 0, 1, 1, 2, 2]))
    assert separated(X, np.array([0, 1, 1, 1, 2, 2]))
    assert not separated(X, np.array([0, 2, 1, 0, 2, 1]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"control": [1.0], "treated": [0.0, 1, 2]}, "too few observed at month6 (1 in Control, 3 in Treated"),
        ({"control": [3.0, 3], "treated": [3.0, 3]}, "no variation: all 4 values are 3"),
    ],
)
def test_data_that_do_not_suffice_end_in_a_failed_fit(values: dict[str, list[float]], message: str) -> None:
    results = arms(values)
    assert row(results, "fit_status")["stat_label"] == "failed"
    assert message in row(results, "fit_status")["error"]
    for name in ("odds_ratio", "probability_better"):
        assert np.isnan(list(measure(results, f"measure={name}").values())).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_an_increasing_change_of_the_values_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {arm: rng.integers(0, 5, 25).astype(float) for arm in ARMS}
    one, other = (arms({arm: f(v).tolist() for arm, v in values.items()}) for f in (lambda v: v, lambda v: v**3 + 2))
    for name in ("odds_ratio", "probability_better"):
        a, b = measure(one, f"measure={name}"), measure(other, f"measure={name}")
        assert list(a.values()) == pytest.approx(list(b.values()), rel=1e-8, nan_ok=True)
