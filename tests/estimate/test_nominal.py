"""Nominal outcomes: R's multinom, brglm2 and fisher.test, closed forms, and what happens where no model exists."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, fisher_exact

from estimate import reference_r, trials
from estimate.trials import ARMS, measure, row, stat
from pipanalysis.estimate import nominal
from pipanalysis.estimate.exact import fisher_freeman_halton, two_by_two
from pipanalysis.estimate.multinomial import _penalised_likelihood, maximum_likelihood, penalised, separated
from pipanalysis.estimate.step import family_results

R = reference_r.answers("categorical")
VISITS = {"baseline": 0, "month12": 12}
CODES = {"A": "Avoidant", "B": "Secure", "C": "Resistant", "D": "Disorganised"}


def results_of(
    people: pd.DataFrame, levels: dict[str, str], *, strata: dict[str, list[str]] | None = None, **options: Any
) -> pd.DataFrame:
    """Results of people with an arm, a level (its label) and strata."""
    people = people.assign(unit=[f"u{i:04}" for i in range(len(people))])
    position = {label: float(i) for i, label in enumerate(levels.values())}
    long = people.assign(visit="month12", score="form.kind", value=people["level"].map(position))
    variables = [
        {"name": name, "label": name, "type": "category", "levels": {level: level for level in known}}
        for name, known in (strata or {}).items()
    ]
    configuration = trials.study(
        [{"method": "nominal"} | options],
        visits=VISITS,
        instrument_visits=["month12"],
        scores={"kind": "nominal"},
        items={"count": 1, "type": "category", "levels": levels},
        variables=variables,
        strata=list(strata or {}),
    )
    columns = ["unit", "visit", "value", "score", "level"]
    return family_results(
        trials.trial(configuration, people.drop(columns="level"), long[columns].dropna()), "categorical"
    )


def table(control: dict[str, int], treated: dict[str, int], **options: Any) -> pd.DataFrame:
    people = [
        (arm, CODES[k]) for arm, at in zip(ARMS, (control, treated), strict=True) for k in at for _ in range(at[k])
    ]
    return results_of(pd.DataFrame(people, columns=["arm", "level"]), CODES, **options)


def test_agrees_with_r_on_housing() -> None:
    """Madsen 1976: nnet's multinom; derivatives of the standardised probabilities taken numerically in R."""
    file = reference_r.data("housing").rename(columns=str.lower)
    file = file.loc[file.index.repeat(file["freq"])]
    people = file.assign(arm=file["cont"].map({"Low": "control", "High": "treated"}), level=file["sat"])
    strata = {"infl": ["Low", "Medium", "High"], "type": ["Tower", "Apartment", "Atrium", "Terrace"]}
    results = results_of(people, {name: name for name in ("Low", "Medium", "High")}, strata=strata)
    expected = R["nominal"]
    assert row(results, "fit_status")[["stat_label", "method", "warning"]].tolist() == ["ok", nominal.METHOD, ""]
    for k, level in enumerate(("Low", "Medium", "High")):
        difference = measure(results, f"measure=probability_difference; level={level}")
        assert difference["estimate"] == pytest.approx(expected["difference"][k], rel=1e-5)
        assert difference["std_error"] == pytest.approx(expected["difference_se"][k], rel=1e-5)
        for arm, of in zip(ARMS, ("low", "high"), strict=True):
            found = measure(results, f"measure=probability; level={level}", arm=arm)
            assert found["estimate"] == pytest.approx(expected[of][k], rel=1e-6)
        if k:
            ratio = measure(results, f"measure=relative_risk_ratio; level={level}")
            assert np.log(ratio["estimate"]) == pytest.approx(expected["log_rrr"][k - 1], rel=1e-5)
            assert ratio["std_error"] == pytest.approx(expected["se"][k - 1], rel=1e-5)
    test = measure(results, "test=all_levels")
    assert (test["chi_squared"], test["df"]) == (pytest.approx(expected["lr"], rel=1e-6), 2)
    assert test["p_value"] == pytest.approx(chi2.sf(expected["lr"], 2), rel=1e-5)


