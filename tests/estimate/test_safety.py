"""Adherence and harms: published intervals, exact ones by algebra, counts by hand, and what a masked study may read."""

from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.errors import DataError
from pipanalysis.estimate.safety import exact_interval, newcombe_interval
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.files import write_parquet
from pipanalysis.study.study import StudyConfig

CONTRAST = "treated - control"
HARMS = {
    "method": "harms",
    "events": {"table": "events", "category": "kind", "flags": ["serious"], "date": "happened"},
}
ADHERENCE = {"method": "adherence"}
VARIABLES = [
    {"name": "happened", "label": "Date", "type": "date"},
    {"name": "kind", "label": "Kind", "type": "category", "levels": {"1": "Fall", "2": "Fever", "3": "Faint"}},
    {"name": "serious", "label": "Serious", "type": "category", "levels": {"0": "No", "1": "Yes"}},
]


def trial(folder: Path, *analyses: dict[str, Any], blinding: str = "open", closed: bool = False) -> TrialData:
    """Four control and five treated units (u0 to u3, u4 to u8), of whom u8 is not in the analysis set."""
    made = trials.study(
        list(analyses),
        visits={"baseline": 0, "month6": 6},
        variables=[{"name": "start", "label": "Randomised", "type": "date", "role": "randomisation_date"}],
        folder=folder,
    )
    said = made.config.model_dump(mode="json")
    said["study"]["blinding"] = blinding
    said["files"] += [
        {
            "name": name,
            "path": f"{name}.csv",
            "key": "id",
            "closed": shut,
            "events": {"name": name, "variables": variables},
            "columns": [{"variable": variable["name"]} for variable in variables],
        }
        for name, variables, shut in (
            ("events", VARIABLES, closed),
            ("visits_paid", [{"name": "came", "label": "Came", "type": "integer", "closed": True}], True),
        )
    ]
    said["sessions"] = {"table": "visits_paid", "attended": "came", "arm": "treated"}
    plan = made.plan.model_dump(mode="json")
    plan["analysis_sets"] = [
        {"name": "all_randomised", "label": "All"},
        {"name": "per_protocol", "label": "Per protocol", "min_sessions": 2},
        {"name": "other", "label": "Other"},
    ]
    study = replace(made, config=StudyConfig.model_validate(said), plan=type(made.plan).model_validate(plan))
    people = pd.DataFrame({"unit": [f"u{i}" for i in range(9)], "arm": ["control"] * 4 + ["treated"] * 5})
    people = people.assign(
        start=pd.Timestamp("2020-01-10"),
        in_all_randomised=people["unit"] != "u8",
        in_per_protocol=False,
        in_other=True,
    )
    return trials.trial(study, people, pd.DataFrame(columns=["unit", "visit", "value"]))


def events(trial: TrialData, *, closed: bool = False) -> None:
    """u0 falls twice and has a fever; u4 falls; u5 has a serious event of unknown kind; u1's came before the trial."""
    table = pd.DataFrame(
        [
            ("u0", "2020-02-01", "1", "0"),
            ("u0", "2020-03-01", "1", "1"),
            ("u0", "2020-03-02", "2", "0"),
            ("u4", None, "1", "0"),
            ("u5", "2020-02-01", None, "1"),
            ("u1", "2020-01-09", "1", "1"),
            ("u8", "2020-02-01", "1", "1"),
        ],
        columns=["unit", "happened", "kind", "serious"],
    )
    table = table.astype({"unit": "str", "kind": "str", "serious": "str"})
    table["happened"] = pd.to_datetime(table["happened"])
    layout = trial.study.layout
    write_parquet(layout.closed_events("events") if closed else layout.checked_events("events"), table)


def sessions(trial: TrialData) -> None:
    """u4 is offered 3 and attends 3, u5 2 and 1, u6 1 of which nothing is recorded, u7 none; u0 is not to have any."""
    rows = [("u4", 1.0)] * 3 + [("u5", 1.0), ("u5", 0.0), ("u6", np.nan), ("u0", 1.0), ("u8", 1.0)]
    write_parquet(trial.study.layout.closed_events("visits_paid"), pd.DataFrame(rows, columns=["unit", "came"]))


