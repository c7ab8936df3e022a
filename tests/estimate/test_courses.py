"""Courses: means of groups of similar units, rounded; and what the other results would tell of those left out.

Those of single units of a synthetic trial: every value, of units with two or more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimate import trials
from estimate.trials import stat
from pipanalysis.estimate.analysis_results import Scope
from pipanalysis.estimate.courses import MOST, MOST_SINGLE, STEP, course_context, course_rows, rounded
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import FloatArray

VISITS = {"baseline": 0.0, "month6": 6.0, "month12": 12.0}


def described(values: dict[str, FloatArray], least: int | str | None = 5, **options: object) -> pd.DataFrame:
    """The results of descriptives with courses; values: arm → (units, visits), NaN where missing."""
    people = pd.DataFrame([(f"{arm}{i}", arm) for arm, own in values.items() for i in range(len(own))])
    long = [
        (f"{arm}{i}", visit, value)
        for arm, own in values.items()
        for i, row in enumerate(own)
        for visit, value in zip(VISITS, row, strict=True)
    ]
    configuration = trials.study([{"method": "descriptives", "courses": least, **options}], visits=VISITS)
    scores = pd.DataFrame(long, columns=["unit", "visit", "value"])
    people.columns = pd.Index(["unit", "arm"])
    return family_results(trials.trial(configuration, people, scores), "describe")


def course(results: pd.DataFrame, arm: str, number: int) -> list[float]:
    where = {"arm": arm, "context": course_context(number)}
    return [stat(results, "course_mean", visit=visit, **where) for visit in VISITS]


def two_courses(missing: int = 0) -> FloatArray:
    """Five units that fall from 40 by 10 a visit and six that rise from 10 by 10, within one either way."""
    falling = np.array([40.0, 30, 20]) + np.array([-1.0, -0.5, 0, 0.5, 1])[:, None]
    rising = np.array([10.0, 20, 30]) + np.array([-1.0, -0.5, 0, 0, 0.5, 1])[:, None]
    lost = np.column_stack([np.full(missing, 25.0), np.full((missing, 2), np.nan)])
    return np.concatenate([falling, lost, rising])


def test_courses_by_hand() -> None:
    """SDs about 15, 5 and 5: the means are rounded to multiples of 2, 1 and 1, and were 10, 20, 30 and 40, 30, 20."""
    results = described({"control": two_courses(missing=3), "treated": two_courses()})
    for arm, n in (("control", 14), ("treated", 11)):
        assert stat(results, "n_set", arm=arm, context="courses") == n
        assert stat(results, "n_all_visits", arm=arm, context="courses") == 11
        assert [stat(results, "n_in_course", arm=arm, context=course_context(i)) for i in (1, 2)] == [6, 5]
        assert course(results, arm, 1) == [10, 20, 30]
        assert course(results, arm, 2) == [40, 30, 20]
    assert (results["stat_name"] == "n_in_course").sum() == 4
    assert (results["stat_name"] == "course_mean").sum() == 12


def test_too_few_units_with_a_value_at_every_visit_have_no_course() -> None:
    results = described({"control": two_courses(), "treated": two_courses()[:4]})
    assert stat(results, "n_all_visits", arm="treated", context="courses") == 4
    assert set(results.loc[results["stat_name"] == "course_mean", "arm"]) == {"control"}


def test_nothing_is_added_where_the_plan_asks_for_none_and_nothing_else_changes() -> None:
    values = {"control": two_courses(), "treated": two_courses(2)}
    with_courses = described(values)
    names = ["n_set", "n_all_visits", "n_in_course", "course_mean"]
    without = described(values, least=None)
    kept = with_courses[~with_courses["stat_name"].isin(names)]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), without)
    one_visit = described(values, visits=["month12"])  # makes no line
    assert not one_visit["stat_name"].isin(names).any()


def test_courses_of_the_visits_that_the_plan_describes() -> None:
    """Units without the last visit have a value at every one of the two that are described."""
    results = described({"control": two_courses(), "treated": two_courses()}, visits=["baseline", "month6"])
    own = results[results["stat_name"] == "course_mean"]
    assert set(own["visit"]) == {"baseline", "month6"}


def test_a_large_arm_has_larger_groups_and_not_more_lines() -> None:
    n = 4003
    large = np.random.default_rng(3).normal(50, 10, (n, 3))
    results = described({"control": large, "treated": two_courses()})
    sizes = results.loc[(results["stat_name"] == "n_in_course") & (results["arm"] == "control"), "stat"]
    assert len(sizes) <= MOST
    assert sizes.sum() == n
    assert sizes.min() >= n / MOST


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e3))
def test_rounding_is_by_a_round_step_of_a_tenth_to_a_quarter_of_a_standard_deviation(mean: float, sd: float) -> None:
    """Of the steps ..., 0.1, 0.2, 0.5, 1, ... the next is at most 2.5 times as large."""
    steps = [factor * 10.0**power for power in range(-6, 5) for factor in (1, 2, 5)]
    step = min(step for step in steps if step >= STEP * sd * (1 - 1e-9))
    assert step <= 2.5 * STEP * sd * (1 + 1e-9)
    found = rounded(mean, sd)
    assert abs(found - mean) <= step / 2 * (1 + 1e-9)
    assert found / step == pytest.approx(round(found / step), abs=1e-6)


def test_rounded_means_are_written_with_few_digits() -> None:
    assert [repr(rounded(0.3333, sd)) for sd in (0.5, 1.0, 0.05, 0.9)] == ["0.35", "0.3", "0.335", "0.3"]
    assert rounded(1234.5, 3000) == 1000
    assert rounded(2.5, 0) == 2.5


def test_the_value_of_one_unit_left_out_does_not_follow_from_the_courses() -> None:
    """Of 31 units one has no value at the last visit: the arm's mean less the groups' leaves its value at the first.

    Rounding each of three means of 10 by a step s of a tenth of a standard deviation or more makes their sum uncertain
    by three uniform errors of 10 s, together a standard deviation of 10 s sqrt(3 / 12), at least half of the arm's.
    """
    configuration = trials.study([{"method": "descriptives", "courses": 10}], visits=VISITS)
    scope = Scope(trials.analysis(configuration), "total", "health", 0.95, "descriptives")
    rng = np.random.default_rng(11)
    errors = []
    for _ in range(200):
        values = rng.normal(50, 10, (31, 3))
        values[0, 2] = np.nan
        rows = list(course_rows(scope, values, list(VISITS), "control", 10))
        means = [row["stat"] for row in rows if row["stat_name"] == "course_mean" and row["visit"] == "baseline"]
        n = [row["stat"] for row in rows if row["stat_name"] == "n_in_course"]
        assert n == [10, 10, 10]
        told = values[:, 0].sum() - np.dot(n, means)
        errors.append((told - values[0, 0]) / values[:, 0].std(ddof=1))
    assert np.sqrt(np.mean(np.square(errors))) > 0.42  # at least 0.5, less three standard errors of 200 draws


def test_courses_of_single_units_are_their_values_where_there_are_two() -> None:
    nan = np.nan
    control = np.array([[3, 2, nan], [1, nan, 5.25], [nan, 7, 8], [3, 1, 0], [4, nan, nan], [nan, nan, nan]])
    results = described({"control": control, "treated": control[:2]}, "single")
    assert [stat(results, "n_set", arm=arm, context="courses") for arm in ("control", "treated")] == [6, 2]
    assert [stat(results, "n_two_visits", arm=arm, context="courses") for arm in ("control", "treated")] == [4, 2]
    own = results[results["stat_name"] == "course_value"]
    values = {key: dict(zip(of["visit"], of["stat"], strict=True)) for key, of in own.groupby(["arm", "context"])}
    assert values == {
        ("control", "course=01"): {"baseline": 1, "month12": 5.25},
        ("control", "course=02"): {"baseline": 3, "month6": 1, "month12": 0},
        ("control", "course=03"): {"baseline": 3, "month6": 2},
        ("control", "course=04"): {"month6": 7, "month12": 8},
        ("treated", "course=01"): {"baseline": 1, "month12": 5.25},
        ("treated", "course=02"): {"baseline": 3, "month6": 2},
    }
    assert not results["stat_name"].isin(["n_all_visits", "n_in_course", "course_mean"]).any()


def test_a_large_arm_of_a_synthetic_trial_has_courses_of_groups() -> None:
    values = np.random.default_rng(5).normal(50, 10, (MOST_SINGLE + 1, 3))
    results = described({"control": values, "treated": values[:-1]}, "single")
    lines = results[results["context"].str.startswith("course=") & (results["stat_name"] != "n_in_course")]
    shown = lines.groupby("arm")["stat_name"].agg(["first", "nunique", "size"])
    assert shown.loc["treated"].tolist() == ["course_value", 1, 3 * MOST_SINGLE]
    assert shown.loc["control"].tolist() == ["course_mean", 1, 3 * (len(values) // 10)]
    assert results.loc[results["stat_name"] == "n_in_course", "stat"].min() == 10
