"""Binary outcomes: closed forms, other programs, published tables, and what happens where the data do not suffice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm, t

from estimate import trials
from estimate.trials import ARMS, row, stat
from pipanalysis.estimate import binary
from pipanalysis.estimate.exact import two_by_two
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

LOGISTIC = {"method": "logistic"}
MEASURES = ("risk_difference", "risk_ratio", "odds_ratio")
VISITS = {"baseline": 0, "month6": 6}
CASE = {"scores": {"case": "binary"}}
Z = norm.ppf(0.975)


def measure(results: pd.DataFrame, name: str, **where: str) -> dict[str, float]:
    """The statistics of one measure of the comparison, or of the risk of an arm."""
    if "arm" not in where:
        where = {"contrast": "treated - control"} | where
    chosen = results[results["context"] == f"measure={name}"]
    for column, wanted in where.items():
        chosen = chosen[chosen[column] == wanted]
    assert not chosen["stat_name"].duplicated().any()
    return dict(zip(chosen["stat_name"], chosen["stat"], strict=True))


def status(results: pd.DataFrame) -> tuple[str, str]:
    """Status and method of the one fit."""
    found = row(results, "fit_status")
    return found["stat_label"], found["method"]


def arms_trial(values: dict[str, list[float]], **options: Any) -> TrialData:
    """Arms with values at month6 only, and no adjustment."""
    people = pd.DataFrame([(arm, value) for arm, sample in values.items() for value in sample], columns=["arm", "v"])
    people["unit"] = [f"u{i:04}" for i in range(len(people))]
    long = people.assign(visit="month6", value=people["v"])[["unit", "visit", "value"]].assign(score="form.case")
    configuration = trials.study(
        [LOGISTIC | options], visits=VISITS, instrument_visits=["month6"], arms=tuple(values), **CASE
    )
    return trials.trial(configuration, people, long.dropna())


def two_arms(a: int, b: int, c: int, d: int) -> pd.DataFrame:
    """Results where a of a + b treated and c of c + d controls have the event."""
    values = {"control": [1.0] * c + [0.0] * d, "treated": [1.0] * a + [0.0] * b}
    return family_results(arms_trial(values), "binary")


def test_without_covariates_it_is_the_two_by_two_table() -> None:
    """Closed forms: Woolf's variance of the log odds ratio, binomial variances of the rest; a difference has n - 2."""
    a, b, c, d = 14, 21, 6, 30
    results = two_arms(a, b, c, d)
    assert status(results) == ("ok", binary.METHOD)
    p1, p0, n1, n0 = a / (a + b), c / (c + d), a + b, c + d
    se = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    odds = measure(results, "odds_ratio")
    assert odds["estimate"] == pytest.approx(a * d / b / c, rel=1e-9)
    assert odds["std_error"] == pytest.approx(se, rel=1e-9)
    assert odds["conf_low"] == pytest.approx(a * d / b / c * np.exp(-Z * se), rel=1e-8)
    assert odds["conf_high"] == pytest.approx(a * d / b / c * np.exp(Z * se), rel=1e-8)
    assert odds["p_value"] == pytest.approx(2 * norm.sf(np.log(a * d / b / c) / se), rel=1e-8)
    difference = measure(results, "risk_difference")
    se = np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    assert difference["estimate"] == pytest.approx(p1 - p0, rel=1e-9)
    se *= np.sqrt((n1 + n0) / (n1 + n0 - 2))
    assert difference["std_error"] == pytest.approx(se, rel=1e-9)
    assert difference["df"] == n1 + n0 - 2
    assert difference["conf_high"] == pytest.approx(p1 - p0 + t.ppf(0.975, n1 + n0 - 2) * se, rel=1e-9)
    assert difference["p_value"] == pytest.approx(2 * t.sf((p1 - p0) / se, n1 + n0 - 2), rel=1e-8)
    ratio = measure(results, "risk_ratio")
    se = np.sqrt(1 / a - 1 / n1 + 1 / c - 1 / n0)
    assert ratio["estimate"] == pytest.approx(p1 / p0, rel=1e-9)
    assert ratio["std_error"] == pytest.approx(se, rel=1e-9)
    assert ratio["conf_low"] == pytest.approx(p1 / p0 * np.exp(-Z * se), rel=1e-9)
    for arm, p, n in (("treated", p1, n1), ("control", p0, n0)):
        risk = measure(results, "risk", arm=arm)
        assert risk["estimate"] == pytest.approx(p, rel=1e-9)
        assert risk["std_error"] == pytest.approx(np.sqrt(p * (1 - p) / n), rel=1e-9)
        assert risk["conf_low"] == pytest.approx(expit(np.log(p / (1 - p)) - Z / np.sqrt(n * p * (1 - p))), rel=1e-9)
        assert stat(results, "n", arm=arm) == n
        assert stat(results, "n_level", arm=arm) == n * p
        assert stat(results, "percent", arm=arm) == pytest.approx(100 * p)


