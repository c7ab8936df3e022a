"""Adjusted P values: worked examples, the procedures carried out step by step, and the error rate by simulation."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from estimate import trials
from pipanalysis.errors import DataError, PlanError
from pipanalysis.estimate.analysis_results import as_results
from pipanalysis.estimate.multiplicity import adjusted_p, adjusted_rows, within_family
from pipanalysis.estimate.planning import check_families
from pipanalysis.estimate.step import collect, family_results
from pipanalysis.files import write_parquet
from pipanalysis.study.load import Study
from pipanalysis.study.plan import HypothesisFamily

FIVE = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
BENJAMINI_HOCHBERG = np.array(
    [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1]
)
"""the 15 P values of the example of Benjamini and Hochberg 1995, section 3.1"""
METHODS = ("bonferroni", "holm", "hochberg", "benjamini_hochberg", "fixed_sequence", "none")
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(np.array)


def family(name: str, method: str, **options: Any) -> HypothesisFamily:
    members = [{"analysis": "a"}]
    return HypothesisFamily.model_validate(
        {"name": name, "label": name, "method": method, "members": members} | options
    )


# ---- within a family


@pytest.mark.parametrize(
    ("method", "by_hand"),
    [
        ("bonferroni", [0.05, 0.10, 0.15, 0.20, 0.25]),
        ("holm", [0.05, 0.08, 0.09, 0.09, 0.09]),  # 5 x .01, 4 x .02, 3 x .03, and no smaller than those before
        ("hochberg", [0.05] * 5),  # the largest as it is, and none larger than those after it
        ("benjamini_hochberg", [0.05] * 5),  # 5 p / rank, all equal
        ("fixed_sequence", [0.01, 0.02, 0.03, 0.04, 0.05]),
        ("none", [0.01, 0.02, 0.03, 0.04, 0.05]),
    ],
)
def test_five_p_values_by_hand(method: str, by_hand: list[float]) -> None:
    assert within_family(FIVE, method) == pytest.approx(by_hand, abs=1e-15)


def test_fixed_sequence_stops_at_the_first_that_is_not_rejected() -> None:
    assert within_family(np.array([0.02, 0.2, 0.001]), "fixed_sequence").tolist() == [0.02, 0.2, 0.2]


@pytest.mark.parametrize(("method", "rejected"), [("bonferroni", 3), ("holm", 3), ("benjamini_hochberg", 4)])
def test_published_rejections_of_benjamini_and_hochberg(method: str, rejected: int) -> None:
    """Bonferroni rejects 3 of 15 at 0.05, their procedure 4; Holm's third bound is 0.05/13, its fourth 0.05/12."""
    assert int((within_family(BENJAMINI_HOCHBERG, method) <= 0.05).sum()) == rejected


@pytest.mark.parametrize(
    ("method", "theirs"), [("bonferroni", "bonferroni"), ("holm", "holm"), ("hochberg", "simes-hochberg")]
)
def test_adjusted_values_are_those_of_statsmodels(method: str, theirs: str) -> None:
    p = BENJAMINI_HOCHBERG[::-1]
    assert within_family(p, method) == pytest.approx(multipletests(p, method=theirs)[1], rel=1e-14)


@given(P_VALUES, st.sampled_from(METHODS))
def test_adjusted_is_no_smaller_than_raw_and_no_larger_than_one(p: np.ndarray, method: str) -> None:
    adjusted = within_family(p, method)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


@given(P_VALUES, st.sampled_from(METHODS))
def test_order_of_the_p_values_is_kept(p: np.ndarray, method: str) -> None:
    adjusted = within_family(p, method)
    order = np.arange(len(p)) if method == "fixed_sequence" else np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


@given(P_VALUES, st.sampled_from(METHODS), st.integers(0, 7), st.floats(0, 1))
def test_a_larger_p_value_makes_no_adjusted_one_smaller(p: np.ndarray, method: str, i: int, more: float) -> None:
    larger = p.copy()
    larger[i % len(p)] = max(more, p[i % len(p)])
    assert (within_family(larger, method) >= within_family(p, method)).all()


