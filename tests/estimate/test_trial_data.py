"""The analysis dataset: what fits together and what is refused."""

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from pipanalysis.errors import DataError
from pipanalysis.estimate.trial_data import TrialData, trial_data

SITE = {"name": "site", "label": "Site", "type": "category", "levels": {"n": "North"}}


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": ["c", "a", "b", "d"],
            "arm": ["control", "treated", "control", None],
            "site": "n",
            "in_all_randomised": [True, True, True, False],
        }
    )


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": ["a", "c", "d", "stranger"],
            "visit": ["month6", "baseline", "month6", "month6"],
            "score": "form.total",
            "value": [1.0, 2.0, 3.0, 4.0],
            "level": None,
        }
    )


def made(participants: pd.DataFrame, long: pd.DataFrame) -> TrialData:
    configuration = trials.study(
        [{"method": "ancova"}], visits={"month6": 6, "baseline": 0}, variables=[SITE], strata=["site"]
    )
    return trial_data(configuration, participants, long)


def test_scores_are_matrices_of_units_by_visits_in_time_order() -> None:
    for kind in ("str", "category"):
        long = scores().astype({"unit": kind, "visit": kind, "score": kind})
        found = made(people(), long)
        assert found.participants["unit"].tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(found.values("form.total"), [[np.nan, 1], [np.nan, np.nan], [2, np.nan]])
        np.testing.assert_array_equal(found.at_baseline("form.total"), [np.nan, np.nan, 2])


def test_every_fault_is_told() -> None:
    wrong = people().assign(arm=["control", "placebo", None, None])
    wrong = pd.concat([wrong, wrong.iloc[[0]]])
    with pytest.raises(DataError) as error:
        made(wrong, scores())
    said = str(error.value)
    assert "more than one row for c" in said
    assert "no known arm for a (placebo), b (none)" in said


def test_absent_columns_are_named() -> None:
    with pytest.raises(DataError, match="2 problems") as error:
        made(people().drop(columns=["site", "in_all_randomised"]), scores())
    assert "'site'" in str(error.value)


def test_repeated_score_is_refused() -> None:
    with pytest.raises(DataError, match="1 problem") as error:
        made(people(), pd.concat([scores(), scores().iloc[[0]]]))
    assert "form.total of a at month6 more than once" in str(error.value)