@pytest.fixture(scope="module")
def respiratory(shared: Path) -> Callable[..., TrialData]:
    """Davis 1991, as R's HSAUR3 distributes it: status good at month 4; baseline status, centre and age."""
    file = pd.read_csv(shared / "reference" / "data" / "respiratory.csv", dtype={"centre": str})
    file = file.rename(columns={"subject": "unit"})
    file["value"] = (file["status"] == "good").astype(float)
    people = file[file["month"] == 0].assign(
        arm=lambda one: one["treatment"].map(dict(zip(FILE_ARMS, ARMS, strict=True)))
    )
    long = file.assign(visit=file["month"].map({0: "baseline", 4: "month6"}), score="form.case")
    long = long.dropna(subset="visit")[["unit", "visit", "value", "score"]]
    variables = [
        {"name": "centre", "label": "Centre", "type": "category", "levels": {"1": "One", "2": "Two"}},
        {"name": "age", "label": "Age", "type": "number"},
    ]

    def make(**options: Any) -> TrialData:
        configuration = trials.study(
            [LOGISTIC | options], visits=VISITS, variables=variables, strata=["centre"], **CASE
        )
        return trials.trial(configuration, people, long)

    return make


FILE_ARMS = ("placebo", "treatment")


def by_hand(trial: TrialData) -> tuple[np.ndarray, np.ndarray]:
    """Design (arm, baseline, centre, age, intercept) and outcome of the respiratory trial, without our code."""
    people, values = trial.participants, trial.values("form.case")
    design = [people["arm"] == "treated", values[:, 0], people["centre"] == "2", people["age"], np.ones(len(people))]
    return np.column_stack([np.asarray(column, dtype=float) for column in design]), values[:, 1]


def test_adjusted_analysis_agrees_with_statsmodels_logit_and_its_marginal_effects(
    respiratory: Callable[..., TrialData],
) -> None:
    """Logit (Newton, not GLM's IRLS); the average discrete change of the arm with its delta-method standard error."""
    from statsmodels.discrete.discrete_model import Logit

    trial = respiratory(covariates=["age"])
    results = family_results(trial, "binary")
    X, y = by_hand(trial)
    fit = Logit(y, X).fit(disp=False, tol=1e-12)
    odds = measure(results, "odds_ratio")
    assert np.log(odds["estimate"]) == pytest.approx(fit.params[0], rel=1e-7)
    assert odds["std_error"] == pytest.approx(fit.bse[0], rel=1e-7)
    assert odds["p_value"] == pytest.approx(fit.pvalues[0], rel=1e-6)
    effect = fit.get_margeff(at="overall", dummy=True)
    difference = measure(results, "risk_difference")
    assert difference["estimate"] == pytest.approx(effect.margeff[0], rel=1e-7)
    n, p = X.shape
    assert difference["std_error"] == pytest.approx(effect.margeff_se[0] * np.sqrt(n / (n - p)), rel=1e-6)
    assert difference["df"] == n - p
    assert status(results) == ("ok", binary.METHOD)


