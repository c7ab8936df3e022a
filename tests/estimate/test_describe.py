"""Descriptives of outcomes by arm and visit."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimate import trials
from estimate.trials import stat
from pipanalysis.estimate.describe import continuous_summary
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

DESCRIPTIVES = {"method": "descriptives"}


def test_summary_by_hand() -> None:
    """R: quantile(c(2, 4, 4, 5, 9, 12)) gives 2, 4, 4.5, 8, 12 (type 7: position 1 + (n - 1) p); sd 3.741657."""
    found = continuous_summary(np.array([9.0, np.nan, 2, 4, 12, 5, 4, np.nan]))
    assert found == {
        "n": 6,
        "n_missing": 2,
        "mean": 6,
        "sd": pytest.approx(np.sqrt(70 / 5)),
        "median": 4.5,
        "q1": 4,
        "q3": 8,
        "min": 2,
        "max": 12,
    }


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.sampled_from([0.25, 0.5, 0.75]))
def test_quartiles_are_type_7(values: list[float], p: float) -> None:
    ordered = sorted(values)
    h = (len(values) - 1) * p
    j = int(np.floor(h))
    expected = ordered[j] + (h - j) * (ordered[min(j + 1, len(values) - 1)] - ordered[j])
    found = continuous_summary(np.array(values))[{0.25: "q1", 0.5: "median", 0.75: "q3"}[p]]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_one_value_has_no_sd_and_none_has_no_mean() -> None:
    one = continuous_summary(np.array([3.0, np.nan]))
    assert (one["n"], one["mean"], one["q1"]) == (1, 3, 3)
    assert np.isnan(one["sd"])
    none = continuous_summary(np.array([np.nan]))
    assert (none["n"], none["n_missing"]) == (0, 1)
    assert np.isnan(none["mean"])


def test_published_means_of_the_acupuncture_trial(acupuncture: Callable[..., TrialData]) -> None:
    """Vickers 2004: at 12 months 16.2 (SD 13.7, n = 161) with acupuncture, 22.3 (17.0, n = 140) with usual care."""
    results = family_results(acupuncture(DESCRIPTIVES), "describe")
    for arm, n, mean, sd in (("treated", 161, 16.2, 13.7), ("control", 140, 22.3, 17.0)):
        where = {"visit": "month12", "arm": arm}
        assert stat(results, "n", **where) == n
        assert round(stat(results, "mean", **where), 1) == mean
        assert round(stat(results, "sd", **where), 1) == sd
    counts = results[results["stat_name"].isin(["n", "n_missing"])].groupby(["visit", "arm"])["stat"].sum()
    assert set(counts.xs("treated", level="arm")) == {205.0}
    assert set(counts.xs("control", level="arm")) == {196.0}


def categories() -> pd.DataFrame:
    """Five units: one without a form, one with a form and no code."""
    people = pd.DataFrame({"unit": list("abcde"), "arm": ["control", "control", "treated", "treated", "treated"]})
    rows = [
        ("a", "form.class", np.nan, "Secure"),
        ("b", "form.class", np.nan, "Avoidant"),
        ("c", "form.class", np.nan, "Secure"),
        ("d", "form.class", np.nan, None),
        ("a", "form.case", 1.0, None),
        ("b", "form.case", 0.0, None),
        ("c", "form.case", 1.0, None),
        ("d", "form.case", np.nan, None),
    ]
    long = pd.DataFrame(rows, columns=["unit", "score", "value", "level"]).assign(visit="month12")
    configuration = trials.study(
        [DESCRIPTIVES],
        visits={"baseline": 0, "month12": 12},
        scores={"class": "nominal", "case": "binary"},
        instrument_visits=["month12"],
        items={"count": 1, "type": "category", "levels": {"A": "Avoidant", "B": "Secure", "D": "Disorganised"}},
    )
    return family_results(trials.trial(configuration, people, long), "describe")


def test_categories_are_counted_by_level_with_those_nobody_has() -> None:
    results = categories()
    where = {"outcome": "class", "visit": "month12", "arm": "treated"}
    assert (stat(results, "n", **where), stat(results, "n_missing", **where)) == (1, 2)
    assert stat(results, "n_level", context="level=Secure", **where) == 1
    assert stat(results, "percent", context="level=Secure", **where) == 100
    assert stat(results, "n_level", context="level=Disorganised", **where) == 0
    assert stat(results, "percent", context="level=Avoidant", **(where | {"arm": "control"})) == 50
    assert not (results["stat_name"] == "mean").any()


def test_binary_scores_are_counted_as_no_and_yes() -> None:
    results = categories()
    where = {"outcome": "case", "visit": "month12", "arm": "control"}
    assert stat(results, "n_level", context="level=Yes", **where) == 1
    assert stat(results, "percent", context="level=No", **where) == 50
