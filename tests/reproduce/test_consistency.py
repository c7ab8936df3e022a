"""Contradictions of results with themselves."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.reproduce.consistency import check_consistency
from pipanalysis.reproduce.verify import read_results
from reproduce.rows import EFFECT, MEAN, row_of, simulated

Change = Callable[[pd.DataFrame], None]


def plus(amount: float, **where: str) -> Change:
    def change(results: pd.DataFrame) -> None:
        results.loc[row_of(results, **where), "stat"] += amount

    return change


def put(value: float, **where: str) -> Change:
    def change(results: pd.DataFrame) -> None:
        results.loc[row_of(results, **where), "stat"] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (plus(0.01, **EFFECT, stat_name="conf_low"), "the limits do not follow"),
        (plus(0.01, **EFFECT, stat_name="std_error"), "the limits do not follow"),
        (plus(-3.0, **EFFECT, stat_name="df"), "the P value does not follow"),
        (plus(0.001, **EFFECT, stat_name="statistic"), "not the estimate over its standard error"),
        (plus(0.001, **EFFECT, stat_name="p_value"), "the P value does not follow"),
        (plus(0.001, **EFFECT, stat_name="effect_size_low"), "not in proportion"),
        (put(1.5, **EFFECT, stat_name="p_value"), "p_value is 1.5"),
        (put(99.0, **EFFECT, stat_name="estimate"), "not between its limits"),
        (plus(1.0, **MEAN, stat_name="n"), "add up to"),
        (plus(0.5, **MEAN, stat_name="n_missing"), "n_missing is"),
        (put(-1.0, **MEAN, stat_name="q3"), "not in order"),
        (put(-1.0, **MEAN, stat_name="sd"), "sd is -1.0"),
        (plus(1.0, analysis="characteristics", stat_name="n_level"), "percent is not n_level over n"),
    ],
)
def test_each_contradiction_is_found(results: pd.DataFrame, change: Change, told: str) -> None:
    altered = results.copy()
    change(altered)
    findings = check_consistency(altered).findings
    assert any(told in finding.where for finding in findings), findings


def test_units_of_groups_that_do_not_add_up_are_found(grouped_once: Path) -> None:
    altered = read_results(grouped_once / "results")
    assert not check_consistency(altered).findings
    plus(1.0, analysis="descriptives", context="course=02", stat_name="n_in_course")(altered)
    assert any("courses add up to" in finding.where for finding in check_consistency(altered).findings)


def test_limits_of_ratios_and_risks_follow_on_their_own_scales() -> None:
    z = 1.959963984540054
    e, se = math.exp(0.5), 0.2  # of the logarithm
    ratio = {"estimate": e, "std_error": se, "conf_low": e * math.exp(-z * se), "conf_high": e * math.exp(z * se)}
    odds, step = 0.25, math.exp(z * 0.05 / (0.2 * 0.8))  # of the risk 0.2, with its own standard error 0.05
    low, high = odds / step / (1 + odds / step), odds * step / (1 + odds * step)
    risk = {"estimate": 0.2, "std_error": 0.05, "conf_low": low, "conf_high": high}
    for own in (ratio, risk):
        assert not check_consistency(simulated(0.5, 0.0, "logistic ml delta", **own)).findings
        wrong = own | {"conf_low": own["conf_low"] - 1e-3}
        assert len(check_consistency(simulated(0.5, 0.0, "logistic ml delta", **wrong)).findings) == 1


def measured(measure: str, **numbers: float) -> pd.DataFrame:
    return simulated(numbers.pop("p_value"), 0.0, "count negative-binomial t delta", **numbers).assign(
        context=f"measure={measure}"
    )


def test_measures_follow_from_their_own_degrees_of_freedom() -> None:
    """t on 40 degrees of freedom: of a ratio by its logarithm, of a mean with the standard error of the mean itself."""
    t = 2.0210753903062737  # R: qt(0.975, 40)
    p = 0.0522  # R: 2 * pt(-2, 40) = 0.05232...; a wrong one
    own = {"estimate": math.exp(0.4), "std_error": 0.2, "df": 40.0, "p_value": 0.05232296}
    own |= {"conf_low": math.exp(0.4 - t * 0.2), "conf_high": math.exp(0.4 + t * 0.2)}
    assert not [f for f in check_consistency(measured("rate_ratio", **own)).findings if "limits" in f.where]
    assert any(
        "P value does not" in f.where
        for f in check_consistency(measured("rate_ratio", **own | {"p_value": p})).findings
    )
    mean = {"estimate": 20.0, "std_error": 3.0, "df": 40.0, "p_value": math.nan}
    mean |= {"conf_low": 20 * math.exp(-t * 0.15), "conf_high": 20 * math.exp(t * 0.15)}
    assert not check_consistency(measured("mean", **mean)).findings
    normal = mean | {"conf_low": 20 * math.exp(-1.96 * 0.15)}
    assert len(check_consistency(measured("mean", **normal)).findings) == 1
