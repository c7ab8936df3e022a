"""Partial correlations against R's psych and pingouin; the difference of two by Zou's algebra."""

import json
from math import atanh, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.estimate.partial_correlation import correlation_difference, partial_correlation

R = Path(__file__).resolve().parents[1] / "fixtures" / "r"


@pytest.mark.parametrize("visit", ["month6", "month12"])
@pytest.mark.parametrize("group", ["control", "treated", "pooled"])
def test_numbers_are_those_of_psych(visit: str, group: str) -> None:
    wide = pd.read_csv(R / "dyadic.csv")
    expected = json.loads((R / "dyadic.json").read_text())["answers"]["associations"][visit][group]
    if group != "pooled":
        wide = wide[wide["arm"] == (group == "treated")]
    given_columns = ["mother_baseline", "infant_baseline", *(["arm"] if group == "pooled" else [])]
    data = wide[[f"mother_{visit}", f"infant_{visit}", *given_columns]].dropna().to_numpy(float)
    found = partial_correlation(-data[:, 0], data[:, 1], data[:, 2:], 0.95)
    assert found.n == expected["n"]
    for name in ("r", "low", "high", "p_value"):
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-9)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(10, 60), k=st.integers(0, 3))
def test_pingouin_agrees(seed: int, n: int, k: int) -> None:
    """pingouin rounds its limits to two decimals, so the correlation alone is compared to full precision."""
    import pingouin

    rng = np.random.default_rng(seed)
    names = [f"c{i}" for i in range(k)]
    data = pd.DataFrame(rng.normal(size=(n, k + 2)), columns=["x", "y", *names])
    data["y"] += 0.5 * data["x"]
    answer = pingouin.partial_corr(data, "x", "y", names) if k else pingouin.corr(data["x"], data["y"])
    found = partial_correlation(data["x"].to_numpy(), data["y"].to_numpy(), data[names].to_numpy(), 0.95)
    assert found.r == pytest.approx(float(answer["r"].iloc[0]), rel=1e-9)
    assert np.allclose([found.low, found.high], answer["CI95"].iloc[0], atol=0.0051)


def test_the_difference_by_algebra() -> None:
    """Zou (2007): the distances of each correlation to its limits, squared and added; z by Fisher."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 40))
    a = partial_correlation(x[:25], x[:25] + y[:25], np.empty((25, 0)), 0.95)
    b = partial_correlation(x[25:], y[25:], np.empty((15, 0)), 0.95)
    found = correlation_difference(a, b)
    assert found.r == a.r - b.r
    assert found.r - found.low == pytest.approx(sqrt((a.r - a.low) ** 2 + (b.high - b.r) ** 2), rel=1e-12)
    assert found.high - found.r == pytest.approx(sqrt((a.high - a.r) ** 2 + (b.r - b.low) ** 2), rel=1e-12)
    assert found.z_error == pytest.approx(sqrt(1 / 22 + 1 / 12), rel=1e-12)
    from scipy.stats import norm

    assert found.p_value == pytest.approx(2 * norm.sf(abs(atanh(a.r) - atanh(b.r)) / found.z_error), rel=1e-12)
    other = correlation_difference(b, a)
    assert (other.low, other.high, other.p_value) == pytest.approx((-found.high, -found.low, found.p_value))


def test_the_difference_of_correlations_agrees_with_psych() -> None:
    wide = pd.read_csv(R / "dyadic.csv")
    answers = json.loads((R / "dyadic.json").read_text())["answers"]["associations"]
    for visit in ("month6", "month12"):
        arms = []
        for arm in (0, 1):
            columns = [f"mother_{visit}", f"infant_{visit}", "mother_baseline", "infant_baseline"]
            data = wide.loc[wide["arm"] == arm, columns].dropna().to_numpy(float)
            arms.append(partial_correlation(-data[:, 0], data[:, 1], data[:, 2:], 0.95))
        assert correlation_difference(arms[1], arms[0]).p_value == pytest.approx(
            answers[visit]["difference_p"], rel=1e-6
        )


def test_too_few_units_or_no_variation_have_no_correlation() -> None:
    x = np.arange(5.0)
    assert np.isnan(partial_correlation(x, x**2, np.column_stack([x**3, np.sin(x)]), 0.95).r)
    assert np.isnan(partial_correlation(np.ones(9), np.arange(9.0), np.empty((9, 0)), 0.95).r)
