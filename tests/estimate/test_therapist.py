"""Therapist analyses: nlme's numbers through the plan's frame, rules for units, and what the boundary says."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from estimate import trials
from pipanalysis.estimate.analysis_data import AnalysisFrame, analysis_frame
from pipanalysis.estimate.model_result import ModelResult, Status
from pipanalysis.estimate.sessions import Therapists
from pipanalysis.estimate.therapist import therapist_effects

R = Path(__file__).resolve().parents[1] / "fixtures" / "r"
SITE = {"name": "site", "label": "Site", "type": "category", "levels": {"a": "A", "b": "B", "c": "C"}}


def simulated(name: str) -> pd.DataFrame:
    data = pd.read_csv(R / "partially_nested.csv")
    return data[data["trial"] == name].reset_index(drop=True)


def frame_of(data: pd.DataFrame) -> AnalysisFrame:
    configuration = trials.study(
        [{"method": "therapist"}], visits={"baseline": 0, "month6": 6}, variables=[SITE], strata=["site"]
    )
    people = data.assign(arm=np.where(data["treated"] == 1, "treated", "control"))[["unit", "arm", "site"]]
    long = data.rename(columns={"y": "month6"}).melt("unit", ["baseline", "month6"], "visit").dropna()
    trial = trials.trial(configuration, people, long)
    return analysis_frame(trial, trials.analysis(configuration), configuration.plan.outcomes[0])


def assigned(data: pd.DataFrame, several: int = 0, tied: int = 0) -> Therapists:
    seen = data[data["treated"] == 1]
    return Therapists({u: f"T{n}" for u, n in zip(seen["unit"], seen["therapist"], strict=True)}, several, tied)


def result_of(data: pd.DataFrame, therapists: Therapists) -> ModelResult:
    (result,) = therapist_effects(frame_of(data), therapists, "treated", 0.95)
    return result


def extra(result: ModelResult, name: str, arm: str = "") -> float:
    (found,) = [e.stat for e in result.extras if (e.stat_name, e.arm) == (name, arm)]
    return found


@pytest.mark.parametrize("name", ["even", "uneven", "small", "zero"])
def test_numbers_are_those_of_nlme(name: str) -> None:
    data = simulated(name)
    expected = json.loads((R / "partially_nested.json").read_text())["models"][name]["heteroscedastic"]
    result = result_of(data, assigned(data))
    (effect,) = result.effects
    assert effect.estimate == pytest.approx(expected["estimate"], abs=1e-5 * expected["se_model"])
    assert effect.std_error == pytest.approx(expected["se_kenward_roger"], rel=1e-4)
    assert effect.df == pytest.approx(expected["df"], rel=1e-3)
    control, treated = expected["variance_residual"]
    assert extra(result, "variance_residual", "control") == pytest.approx(control, rel=1e-4)
    assert extra(result, "variance_residual", "treated") == pytest.approx(treated, rel=1e-4)
    between = expected["variance_cluster"]
    assert extra(result, "icc") == pytest.approx(between / (between + treated), abs=1e-4)


def test_a_variance_of_zero_is_the_boundary_and_makes_no_interval_shorter_than_the_therapists_allow() -> None:
    data = simulated("zero")
    result = result_of(data, assigned(data))
    assert result.status == Status.boundary
    assert "the variance between therapists is estimated as zero" in "; ".join(result.warnings)
    assert (extra(result, "icc"), extra(result, "conf_low")) == (0.0, 0.0)
    assert extra(result, "conf_high") > 0.05
    # without therapists there would be 71 degrees of freedom
    assert t.ppf(0.975, result.effects[0].df) > 1.05 * t.ppf(0.975, 71)


def test_a_unit_that_attended_nothing_is_a_cluster_of_its_own() -> None:
    """The same as a therapist who saw that unit alone."""
    data = simulated("uneven")
    known = assigned(data)
    treated = data.loc[data["treated"] == 1, "unit"].tolist()
    alone = Therapists({u: name for u, name in known.of.items() if u not in treated[:2]}, 0, 0)
    named = Therapists(known.of | {treated[0]: "alone", treated[1]: "another"}, 0, 0)
    first, second = result_of(data, alone), result_of(data, named)
    assert first.effects[0].std_error == pytest.approx(second.effects[0].std_error, rel=1e-9)
    assert extra(first, "n_without_therapist", "treated") == 2
    assert extra(first, "n_therapists", "treated") == extra(second, "n_therapists", "treated") - 2
    assert "participants of Treated that attended no session, each a cluster of its own: 2" in first.warnings


def test_units_seen_by_several_and_ties_are_counted() -> None:
    data = simulated("even")
    said = "; ".join(result_of(data, assigned(data, several=5, tied=1)).warnings)
    assert "participants seen by several therapists, counted under the one who saw them most: 5" in said
    assert "then the first by name: 1" in said


def test_one_therapist_is_a_failed_fit_that_says_why() -> None:
    data = simulated("even")
    one = Therapists(dict.fromkeys(data.loc[data["treated"] == 1, "unit"], "T1"), 0, 0)
    result = result_of(data, one)
    assert (result.status, result.error) == (Status.failed, "a variance between clusters needs two clusters, found 1")
    assert np.isnan(result.effects[0].estimate)


def test_missing_outcomes_are_left_out() -> None:
    data = simulated("uneven")
    data.loc[[0, 1, 40], "y"] = np.nan
    result = result_of(data, assigned(data))
    assert (extra(result, "n", "control"), extra(result, "n", "treated")) == (36, 37)
