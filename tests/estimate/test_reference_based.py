"""Reference-based imputation as an analysis of the plan."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.random_stream import random_stream
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.impute.conditional_mean import conditional_mean_imputation
from pipanalysis.impute.incomplete import IncompleteTrial
from pipanalysis.impute.multiple import multiple_imputation
from pipanalysis.impute.rubin import Pooled

METHOD = {"method": "reference_based"}
CONTRAST = "treated - control"


def trial_from(values: np.ndarray, baseline: np.ndarray, arm: np.ndarray, **options: Any) -> TrialData:
    n, k = values.shape
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(n)], "arm": np.array(trials.ARMS)[arm]})
    names = [f"month{6 * (j + 1)}" for j in range(k)]
    wide = pd.DataFrame(values, columns=names).assign(unit=people["unit"], baseline=baseline)
    visits = {"baseline": 0} | {name: 6 * (j + 1) for j, name in enumerate(names)}
    configuration = trials.study([METHOD | options], visits=visits)
    return trials.trial(configuration, people, wide.melt("unit", ["baseline", *names], "visit").dropna())


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A trial in which units drop out of both arms, one before the first visit, and one lacks the baseline value."""
    rng = np.random.default_rng(5)
    arm = np.arange(36) % 2
    baseline = rng.normal(20, 4, 36)
    values = 10 + 0.5 * baseline[:, None] + rng.normal(0, 3, (36, 2)) + 3 * arm[:, None]
    values[::5, 1] = np.nan
    values[10] = np.nan
    baseline[7] = np.nan
    return values, baseline, arm