def test_delta_standard_errors_against_a_parametric_bootstrap(respiratory: Callable[..., TrialData]) -> None:
    """Outcomes drawn again 1,000 times from the fitted risks, on five copies of the trial; Monte Carlo error 2.2%.

    Five copies, so that the delta method's own error (of order 1/n) is small beside it; SEs are then over root 5.
    """
    trial = respiratory(covariates=["age"])
    results = family_results(trial, "binary")
    X, y = by_hand(trial)
    X[:, 3] = (X[:, 3] - X[:, 3].mean()) / X[:, 3].std()
    fitted = binary.maximum_likelihood(X, y, [])
    assert fitted is not None
    probability = expit(X @ fitted[0])
    groups = np.repeat(X, 5, axis=0)
    rng = np.random.default_rng(20160302)
    drawn = []
    for _ in range(1000):
        again = binary.maximum_likelihood(groups, (rng.random(len(groups)) < probability.repeat(5)).astype(float), [])
        assert again is not None
        p1, p0 = (expit(np.column_stack([np.full(len(X), arm), X[:, 1:]]) @ again[0]).mean() for arm in (1.0, 0.0))
        drawn.append((p1 - p0, np.log(p1 / p0), p1))
    spread = np.std(drawn, axis=0, ddof=1) * np.sqrt(5)
    expected = [measure(results, name)["std_error"] for name in ("risk_difference", "risk_ratio")]
    expected[0] *= np.sqrt((len(X) - X.shape[1]) / len(X))  # the delta method's own
    expected.append(measure(results, "risk", arm="treated")["std_error"])
    assert np.abs(spread / expected - 1).max() < 3 / np.sqrt(2 * 1000)


def test_an_arm_without_events_is_fitted_by_firth() -> None:
    """By algebra: half a unit more in each cell."""
    results = two_arms(0, 20, 6, 14)
    assert status(results) == ("reduced", binary.PENALISED)
    assert "quasi-complete separation" in row(results, "fit_status")["warning"]
    assert measure(results, "odds_ratio")["estimate"] == pytest.approx(0.5 * 14.5 / (20.5 * 6.5), rel=1e-7)
    p1, p0 = 0.5 / 21, 6.5 / 21
    difference = measure(results, "risk_difference")
    assert difference["estimate"] == pytest.approx(p1 - p0, rel=1e-7)
    se = np.sqrt((p1 * (1 - p1) / 20 + p0 * (1 - p0) / 20) * 40 / 38)
    assert difference["std_error"] == pytest.approx(se, rel=1e-7)
    odds = measure(results, "odds_ratio")
    assert odds["conf_low"] < odds["estimate"] < odds["conf_high"] < 1
    assert odds["p_value"] < 0.05
    assert stat(results, "n_level", arm="treated") == 0


def test_sparse_cells_are_warned_of_by_rule() -> None:
    assert row(two_arms(5, 20, 6, 14), "fit_status")["warning"] == ""
    assert row(two_arms(3, 20, 6, 4), "fit_status")["warning"] == (
        "sparse cell: fewer than 5 participants of an arm at a level (4 of Control at No, 3 of Treated at Yes)"
    )


def test_firths_estimate_and_the_exact_test_stand_beside_where_a_cell_is_sparse() -> None:
    """By algebra half a unit more in each cell; the exact test by R 4.2: fisher.test(matrix(c(3, 20, 6, 4), 2))."""
    results = two_arms(3, 20, 6, 4)
    assert status(results) == ("ok", binary.METHOD)
    penalised = measure(results, "penalised_odds_ratio")
    assert penalised["estimate"] == pytest.approx(3.5 * 4.5 / (20.5 * 6.5), rel=1e-7)
    assert penalised["conf_low"] < penalised["estimate"] < penalised["conf_high"]
    assert measure(results, "odds_ratio")["estimate"] == pytest.approx(3 * 4 / (20 * 6), rel=1e-7)
    exact = {"contrast": "treated - control", "context": "test=exact"}
    assert stat(results, "p_value", **exact) == pytest.approx(0.0104574883773994, rel=1e-9)
    enough = two_arms(5, 20, 6, 14)
    assert not enough["context"].isin(["test=exact", "measure=penalised_odds_ratio"]).any()