@pytest.mark.parametrize(
    ("x", "n", "x0", "n0", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_newcombe_as_published(x: int, n: int, x0: int, n0: int, low: float, high: float) -> None:
    """Newcombe 1998, table II, method 10."""
    assert newcombe_interval(x, n, x0, n0, 0.95) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_exact_limits_leave_half_of_alpha_in_each_tail(case: tuple[int, int], level: float) -> None:
    """Definition of Clopper and Pearson: at the lower limit P(X >= x) is alpha / 2, at the upper P(X <= x)."""
    x, n = case
    low, high = exact_interval(x, n, level)

    def mass(p: float, counts: range) -> float:
        return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts)

    if x > 0:
        assert mass(low, range(x, n + 1)) == pytest.approx((1 - level) / 2, rel=1e-8)
    else:
        assert low == 0
    if x < n:
        assert mass(high, range(x + 1)) == pytest.approx((1 - level) / 2, rel=1e-8)
    else:
        assert high == 1


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_difference_turns_its_sign_with_the_arms(n: int, n0: int, data: st.DataObject) -> None:
    x, x0 = data.draw(st.integers(0, n)), data.draw(st.integers(0, n0))
    low, high = newcombe_interval(x, n, x0, n0, 0.95)
    assert newcombe_interval(x0, n0, x, n, 0.95) == pytest.approx((-high, -low), abs=1e-12)
    assert -1 <= low <= x / n - x0 / n0 <= high <= 1


def test_events_counted_by_hand(tmp_path: Path) -> None:
    data = trial(tmp_path, HARMS)
    events(data)
    results = family_results(data, "safety")

    def counts(arm: str, context: str) -> tuple[float, ...]:
        names = ("n_set", "n_affected", "n_events", "event_rate", "proportion")
        return tuple(stat(results, name, arm=arm, context=context) for name in names)

    assert counts("control", "") == (4, 1, 3, 0.75, 0.25)
    assert counts("treated", "") == (4, 2, 2, 0.5, 0.5)
    assert counts("control", "flag=serious") == (4, 1, 1, 0.25, 0.25)
    assert counts("treated", "flag=serious") == (4, 1, 1, 0.25, 0.25)
    assert counts("control", "level=Fall") == (4, 1, 2, 0.5, 0.25)
    assert counts("treated", "level=Fall") == (4, 1, 1, 0.25, 0.25)
    assert counts("control", "level=Faint") == (4, 0, 0, 0, 0)
    assert stat(results, "risk_difference", contrast=CONTRAST, context="") == 0.25
    assert stat(results, "conf_low", contrast=CONTRAST, context="") == newcombe_interval(2, 4, 1, 4, 0.95)[0]
    warning = row(results, "n_set", arm="control", context="")["warning"]
    assert "not counted, dated before randomisation: 1 event" in warning
    assert "kind is not known in 1 row" in warning
    assert not set(results["stat_name"]) & {"p_value", "statistic"}


def test_the_order_of_the_events_does_not_matter(tmp_path: Path) -> None:
    data = trial(tmp_path, HARMS)
    events(data)
    before = family_results(data, "safety")
    path = data.study.layout.checked_events("events")
    write_parquet(path, pd.read_parquet(path).iloc[::-1])
    pd.testing.assert_frame_equal(family_results(data, "safety"), before)


def test_adherence_counted_by_hand(tmp_path: Path) -> None:
    data = trial(tmp_path, ADHERENCE)
    sessions(data)
    results = family_results(data, "safety")
    assert set(results["arm"]) == {"treated"}

    def of(name: str, context: str) -> float:
        return stat(results, name, context=context)

    offered, attended = "sessions=offered", "sessions=attended"
    assert [of(name, offered) for name in ("n", "mean", "median", "min", "max")] == [4, 1.5, 1.5, 0, 3]
    assert of("sd", offered) == pytest.approx(np.sqrt(5 / 3))
    assert [of(name, attended) for name in ("n", "mean", "median", "q3", "max")] == [4, 1, 0.5, 1.5, 3]
    assert (of("n_level", "at_least=2"), of("proportion", "at_least=2")) == (1, 0.25)
    assert of("conf_low", "at_least=2") == pytest.approx(1 - 0.975**0.25)
    said = row(results, "n_set")["warning"]
    assert "not counted: 1 session of 1 participant of other arms" in said
    assert "counted as not attended: 1 session without" in said


@pytest.mark.parametrize("closed", [False, True])
def test_a_masked_study_reads_no_closed_table(tmp_path: Path, closed: bool) -> None:
    data = trial(tmp_path, HARMS, ADHERENCE, blinding="masked", closed=closed)
    events(data, closed=closed)
    shut = data.study.layout.closed_events("visits_paid")
    shut.parent.mkdir(parents=True, exist_ok=True)
    shut.write_bytes(b"opened")
    if closed:
        data.study.layout.closed_events("events").write_bytes(b"opened")
    results = family_results(data, "safety")
    adherence = results[results["analysis"] == "adherence"]
    harms = results[results["analysis"] == "harms"]
    for rows, what in ((adherence, "sessions"), (harms, "events")) if closed else ((adherence, "sessions"),):
        assert rows["stat"].isna().all()
        assert set(rows["warning"]) == {f"not read while the allocation is masked: the {what} may reveal the arm"}
    assert harms["stat"].notna().any() == (not closed)


def test_no_unit_in_an_arm_is_said(tmp_path: Path) -> None:
    data = trial(tmp_path, HARMS)
    events(data)
    kept = data.participants[data.participants["arm"] == "control"].reset_index(drop=True)
    results = family_results(replace(data, participants=kept), "safety")
    assert row(results, "proportion", arm="treated", context="")["error"] == "nobody of the analysis set is in the arm"
    difference = row(results, "risk_difference", context="")
    assert np.isnan(difference["stat"])
    assert difference["error"]


def test_a_missing_event_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"events_events\.parquet"):
        family_results(trial(tmp_path, HARMS), "safety")


