"""A broken value or row of a raw file is asked about by row, counted and left out, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from intake.studies import (
    PEOPLE,
    RAW,
    VISITS,
    Config,
    Raw,
    intake_record,
    make_study,
    received,
    rows_of,
    study_config,
    workbook,
)

Break = Callable[[Config, Raw], None]
Cells = dict[tuple[str, ...], object]
PERSON, VISIT = "people.csv", "visits.csv"


def edit(old: str, new: str, name: str = PERSON, **keys: object) -> Break:
    assert str(RAW[name]).count(old) == 1

    def build(study: Config, raw: Raw) -> None:
        raw[name] = str(RAW[name]).replace(old, new)
        study["files"][0] |= keys

    return build


def more(line: str, name: str = PERSON) -> Break:
    def build(study: Config, raw: Raw) -> None:
        raw[name] = f"{RAW[name]}{line}\n"

    return build


def day_first(last: str) -> Break:
    """Return what writes dates with the day first, and the last one as given."""

    def build(study: Config, raw: Raw) -> None:
        study["files"][0]["date_format"] = "%d/%m/%Y"
        text = PEOPLE.replace("2020-01-13", last)
        raw[PERSON] = (
            text.replace("2020-01-10", "10/01/2020")
            .replace("2020-01-11", "11/01/2020")
            .replace("2020-01-12", "12/01/2020")
        )

    return build


def decimal_commas(study: Config, raw: Raw) -> None:
    study["files"][0] |= {"delimiter": ";", "decimal": ","}
    raw[PERSON] = PEOPLE.replace(",", ";").replace("60.5", "1.060").replace("55.25", "55,25")


def sheet(at: str, value: object, data_type: str = "n") -> Break:
    """Return what puts a workbook in the place of the participants' file, with one cell changed."""

    def change(page: Any) -> None:
        page[at]._value = value
        page[at].data_type = data_type

    def build(study: Config, raw: Raw) -> None:
        del raw[PERSON]
        raw["people.xlsx"] = workbook(rows_of(PEOPLE), change)
        study["files"][0]["path"] = "people.xlsx"

    return build


def other_visits(study: Config, raw: Raw) -> None:
    raw[VISIT] = VISITS.replace("baseline", "T0").replace("month6", "T1")