@given(P_VALUES, st.sampled_from([m for m in METHODS if m != "fixed_sequence"]), st.randoms())
def test_order_of_the_hypotheses_does_not_matter(p: np.ndarray, method: str, random: Any) -> None:
    order = list(range(len(p)))
    random.shuffle(order)
    assert within_family(p[order], method).tolist() == within_family(p, method)[order].tolist()


@given(P_VALUES)
def test_bonferroni_holm_hochberg_benjamini_hochberg_in_this_order(p: np.ndarray) -> None:
    from_strict = [within_family(p, m) for m in ("bonferroni", "holm", "hochberg", "benjamini_hochberg")]
    for stricter, next_one in pairwise(from_strict):
        assert (stricter >= next_one - 1e-15).all()


# ---- behind gates


def test_serial_gate_by_hand() -> None:
    """Holm before: .02 and .04. Holm behind: .01 and .03, but neither before the last one of the gate."""
    chain = [family("one", "holm"), family("two", "holm", after="one")]
    found = adjusted_p(chain, {"one": np.array([0.01, 0.04]), "two": np.array([0.03, 0.005])})
    assert found["one"] == pytest.approx([0.02, 0.04], abs=1e-15)
    assert found["two"] == pytest.approx([0.04, 0.04], abs=1e-15)


def test_parallel_gate_by_hand() -> None:
    """Bonferroni before: .02 and .08, so at .05 half of the level is passed on: Holm's .01 <= .025, but .03 is not."""
    chain = [family("one", "bonferroni"), family("two", "holm", after="one", gate="any")]
    found = adjusted_p(chain, {"one": np.array([0.01, 0.04]), "two": np.array([0.005, 0.03])})
    assert found["one"] == pytest.approx([0.02, 0.08], abs=1e-15)
    # rejected with half of the level at .02 and .06; with the whole of it only from .08 on
    assert found["two"] == pytest.approx([0.02, 0.06], abs=1e-15)


def rejects(p: Sequence[float], method: str, level: float) -> list[bool]:
    """The procedures as their papers carry them out, hypothesis by hypothesis at a level; none at level 0."""
    m, order, rejected = len(p), sorted(range(len(p)), key=lambda i: p[i]), [False] * len(p)
    if level <= 0:
        return rejected
    if method in ("bonferroni", "none"):
        return [p[i] <= level / (m if method == "bonferroni" else 1) for i in range(m)]
    if method in ("holm", "fixed_sequence"):
        for step, i in enumerate(order if method == "holm" else range(m)):
            if p[i] > (level / (m - step) if method == "holm" else level):
                break
            rejected[i] = True
        return rejected
    for step in range(m - 1, -1, -1):
        bound = level / (m - step) if method == "hochberg" else level * (step + 1) / m
        if p[order[step]] <= bound:
            return [i in order[: step + 1] for i in range(m)]
    return rejected


def carried_out(chain: Sequence[HypothesisFamily], raw: dict[str, np.ndarray], alpha: float) -> dict[str, list[bool]]:
    """Test family by family, each at the level that the rejections of the one before it leave."""
    level: dict[str, float] = {}
    rejected: dict[str, list[bool]] = {}
    for one in chain:
        level[one.name] = alpha
        if one.after:
            share = np.mean(rejected[one.after])
            level[one.name] = level[one.after] * (share if one.gate == "any" else float(share == 1))
        rejected[one.name] = rejects(list(raw[one.name]), one.method, level[one.name])
    return rejected


@st.composite
def chains(draw: Any) -> tuple[list[HypothesisFamily], dict[str, np.ndarray]]:
    found: list[HypothesisFamily] = []
    for i in range(draw(st.integers(1, 4))):
        after = draw(st.sampled_from([None, *found]))
        options = {}
        if after is not None:
            gates = ["all", "any"] if after.method == "bonferroni" else ["all"]
            options = {"after": after.name, "gate": draw(st.sampled_from(gates))}
        found.append(family(f"f{i}", draw(st.sampled_from(METHODS)), **options))
    small = st.floats(1e-6, 0.1) | st.floats(1e-6, 1)
    return found, {one.name: np.array(draw(st.lists(small, min_size=1, max_size=4))) for one in found}


