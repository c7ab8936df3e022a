"""Hedges' g between arms at each visit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from estimate import trials
from estimate.trials import effects, row
from pipanalysis.estimate.effect_size import hedges_g
from pipanalysis.estimate.step import family_results


def by_algebra(x: np.ndarray, y: np.ndarray, level: float) -> tuple[float, float, float]:
    """Hedges 1981 with J = 1 - 3/(4 df - 1), and the large-sample variance of Hedges and Olkin 1985."""
    n, m = len(x), len(y)
    pooled = np.sqrt(((n - 1) * x.var(ddof=1) + (m - 1) * y.var(ddof=1)) / (n + m - 2))
    g = (x.mean() - y.mean()) / pooled * (1 - 3 / (4 * (n + m - 2) - 1))
    half = stats.t.ppf(0.5 + level / 2, n + m - 2) * np.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m)))
    return g, g - half, g + half


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_g_and_its_limits_unrounded(level: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(1, 2, size=11), rng.normal(0, 1, size=7)
    assert hedges_g(x, y, level) == pytest.approx(by_algebra(x, y, level), rel=1e-10)


def trial_results(values: dict[str, list[float]]) -> pd.DataFrame:
    people = pd.DataFrame(
        [(f"{arm}{i}", arm) for arm in values for i in range(len(values[arm]))], columns=["unit", "arm"]
    )
    long = people.assign(visit="month6", value=[v for sample in values.values() for v in sample]).dropna()
    configuration = trials.study([{"method": "effect_size"}], visits={"baseline": 0, "month6": 6})
    return family_results(trials.trial(configuration, people, long[["unit", "visit", "value"]]), "describe")


def test_direction_is_arm_minus_reference() -> None:
    control, treated = [1.0, 2, 3, np.nan], [4.0, 6, 5]
    found = effects(trial_results({"control": control, "treated": treated})).loc["month6"]
    expected = by_algebra(np.array(treated), np.array(control[:3]), 0.95)
    assert found[["hedges_g", "conf_low", "conf_high"]].to_numpy() == pytest.approx(expected)
    assert found["hedges_g"] > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"control": [1.0, 2], "treated": [3.0, np.nan]}, "too few observed at month6 (1 in Treated, 2 in Control"),
        ({"control": [1.0, 1], "treated": [3.0, 3]}, "no variation within the arms at month6"),
    ],
)
def test_undefined_g_has_its_reason(values: dict[str, list[float]], message: str) -> None:
    found = row(trial_results(values), "hedges_g")
    assert np.isnan(found["stat"])
    assert message in found["error"]
