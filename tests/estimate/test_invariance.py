"""What may not change the answers, and what must change them in a known way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimate import trials
from estimate.trials import ARMS, effects
from pipanalysis.estimate.step import family_results

METHODS = {
    "ancova": "ancova",
    "mixed_model": "mixed_model",
    "mmrm": "mmrm",
    "clda": "mmrm",
    "effect_size": "describe",
}
WITH_MEANS = ["ancova", "mixed_model", "mmrm", "clda"]
IN_OUTCOME_UNITS = ["estimate", "std_error", "conf_low", "conf_high"]
SITE = {"name": "site", "label": "Site", "type": "category", "levels": {"n": "North", "s": "South"}}
VISITS = {"baseline": 0, "month6": 6, "month12": 12}


def data(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants and scores of 30 units with missing values."""
    rng = np.random.default_rng(seed)
    n = 30
    people = pd.DataFrame(
        {
            "unit": [f"u{i:02}" for i in range(n)],
            "arm": rng.permutation(list(ARMS) * (n // 2)),
            "site": rng.choice(["n", "s"], size=n),
        }
    )
    values = 50 + 8 * rng.normal(size=(n, 1)) + 5 * rng.normal(size=(n, 3))
    values[rng.random(values.shape) < 0.15] = np.nan
    wide = pd.DataFrame(values, columns=list(VISITS)).assign(unit=people["unit"])
    return people, wide.melt("unit", list(VISITS), "visit").dropna()


def results(
    people: pd.DataFrame, long: pd.DataFrame, method: str, arms: tuple[str, ...] = ARMS, **options: Any
) -> pd.DataFrame:
    configuration = trials.study(
        [{"method": method} | options], visits=VISITS, variables=[SITE], strata=["site"], arms=arms
    )
    return family_results(trials.trial(configuration, people, long), METHODS[method])


def means(found: pd.DataFrame) -> pd.DataFrame:
    """The arms' adjusted means and their standard errors by arm and visit."""
    chosen = found[(found["arm"] != "") & (found["context"] == "") & found["stat_name"].isin(["estimate", "std_error"])]
    return chosen.pivot(index=["arm", "visit"], columns="stat_name", values="stat")


def agree[T: (pd.DataFrame, pd.Series)](found: T, expected: T) -> None:
    equal = pd.testing.assert_series_equal if isinstance(found, pd.Series) else pd.testing.assert_frame_equal
    equal(found, expected, rtol=1e-5, atol=1e-7, check_names=False)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_order_of_rows_does_not_matter(method: str, seed: int) -> None:
    people, long = data(seed)
    shuffled = results(people.sample(frac=1, random_state=seed), long.sample(frac=1, random_state=seed), method)
    expected = results(people, long, method)
    pd.testing.assert_frame_equal(shuffled, expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_names_of_units_do_not_matter(method: str, seed: int) -> None:
    people, long = data(seed)
    new = dict(zip(people["unit"], np.random.default_rng(seed).permutation([f"z{i}" for i in range(30)]), strict=True))
    renamed = results(people.replace({"unit": new}), long.replace({"unit": new}), method)
    agree(effects(renamed), effects(results(people, long, method)))


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_other_reference_arm_turns_the_sign(method: str, seed: int) -> None:
    people, long = data(seed)
    expected = effects(results(people, long, method))
    turned = effects(results(people, long, method, arms=ARMS[::-1]), contrast="control - treated")
    signed = [name for name in ("estimate", "statistic", "hedges_g", "effect_size") if name in expected]
    agree(-turned[signed], expected[signed])
    for low, high in (("conf_low", "conf_high"), ("effect_size_low", "effect_size_high")):
        if low in expected:
            agree(-turned[[high, low]].set_axis([low, high], axis=1), expected[[low, high]])
    same = [name for name in ("std_error", "df", "p_value") if name in expected]
    agree(turned[same], expected[same])


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([10.0, 0.001]), shift=st.sampled_from([0.0, -70.0]))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_units_of_the_outcome_scale_the_effects(method: str, seed: int, scale: float, shift: float) -> None:
    people, long = data(seed)
    before = effects(results(people, long, method))
    after = effects(results(people, long.assign(value=scale * long["value"] + shift), method))
    for name in before.columns:
        factor = scale if name in IN_OUTCOME_UNITS and method != "effect_size" else 1.0
        assert after[name].to_numpy() == pytest.approx(factor * before[name].to_numpy(), rel=1e-5, abs=1e-7 * factor)


@pytest.mark.parametrize("method", WITH_MEANS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_adjusted_means_differ_by_the_effects_whatever_arm_is_the_reference(method: str, seed: int) -> None:
    people, long = data(seed)
    people.loc[people.index[::3], "arm"] = "third"
    arms = (*ARMS, "third")
    found = results(people, long, method, arms=arms)
    own = means(found)
    assert own.notna().all(axis=None)
    for arm in arms[1:]:
        difference = effects(found, contrast=f"{arm} - control")["estimate"]
        agree((own.loc[arm] - own.loc["control"])["estimate"], difference)
    agree(means(results(people, long, method, arms=arms[::-1])).loc[own.index], own)


@pytest.mark.parametrize("method", WITH_MEANS)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([10.0, 0.001]), shift=st.sampled_from([0.0, -70.0]))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_adjusted_means_go_with_the_units_of_the_outcome(method: str, seed: int, scale: float, shift: float) -> None:
    people, long = data(seed)
    before = means(results(people, long, method))
    after = means(results(people, long.assign(value=scale * long["value"] + shift), method))
    expected = {"estimate": scale * before["estimate"] + shift, "std_error": scale * before["std_error"]}
    for name, values in expected.items():
        assert after[name].to_numpy() == pytest.approx(values.to_numpy(), rel=1e-5, abs=1e-7 * scale)


@pytest.mark.parametrize("method", ["ancova", "mixed_model", "mmrm"])
def test_covariate_that_is_constant_or_a_copy_changes_nothing(method: str) -> None:
    people, long = data(1)
    people["constant"] = 3.0
    people["copy"] = people["site"]
    more = [
        {"name": "constant", "label": "C", "type": "number"},
        {"name": "copy", "label": "C", "type": "category", "levels": SITE["levels"]},
    ]
    configuration = trials.study(
        [{"method": method, "covariates": ["constant", "copy"]}],
        visits=VISITS,
        variables=[SITE, *more],
        strata=["site"],
    )
    found = family_results(trials.trial(configuration, people, long), METHODS[method])
    agree(effects(found), effects(results(people, long, method)))
    agree(means(found), means(results(people, long, method)))
    status = found[found["stat_name"] == "fit_status"]
    assert status["warning"].str.contains("not adjusted for C: all participants").all()
    assert (status["stat_label"] == "reduced").all()


def test_three_arms_are_each_compared_with_the_reference() -> None:
    people, long = data(2)
    people.loc[people.index[::3], "arm"] = "third"
    for method in METHODS:
        found = results(people, long, method, arms=(*ARMS, "third"))
        for contrast in ("treated - control", "third - control"):
            chosen = effects(found, contrast=contrast)
            assert sorted(chosen.index) == ["month12", "month6"]
            assert chosen["conf_low"].notna().all()
