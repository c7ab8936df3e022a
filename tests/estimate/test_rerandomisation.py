"""Re-randomisation test: hand counts, scipy, the t test it must agree with, and the strata that it keeps to."""

import itertools
from math import comb, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.model_result import NotFittedError
from pipanalysis.estimate.rerandomisation import adjusted_t, compare_allocations
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

TEST = {"method": "rerandomisation"}
ONES = np.ones


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_lady_tasting_tea() -> None:
    """Fisher 1935: eight cups, four of each kind, all told apart: 1 of 70 ways each way round, 2/70 two-sided."""
    t = np.repeat([0.0, 1.0], 4)
    noise = 1e-3 * np.array([1, -1, 2, -2, 2, -2, 1, -1])
    found = compare_allocations(t + noise, t, ONES((8, 1)), np.zeros(8, dtype=np.intp), 1000, rng())
    assert found.exact
    assert found.n_allocations == comb(8, 4) == 70
    assert found.p_value == pytest.approx(2 / 70)
    assert found.p_value_mcse == 0


def test_enumeration_agrees_with_scipy() -> None:
    """scipy permutes two independent samples exactly; |t| and the difference of means order the allocations alike."""
    control, treated = np.array([1.0, 2, 4, 7, 3.3]), np.array([3.0, 5, 6, 8, 9.5, 2.7])
    y, t = np.concatenate([control, treated]), np.repeat([0.0, 1.0], [5, 6])
    found = compare_allocations(y, t, ONES((11, 1)), np.zeros(11, dtype=np.intp), 1000, rng())

    def size_of_t(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(stats.ttest_ind(b, a, axis=axis).statistic)

    expected = stats.permutation_test(
        (control, treated), size_of_t, vectorized=True, n_resamples=np.inf, alternative="greater"
    )
    assert found.n_allocations == comb(11, 5)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)


def test_statistic_is_that_of_least_squares() -> None:
    """Frisch and Waugh: the coefficient and t of the whole regression, here by statsmodels."""
    import statsmodels.api as sm

    generator = rng(3)
    Z = np.column_stack([np.ones(30), generator.normal(size=(30, 2))])
    t = (np.arange(30) % 2).astype(float)
    y = Z @ [1.0, 2.0, -1.0] + 0.5 * t + generator.normal(size=30)
    fit = sm.OLS(y, np.column_stack([Z, t])).fit()
    assert adjusted_t(y, t, Z) == pytest.approx((fit.params[-1], fit.tvalues[-1]), rel=1e-10)


def test_covariates_by_brute_force() -> None:
    """Every allocation within two strata, the regression fitted anew to each."""
    import statsmodels.api as sm

    generator = rng(5)
    stratum = np.repeat([0, 1], 4)
    t = np.array([0.0, 1, 0, 1, 1, 0, 0, 1])
    Z = np.column_stack([np.ones(8), stratum, generator.normal(size=8)])
    y = generator.normal(size=8) + t

    def squared(allocation: np.ndarray) -> float:
        return float(sm.OLS(y, np.column_stack([Z, allocation])).fit().tvalues[-1] ** 2)

    every = []
    for first, second in itertools.product(itertools.combinations(range(4), 2), itertools.combinations(range(4, 8), 2)):
        allocation = np.zeros(8)
        allocation[[*first, *second]] = 1.0
        every.append(squared(allocation))
    expected = np.mean(np.array(every) >= squared(t) * (1 - 1e-9))
    found = compare_allocations(y, t, Z, stratum, 1000, rng())
    assert found.n_allocations == len(every) == 36
    assert found.p_value == pytest.approx(expected)


def test_draws_agree_with_the_t_test_within_monte_carlo_error() -> None:
    """With normal errors and 76 units the two P values differ by O(1/n) beside the Monte Carlo error."""
    generator = rng(11)
    t = np.repeat([0.0, 1.0], 38)
    y = 0.4 * t + generator.normal(size=76)
    found = compare_allocations(y, t, ONES((76, 1)), np.zeros(76, dtype=np.intp), 50_000, rng())
    expected = stats.ttest_ind(y[t == 1], y[t == 0]).pvalue
    assert not found.exact
    assert found.p_value_mcse == pytest.approx(sqrt(found.p_value * (1 - found.p_value) / 50_001))
    assert abs(found.p_value - expected) < 4 * found.p_value_mcse + 0.002


