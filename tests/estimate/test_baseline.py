"""Participants' characteristics by arm and overall, and standardised differences."""

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.baseline import categorical_difference, standardised_difference
from pipanalysis.estimate.step import family_results


def results() -> pd.DataFrame:
    people = pd.DataFrame(
        {
            "unit": list("abcdef"),
            "arm": ["control"] * 3 + ["treated"] * 3,
            "age": [30.0, 34.0, 38.0, 33.0, np.nan, 41.0],
            "degree": ["1", "0", "0", "1", "1", None],
            "site": ["north", "south", "south", "north", "south", "south"],
        }
    )
    variables = [
        {"name": "age", "label": "Age", "type": "integer"},
        {"name": "degree", "label": "Degree", "type": "category", "levels": {"0": "No degree", "1": "Degree"}},
        {"name": "site", "label": "Site", "type": "category", "levels": {"south": "South", "north": "North"}},
    ]
    long = people[["unit"]].assign(visit="baseline", value=[10.0, 12, 14, 11, 13, 18])
    configuration = trials.study(
        [{"method": "baseline"}],
        visits={"baseline": 0, "month6": 6},
        variables=variables,
        characteristics=["age", "degree", "site", "form.total"],
    )
    return family_results(trials.trial(configuration, people, long), "describe")


def test_continuous_characteristics_by_arm_and_overall() -> None:
    found = results()
    assert stat(found, "mean", outcome="age", arm="control") == 34
    assert stat(found, "mean", outcome="age", arm="") == pytest.approx((30 + 34 + 38 + 33 + 41) / 5)
    assert stat(found, "n_missing", outcome="age", arm="treated") == 1
    assert row(found, "mean", outcome="form.total", arm="treated")["visit"] == "baseline"
    assert stat(found, "mean", outcome="form.total", arm="treated") == 14


def test_categories_by_label() -> None:
    found = results()
    assert stat(found, "n_level", outcome="degree", arm="treated", context="level=Degree") == 2
    assert stat(found, "percent", outcome="degree", arm="treated", context="level=Degree") == 100
    assert stat(found, "percent", outcome="site", arm="", context="level=North") == pytest.approx(100 / 3)


def test_no_p_values() -> None:
    assert not results()["stat_name"].isin(["p_value", "statistic"]).any()


def test_standardised_difference_by_algebra() -> None:
    """Means 34 and 37; variances 16 and 32."""
    found = stat(results(), "std_difference", outcome="age", contrast="treated - control")
    assert found == pytest.approx(3 / np.sqrt((16 + 32) / 2))
    assert standardised_difference(np.array([1.0, 2]), np.array([3.0, 5])) == pytest.approx(
        -standardised_difference(np.array([3.0, 5]), np.array([1.0, 2]))
    )


def test_two_levels_by_algebra() -> None:
    """|p1 - p0| / sqrt((p1 q1 + p0 q0) / 2), with p = 3/4 and 2/5."""
    values, reference = np.array(list("yyyn"), dtype=object), np.array(list("yynnn"), dtype=object)
    expected = (0.75 - 0.4) / np.sqrt((0.75 * 0.25 + 0.4 * 0.6) / 2)
    assert categorical_difference(values, reference, ["n", "y"]) == pytest.approx(expected)
    assert categorical_difference(values, reference, ["y", "n", "unseen"]) == pytest.approx(expected)


def test_three_levels_by_algebra() -> None:
    """Shares (1/2, 1/4, 1/4) and (1/4, 1/2, 1/4): with the third as base d = (1/4, -1/4), S by hand."""
    values, reference = np.array(list("aabc"), dtype=object), np.array(list("abbc"), dtype=object)
    S = np.array([[7 / 32, -1 / 8], [-1 / 8, 7 / 32]])
    d = np.array([0.25, -0.25])
    expected = np.sqrt(d @ np.linalg.inv(S) @ d)
    assert categorical_difference(values, reference, ["a", "b", "c"]) == pytest.approx(expected)
    assert categorical_difference(values, reference, ["c", "a", "b"]) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "reference"), [([], ["a"]), (["a", "a"], ["b", "b"]), ([None, None], ["a", "b"])])
def test_undefined_difference_is_missing(values: list[str], reference: list[str]) -> None:
    sample = np.array(values, dtype=object), np.array(reference, dtype=object)
    assert np.isnan(categorical_difference(*sample, ["a", "b"]))


def test_same_level_everywhere_is_no_difference() -> None:
    same = np.array(["a", "a"], dtype=object)
    assert categorical_difference(same, same, ["a", "b"]) == 0
    assert np.isnan(standardised_difference(np.array([1.0, 1]), np.array([1.0, 1])))
