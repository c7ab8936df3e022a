"""Results against a repetition: what was altered is caught and named, and rounding and simulation are let pass."""

import numpy as np
import pandas as pd
import pytest

from pipanalysis.reproduce.compare import OF_RANKS, compare
from reproduce.rows import EFFECT, MEAN, row_of, simulated


def test_a_change_of_a_millionth_in_any_number_is_caught_and_named(results: pd.DataFrame) -> None:
    results = results[~results["method"].str.contains("imputation")]  # drawn ones have a Monte Carlo error: see below
    valued = results[results["stat"].notna()]
    of_ranks = results["stat_name"].isin(OF_RANKS)  # these step by themselves: by a thousandth
    every = results.assign(stat=results["stat"] + np.where(of_ranks, 1e-3 * results["stat"], 1e-6))
    some = [results.assign(stat=results["stat"].where(results.index != i, every["stat"])) for i in valued.index[::200]]
    assert len(some) >= 10
    for altered in (every, *some):
        changed = results[results["stat"].notna() & (altered["stat"] != results["stat"])]
        findings = compare(results, altered).findings
        assert len(findings) == len(changed) in (1, len(valued))
        for finding, row in zip(findings, changed.to_dict("records"), strict=True):
            assert finding.kind == "differs"
            for column in ("analysis", "outcome", "visit", "arm", "contrast", "context", "stat_name"):
                assert row[column] in finding.where
            assert finding.published == repr(float(row["stat"]))


def test_rounding_of_another_processor_is_counted_not_found(results: pd.DataFrame) -> None:
    altered = results.copy()
    i = row_of(results, **EFFECT, stat_name="estimate")
    altered.loc[i, "stat"] *= 1 + 1e-12
    found = compare(results, altered)
    assert not found.findings
    assert found.counts == {"identical": len(results) - 1, "rounding": 1}
    assert len(compare(results, altered, rounding=0.0).findings) == 1


def test_a_number_that_is_gone_is_no_number(results: pd.DataFrame) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **EFFECT, stat_name="p_value"), "stat"] = float("nan")
    (finding,) = compare(results, altered).findings
    assert finding.here == "no value"


def test_deleted_added_and_repeated_rows_are_named(results: pd.DataFrame) -> None:
    i = row_of(results, **EFFECT, stat_name="conf_low")
    without = results.drop(index=i)
    (missing,) = compare(results, without).findings
    (extra,) = compare(without, results).findings
    assert (missing.kind, extra.kind) == ("missing", "extra")
    assert "conf_low" in missing.where
    assert "month8" in missing.where
    (repeated,) = compare(results, pd.concat([results, results.loc[[i]]])).findings
    assert repeated.kind == "repeated"
    assert "in the here results" in repeated.where


def test_swapped_arm_labels_are_named_as_such(results: pd.DataFrame) -> None:
    altered = results.copy()
    at = (altered["analysis"] == "descriptives") & (altered["visit"] == "month2") & (altered["context"] == "")
    altered.loc[at, "arm"] = altered.loc[at, "arm"].map(
        {"usual_care": "beat_the_blues", "beat_the_blues": "usual_care", "": ""}
    )
    (finding,) = compare(results, altered).findings
    assert finding.kind == "swapped"
    assert "beat_the_blues and usual_care" in finding.where
    assert "month2" in finding.where


def test_one_row_under_another_arm_is_named_with_both_labels(results: pd.DataFrame) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **MEAN, stat_name="mean"), "arm"] = "placebo"
    (finding,) = compare(results, altered).findings
    assert (finding.kind, finding.published, finding.here) == ("relabelled", "usual_care", "placebo")


@pytest.mark.parametrize(("column", "value"), [("warning", "new"), ("prespecified", "False"), ("stat_label", "x")])
def test_a_changed_text_is_named_with_its_column(results: pd.DataFrame, column: str, value: str) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **EFFECT, stat_name="estimate"), column] = value
    (finding,) = compare(results, altered).findings
    assert finding.kind == "text"
    assert f"column {column}" in finding.where
    assert finding.here == value


# ---- within Monte Carlo error


@pytest.mark.parametrize(
    ("p", "mcse", "good"),
    [
        (0.0300, 0.0010, True),
        (0.0355, 0.0010, True),  # 5.5 thousandths: below 4 sqrt(2) of a standard error of one thousandth
        (0.0358, 0.0010, False),
        (0.0300, 0.0015, True),  # a standard error that is itself simulated
        (0.0300, 0.0021, False),
    ],
)
def test_a_simulated_p_value_may_differ_by_its_stated_error(p: float, mcse: float, good: bool) -> None:
    published = simulated(0.0300, 0.0010, statistic=2.1)
    found = compare(published, simulated(p, mcse, statistic=2.1))
    assert bool(found.findings) is not good


def test_what_is_not_simulated_in_such_an_analysis_must_be_the_same() -> None:
    found = compare(simulated(0.03, 0.001, statistic=2.1), simulated(0.031, 0.001, statistic=2.1 + 1e-6))
    assert [finding.where.rpartition(" ")[2] for finding in found.findings] == ["statistic"]


def test_a_p_value_without_a_stated_error_must_be_the_same() -> None:
    assert len(compare(simulated(0.03, 0.0), simulated(0.0301, 0.0)).findings) == 1


@pytest.mark.parametrize(("low", "good"), [(1.0, True), (1.12, True), (1.13, False)])
def test_a_drawn_number_without_a_stated_error_may_differ_by_a_quarter_of_the_standard_error(
    low: float, good: bool
) -> None:
    published = simulated(0.5, 0.0, "bootstrap percentile", std_error=0.5, conf_low=1.0)
    here = simulated(0.5, 0.0, "bootstrap percentile", std_error=0.5, conf_low=low)
    assert bool(compare(published, here).findings) is not good


def test_differences_of_two_programs_are_rounding_themselves() -> None:
    one, other = (simulated(0.5, 0.0, difference_estimate=d) for d in (1e-9, 3e-9))
    assert not compare(one, other).findings
    assert len(compare(one, simulated(0.5, 0.0, difference_estimate=1e-6)).findings) == 1


@pytest.mark.parametrize(
    ("name", "published", "apart", "good"),
    [
        ("estimate", 1e-6, 1e-11, True),
        ("conf_low", 1e-6, 1e-10, False),
        ("statistic", 1e-6, 1e-11, False),
    ],
)
def test_an_estimate_near_zero_has_the_error_of_its_standard_error(
    name: str, published: float, apart: float, good: bool
) -> None:
    one, other = (simulated(0.5, 0.0, "ancova", std_error=0.5, **{name: v}) for v in (published, published + apart))
    assert bool(compare(one, other).findings) is not good


@pytest.mark.parametrize(("apart", "good"), [(5e-5, True), (5e-4, False)])
def test_statistics_of_ranks_may_step_where_rounding_changes_an_order(apart: float, good: bool) -> None:
    one, other = (simulated(0.5, 0.0, "bayes", r_hat=value) for value in (1.0, 1.0 + apart))
    assert bool(compare(one, other).findings) is not good