@given(seed=st.integers(0, 1000))
def test_scale_order_and_names_of_arms_do_not_matter(seed: int) -> None:
    generator = rng(seed)
    y, covariate = generator.normal(size=9), generator.normal(size=9)
    t, stratum = np.array([0.0, 1, 0, 1, 0, 1, 0, 1, 1]), np.repeat([0, 1, 2], 3)
    Z = np.column_stack([np.ones(9), covariate])
    order = generator.permutation(9)
    first = compare_allocations(y, t, Z, stratum, 1000, rng())
    for changed in (
        compare_allocations(7.0 * y + 3.0, t, Z, stratum, 1000, rng()),
        compare_allocations(y, 1.0 - t, Z, stratum, 1000, rng()),
        compare_allocations(y[order], t[order], Z[order], stratum[order], 1000, rng()),
    ):
        assert changed.p_value == pytest.approx(first.p_value)
        assert changed.n_allocations == first.n_allocations == 3 * 3 * 3


def test_strata_with_one_arm_alone_have_no_other_allocation() -> None:
    t = np.array([0.0, 0, 1, 1])
    with pytest.raises(NotFittedError, match="no stratum has both arms"):
        compare_allocations(np.arange(4.0), t, ONES((4, 1)), np.array([0, 0, 1, 1]), 1000, rng())


def stratified(n: int = 40, **options: object) -> TrialData:
    generator = rng(2)
    people = pd.DataFrame({"unit": [f"u{i:03}" for i in range(n)], "arm": ["control", "treated"] * (n // 2)})
    people["place"] = np.where(np.arange(n) < n // 2, "north", "south")
    long = pd.concat(
        people.assign(visit=visit, value=generator.normal(size=n) + 3 * (people["arm"] == "treated"))
        for visit in ("baseline", "month6")
    )
    place = {"name": "place", "label": "Place", "type": "category", "levels": {"north": "N", "south": "S"}}
    configuration = trials.study(
        [TEST | options], visits={"baseline": 0, "month6": 6}, variables=[place], strata=["place"]
    )
    return trials.trial(configuration, people, long[["unit", "visit", "value"]])


def test_results_of_a_trial() -> None:
    results = family_results(stratified(allocations=2000), "ancova")
    found = {name: stat(results, name, visit="month6") for name in ("p_value", "p_value_mcse", "n_allocations")}
    # the arms differ by three standard deviations: no allocation comes near
    assert found["p_value"] == pytest.approx(1 / 2001)
    assert found["n_allocations"] == 2000
    assert found["p_value_mcse"] == pytest.approx(sqrt(found["p_value"] * (1 - found["p_value"]) / 2001))
    ancova = family_results(stratified(method="ancova"), "ancova")
    for name in ("estimate", "statistic"):
        assert stat(results, name, visit="month6") == pytest.approx(
            stat(ancova, name, visit="month6", contrast="treated - control")
        )
    pd.testing.assert_frame_equal(results, family_results(stratified(allocations=2000), "ancova"))


def test_a_trial_that_cannot_be_tested_says_why() -> None:
    people = pd.DataFrame({"unit": ["a", "b", "c"], "arm": ["control", "treated", "treated"]})
    configuration = trials.study([TEST], visits={"baseline": 0, "month6": 6})
    long = people.assign(visit="month6", value=[1.0, 2.0, 3.0])[["unit", "visit", "value"]]
    results = family_results(trials.trial(configuration, people, long), "ancova")
    assert row(results, "fit_status", visit="month6")["stat_label"] == "failed"
    assert "too few observed at month6" in row(results, "p_value", visit="month6")["error"]


@pytest.mark.validation
def test_p_values_are_uniform_under_the_null() -> None:
    """76 units, skewed outcomes, strata, 2,000 trials: at 5% the rejections stay within 3 Monte Carlo errors of 5%."""
    generator = rng(17)
    stratum = np.repeat(np.arange(4), 19)
    rejected, trials_run = 0, 2000
    for i in range(trials_run):
        t = np.zeros(76)
        for code in range(4):
            own = np.flatnonzero(stratum == code)
            t[generator.permutation(own)[: 9 + code % 2]] = 1.0
        covariate = generator.normal(size=76)
        y = covariate + 0.3 * stratum + generator.exponential(size=76) ** 2
        Z = np.column_stack([np.ones(76), covariate, stratum == 1, stratum == 2, stratum == 3]).astype(float)
        rejected += compare_allocations(y, t, Z, stratum, 999, rng(i)).p_value <= 0.05
    share, mcse = rejected / trials_run, sqrt(0.05 * 0.95 / trials_run)
    print(f"re-randomisation test, type I error: {share:.4f} (MCSE {mcse:.4f}, {trials_run} trials)")
    assert abs(share - 0.05) < 3 * mcse
