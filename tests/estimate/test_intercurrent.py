"""What the strategies of an estimand make of the values, against algebra and against the second program."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimate import trials
from pipanalysis.estimate.intercurrent import DONE, Affected, governing, handled_values, handling_notes, value_sources
from pipanalysis.estimate.step import family_results
from pipanalysis.second_program.design import Wanted, after_events
from pipanalysis.study.terms import Terms

NAN = np.nan
VISITS = ("baseline", "month3", "month6", "month12")
T = len(VISITS)
VALUES = np.array([[1.0, 2, 3, 4], [5, NAN, 7, 8], [9, NAN, NAN, NAN]])


def handled(values: np.ndarray, *affected: Affected, worst: float = 0.0) -> np.ndarray:
    return handled_values(values, value_sources(np.isfinite(values), affected), NAN, worst)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("hypothetical", [[1, 2, NAN, NAN], [5, NAN, NAN, NAN], [9, NAN, NAN, NAN]]),
        ("composite", [[1, 2, -1, -1], [5, NAN, -1, -1], [9, NAN, NAN, NAN]]),
        ("while_on_treatment", [[1, 2, 2, 2], [5, NAN, 5, 5], [9, NAN, NAN, NAN]]),
    ],
)
def test_by_hand(strategy: str, expected: list[list[float]]) -> None:
    event = Affected("Stopping", strategy, np.array([2, 2, T]))
    np.testing.assert_array_equal(handled(VALUES, event, worst=-1), expected)


def test_the_first_event_of_a_unit_counts_and_of_two_at_once_the_one_that_stands_first() -> None:
    death = Affected("Death", "composite", np.array([3, 2, T]))
    stopping = Affected("Stopping", "hypothetical", np.array([2, 2, T]))
    expected = [[1, 2, NAN, NAN], [5, NAN, 0, 0], [9, NAN, NAN, NAN]]
    np.testing.assert_array_equal(handled(VALUES, death, stopping), expected)


def test_levels_of_a_category_are_left_out_or_carried() -> None:
    levels = np.array([["A", "B", None, "C"]], dtype=object)
    source = value_sources(pd.notna(levels), [Affected("Stopping", "while_on_treatment", np.array([2]))])
    assert handled_values(levels, source, None, None).tolist() == [["A", "B", "B", "B"]]


def test_counts_are_of_observed_values_that_are_compared_and_of_all_that_a_composite_sets() -> None:
    arm = np.array(["control", "treated", "treated"], dtype=object)
    terms = Terms("dyad", {"control": "Usual care", "treated": "Therapy"})
    compared = np.ones(VALUES.shape, dtype=bool)
    compared[:, 0] = False
    compared[0, 3] = False
    seen = np.isfinite(VALUES)
    event = Affected("Stopping", "hypothetical", np.array([2, 1, 1]))
    assert handling_notes([event], seen, compared, arm, terms) == [
        "Stopping: 3 values after it left out (1 of Usual care, 2 of Therapy)"
    ]
    composite = Affected("Death", "composite", event.first)
    assert handling_notes([composite], seen, compared, arm, terms) == [
        "Death: 7 values after it set to the worst value of the score (1 of Usual care, 6 of Therapy)"
    ]
    unread = Affected("Stopping", "hypothetical", np.array([T, T, T]), read=False)
    assert "not read while the allocation is masked" in handling_notes([unread], seen, compared, arm, terms)[0]
    assert handling_notes([], seen, compared, arm, terms) == []


@st.composite
def data(draw: st.DrawFn) -> tuple[np.ndarray, list[Affected]]:
    n = draw(st.integers(1, 6))
    numbers = st.one_of(st.just(NAN), st.floats(-9, 9))
    values = np.array(draw(st.lists(st.lists(numbers, min_size=T, max_size=T), min_size=n, max_size=n)))
    strategies = draw(st.lists(st.sampled_from(sorted(DONE)), min_size=1, max_size=3))
    first = st.lists(st.integers(1, T), min_size=n, max_size=n)
    return values, [Affected(f"Event {k}", name, np.array(draw(first))) for k, name in enumerate(strategies)]


@given(data())
def test_values_before_a_unit_s_first_event_stay_and_those_after_it_are_as_its_strategy_says(
    made: tuple[np.ndarray, list[Affected]],
) -> None:
    values, affected = made
    found, event = handled(values, *affected, worst=-99), governing(affected, T)
    np.testing.assert_array_equal(found[event < 0], values[event < 0])
    for i, row in enumerate(event):
        assert all(a <= b for a, b in zip(row >= 0, row[1:] >= 0, strict=False))  # once after, always after
        for j in np.flatnonzero(row >= 0):
            strategy = affected[row[j]].strategy
            before = values[i, : np.flatnonzero(row >= 0)[0]]
            seen = before[np.isfinite(before)]
            last = seen[-1] if seen.size else NAN
            wanted = {"hypothetical": NAN, "composite": -99, "while_on_treatment": last}[strategy]
            np.testing.assert_array_equal(found[i, j], wanted)


@given(data())
def test_the_second_program_agrees(made: tuple[np.ndarray, list[Affected]]) -> None:
    values, affected = made
    units = [f"u{i}" for i in range(len(values))]
    columns = {f"after_{k}": [[*VISITS, None][j] for j in one.first] for k, one in enumerate(affected)}
    people = pd.DataFrame({"unit": units} | columns)
    own = pd.DataFrame([(u, v, values[i, j]) for i, u in enumerate(units) for j, v in enumerate(VISITS)])
    own = own.set_axis(["unit", "visit", "value"], axis=1).assign(level=None)
    wanted = Wanted(
        "s",
        "",
        "",
        VISITS,
        ("a", "b"),
        "all",
        {},
        schedule=VISITS,
        worst=-99.0,
        events=[(f"after_{k}", one.strategy) for k, one in enumerate(affected)],
    )
    rows = after_events(people, own, wanted).dropna(subset="value")
    again = np.full(values.shape, NAN)
    for unit, visit, value in rows[["unit", "visit", "value"]].itertuples(index=False):
        again[units.index(unit), VISITS.index(visit)] = value
    np.testing.assert_array_equal(again, handled(values, *affected, worst=-99))


PEOPLE = 60
EVENT = {"name": "stop", "label": "Stopping", "when": {"date": "stopped_on"}}
STOPPED = {"name": "stopped_on", "label": "Stopped", "type": "date", "measured": "after_randomisation"}


def trial_under(strategy: str, method: str = "ancova") -> tuple[Any, pd.DataFrame]:
    """A trial in which every third unit has the event before the visit at 6 months, and its rows."""
    draw = np.random.default_rng(7)
    estimand = {
        "name": "e",
        "label": "E",
        "population": "P",
        "treatments": "T",
        "variable": "V",
        "summary": "S",
        "intercurrent_events": [{"event": "stop", "strategy": strategy}],
    }
    configuration = trials.study(
        [
            {"method": method, "estimand": "e", "standard_error": "model"}
            if method == "ancova"
            else {"method": method, "estimand": "e"}
        ],
        visits={"baseline": 0, "month6": 6},
        variables=[STOPPED],
        better="lower",
        score_range=(0, 40),
        plan={"intercurrent_events": [EVENT], "estimands": [estimand]},
    )
    units = [f"u{i:02d}" for i in range(PEOPLE)]
    arm = np.array(["control", "treated"])[np.arange(PEOPLE) % 2]
    people = pd.DataFrame(
        {"unit": units, "arm": arm, "after_stop": ["month6" if i % 3 == 0 else None for i in range(PEOPLE)]}
    )
    before = draw.normal(20, 5, PEOPLE)
    now = 10 + 0.5 * before - 3 * (arm == "treated") + draw.normal(0, 4, PEOPLE)
    wide = people.assign(before=before, now=now)
    long = pd.concat(
        [
            pd.DataFrame({"unit": units, "visit": visit, "value": wide[name]})
            for visit, name in (("baseline", "before"), ("month6", "now"))
        ]
    )
    return trials.trial(configuration, people, long), wide


@pytest.mark.parametrize("strategy", ["treatment_policy", *sorted(DONE)])
def test_an_analysis_uses_the_values_of_its_estimand(strategy: str) -> None:
    """The difference is that of least squares on rows handled by hand."""
    trial, wide = trial_under(strategy)
    stopped = wide["after_stop"].notna()
    changed = {
        "treatment_policy": wide["now"],
        "hypothetical": wide["now"].where(~stopped),
        "composite": wide["now"].where(~stopped, 40.0),
        "while_on_treatment": wide["now"].where(~stopped, wide["before"]),
    }[strategy]
    rows = wide.assign(now=changed).dropna(subset="now")
    X = np.column_stack([np.ones(len(rows)), rows["arm"] == "treated", rows["before"]])
    expected = np.linalg.lstsq(X, rows["now"], rcond=None)[0][1]
    results = family_results(trial, "ancova")
    assert trials.effects(results).loc["month6", "estimate"] == pytest.approx(expected, rel=1e-10)
    said_there = " ".join(results["warning"].unique())
    assert ("Stopping: 20 values after it" in said_there) == (strategy != "treatment_policy")