SERVICES = {"method": "service_use", "events": {"table": "events", "category": "kind", "date": "happened"}}


def test_contacts_per_unit_by_hand(tmp_path: Path) -> None:
    """Control: 3, 0, 0, 0; treated: 1, 1, 0, 0 (u8 is out, u1's was too early).

    Variances 9/4 and 1/3, so Welch's standard error is root(9/16 + 1/12) = root(31/48) with
    (31/48)² / ((9/16)²/3 + (1/12)²/3) degrees of freedom.
    """
    made = trial(tmp_path, SERVICES)
    events(made)
    results = family_results(made, "safety")
    where = {"context": "per_unit", "arm": "control"}
    assert (stat(results, "mean", **where), stat(results, "max", **where), stat(results, "n", **where)) == (0.75, 3, 4)
    assert stat(results, "mean", context="per_unit level=Fall", arm="control") == 0.5
    between = {"context": "per_unit", "contrast": CONTRAST}
    df = (31 / 48) ** 2 / ((9 / 16) ** 2 / 3 + (1 / 12) ** 2 / 3)
    half = t.ppf(0.975, df) * np.sqrt(31 / 48)
    assert stat(results, "estimate", **between) == -0.25
    assert stat(results, "conf_low", **between) == pytest.approx(-0.25 - half)
    assert stat(results, "conf_high", **between) == pytest.approx(-0.25 + half)
    assert stat(results, "n_affected", context="", arm="treated") == 2
    assert stat(results, "proportion", context="", arm="treated") == 0.5
    nobody = row(results, "conf_low", context="per_unit level=Faint", contrast=CONTRAST)
    assert np.isnan(nobody["stat"])
    assert nobody["error"] == "the number is the same within each arm"


def test_masked_contacts_of_a_closed_table_are_not_read(tmp_path: Path) -> None:
    made = trial(tmp_path, SERVICES, blinding="masked", closed=True)
    results = family_results(made, "safety")
    assert results["stat"].isna().all()
    assert set(results["warning"]) == {"not read while the allocation is masked: the contacts may reveal the arm"}