def test_without_covariates_it_is_the_table() -> None:
    """Closed forms: odds ratios against the reference with Woolf's variance; binomial variances; G of the table."""
    control, treated = {"A": 6, "B": 14, "C": 7, "D": 9}, {"A": 8, "B": 20, "C": 5, "D": 6}
    results = table(control, treated, reference_level="B")
    n0, n1 = sum(control.values()), sum(treated.values())
    for code, label in CODES.items():
        p0, p1 = control[code] / n0, treated[code] / n1
        difference = measure(results, f"measure=probability_difference; level={label}")
        assert difference["estimate"] == pytest.approx(p1 - p0, rel=1e-7)
        assert difference["std_error"] == pytest.approx(np.sqrt(p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1), rel=1e-6)
        if code != "B":
            ratio = measure(results, f"measure=relative_risk_ratio; level={label}")
            odds = treated[code] * control["B"] / (treated["B"] * control[code])
            woolf = sum(1 / at[k] for at in (control, treated) for k in ("B", code))
            assert ratio["estimate"] == pytest.approx(odds, rel=1e-6)
            assert ratio["std_error"] == pytest.approx(np.sqrt(woolf), rel=1e-6)
    observed = np.array([list(control.values()), list(treated.values())])
    expected = observed.sum(1, keepdims=True) * observed.sum(0) / observed.sum()
    test = measure(results, "test=all_levels")
    assert test["chi_squared"] == pytest.approx(2 * (observed * np.log(observed / expected)).sum(), rel=1e-7)
    assert test["df"] == 3
    assert not (results["context"] == "measure=relative_risk_ratio; level=Secure").any()
    assert stat(results, "n_level", arm="treated", context="level=Disorganised") == 6


def test_an_empty_cell_is_separation_and_fitted_with_jeffreys_penalty() -> None:
    """Saturated: half a unit more in each cell of each arm (the penalty of a multinomial: K/2 units an arm)."""
    control, treated = {"A": 5, "B": 11, "C": 3, "D": 5}, {"A": 6, "B": 15, "D": 3}
    results = table(control, treated, reference_level="B")
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"]) == ("reduced", nominal.PENALISED)
    assert "separation" in fit["warning"]
    ratio = measure(results, "measure=relative_risk_ratio; level=Resistant")
    assert ratio["estimate"] == pytest.approx(0.5 * 11.5 / (15.5 * 3.5), rel=1e-6)
    resistant = measure(results, "measure=probability; level=Resistant", arm="treated")
    assert resistant["estimate"] == pytest.approx(0.5 / 26, rel=1e-6)
    assert measure(results, "test=exact")["p_value"] == pytest.approx(R["jeffreys"]["fisher"], rel=1e-6)
    assert np.isfinite(measure(results, "test=all_levels")["p_value"])


def small() -> tuple[np.ndarray, np.ndarray]:
    arm, site = np.repeat([0.0, 1.0], 24), np.tile([0.0, 1.0], 24)
    level = "A" * 5 + "B" * 11 + "C" * 3 + "D" * 5 + "A" * 6 + "B" * 15 + "D" * 3
    return np.column_stack([np.ones(48), site, arm]), np.array(["ABCD".index(one) for one in level])


def test_jeffreys_penalty_agrees_with_brglm2() -> None:
    X, y = small()
    assert separated(X, y)
    assert penalised(X, y).beta == pytest.approx(np.array(R["jeffreys"]["coef"]), abs=1e-7)


def test_gradient_of_the_penalised_likelihood_is_that_of_finite_differences() -> None:
    X, y = small()
    beta = np.random.default_rng(1).normal(size=(3, 3)) / 2
    expected = np.zeros((3, 3))
    for at in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[at] = 1e-5
        expected[at] = (
            _penalised_likelihood(X, y, beta + step)[0] - _penalised_likelihood(X, y, beta - step)[0]
        ) / 2e-5
    assert _penalised_likelihood(X, y, beta)[1] == pytest.approx(expected, abs=1e-7)


def test_penalised_likelihood_of_two_levels_is_firths() -> None:
    from pipanalysis.estimate.firth import firth

    X, y = small()
    ours, theirs = penalised(X, (y == 2).astype(np.intp)), firth(X, (y == 2).astype(float))
    assert ours.beta[0] == pytest.approx(theirs.beta, abs=1e-6)
    assert ours.vcov == pytest.approx(theirs.vcov, abs=1e-5)
    assert ours.loglik == pytest.approx(theirs.loglik, rel=1e-9)


def test_a_coefficient_held_at_zero_lowers_the_penalised_likelihood() -> None:
    X, y = small()
    without = penalised(X, y, absent=2)
    assert (without.beta[:, 2] == 0).all()
    assert without.loglik < penalised(X, y).loglik


def test_exact_test_agrees_with_r_and_scipy() -> None:
    first, second = R["fisher"]["table"]
    assert fisher_freeman_halton(first, second) == pytest.approx(R["fisher"]["p_value"], rel=1e-9)
    assert fisher_freeman_halton([9, 1], [3, 7]) == pytest.approx(fisher_exact([[9, 1], [3, 7]]).pvalue, rel=1e-9)
    assert fisher_freeman_halton([4, 0, 0], [7, 0, 0]) == 1
    assert np.isnan(fisher_freeman_halton([500] * 5, [480] * 5))


