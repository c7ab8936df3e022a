"""Reliable change: the paper's example, counts by hand, and what it does not depend on."""

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.errors import PlanError
from pipanalysis.estimate.change import classified, smallest_reliable_change
from pipanalysis.estimate.planning import check_plan
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.study.instrument import Instrument, Score
from pipanalysis.study.load import Study

RELIABLE = {"reliability": {"value": 0.8, "kind": "test-retest"}, "better": "lower", "clinical": {"at_least": 10}}
KINDS = ("improved", "unchanged", "deteriorated", "recovered", "clinical_at_baseline")


def score(**changed: Any) -> Score:
    return Score.model_validate({"label": "T", "rule": "sum"} | RELIABLE | changed)


def test_the_example_of_the_paper() -> None:
    """Jacobson and Truax 1991, page 14: SD 7.5, reliability .80; S_diff = 4.74, from 32.5 to 47.5 RC = 3.16."""
    least = smallest_reliable_change(7.5, 0.80, 0.95)
    s_diff = least / 1.959964
    assert round(s_diff, 2) == 4.74
    assert round((47.5 - 32.5) / s_diff, 2) == 3.16


def test_change_of_measurement_error_alone_is_beyond_it_once_in_twenty() -> None:
    """200,000 units that do not change: 5%, with a Monte Carlo standard error of 0.05%; tolerance 4 of these."""
    rng = np.random.default_rng(20260)
    n, sd, reliability = 200_000, 3.0, 0.7
    true = rng.normal(scale=sd * sqrt(reliability), size=n)
    before, after = (true + rng.normal(scale=sd * sqrt(1 - reliability), size=n) for _ in range(2))
    found = classified(before, after, smallest_reliable_change(sd, reliability, 0.95), score())
    assert found["unchanged"].mean() == pytest.approx(0.95, abs=0.002)


def made(configured: dict[str, Any]) -> Study:
    study = trials.study(
        [{"method": "reliable_change"}], visits={"baseline": 0, "month6": 6}, instrument_visits=["baseline", "month6"]
    )
    form = study.instruments["form"].model_dump(mode="json")
    form["scores"]["total"] |= configured
    return replace(study, instruments={"form": Instrument.model_validate(form)})


def trial(pairs: dict[str, list[tuple[float, float]]], **changed: Any) -> TrialData:
    """Baseline and follow-up of each unit, by arm."""
    rows = [(arm, before, after) for arm, values in pairs.items() for before, after in values]
    people = pd.DataFrame({"unit": [f"u{i}" for i in range(len(rows))], "arm": [row[0] for row in rows]})
    long = pd.concat(
        people.assign(visit=visit, value=[row[i] for row in rows])
        for i, visit in enumerate(("baseline", "month6"), start=1)
    )
    return trials.trial(made(RELIABLE | changed), people, long[["unit", "visit", "value"]].dropna())


PAIRS = {
    "control": [(8, 8), (12, 30), (14, 12), (16, np.nan), (np.nan, 3)],
    "treated": [(12, 2), (20, 11), (9, 1.5), (9, 9), (12, 5)],
}


def counts(results: pd.DataFrame, arm: str, name: str = "n_level") -> list[float]:
    return [stat(results, name, arm=arm, context=f"change={kind}") for kind in KINDS]


def test_counted_by_hand() -> None:
    """Baseline: 8, 12, 14, 16, 12, 20, 9, 9, 12; mean 112 / 9, sum of squares 1510 - 112² / 9 = 116.2, SD 3.811.

    The smallest reliable change is 1.96 x 3.811 x sqrt(0.4) = 4.724: of the treated, 10, 9, 7.5 and 7 are improvements,
    of which 12 to 2 and 12 to 5 end below 10 and began in the clinical range; 20 to 11 does not end there.
    """
    results = family_results(trial(PAIRS), "describe")
    assert stat(results, "sd") == pytest.approx(sqrt((1510 - 112**2 / 9) / 8))
    assert stat(results, "reliable_change") == pytest.approx(4.724, abs=1e-3)
    assert counts(results, "treated") == [4, 1, 0, 2, 3]
    assert counts(results, "treated", "percent") == [80, 20, 0, 40, 60]
    assert counts(results, "control") == [0, 2, 1, 0, 2]
    assert stat(results, "n", arm="control") == 3
    assert stat(results, "n_missing", arm="control") == 2
    assert not set(results["stat_name"]) & {"p_value", "estimate", "fit_status"}


def test_the_other_direction_of_benefit_mirrors_it() -> None:
    turned = {arm: [(40 - a, 40 - b) for a, b in pairs] for arm, pairs in PAIRS.items()}
    results = family_results(trial(turned, better="higher", clinical={"at_most": 30}), "describe")
    same = family_results(trial(PAIRS), "describe")
    for arm in PAIRS:
        assert counts(results, arm) == counts(same, arm)


def test_without_a_clinical_range_nobody_recovers_or_fails_to() -> None:
    results = family_results(trial(PAIRS, clinical=None), "describe")
    assert set(results["context"]) == {"", "change=improved", "change=unchanged", "change=deteriorated"}


def test_no_variation_at_baseline_leaves_nothing_to_count() -> None:
    results = family_results(trial({"control": [(5, 6), (5, 1)], "treated": [(5, 5), (5, 9)]}), "describe")
    improved = row(results, "n_level", arm="treated", context="change=improved")
    assert np.isnan(improved["stat"])
    assert improved["error"] == "no variation at baseline (4 observed)"


def test_a_score_without_reliability_is_refused() -> None:
    with pytest.raises(PlanError, match="no outcome of the plan suits it"):
        check_plan(made({}), "describe")


values = arrays(np.float64, 12, elements=st.floats(0, 60))


@given(values, values, st.floats(0.1, 30))
def test_everyone_is_in_one_class_and_only_the_improved_recover(before, after, least: float) -> None:
    found = classified(before, after, least, score())
    assert (found["improved"].astype(int) + found["unchanged"] + found["deteriorated"] == 1).all()
    assert not (found["recovered"] & ~(found["improved"] & found["clinical_at_baseline"])).any()


@given(values, values, st.floats(0.1, 30))
def test_time_turned_round_turns_improvement_into_deterioration(before, after, least: float) -> None:
    there, back = classified(before, after, least, score()), classified(after, before, least, score())
    assert (there["improved"] == back["deteriorated"]).all()
    assert (there["unchanged"] == back["unchanged"]).all()