def test_rows_are_those_of_the_engine(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    values, baseline, arm = made
    results = family_results(trial_from(*made), "mmrm")
    known = np.isfinite(baseline)
    y, base, arm = values[known], baseline[known], arm[known]
    n = len(y)
    X = np.zeros((n, 2, 6))
    for v in range(2):
        X[:, v, v], X[:, v, 2 + v], X[:, v, 4 + v] = 1, base, arm
    X_reference = X * np.array([1, 1, 1, 1, 0, 0])
    expected = conditional_mean_imputation(
        IncompleteTrial(y, arm, X, X_reference, np.column_stack([np.ones(n), base, arm]), (2,)), ["j2r"]
    )["j2r"]
    for j, visit in enumerate(("month6", "month12")):
        at = {"visit": visit, "context": "strategy=j2r"}
        assert stat(results, "estimate", contrast=CONTRAST, **at) == pytest.approx(
            expected.effects.value[0, j], rel=1e-6
        )
        assert stat(results, "std_error", contrast=CONTRAST, **at) == pytest.approx(
            expected.effects.std_error[0, j], rel=1e-4
        )
        for k, name in enumerate(trials.ARMS):
            assert stat(results, "estimate", arm=name, **at) == pytest.approx(expected.means.value[k, j], rel=1e-6)
        assert stat(results, "df", contrast=CONTRAST, **at) == n - 3


def test_who_is_observed_imputed_and_left_out_is_counted(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    values, baseline, arm = made
    results = family_results(trial_from(*made), "mmrm")
    known = np.isfinite(baseline)
    assert stat(results, "n_units") == known.sum() == 35
    for j, visit in enumerate(("month6", "month12")):
        for k, name in enumerate(trials.ARMS):
            there = np.isfinite(values[known & (arm == k), j])
            assert stat(results, "n", visit=visit, arm=name) == there.sum()
            assert stat(results, "n_imputed", visit=visit, arm=name) == (~there).sum()
    assert "left out for want of the baseline value: 1 participant" in row(results, "fit_status")["warning"]


def test_strategies_are_those_of_the_plan(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    results = family_results(trial_from(*made, strategies=["cir", "lmcf"]), "mmrm")
    assert set(results["context"]) == {"", "strategy=cir", "strategy=lmcf"}


def test_jumping_to_reference_shrinks_the_effect(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """The whole trial's effect is as large at both visits, so a jump takes about the share of those lost away."""
    results = family_results(trial_from(*made), "mmrm")
    at = {"visit": "month12", "contrast": CONTRAST}
    mar, j2r = (stat(results, "estimate", context=f"strategy={s}", **at) for s in ("mar", "j2r"))
    assert 0 < j2r < mar


def test_multiple_imputations_are_pooled_and_say_their_monte_carlo_error(
    made: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """The engine's numbers, from the stream of the analysis and outcome; means have Monte Carlo errors of their own."""
    values, baseline, arm = made
    both = trial_from(*made, imputations=60, strategies=["mar", "j2r"])
    results = family_results(both, "mmrm")
    pd.testing.assert_frame_equal(results, family_results(both, "mmrm"))
    assert set(results["method"]) == {"multiple imputation us posterior rubin t"}
    known = np.isfinite(baseline)
    y, base, arm = values[known], baseline[known], arm[known]
    X = np.zeros((len(y), 2, 6))
    for v in range(2):
        X[:, v, v], X[:, v, 2 + v], X[:, v, 4 + v] = 1, base, arm
    trial = IncompleteTrial(
        y, arm, X, X * np.array([1, 1, 1, 1, 0, 0]), np.column_stack([np.ones(len(y)), base, arm]), (2,)
    )
    name = both.study.plan.analyses[0].name
    rng = random_stream(both.study.config.study.seed, name, both.study.plan.outcomes[0].name)
    expected = multiple_imputation(trial, ["mar", "j2r"], imputations=60, rng=rng)
    for strategy, found in expected.items():
        effects, means = found.effects, found.means
        assert isinstance(effects, Pooled)
        assert isinstance(means, Pooled)
        for j, visit in enumerate(("month6", "month12")):
            at = {"visit": visit, "context": f"strategy={strategy}"}
            for stat_name, of in (
                ("estimate", effects.value),
                ("std_error", effects.std_error),
                ("df", effects.df),
                ("estimate_mcse", effects.mcse),
                ("missing_information", effects.missing_information),
            ):
                assert stat(results, stat_name, contrast=CONTRAST, **at) == pytest.approx(of[0, j], rel=1e-6), stat_name
            for k, name in enumerate(trials.ARMS):
                assert stat(results, "estimate", arm=name, **at) == pytest.approx(means.value[k, j], rel=1e-6)
                assert stat(results, "estimate_mcse", arm=name, **at) == pytest.approx(means.mcse[k, j], rel=1e-6)


def test_what_cannot_be_imputed_says_why(made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    values, baseline, arm = made
    gone = values.copy()
    gone[arm == 1, 1] = np.nan
    results = family_results(trial_from(gone, baseline, arm), "mmrm")
    missing = row(results, "estimate", visit="month12", contrast=CONTRAST, context="strategy=j2r")
    assert np.isnan(missing["stat"])
    assert "too few observed at month12" in missing["error"]
    assert np.isfinite(stat(results, "estimate", visit="month6", contrast=CONTRAST, context="strategy=j2r"))
    flat = family_results(trial_from(np.ones_like(values), baseline, arm), "mmrm")
    assert row(flat, "fit_status")["stat_label"] == "failed"
    assert "no variation" in row(flat, "fit_status")["error"]


def test_beat_the_blues_with_strata(beat_the_blues: Callable[..., TrialData]) -> None:
    """A real trial with much dropout: everything is estimated, and missing at random is near the mixed model."""
    both = beat_the_blues(METHOD | {"strategies": ["mar", "j2r"]})
    results = family_results(both, "mmrm")
    mixed = family_results(beat_the_blues({"method": "mmrm"}), "mmrm")
    for visit in ("month2", "month3", "month5", "month8"):
        at = {"visit": visit, "contrast": CONTRAST}
        se = stat(mixed, "std_error", **at)
        assert stat(results, "estimate", context="strategy=mar", **at) == pytest.approx(
            stat(mixed, "estimate", **at), abs=0.25 * se
        )
        assert stat(results, "std_error", context="strategy=mar", **at) == pytest.approx(se, rel=0.15)