@given(cells=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=4))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_exact_test_is_the_share_of_likelier_tables(cells: list[tuple[int, int]]) -> None:
    """Against the same by whole numbers, table by table."""
    from itertools import product
    from math import comb, prod

    first, second = zip(*cells, strict=True)
    totals = [a + b for a, b in cells]
    weight = {
        taken: prod(comb(n, k) for n, k in zip(totals, taken, strict=True))
        for taken in product(*(range(n + 1) for n in totals))
        if sum(taken) == sum(first)
    }
    expected = sum(w for w in weight.values() if w <= weight[first]) / sum(weight.values())
    assert fisher_freeman_halton(first, second) == pytest.approx(expected, rel=1e-6)


def test_sparse_cells_are_warned_of_by_rule() -> None:
    results = table({"A": 4, "B": 14, "C": 7, "D": 9}, {"A": 8, "B": 20, "C": 5, "D": 3})
    assert row(results, "fit_status")["warning"] == (
        "sparse cell: fewer than 5 participants of an arm at a level "
        "(4 of Control at Avoidant, 3 of Treated at Disorganised)"
    )


def test_a_level_that_nobody_is_at_is_left_out() -> None:
    results = table({"A": 6, "B": 14, "D": 9}, {"A": 8, "B": 20, "D": 6}, reference_level="C")
    fit = row(results, "fit_status")
    assert "levels that nobody is at are left out: Resistant" in fit["warning"]
    assert "compared with Avoidant, since nobody is at Resistant" in fit["warning"]
    assert measure(results, "test=all_levels")["df"] == 2
    assert stat(results, "n_level", arm="control", context="level=Resistant") == 0


def test_no_model_leaves_the_table_as_it_is() -> None:
    control, treated = {"A": 1, "B": 2}, {"B": 1, "C": 1, "D": 1}
    results = table(control, treated)
    fit = row(results, "fit_status")
    assert (fit["stat_label"], fit["method"]) == ("reduced", nominal.EXACT)
    assert "6 participants for 6 coefficients" in fit["warning"]
    assert measure(results, "test=all_levels")["p_value"] == measure(results, "test=exact")["p_value"]
    difference = measure(results, "measure=probability_difference; level=Resistant")
    expected = two_by_two(1, 3, 0, 3, 0.95)
    assert (difference["estimate"], difference["p_value"]) == (pytest.approx(1 / 3), expected.p_value)
    assert (difference["conf_low"], difference["conf_high"]) == expected.difference_limits
    assert np.isnan(measure(results, "measure=relative_risk_ratio; level=Resistant")["estimate"])


def test_one_level_leaves_nothing_to_compare() -> None:
    results = table({"B": 6}, {"B": 8})
    assert "all 14 participants are at Secure" in row(results, "fit_status")["warning"]
    assert measure(results, "test=exact")["p_value"] == 1


def test_too_few_units_end_in_a_failed_fit() -> None:
    results = table({"A": 1}, {"A": 3, "B": 4})
    fit = row(results, "fit_status")
    assert fit["stat_label"] == "failed"
    assert "too few observed at month12" in fit["error"]
    assert np.isnan(measure(results, "measure=probability_difference; level=Avoidant")["estimate"])
    assert np.isnan(measure(results, "test=all_levels")["p_value"])


def test_maximum_likelihood_that_does_not_converge_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nominal, "maximum_likelihood", lambda *_: None)
    results = table({"A": 6, "B": 14, "C": 7, "D": 9}, {"A": 8, "B": 20, "C": 5, "D": 6})
    assert row(results, "fit_status")["method"] == nominal.PENALISED
    assert "did not converge" in row(results, "fit_status")["warning"]


@given(seed=st.integers(0, 10_000), reference=st.sampled_from(list(CODES)))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_the_reference_level_changes_no_probability(seed: int, reference: str) -> None:
    rng = np.random.default_rng(seed)
    people = pd.DataFrame(
        {"arm": list(ARMS) * 30, "level": rng.choice(list(CODES.values()), 60, p=[0.2, 0.4, 0.1, 0.3])}
    )
    people["site"] = rng.choice(["n", "s"], 60)
    one, other = (
        results_of(people, CODES, strata={"site": ["n", "s"]}, reference_level=code) for code in ("A", reference)
    )
    for label in set(people["level"]):
        a, b = (measure(found, f"measure=probability_difference; level={label}") for found in (one, other))
        assert list(a.values()) == pytest.approx(list(b.values()), rel=1e-5, abs=1e-8)
    a, b = (measure(found, "test=all_levels") for found in (one, other))
    assert a["chi_squared"] == pytest.approx(b["chi_squared"], rel=1e-5, abs=1e-7)


def test_separation_of_levels_is_found() -> None:
    X = np.column_stack([np.ones(6), [0.0, 0, 0, 1, 1, 1]])
    assert separated(X, np.array([0, 1, 1, 2, 2, 0]))
    assert not separated(X, np.array([0, 1, 2, 0, 1, 2]))
    assert maximum_likelihood(X, np.array([0, 1, 2, 0, 1, 2])) is not None