def test_separated_data_have_the_exact_test_beside() -> None:
    """R 4.2: fisher.test(matrix(c(0, 20, 6, 14), 2))."""
    results = two_arms(0, 20, 6, 14)
    exact = {"contrast": "treated - control", "context": "test=exact"}
    assert stat(results, "p_value", **exact) == pytest.approx(0.0201960201960202, rel=1e-6)
    assert not results["context"].eq("measure=penalised_odds_ratio").any()  # the odds ratio itself is penalised


def test_maximum_likelihood_that_does_not_converge_gives_way_to_firth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "maximum_likelihood", lambda *_: None)
    results = two_arms(14, 21, 6, 30)
    assert status(results) == ("reduced", binary.PENALISED)
    assert "did not converge" in row(results, "fit_status")["warning"]


@pytest.mark.parametrize(("value", "ratio"), [(0.0, np.nan), (1.0, 1.0)])
def test_no_events_or_only_events_leave_the_exact_test(value: float, ratio: float) -> None:
    """0 of 10 and 0 of 20: Newcombe 1998, table II, method 10: -0.1611 to 0.2775."""
    results = family_results(arms_trial({"control": [value] * 20, "treated": [value] * 10}), "binary")
    assert status(results) == ("reduced", binary.EXACT)
    assert "all 30 participants have the same value" in row(results, "fit_status")["warning"]
    difference = measure(results, "risk_difference")
    limits = np.array([difference["conf_low"], difference["conf_high"]])
    assert limits == pytest.approx([-0.1611, 0.2775] if value == 0 else [-0.2775, 0.1611], abs=5e-5)
    assert difference["estimate"] == 0
    assert measure(results, "odds_ratio")["p_value"] == 1
    assert measure(results, "risk_ratio")["estimate"] == pytest.approx(ratio, nan_ok=True)
    assert np.isnan(measure(results, "odds_ratio")["estimate"])


def test_published_tables() -> None:
    """Newcombe 1998, table II, method 10; Fisher's tea taster as R's fisher.test documents it.

    Exact limits of the tea taster: each tail of the non-central hypergeometric distribution, whose terms are 1, 16, 36,
    16, 1 times powers of the odds ratio, is 0.025. (R prints 621.93 for 626.24: it solves for the inverse, to 1e-4.)
    """
    for counts, limits in (((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090))):
        assert two_by_two(*counts, 0.95).difference_limits == pytest.approx(limits, abs=5e-5)
    tea = two_by_two(3, 4, 1, 4, 0.95)
    assert tea.p_value == pytest.approx(0.4857, abs=5e-5)
    assert tea.odds_ratio == pytest.approx(6.408309, rel=1e-5)
    total, three_or_more, three_or_fewer = [1, 16, 36, 16, 1], [1, 16, 0, 0, 0], [0, 16, 36, 16, 1]
    expected = [np.roots(np.subtract(tail, np.multiply(0.025, total))) for tail in (three_or_more, three_or_fewer)]
    assert tea.odds_limits == pytest.approx(
        [roots[np.isreal(roots) & (roots.real > 0)].real.item() for roots in expected]
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"control": [1.0], "treated": [0.0, 1, 0]}, "too few observed at month6 (1 in Control, 3 in Treated"),
        ({"control": [0.0, 1], "treated": [np.nan] * 3}, "too few observed at month6 (2 in Control, 0 in Treated"),
        ({"control": [0.0, 2, 1], "treated": [1.0, 0, 3]}, "values other than 0 and 1: 2, 3"),
        ({"control": [0.0, np.inf, 1], "treated": [1.0, 0, 1]}, "1 infinite value"),
    ],
)
def test_data_that_do_not_suffice_end_in_a_failed_fit_with_its_reason(
    values: dict[str, list[float]], message: str
) -> None:
    results = family_results(arms_trial(values), "binary")
    assert status(results)[0] == "failed"
    assert message in row(results, "fit_status")["error"]
    for name in MEASURES:
        assert np.isnan(list(measure(results, name).values())).all()
    assert results.loc[results["context"].str.startswith("measure="), "error"].str.contains(message, regex=False).all()