@settings(max_examples=300)
@given(chains(), st.floats(0.001, 0.2))
def test_at_most_alpha_exactly_when_rejected(
    drawn: tuple[list[HypothesisFamily], dict[str, np.ndarray]], alpha: float
) -> None:
    chain, raw = drawn
    adjusted = adjusted_p(chain, raw)
    assume(all((abs(values - alpha) > 1e-12).all() for values in adjusted.values()))  # ties up to rounding
    rejected = carried_out(chain, raw, alpha)
    assert {name: (values <= alpha).tolist() for name, values in adjusted.items()} == rejected


@given(chains())
def test_nothing_behind_a_closed_gate_is_rejected(
    drawn: tuple[list[HypothesisFamily], dict[str, np.ndarray]],
) -> None:
    chain, raw = drawn
    adjusted = adjusted_p(chain, raw)
    for one in chain:
        if one.after:
            before = adjusted[one.after]
            assert (adjusted[one.name] >= (before.max() if one.gate == "all" else before.min())).all()
        assert (adjusted[one.name] >= raw[one.name]).all()


# ---- in the results


def study_with(families: list[dict[str, Any]], analyses: list[dict[str, Any]], **options: Any) -> Study:
    configuration = trials.study(
        analyses, visits={"baseline": 0, "month6": 6, "month12": 12}, scores={"a": "continuous", "b": "continuous"},
        **options,
    )  # fmt: skip
    listed = [HypothesisFamily.model_validate({"label": one["name"]} | one) for one in families]
    return replace(configuration, plan=configuration.plan.model_copy(update={"families": listed}))


def results_of(configuration: Study, constant: str = "") -> pd.DataFrame:
    """The results of all its analyses on 40 units; the outcome `constant` cannot be fitted."""
    rng = np.random.default_rng(11)
    n = 40
    arms = [list(configuration.arms)[i % len(configuration.arms)] for i in range(n)]
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(n)], "arm": arms})
    effect = 0.7 * (people["arm"] != "control").to_numpy()[:, None]
    parts = []
    for score in configuration.scores:
        values = rng.normal(size=(n, 1)) + rng.normal(size=(n, 3)) + effect
        if score == f"form.{constant}":
            values = np.ones((n, 3))
        wide = pd.DataFrame(values, columns=list(configuration.visits)).assign(unit=people["unit"])
        parts.append(wide.melt("unit", list(configuration.visits), "visit").assign(score=score))
    trial = trials.trial(configuration, people, pd.concat(parts))
    found = [family_results(trial, method_family) for method_family in configuration.families()]
    return pd.concat(found, ignore_index=True)


FIRST = {
    "name": "first",
    "method": "fixed_sequence",
    "members": [{"analysis": "mmrm", "outcomes": ["a"], "visits": ["month12", "month6"]}],
}
SECOND = {
    "name": "second",
    "method": "holm",
    "after": "first",
    "members": [{"analysis": "mmrm", "outcomes": ["b"]}, {"analysis": "ancova", "outcomes": ["a"]}],
}
BOTH = [{"method": "mmrm"}, {"method": "ancova"}]


def p_values(results: pd.DataFrame, name: str) -> dict[tuple[str, str, str], float]:
    chosen = results[results["stat_name"] == name]
    keys = zip(chosen["analysis"], chosen["outcome"], chosen["visit"], strict=True)
    return dict(zip(keys, chosen["stat"], strict=True))