# What is wrong: how it is made; rule, row, unit, visit and variable of the query; what is checked in (None: missing).
VALUES: dict[str, tuple[Break, tuple[str, int, str, str, str], object]] = {
    "infinite": (edit("60.5", "-inf"), ("not-a-number", 2, "P1", "", "weight"), None),
    "beyond every number": (edit("60.5", "1e999"), ("not-a-number", 2, "P1", "", "weight"), None),
    "beyond every number, xlsx": (sheet("D3", "1E400"), ("not-a-number", 3, "P2", "", "weight"), None),
    "error of a formula, xlsx": (sheet("D3", "#DIV/0!", "e"), ("not-a-number", 3, "P2", "", "weight"), None),
    "NaN": (edit("71", "NaN"), ("not-a-number", 3, "P2", "", "weight"), None),
    "text for a number": (edit("71", "about 70"), ("not-a-number", 3, "P2", "", "weight"), None),
    "thousands": (edit("71", '"1,071"'), ("not-a-number", 3, "P2", "", "weight"), None),
    "thousands by points": (decimal_commas, ("not-a-number", 2, "P1", "", "weight"), None),
    "decimal comma": (edit("60.5", '"60,5"'), ("decimal-comma", 2, "P1", "", "weight"), 60.5),
    "ten digits": (edit("41", "1234567890"), ("out-of-range", 4, "P3", "", "age"), None),
    "too old": (edit("41", "410"), ("out-of-range", 4, "P3", "", "age"), None),
    "fraction": (edit("41", "41.5"), ("not-an-integer", 4, "P3", "", "age"), None),
    "beyond the scale": (edit("3,2,1", "4,2,1", VISIT), ("out-of-range", 3, "P2", "baseline", "mood_1"), None),
    "unknown code": (edit("P4,2", "P4,F"), ("unknown-code", 5, "P4", "", "sex"), None),
    "required": (edit("P4,2", "P4,"), ("missing-required", 5, "P4", "", "sex"), None),
    "serial number": (edit("2020-01-11", "43841"), ("date-serial", 3, "P2", "", "randomised_on"), None),
    "serial number, xlsx": (sheet("E3", 43841), ("date-serial", 3, "P2", "", "randomised_on"), None),
    "30 February": (edit("2020-01-11", "2020-02-30"), ("bad-date", 3, "P2", "", "randomised_on"), None),
    "century": (edit("2020-01-11", "1920-01-11"), ("date-out-of-limits", 3, "P2", "", "randomised_on"), None),
    "month first": (day_first("01/13/2020"), ("bad-date", 5, "P4", "", "randomised_on"), None),
    "year first": (
        day_first("2020-01-13"),
        ("date-format", 5, "P4", "", "randomised_on"),
        pd.Timestamp("2020-01-13"),
    ),
    "before randomisation": (
        edit("2020-07-10", "2019-07-10", VISIT),
        ("visit-before-randomisation", 5, "P1", "month6", "visited_on"),
        None,
    ),
    "before the last visit": (
        edit("2020-01-05", "2020-08-05", VISIT),
        ("visit-order", 5, "P1", "month6", "visited_on"),
        pd.Timestamp("2020-07-10"),
    ),
    "spelling of a unit": (edit("P2,baseline", "p2 ,baseline", VISIT), ("id-spelling", 3, "P2", "", "id"), None),
    "spelling of a visit": (edit("P2,base", "P2,BASE", VISIT), ("code-spelling", 3, "P2", "", "visit"), None),
}
VISITED = {tuple(line[:2]) for line in rows_of(VISITS)[1:]}
# What is wrong: how it is made; rule and row of each query; the cells, or units and visits, that are lost.
ROWS: dict[str, tuple[Break, list[tuple[str, int]], set[tuple[str, ...]]]] = {
    "unknown visit": (edit("P2,baseline", "P2,week2", VISIT), [("unknown-visit", 3)], {("P2", "baseline")}),
    "unknown visits": (other_visits, [("unknown-visit", row) for row in range(2, 8)], VISITED),
    "unknown unit": (edit("P2,baseline", "Q2,baseline", VISIT), [("unknown-unit", 3)], {("P2", "baseline")}),
    "no unit": (edit("P2,baseline", ",baseline", VISIT), [("no-unit", 3)], {("P2", "baseline")}),
    "unit twice": (more("P1,1,25,60.5,2020-01-10"), [("duplicate-row", 6)], set()),
    "unit twice, other age": (more("P1,1,26,60.5,2020-01-10"), [("conflicting-values", 6)], {("P1", "age")}),
    "unit twice, no date": (more("P1,1,25,60.5,"), [], set()),
    "visit twice": (more("P1,baseline,2020-01-05,0,1,2", VISIT), [("duplicate-row", 8)], set()),
    "visit twice, other answer": (
        more("P1,baseline,2020-01-05,0,3,2", VISIT),
        [("conflicting-values", 8)],
        {("P1", "baseline", "mood_2")},
    ),
    "header again": (more("id,sex,age,weight,randomised_on"), [("repeated-header", 6)], set()),
    "empty cells": (more(",,,,"), [], set()),
    "visit without values": (more("P3,month6,,,,", VISIT), [], set()),
}


