"""Data queries over time: nothing raised or answered is ever lost; answers, ages, and what changed since last time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.errors import DataError
from pipanalysis.progress.answers import ANSWERS, Answer, latest, read_answers
from pipanalysis.progress.query_log import OPEN, STATES, open_queries, query_log
from pipanalysis.progress.snapshot import Snapshot, before, changed_files, changes, read_history, record
from progress import trials

DAY = dt.date(2020, 6, 1)
IDS = [f"q{i:03d}" for i in range(6)]


def frame(ids: list[str]) -> pd.DataFrame:
    rows = [{**trials.query(int(key[1:]), unit="D1"), "query_id": key, "group": "north"} for key in ids]
    return pd.DataFrame(rows, columns=[*trials.QUERY, "group"]).astype("str")


def snapshot(day: dt.date, ids: list[str]) -> Snapshot:
    return Snapshot(day, {}, {}, [{str(k): str(v) for k, v in row.items()} for row in frame(ids).to_dict("records")])


def states(log: pd.DataFrame) -> dict[str, str]:
    return dict(zip(log["query_id"], log["state"], strict=True))


ids = st.lists(st.sampled_from(IDS), unique=True)
answer = st.builds(
    Answer,
    row=st.integers(2, 50),
    query_id=st.sampled_from([*IDS, "unheard-of"]),
    answer=st.sampled_from(list(ANSWERS)),
    by=st.sampled_from(["", "AB"]),
    on=st.none() | st.dates(dt.date(2020, 1, 1), DAY),
)


@given(today=ids, runs=st.lists(ids, max_size=4), answers=st.lists(answer, max_size=6))
def test_no_query_and_no_answer_is_ever_lost(today: list[str], runs: list[list[str]], answers: list[Answer]) -> None:
    history = [snapshot(dt.date(2020, 1, 1) + dt.timedelta(days=7 * i), run) for i, run in enumerate(runs)]
    log = query_log(frame(today), history, answers, DAY)
    ever = {*today, *(key for run in runs for key in run), *(a.query_id for a in answers)}
    assert set(log["query_id"]) == ever
    assert log["query_id"].is_unique
    assert set(log["state"]) <= set(STATES)
    for row in log.to_dict("records"):
        key, given_ = row["query_id"], [a for a in answers if a.query_id == row["query_id"]]
        if given_:
            # The latest by date holds; of the same date, or of none, the lowest in the file.
            best = max(given_, key=lambda a: (a.on or dt.date.min, a.row))
            assert row["answer"] in {a.answer for a in given_ if (a.on, a.row) == (best.on, best.row)}
        days = [s.as_of for s in history if any(q["query_id"] == key for q in s.queries)]
        if days or key in today:
            first = min([*days, DAY])
            assert row["first_seen"] == first.isoformat()
            assert row["age_days"] == (DAY - first).days
        if key in today and not given_:
            assert row["state"] == "open"
        if key not in today and days:
            assert row["state"] == "resolved"
    if history:
        last = {q["query_id"] for q in history[-1].queries}
        since = dict(zip(log["query_id"], log["since_last"], strict=True))
        assert {k for k, v in since.items() if v == "new"} == set(today) - last
        assert {k for k, v in since.items() if v == "still"} == set(today) & last
        assert {k for k, v in since.items() if v == "resolved"} == last - set(today)


def test_what_an_answer_does() -> None:
    answers = [
        Answer(2, "q000", "confirmed"),
        Answer(3, "q001", "corrected"),
        Answer(4, "q002", "cannot_resolve"),
        Answer(5, "q003", "corrected"),
        Answer(6, "nobody", "confirmed"),
    ]
    log = query_log(frame(["q000", "q001", "q002", "q004"]), [snapshot(dt.date(2020, 5, 1), ["q003"])], answers, DAY)
    assert states(log) == {
        "q000": "confirmed",
        "q001": "still_there",
        "q002": "cannot_resolve",
        "q003": "resolved",
        "q004": "open",
        "nobody": "not_known",
    }
    assert set(open_queries(log)["query_id"]) == {"q001", "q004"}
    assert set(OPEN) == {"open", "still_there"}


def test_an_answer_of_tomorrow_does_not_count_today() -> None:
    late = [Answer(2, "q000", "confirmed", on=DAY + dt.timedelta(days=1))]
    assert states(query_log(frame(["q000"]), [], late, DAY)) == {"q000": "open"}
    assert latest(late, DAY + dt.timedelta(days=1))["q000"].answer == "confirmed"


def test_answers_are_read_as_managers_write_them(tmp_path: Path) -> None:
    path = tmp_path / "query_answers.csv"
    rows = ["\ufeffQuery_ID,Answer,By,Date,Note", 'q000,Confirmed,AB,2020-05-01,"checked, by phone"', ",,,,"]
    path.write_text("\n".join([*rows, "q001,cannot resolve", ""]), encoding="utf-8")
    assert read_answers(path) == [
        Answer(2, "q000", "confirmed", "AB", dt.date(2020, 5, 1), "checked, by phone"),
        Answer(4, "q001", "cannot_resolve"),
    ]
    assert read_answers(tmp_path / "none.csv") == []


def test_every_row_that_cannot_be_understood_is_named(tmp_path: Path) -> None:
    path = tmp_path / "query_answers.csv"
    path.write_text("query_id,answer,date\nq000,maybe,\n,confirmed,\nq001,confirmed,1/5/2020\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_answers(path)
    places = [problem.where for problem in caught.value.problems]
    assert places == [f"data/raw/query_answers.csv row {row}" for row in (2, 3, 4)]
    assert "one of: confirmed, corrected, cannot_resolve" in str(caught.value)


@pytest.mark.parametrize("content", ["", "id,answer\nq1,confirmed\n", 'query_id,answer\n"q1,confirmed\n'])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "query_answers.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        read_answers(path)


def test_history_is_added_to_and_never_written_over_from_the_past(tmp_path: Path) -> None:
    first, second = snapshot(dt.date(2020, 1, 1), ["q000"]), snapshot(dt.date(2020, 2, 1), ["q001"])
    assert record(tmp_path, first, [])
    assert record(tmp_path, second, read_history(tmp_path))
    assert read_history(tmp_path) == [first, second]
    # Looking back writes nothing; the latest day's own page may be made again.
    assert not record(tmp_path, snapshot(dt.date(2020, 1, 15), ["q002"]), read_history(tmp_path))
    assert record(tmp_path, second, read_history(tmp_path))
    assert read_history(tmp_path) == [first, second]
    assert before(read_history(tmp_path), dt.date(2020, 2, 1)) == [first]


def test_a_damaged_history_stops_rather_than_being_forgotten(tmp_path: Path) -> None:
    record(tmp_path, snapshot(dt.date(2020, 1, 1), []), [])
    (tmp_path / "2020-02-01.json").write_text("{", encoding="utf-8")
    (tmp_path / "notes.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_history(tmp_path)
    assert len(caught.value.problems) == 2


def test_what_changed() -> None:
    last = Snapshot(dt.date(2020, 1, 1), {"Screened": 4, "Gone": 1}, {"a.csv": "1", "b.csv": "2", "d.csv": "5"}, [])
    now = Snapshot(DAY, {"Screened": 7, "New": 2}, {"a.csv": "1", "b.csv": "3", "c.csv": "4"}, [])
    assert [(c.what, c.before, c.now) for c in changes(now, last)] == [("Screened", 4, 7)]
    assert changed_files(now, last) == ["b.csv", "c.csv", "d.csv"]
    assert changes(now, None) == changed_files(now, None) == []


def test_what_changed_at_a_site() -> None:
    last = Snapshot(dt.date(2020, 1, 1), {"Screened": 4}, {}, [], {"north": {"Screened": 1}})
    now = Snapshot(DAY, {"Screened": 7}, {}, [], {"north": {"Screened": 3}, "south": {"Screened": 4}})
    assert [(c.before, c.now) for c in changes(now, last, "north")] == [(1, 3)]
    assert changes(now, last, "south") == [], "not on record then: no change is claimed"


def test_a_record_from_before_sites_were_kept_is_read(tmp_path: Path) -> None:
    old = '{"as_of": "2020-01-01", "counts": {"Screened": 2}, "files": {}, "queries": []}'
    (tmp_path / "2020-01-01.json").write_text(old, encoding="utf-8")
    assert read_history(tmp_path) == [Snapshot(dt.date(2020, 1, 1), {"Screened": 2}, {}, [])]