def test_rows_of_families_over_two_methods() -> None:
    configuration = study_with([FIRST, SECOND], BOTH)
    results = results_of(configuration)
    raw, adjusted = (
        p_values(results, "p_value"),
        p_values(as_results(adjusted_rows(configuration, results)), "p_value_adjusted"),
    )
    first = [raw["mmrm", "a", "month12"], raw["mmrm", "a", "month6"]]
    assert adjusted["mmrm", "a", "month12"] == first[0]
    assert adjusted["mmrm", "a", "month6"] == max(first)
    keys = sorted((raw[key], key) for key in raw if key[:2] in (("mmrm", "b"), ("ancova", "a")))
    so_far = max(first)
    for position, (p, key) in enumerate(keys):
        so_far = max(so_far, min(1.0, (4 - position) * p))
        assert adjusted[key] == pytest.approx(so_far, rel=1e-12)
    assert len(adjusted) == 6


def test_a_row_names_its_family_and_what_it_belongs_to() -> None:
    configuration = study_with([FIRST], BOTH)
    results = results_of(configuration)
    raw = results[(results["stat_name"] == "p_value") & (results["outcome"] == "a") & (results["analysis"] == "mmrm")]
    rows = as_results(adjusted_rows(configuration, results))
    assert set(rows["context"]) == {"family=first"}
    same = ["analysis", "role", "population", "outcome", "domain", "visit", "contrast", "method"]
    pd.testing.assert_frame_equal(rows[same], raw[same].reset_index(drop=True))


def test_categorical_and_count_outcomes_have_one_p_value_each() -> None:
    """Of the odds ratio, the common odds ratio, all levels together, the rate ratio; a table without a model too."""
    kinds = {"case": "binary", "grade": "ordinal", "kind": "nominal", "days": "count"}
    methods = {"logistic": "case", "gee": "case", "ordinal": "grade", "nominal": "kind", "count": "days"}
    configuration = trials.study(
        [{"name": method, "method": method, "outcomes": [outcome]} for method, outcome in methods.items()],
        visits={"baseline": 0, "month6": 6},
        instrument_visits=["month6"],
        scores=kinds,
        better="higher",
        items={"count": 1, "type": "category", "levels": {"0": "a", "1": "b", "2": "c"}},
    )
    families = [
        HypothesisFamily.model_validate(
            {"name": "f", "label": "F", "method": "none", "members": [{"analysis": m} for m in methods]}
        )
    ]
    configuration = replace(configuration, plan=configuration.plan.model_copy(update={"families": families}))
    rng = np.random.default_rng(4)
    people = pd.DataFrame({"unit": range(60), "arm": list(trials.ARMS) * 30})
    values = {"case": rng.integers(0, 2, 60), "grade": rng.integers(0, 4, 60), "days": rng.poisson(4, 60)}
    values["kind"] = rng.integers(0, 3, 60)
    long = pd.concat(people.assign(visit="month6", score=f"form.{name}", value=of) for name, of in values.items())
    long["level"] = np.where(long["score"] == "form.kind", np.array(list("abc"))[long["value"].clip(upper=2)], None)
    trial = trials.trial(configuration, people, long.drop(columns="arm"))
    results = pd.concat([family_results(trial, "binary"), family_results(trial, "categorical")], ignore_index=True)
    adjusted = {row["analysis"]: row["stat"] for row in adjusted_rows(configuration, results)}
    contexts = {"nominal": "test=all_levels", "count": "measure=rate_ratio"}
    for method in methods:
        of = results[(results["analysis"] == method) & (results["stat_name"] == "p_value")]
        raw = of.loc[of["context"] == contexts.get(method, "measure=odds_ratio"), "stat"]
        assert adjusted[method] == raw.item()


def test_a_failed_fit_counts_as_not_rejected_and_says_so() -> None:
    configuration = study_with([{**SECOND, "after": None}], BOTH)
    results = results_of(configuration, constant="b")
    rows = as_results(adjusted_rows(configuration, results))
    failed = rows[rows["outcome"] == "b"]
    assert failed["stat"].tolist() == [1.0, 1.0]
    assert failed["warning"].str.startswith("no P value (no variation").all()
    raw, adjusted = p_values(results, "p_value"), p_values(rows, "p_value_adjusted")
    smallest = min(raw["ancova", "a", visit] for visit in ("month6", "month12"))
    assert min(adjusted.values()) == pytest.approx(min(1.0, 4 * smallest), rel=1e-12)  # the family still has four