def cells(participants: pd.DataFrame, visits: pd.DataFrame) -> Cells:
    """Return every checked cell by unit, visit (of the visits) and column; None where it is missing."""
    held: Cells = {}
    for table, keys in ((participants, ["unit"]), (visits, ["unit", "visit"])):
        for row in table.to_dict("records"):
            at = tuple(row.pop(key) for key in keys)
            held |= {(*at, column): None if pd.isna(value) else value for column, value in row.items()}
    return held


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The checked cells of the study whose files are as they should be."""
    participants, visits, queries = received(make_study(tmp_path_factory.mktemp("whole")))
    assert queries.empty
    assert len(participants) == 4
    assert len(visits) == 6
    return cells(participants, visits)


def rows_lost(folder: Path, participants: pd.DataFrame, visits: pd.DataFrame) -> list[int]:
    """Return how many rows of each file are neither checked in nor counted as left out."""
    lost = []
    for file, checked in zip(intake_record(folder)["files"], (len(participants), len(visits)), strict=True):
        path = folder / file["file"]
        received_rows = len(path.read_text().splitlines()) - 1 if path.suffix == ".csv" else 4
        left_out = sum(file["rows_set_aside"].values()) + file["rows_without_any_value"]
        lost.append(received_rows - checked - left_out - file["rows_without_a_value_for_their_visit"])
        assert file["rows_read"] == received_rows
    return lost


@pytest.mark.parametrize("name", VALUES)
def test_a_broken_value_is_asked_about_and_nothing_else_moves(name: str, tmp_path: Path, whole: Cells) -> None:
    build, (rule, row, unit, visit, variable), becomes = VALUES[name]
    study, raw = study_config(), dict(RAW)
    build(study, raw)
    folder = make_study(tmp_path, study, raw)
    participants, visits, queries = received(folder)
    asked = queries[["rule", "row", "unit", "visit", "variable"]].to_numpy().tolist()
    assert asked == [[rule, str(row), unit, visit, variable]]
    assert queries["allowed"].ne("").all()
    found = cells(participants, visits)
    at = (unit, visit, variable) if visit else (unit, variable)
    assert found.keys() == whole.keys()
    assert found.get(at) == becomes
    planted = {("P1", "baseline", "visited_on")} if name == "before the last visit" else set()
    assert {cell for cell in whole if found[cell] != whole[cell]} - {at} == planted
    # A slip in the date of randomisation leaves nobody out.
    assert participants["randomised"].all()
    assert rows_lost(folder, participants, visits) == [0, 0]
    assert intake_record(folder)["queries_by_rule"] == {rule: 1}


@pytest.mark.parametrize("name", ROWS)
def test_broken_rows_are_left_out_and_counted(name: str, tmp_path: Path, whole: Cells) -> None:
    build, asked, lost = ROWS[name]
    study, raw = study_config(), dict(RAW)
    build(study, raw)
    folder = make_study(tmp_path, study, raw)
    participants, visits, queries = received(folder)
    assert list(zip(queries["rule"], queries["row"].astype(int), strict=True)) == asked
    found = cells(participants, visits)
    assert found.keys() <= whole.keys()
    expected = {cell for cell in whole if cell in lost or (len(cell) == 3 and cell[:2] in lost)}
    assert {cell for cell in whole if found.get(cell) != whole[cell]} == expected
    assert participants["randomised"].all()
    assert rows_lost(folder, participants, visits) == [0, 0]


def test_a_row_of_a_wide_file_is_counted_once_and_an_absence_is_not_asked_about(tmp_path: Path) -> None:
    study = study_config()
    study["variables"][4]["required"] = True
    own = [{"variable": name} for name in ("sex", "age", "weight", "randomised_on")]
    dates = [{"variable": "visited_on", "column": f"on_{visit}", "visit": visit} for visit in ("baseline", "month6")]
    moods = [
        {"instrument": "mood", "columns": letter + "{item}", "visit": visit}
        for letter, visit in (("b", "baseline"), ("m", "month6"))
    ]
    study["files"] = [{"name": "wide", "path": "wide.csv", "key": "id", "columns": own + dates, "instruments": moods}]
    first = "P1,1,25,60.5,2020-01-10,2020-01-05,2020-07-10,0,1,2,3,3,3\n"
    raw = (
        f"id,sex,age,weight,randomised_on,on_baseline,on_month6,b1,b2,b3,m1,m2,m3\n{first}"
        f"P2,2,30,71,2020-01-11,2020-01-06,,0,0,0,,,\n{first}{first.replace('3,3,3', '3,3,2')}"
    )
    folder = make_study(tmp_path, study, {"wide.csv": raw})
    participants, visits, queries = received(folder)
    assert queries[["rule", "row", "visit", "variable"]].to_numpy().tolist() == [
        ["duplicate-row", "4", "", ""],
        ["conflicting-values", "5", "month6", "mood_3"],
    ]
    assert participants["unit"].tolist() == ["P1", "P2"]
    seen = list(zip(visits["unit"], visits["visit"], strict=True))
    assert seen == [("P1", "baseline"), ("P1", "month6"), ("P2", "baseline")]
    record = intake_record(folder)["files"][0]
    assert record["rows_read"] == 4
    assert record["rows_set_aside"] == {"duplicate-row": 2}


EVENTS: Config = {
    "name": "events",
    "path": "events.csv",
    "key": "id",
    "required": False,
    "events": {
        "name": "events",
        "unique": ["unit", "event_on"],
        "variables": [
            {"name": "event_on", "label": "Date", "type": "date"},
            {"name": "event_kind", "label": "Kind", "type": "category", "levels": {"1": "Fall", "2": "Other"}},
        ],
    },
    "columns": [{"variable": "event_on"}, {"variable": "event_kind"}],
}


def test_rows_of_an_event_table_are_counted_and_an_optional_file_leaves_nothing_behind(tmp_path: Path) -> None:
    study = study_config()
    study["files"].append(EVENTS)
    raw = "id,event_on,event_kind\nP1,2020-03-01,1\nP1,2020-03-01,1\nP1,2020-03-01,2\nQ7,2020-04-01,1\nP2,soon,2\n"
    folder = make_study(tmp_path, study, {**RAW, "events.csv": raw})
    queries = received(folder)[2]
    assert list(zip(queries["rule"], queries["row"], strict=True)) == [
        ("duplicate-row", "3"),
        ("repeated-key", "4"),
        ("unknown-unit", "5"),
        ("bad-date", "6"),
    ]
    checked = folder / "data" / "derived" / "checked" / "events_events.parquet"
    events = pd.read_parquet(checked)
    assert events["event_on"].isna().tolist() == [False, False, True]
    record = intake_record(folder)["files"][2]
    assert record["rows_read"] == len(events) + sum(record["rows_set_aside"].values()) == 5
    (folder / "data" / "raw" / "events.csv").unlink()
    received(folder)
    assert not checked.exists()


def test_two_files_that_give_one_value_must_agree(tmp_path: Path) -> None:
    study = study_config()
    moods = [{"instrument": "mood", "columns": "m{item}"}]
    study["files"].append({"name": "late", "path": "late.csv", "key": "id", "visit": "month6", "instruments": moods})
    late = "id,m1,m2,m3\nP1,0,,0\nP2,1,1,3\nP3,2,2,2\n"
    _, visits, queries = received(make_study(tmp_path, study, {**RAW, "late.csv": late}))
    asked = queries[["rule", "file", "row", "unit", "visit", "variable"]].to_numpy().tolist()
    assert asked == [["conflicting-values", "data/raw/late.csv", "3", "P2", "month6", "mood_2"]]
    table = visits.set_index(["unit", "visit"])[["mood_1", "mood_2", "mood_3"]]
    assert table.loc[("P1", "month6")].tolist() == [0, 0, 0]
    assert table.loc[("P2", "month6"), ["mood_1", "mood_3"]].tolist() == [1, 3]
    assert pd.isna(table.loc[("P2", "month6"), "mood_2"])
    assert table.loc[("P3", "month6")].tolist() == [2, 2, 2]


def test_a_unit_has_one_spelling_in_two_files_that_define_units(tmp_path: Path) -> None:
    study = study_config()
    first, visits = study["files"]
    second = first | {"name": "dates", "path": "dates.csv", "columns": first["columns"][2:]}
    study["files"] = [first | {"columns": first["columns"][:2]}, second, visits]
    table = rows_of(PEOPLE)
    ages = "".join(",".join(row[:3]) + "\n" for row in table)
    dates = "".join(",".join([row[0], *row[3:]]) + "\n" for row in table).replace("P2", "p2")
    folder = make_study(tmp_path, study, {**RAW, "people.csv": ages, "dates.csv": dates})
    participants, _, queries = received(folder)
    assert participants["unit"].tolist() == ["P1", "P2", "P3", "P4"]
    assert queries[["rule", "file", "row"]].to_numpy().tolist() == [["id-spelling", "data/raw/dates.csv", "3"]]