def with_site(sites: list[str], values: list[float], **options: Any) -> pd.DataFrame:
    """Results of two arms in turn, stratified by site."""
    people = pd.DataFrame({"unit": range(len(sites)), "arm": list(ARMS) * (len(sites) // 2), "site": sites})
    long = people.assign(visit="month6", value=values, score="form.case")[["unit", "visit", "value", "score"]]
    site = {"name": "site", "label": "Site", "type": "category", "levels": {name: name for name in "abcdef"}}
    configuration = trials.study(
        [LOGISTIC | options], visits=VISITS, variables=[site], strata=["site"], instrument_visits=["month6"], **CASE
    )
    return family_results(trials.trial(configuration, people, long), "binary")


def test_stratum_that_is_the_arm_leaves_nothing_to_compare() -> None:
    results = with_site(["a", "b"] * 6, [0.0, 1, 1, 1, 0, 0] * 2)
    assert status(results)[0] == "failed"
    assert "Treated cannot be told apart from a covariate" in row(results, "fit_status")["error"]


def test_stratum_with_events_only_is_separation() -> None:
    results = with_site(["a"] * 8 + ["b"] * 4, [0.0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1])
    assert status(results) == ("reduced", binary.PENALISED)
    assert np.isfinite([measure(results, name)["conf_high"] for name in MEASURES]).all()


def test_more_coefficients_than_units_leave_the_exact_test() -> None:
    results = with_site(["a", "b", "c", "d", "e", "a"], [0.0, 1, 1, 1, 0, 0])
    assert status(results) == ("reduced", binary.EXACT)
    assert "6 participants for 6 coefficients" in row(results, "fit_status")["warning"]
    exact = two_by_two(2, 3, 1, 3, 0.95)
    assert measure(results, "odds_ratio")["p_value"] == exact.p_value
    assert measure(results, "risk_difference")["estimate"] == pytest.approx(1 / 3)


def test_an_arm_that_is_too_small_is_left_out_and_the_others_compared() -> None:
    values = {"control": [0.0, 1, 1, 0, 1], "treated": [1.0, 0, 1, 0, 0, 0], "third": [1.0]}
    results = family_results(arms_trial(values), "binary")
    assert status(results) == ("reduced", binary.METHOD)
    assert measure(results, "risk_difference")["estimate"] == pytest.approx(2 / 6 - 3 / 5)
    absent = results[(results["contrast"] == "third - control") & (results["stat_name"] == "estimate")]
    assert len(absent) == 3
    assert absent["stat"].isna().all()
    assert absent["error"].str.contains("too few observed").all()


def test_baseline_of_another_score_takes_the_place_of_the_outcomes_own() -> None:
    """The same as that score given as a covariate."""
    rng = np.random.default_rng(8)
    people = pd.DataFrame({"unit": range(60), "arm": list(ARMS) * 30, "severity": rng.normal(20, 6, 60).round()})
    case = (people["severity"] + rng.normal(0, 8, 60) > 20).astype(float)
    before = people.assign(visit="baseline", value=people["severity"], score="form.total")
    own = people.assign(visit="baseline", value=(people["severity"] > 16).astype(float), score="form.case")
    long = pd.concat([before, own, people.assign(visit="month6", value=case, score="form.case")])

    def results(**options: Any) -> pd.DataFrame:
        configuration = trials.study(
            [LOGISTIC | {"outcomes": ["case"]} | options],
            visits=VISITS,
            scores={"total": "continuous", "case": "binary"},
            variables=[{"name": "severity", "label": "Severity", "type": "number"}],
        )
        return family_results(trials.trial(configuration, people, long.drop(columns="severity")), "binary")

    named = results(baseline_score="form.total")
    assert measure(named, "odds_ratio") == pytest.approx(
        measure(results(baseline=False, covariates=["severity"]), "odds_ratio"), rel=1e-8
    )
    own_baseline = measure(results(), "odds_ratio")["estimate"]
    assert own_baseline != pytest.approx(measure(named, "odds_ratio")["estimate"], rel=1e-3)


def random_trial(seed: int, *, rare: float, arms: tuple[str, ...] = ARMS, recoded: bool = False) -> pd.DataFrame:
    """Results of 40 units with a site and a covariate."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(40)], "arm": rng.permutation(list(ARMS) * 20)})
    people["site"], people["age"] = rng.choice(["n", "s"], size=40), rng.normal(30, 5, 40)
    value = (rng.random(40) < expit(norm.ppf(rare) * 1.7 + (people["age"] - 30) / 5)).astype(float)
    long = people.assign(visit="month6", value=1 - value if recoded else value, score="form.case")
    variables = [
        {"name": "site", "label": "Site", "type": "category", "levels": {"n": "North", "s": "South"}},
        {"name": "age", "label": "Age", "type": "number"},
    ]
    configuration = trials.study(
        [LOGISTIC | {"covariates": ["age"]}],
        visits=VISITS,
        variables=variables,
        strata=["site"],
        arms=arms,
        instrument_visits=["month6"],
        **CASE,
    )
    return family_results(trials.trial(configuration, people, long[["unit", "visit", "value", "score"]]), "binary")


FITS = {"seed": st.integers(0, 10_000), "rare": st.sampled_from([0.02, 0.1, 0.4, 0.9])}
SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)


def same(found: list[float], expected: list[float]) -> None:
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9, nan_ok=True)


@given(**FITS)
@SETTINGS
def test_other_reference_arm_turns_differences_and_inverts_ratios(seed: int, rare: float) -> None:
    results, turned = random_trial(seed, rare=rare), random_trial(seed, rare=rare, arms=ARMS[::-1])
    assert status(results) == status(turned)
    for name in MEASURES:
        one, other = measure(results, name), measure(turned, name, contrast="control - treated")
        same([one["std_error"], one["p_value"]], [other["std_error"], other["p_value"]])
        expected = [other["estimate"], other["conf_high"], other["conf_low"]]
        flipped = [-value for value in expected] if name == "risk_difference" else [1 / value for value in expected]
        same([one["estimate"], one["conf_low"], one["conf_high"]], flipped)
    for arm in ARMS:
        same(list(measure(results, "risk", arm=arm).values()), list(measure(turned, "risk", arm=arm).values()))


@given(**FITS)
@SETTINGS
def test_recoded_outcome_inverts_the_odds_ratio_and_turns_the_difference(seed: int, rare: float) -> None:
    results, recoded = random_trial(seed, rare=rare), random_trial(seed, rare=rare, recoded=True)
    assert status(results) == status(recoded)
    one, other = measure(results, "odds_ratio"), measure(recoded, "odds_ratio")
    same([one["estimate"], one["conf_low"]], [1 / other["estimate"], 1 / other["conf_high"]])
    same([one["std_error"], one["p_value"]], [other["std_error"], other["p_value"]])
    one, other = measure(results, "risk_difference"), measure(recoded, "risk_difference")
    same([one["estimate"], one["conf_low"]], [-other["estimate"], -other["conf_high"]])
    for arm in ARMS:
        one, other = measure(results, "risk", arm=arm), measure(recoded, "risk", arm=arm)
        same([one["estimate"], one["conf_low"]], [1 - other["estimate"], 1 - other["conf_high"]])


@given(a=st.integers(1, 20), b=st.integers(1, 20), c=st.integers(1, 20), d=st.integers(1, 20))
@SETTINGS
def test_limits_hold_the_estimate_and_risks_are_proportions(a: int, b: int, c: int, d: int) -> None:
    assume(min(a + b, c + d) >= 2)
    results = two_arms(a, b, c, d)
    for name in MEASURES:
        found = measure(results, name)
        assert found["conf_low"] < found["estimate"] < found["conf_high"]
    for arm in ARMS:
        found = measure(results, "risk", arm=arm)
        assert 0 < found["conf_low"] < found["estimate"] < found["conf_high"] < 1