def test_every_arm_is_a_hypothesis() -> None:
    configuration = study_with([FIRST], BOTH, arms=("control", "low", "high"))
    rows = as_results(adjusted_rows(configuration, results_of(configuration)))
    assert sorted(zip(rows["visit"], rows["contrast"], strict=True)) == [
        (visit, f"{arm} - control") for visit in ("month12", "month6") for arm in ("high", "low")
    ]


def test_results_of_another_plan_are_refused() -> None:
    configuration = study_with([FIRST], BOTH)
    results = results_of(configuration)
    with pytest.raises(DataError, match=r"no P value row of mmrm a month12 treated - control"):
        adjusted_rows(configuration, results[results["visit"] != "month12"])


def test_an_outcome_that_the_analysis_does_not_suit_is_refused_if_listed_and_left_out_if_not() -> None:
    members = [{"analysis": "ancova", "outcomes": ["a", "case"]}]
    scores = {"a": "continuous", "case": "binary"}
    configuration = trials.study([{"method": "ancova"}], visits={"baseline": 0, "month6": 6}, scores=scores)

    def named(members: list[dict[str, Any]]) -> Study:
        one = family("one", "holm", members=members)
        return replace(configuration, plan=configuration.plan.model_copy(update={"families": [one]}))

    with pytest.raises(PlanError, match=r"family one, outcomes\n  found:   case: its score form\.case is binary"):
        check_families(named(members))
    check_families(named([{"analysis": "ancova"}]))


def test_collect_adds_them(tmp_path: Any) -> None:
    configuration = study_with([FIRST, SECOND], BOTH, folder=tmp_path)
    results = results_of(configuration)
    for method_family in configuration.families():
        own = results[results["analysis"] == method_family].reset_index(drop=True)
        write_parquet(configuration.layout.family(method_family), own)
    collect(configuration)
    collected = pd.read_parquet(configuration.layout.estimates)
    assert int((collected["stat_name"] == "p_value_adjusted").sum()) == 6


# ---- error rate

SIMULATIONS = 10_000
ALPHA = 0.05
CHAINS = {
    "serial": [
        family("one", "fixed_sequence"),
        family("two", "holm", after="one"),
        family("three", "hochberg", after="two"),
    ],
    "parallel": [
        family("one", "bonferroni"),
        family("two", "bonferroni", after="one", gate="any"),
        family("three", "holm", after="two", gate="any"),
    ],
}


@pytest.mark.validation
@pytest.mark.parametrize("chain", CHAINS.values(), ids=list(CHAINS))
@pytest.mark.parametrize(
    "true", [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1), (0, 2, 2), (2, 0, 2), (1, 2, 0), (2, 2, 2)], ids=str
)
def test_strong_control_of_the_family_wise_error(chain: list[HypothesisFamily], true: tuple[int, ...]) -> None:
    """Two hypotheses a family, so many of them true; tests correlated 0.5; false ones far off or near.

    Any rejection of a true hypothesis happens in at most 5% of the trials, within 3 Monte Carlo standard errors.
    """
    rng = np.random.default_rng(20160302)
    from scipy.stats import norm

    worst = 0.0
    for shift in (1.5, 6.0):
        wrong = 0
        for _ in range(SIMULATIONS):
            z = np.sqrt(0.5) * (rng.normal() + rng.normal(size=(3, 2)))
            null = np.array([[j >= 2 - t for j in range(2)] for t in true])
            p = norm.sf(z + np.where(null, 0, shift))
            adjusted = adjusted_p(chain, dict(zip(("one", "two", "three"), p, strict=True)))
            wrong += any((adjusted[one.name][null[i]] <= ALPHA).any() for i, one in enumerate(chain))
        worst = max(worst, wrong / SIMULATIONS)
    se = np.sqrt(ALPHA * (1 - ALPHA) / SIMULATIONS)
    print(f"\n{[one.method for one in chain]}, true {true}: {100 * worst:.2f}% (Monte Carlo SE {100 * se:.2f})")
    assert worst <= ALPHA + 3 * se
