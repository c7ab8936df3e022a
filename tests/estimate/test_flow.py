"""Counts of the flow, deviations, completeness and recruitment, against small trials counted by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import stat
from pipanalysis.estimate.analysis_results import Scope, as_results
from pipanalysis.estimate.describe import mean_limits
from pipanalysis.estimate.flow import (
    allocation_rows,
    event_rows,
    exclusion_rows,
    follow_up_rows,
    intake_rows,
    recruitment_rows,
    screening_rows,
    set_rows,
    treated_rows,
    window_rows,
)
from pipanalysis.estimate.step import family_results
from pipanalysis.files import write_parquet
from pipanalysis.study.load import Study
from pipanalysis.study.plan import ScreeningLog
from pipanalysis.study.study import RawFile, RecruitmentTarget, Sessions

VISITS = {"baseline": 0.0, "month6": 6.0}
WHY = {"1": "Moved", "2": "Ill"}
VARIABLES: list[dict[str, Any]] = [
    {"name": "randomised_on", "label": "Date", "type": "date", "role": "randomisation_date"},
    {"name": "why", "label": "Why", "type": "category", "role": "withdrawal_reason", "levels": WHY},
]
PEOPLE = pd.DataFrame(
    {
        "unit": list("abcde"),
        "arm": ["control", "control", "control", "treated", "treated"],
        "in_all_randomised": [True, True, False, True, True],
        "randomised_on": pd.to_datetime(["2020-01-05", "2020-01-31", "2020-02-01", "2020-04-30", "2020-04-01"]),
        "why": [None, "2", None, "1", None],
    }
)
ASSESSMENTS = pd.DataFrame(
    {
        "unit": list("abcde") * 2,
        "visit": ["baseline"] * 5 + ["month6"] * 5,
        "state": ["in_window", "in_window", "out_of_window", "undated", "in_window"]
        + ["in_window", "withdrawn", "not_done", "withdrawn", "out_of_window"],
    }
)


@pytest.fixture
def study() -> Study:
    return trials.study([{"method": "flow", "role": "descriptive"}], visits=VISITS, variables=VARIABLES)


def scope(study: Study) -> Scope:
    return Scope(trials.analysis(study), "participants", "", 0.95, "flow")


def staged(rows: pd.DataFrame, stage: str, **where: str) -> float:
    return stat(rows, "n_stage", context=f"stage={stage}", **where)


def test_screening_adds_up_and_unknown_counts_as_no(study: Study) -> None:
    file = RawFile.model_validate(
        {
            "name": "log",
            "path": "log.csv",
            "key": "id",
            "events": {
                "name": "log",
                "key_required": False,
                "variables": [{"name": "reason", "label": "Reason", "type": "category", "levels": WHY}],
            },
        }
    )
    study.config.files.append(file)
    log = ScreeningLog(table="log", eligible="eligible", consented="consented", ineligible_reason="reason")
    screened = pd.DataFrame(
        {
            "eligible": ["1", "0", "1", None, "0", "1", "0"],
            "consented": ["1", None, "0", "1", None, None, None],
            "reason": [None, "1", None, None, "1", None, "2"],
        }
    )
    rows = as_results(screening_rows(study, scope(study), log, screened))
    assert staged(rows, "screened") == 7
    assert staged(rows, "not_eligible") == 4
    assert staged(rows, "not_eligible; reason=Moved") == 2
    assert staged(rows, "not_eligible; reason=Ill") == 1
    assert staged(rows, "not_eligible; reason=Reason not recorded") == 1
    assert staged(rows, "not_consented") == 2
    assert staged(rows, "excluded") == 6
    assert staged(rows, "consented") == 1
    assert not rows["context"].str.contains("not_consented; reason").any()


def test_allocation_and_analysis_sets(study: Study) -> None:
    rows = as_results([*allocation_rows(study, scope(study), PEOPLE), *set_rows(study, scope(study), PEOPLE)])
    assert staged(rows, "randomised") == 5
    for arm, n, inside in (("control", 3, 2), ("treated", 2, 2)):
        assert staged(rows, "allocated", arm=arm) == n
        assert staged(rows, "in_set; set=all_randomised", arm=arm) == inside
        assert staged(rows, "not_in_set; set=all_randomised", arm=arm) == n - inside


def test_follow_up_by_arm_and_visit(study: Study) -> None:
    rows = as_results(follow_up_rows(study, scope(study), PEOPLE, ASSESSMENTS))
    expected = {
        ("baseline", "control"): (3, 0, 0, 0),
        ("baseline", "treated"): (2, 0, 0, 0),
        ("month6", "control"): (1, 2, 1, 1),
        ("month6", "treated"): (1, 1, 1, 0),
    }
    for (visit, arm), counts in expected.items():
        at = {"visit": visit, "arm": arm}
        found = tuple(staged(rows, name, **at) for name in ("assessed", "not_assessed", "withdrawn", "missed"))
        assert found == counts
    assert staged(rows, "withdrawn; reason=Ill", visit="month6", arm="control") == 1
    assert staged(rows, "withdrawn; reason=Moved", visit="month6", arm="control") == 0
    assert staged(rows, "withdrawn; reason=Moved", visit="month6", arm="treated") == 1


def test_deviations_by_arm_and_visit(study: Study) -> None:
    rows = as_results(window_rows(study, scope(study), PEOPLE, ASSESSMENTS))

    def found(kind: str, visit: str, arm: str) -> float:
        return stat(rows, "n_affected", context=f"deviation={kind}", visit=visit, arm=arm)

    assert found("out_of_window", "baseline", "control") == 1
    assert found("undated", "baseline", "treated") == 1
    assert found("withdrawn", "month6", "control") == 1
    assert found("not_done", "month6", "control") == 1
    assert rows["stat"].sum() == 6  # all but the four assessments in their window


def test_intercurrent_events_by_arm_and_visit() -> None:
    plan = {
        "intercurrent_events": [{"name": "stop", "label": "Stop", "when": {"date": "d"}}, {"name": "x", "label": "X"}]
    }
    chosen = trials.study([{"method": "flow", "role": "descriptive"}], visits=VISITS | {"month12": 12.0}, plan=plan)
    people = PEOPLE.assign(after_stop=["month6", "month12", None, "month12", None])
    rows = as_results(event_rows(chosen, scope(chosen), people))
    found = {(row.visit, row.arm): row.stat for row in rows.itertuples()}
    # An event before the visit at 6 months is one before that at 12 months too; one without a date is not counted.
    assert found == {
        ("month6", "control"): 1,
        ("month6", "treated"): 0,
        ("month12", "control"): 2,
        ("month12", "treated"): 1,
    }


def test_exclusions_and_rows_set_aside(study: Study) -> None:
    counts = pd.DataFrame(
        {"analysis_set": ["s", "s"], "step": [1, 2], "condition": ["randomised", "assessed"], "n_excluded": [0, 4]}
    )
    files = [{"file": "a.csv", "rows_read": 9, "rows_set_aside": {"no-unit": 2}}]
    record = {"files": files, "queries_by_rule": {"bad-date": 3}}
    rows = as_results([*exclusion_rows(scope(study), counts), *intake_rows(scope(study), record)])
    assert stat(rows, "n_affected", context="excluded=s; step=02; assessed") == 4
    assert stat(rows, "n_rows", context="file=a.csv; read") == 9
    assert stat(rows, "n_rows", context="file=a.csv; set aside=no-unit") == 2
    assert stat(rows, "n_queries", context="rule=bad-date") == 3


def test_recruitment_by_month_against_a_target_in_proportion_to_days(study: Study) -> None:
    target = {"units": 60, "start": "2020-01-01", "end": "2020-02-29", "source": "s", "status": "assumed"}
    config = study.config.model_copy(update={"recruitment": RecruitmentTarget.model_validate(target)})
    planned = Study(study.layout, config, study.instruments, study.plan, study.displays, None)
    rows = as_results(recruitment_rows(planned, scope(study), PEOPLE))
    by_month = {month: stat(rows, "n_cumulative", context=f"month=2020-{month}") for month in ("01", "02", "03", "04")}
    assert by_month == {"01": 2, "02": 3, "03": 3, "04": 5}
    assert stat(rows, "n_target", context="month=2020-01") == pytest.approx(60 * 31 / 60)
    assert stat(rows, "n_target", context="month=2020-04") == 60


def test_sessions_are_not_read_while_masked(study: Study, tmp_path: Any) -> None:
    events = {"name": "log", "variables": [{"name": "came", "label": "Came", "type": "category"}]}
    file = {"name": "log", "path": "log.csv", "key": "id", "closed": True, "events": events}
    about = study.config.study.model_copy(update={"blinding": "masked"})
    changed = {
        "sessions": Sessions(table="log", attended="came", arm="treated"),
        "files": [RawFile.model_validate(file)],
    }
    masked = study.config.model_copy(update=changed | {"study": about})
    layout = type(study.layout)(tmp_path)
    blind = Study(layout, masked, study.instruments, study.plan, study.displays, None)
    rows = as_results(treated_rows(blind, scope(study), PEOPLE))
    assert rows["stat"].isna().all()
    said = "not read while the allocation is masked: the sessions may reveal the arm"
    assert rows["warning"].item() == said
    opened = Study(layout, study.config.model_copy(update=changed), study.instruments, study.plan, study.displays, None)
    sessions = pd.DataFrame({"unit": ["d", "d", "e", "a"], "came": ["0", "1", "0", "1"]})
    write_parquet(layout.closed_events("log"), sessions)
    rows = as_results(treated_rows(opened, scope(study), PEOPLE))
    assert staged(rows, "treated", arm="treated") == 1
    assert staged(rows, "not_treated", arm="treated") == 1


def test_completeness_and_patterns_by_hand() -> None:
    study = trials.study([{"method": "completeness", "role": "descriptive"}], visits=VISITS)
    people = PEOPLE[["unit", "arm"]]
    long = pd.DataFrame(
        {
            "unit": list("abcde") + list("ade"),
            "visit": ["baseline"] * 5 + ["month6"] * 3,
            "value": [1.0, np.nan, 3, 4, 5, 1, 2, np.nan],
        }
    )
    rows = family_results(trials.trial(study, people, long), "flow")
    assert stat(rows, "n", visit="baseline", arm="control") == 2
    assert stat(rows, "n_missing", visit="month6", arm="control") == 2
    assert stat(rows, "percent_observed", visit="month6", arm="treated") == 50
    patterns = {
        "pattern=baseline month6": (1, 1),
        "pattern=baseline": (1, 1),
        "pattern=": (1, 0),
    }
    for context, counts in patterns.items():
        assert tuple(stat(rows, "n_level", context=context, arm=arm) for arm in ("control", "treated")) == counts
    assert set(rows.loc[rows["stat_name"] == "n_level", "context"]) == set(patterns)


def test_limits_of_a_mean_are_those_of_t() -> None:
    """Four values with mean 5: 5 -+ t(0.975, 3) SD / 2, with t(0.975, 3) = 3.182446 (any table)."""
    values = np.array([3.0, np.nan, 7, 3 + 2 - np.sqrt(2), 7 - 2 + np.sqrt(2)])
    scale = values[~np.isnan(values)].std(ddof=1)
    low, high = mean_limits(values, 0.95)
    assert low == pytest.approx(5 - 3.182446 * scale / 2, rel=1e-6)
    assert high == pytest.approx(5 + 3.182446 * scale / 2, rel=1e-6)
    assert np.isnan(mean_limits(np.array([1.0]), 0.95)).all()
