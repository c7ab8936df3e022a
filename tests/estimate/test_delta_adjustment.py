"""Delta adjustment: algebra, and multiple imputation with the deltas added to the imputed values."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimate import trials
from pipanalysis.estimate.delta_adjustment import delta_adjusted, delta_context
from pipanalysis.estimate.model_result import Effect
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

DELTAS = [-8.0, 0.0, 8.0]


def trial(generator: np.random.Generator, n: int = 60, method: str = "ancova") -> TrialData:
    """Two arms of n; a quarter of one and a tenth of the other are missing at the last of two visits."""
    analysis = {"name": "a", "method": method, "baseline": False}
    analysis |= {"delta_adjustments": [{"outcome": "total", "deltas": DELTAS, "visits": ["late"]}]}
    made = trials.study([analysis], visits={"early": 1.0, "late": 2.0})
    people = pd.DataFrame({"unit": [str(i) for i in range(2 * n)], "arm": ["control"] * n + ["treated"] * n})
    long = pd.DataFrame(
        [(str(i), visit, value) for i in range(2 * n) for visit, value in zip(
            ("early", "late"), generator.multivariate_normal([50, 48], [[90, 50], [50, 100]]), strict=True
        )],
        columns=["unit", "visit", "value"],
    )  # fmt: skip
    gone = {str(i) for i in range(n // 10)} | {str(n + i) for i in range(n // 4)}
    return trials.trial(made, people, long[~((long["visit"] == "late") & long["unit"].isin(gone))])


@pytest.mark.parametrize("method", ["ancova", "mmrm"])
def test_every_pair_of_deltas_moves_the_difference_by_the_shares_missing(method: str) -> None:
    """By hand: 6 of 60 and 15 of 60 are missing, so the difference moves by d1 / 4 - d0 / 10."""
    results = family_results(trial(np.random.default_rng(1), method=method), method)
    plain = trials.effects(results).loc["late"]
    for d0, d1 in product(DELTAS, repeat=2):
        found = trials.measure(results, delta_context(d0, d1))
        assert found["estimate"] == pytest.approx(plain["estimate"] + d1 / 4 - d0 / 10)
        more = d1**2 * 0.25 * 0.75 / 60 + d0**2 * 0.1 * 0.9 / 60
        assert found["std_error"] ** 2 == pytest.approx(plain["std_error"] ** 2 + more)
        assert found["df"] == plain["df"]
    same = trials.measure(results, delta_context(0, 0))
    assert same == pytest.approx({name: plain[name] for name in same})
    at_early = results[(results["visit"] == "early") & results["context"].str.startswith("delta")]
    assert at_early.empty
    counted = {arm: trials.measure(results, "delta", arm=arm) for arm in trials.ARMS}
    assert counted == {"control": {"n": 54, "n_missing": 6}, "treated": {"n": 45, "n_missing": 15}}


def test_multiple_imputation_with_deltas_agrees() -> None:
    """One visit, no covariates: proper imputation from each arm's own normal distribution, pooled by Rubin's rules.

    With 4,000 imputations of 400 an arm the Monte Carlo error of the pooled estimate is its between-imputation SD over
    sqrt(4000), about 0.006; Rubin's variance is asymptotic, and within 2% at this size.
    """
    generator = np.random.default_rng(2)
    members, missing = {"control": 400, "treated": 400}, {"control": 60, "treated": 120}
    deltas = {"control": 3.0, "treated": -6.0}
    observed = {arm: generator.normal(50.0, 10.0, members[arm] - missing[arm]) for arm in members}
    means, variances = [], []
    for _ in range(4000):
        mean, variance = {}, 0.0
        for arm, seen in observed.items():
            k = seen.size
            sigma2 = (k - 1) * seen.var(ddof=1) / generator.chisquare(k - 1)
            centre = generator.normal(seen.mean(), np.sqrt(sigma2 / k))
            imputed = generator.normal(centre, np.sqrt(sigma2), missing[arm]) + deltas[arm]
            whole = np.concatenate([seen, imputed])
            mean[arm] = whole.mean()
            variance += whole.var(ddof=1) / whole.size
        means.append(mean["treated"] - mean["control"])
        variances.append(variance)
    between = np.var(means, ddof=1)
    pooled_se = np.sqrt(np.mean(variances) + (1 + 1 / len(means)) * between)
    se = np.sqrt(sum(seen.var(ddof=1) / seen.size for seen in observed.values()))
    effect = Effect("v", "treated", "control", observed["treated"].mean() - observed["control"].mean(), float(se), 600)
    found = delta_adjusted(effect, deltas, missing, members)
    assert found.estimate == pytest.approx(np.mean(means), abs=4 * np.sqrt(between / len(means)))
    assert found.std_error == pytest.approx(pooled_se, rel=0.02)


@given(d0=st.floats(-50, 50), d1=st.floats(-50, 50), gone=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_swapping_arms_swaps_the_sign(d0: float, d1: float, gone: tuple[int, int]) -> None:
    members = {"a": 30, "b": 30}
    missing = dict(zip(members, gone, strict=True))
    one = delta_adjusted(Effect("v", "b", "a", 2.0, 1.5, 50), {"a": d0, "b": d1}, missing, members)
    other = delta_adjusted(Effect("v", "a", "b", -2.0, 1.5, 50), {"a": d0, "b": d1}, missing, members)
    assert other.estimate == pytest.approx(-one.estimate)
    assert other.std_error == pytest.approx(one.std_error)
    assert one.std_error >= 1.5
