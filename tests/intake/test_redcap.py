"""REDCap exports, long and wide, give the tables that plain files do; a dictionary that disagrees is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from intake.studies import PEOPLE, VISITS, Config, make_study, received, rows_of, study_config
from pipanalysis.errors import DataError
from pipanalysis.intake.step import intake
from pipanalysis.study.load import load_study

OWN = ["sex", "age", "weight", "randomised_on"]
SEEN = ["visited_on", "mood1", "mood2", "mood3"]
EVENTS = {"baseline": "baseline_arm_1", "month6": "month_6_arm_1"}
# As REDCap writes the header of a data dictionary.
HEADER = [
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
]
MOODS = "0, Never | 1, Sometimes | 2, Often | 3, Always"
FIELDS: dict[str, dict[str, str]] = {
    "record_id": {"Field Type": "text"},
    "sex": {"Field Type": "radio", HEADER[5]: "1, Female | 2, Male, or other"},
    "age": {"Field Type": "text", HEADER[7]: "integer", HEADER[8]: "16", HEADER[9]: "50"},
    "weight": {"Field Type": "text", HEADER[7]: "number", HEADER[8]: "30.0", HEADER[9]: "2000"},
    "randomised_on": {"Field Type": "text", HEADER[7]: "date_ymd"},
    "visited_on": {"Field Type": "text", HEADER[7]: "date_ymd"},
    **{f"mood{item}": {"Field Type": "radio", HEADER[5]: MOODS} for item in (1, 2, 3)},
    "mood_total": {"Field Type": "calc", HEADER[5]: "sum([mood1], [mood2], [mood3])"},
}


def written(rows: list[list[str]]) -> str:
    held = io.StringIO()
    csv.writer(held).writerows(rows)
    return held.getvalue()


def dictionary(**changes: dict[str, str] | None) -> str:
    """Return a data dictionary with some fields changed, added or (None) left out."""
    fields = {name: FIELDS.get(name, {}) | (changes.get(name) or {}) for name in {**FIELDS, **changes}}
    rows = [
        [{"Variable / Field Name": name, "Form Name": "one", **field}.get(column, "") for column in HEADER]
        for name, field in fields.items()
        if changes.get(name, {}) is not None
    ]
    return written([HEADER, *rows])


def long_export() -> str:
    """Return what REDCap exports: participants' values in the rows of the first event only."""
    people = {row[0]: row[1:] for row in rows_of(PEOPLE)[1:]}
    visits = {(row[0], row[1]): row[2:] for row in rows_of(VISITS)[1:]}
    rows = [["record_id", "redcap_event_name", *OWN, *SEEN, "mood_complete"]]
    for unit, own in people.items():
        for visit, event in EVENTS.items():
            if visit == "baseline" or (unit, visit) in visits:
                shown = own if visit == "baseline" else [""] * len(own)
                rows.append([unit, event, *shown, *visits.get((unit, visit), [""] * 4), "2"])
    return written(rows)


def wide_export() -> str:
    visits = {(row[0], row[1]): row[2:] for row in rows_of(VISITS)[1:]}
    rows = [["record_id", *OWN, *(f"{name}_{visit}" for visit in EVENTS for name in SEEN)]]
    for unit, *own in rows_of(PEOPLE)[1:]:
        rows.append([unit, *own, *(cell for visit in EVENTS for cell in visits.get((unit, visit), [""] * 4))])
    return written(rows)


def redcap(**keys: Any) -> Config:
    """Return the configuration of a study with one export and its dictionary."""
    study = study_config()
    study["variables"][4]["required"] = True
    file = {"name": "export", "path": "export.csv", "key": "record_id", "redcap_dictionary": "dictionary.csv"}
    study["files"] = [file | keys]
    return study


def long_study() -> Config:
    return redcap(
        visit_column="redcap_event_name",
        visit_codes={event: visit for visit, event in EVENTS.items()},
        columns=[{"variable": name} for name in [*OWN, "visited_on"]],
        instruments=[{"instrument": "mood", "columns": "mood{item}"}],
        ignore=["mood_complete"],
    )


def wide_study() -> Config:
    seen = [{"variable": "visited_on", "column": f"visited_on_{visit}", "visit": visit} for visit in EVENTS]
    return redcap(
        columns=[*({"variable": name} for name in OWN), *seen],
        instruments=[{"instrument": "mood", "columns": f"mood{{item}}_{v}", "visit": v} for v in EVENTS],
    )


def wide_fields() -> dict[str, dict[str, str]]:
    return {f"{name}_{visit}": FIELDS[name] for visit in EVENTS for name in SEEN}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    participants, visits, queries = received(make_study(tmp_path_factory.mktemp("plain")))
    assert queries.empty
    return participants, visits


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_an_export_and_its_dictionary(shape: str, tmp_path: Path, plain: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    study = long_study() if shape == "long" else wide_study()
    export = long_export() if shape == "long" else wide_export()
    fields = dictionary() if shape == "long" else dictionary(**wide_fields())
    raw = {"export.csv": export, "dictionary.csv": fields.encode("utf-8-sig")}
    participants, visits, queries = received(make_study(tmp_path, study, raw))
    # Nobody is asked for a date of a visit that was not made, nor again for what an earlier event holds.
    assert queries.empty
    pd.testing.assert_frame_equal(participants, plain[0])
    pd.testing.assert_frame_equal(visits, plain[1])


def problems_of(folder: Path, study: Config, fields: str | bytes | None) -> list[str]:
    raw: dict[str, str | bytes] = {"export.csv": long_export()}
    if fields is not None:
        raw["dictionary.csv"] = fields
    loaded = load_study(make_study(folder, study, raw))
    with pytest.raises(DataError) as caught:
        intake(loaded)
    assert not loaded.layout.checked_visits.exists()
    return [str(problem) for problem in caught.value.problems]


WRONG: dict[str, tuple[dict[str, dict[str, str] | None], str, tuple[str, ...]]] = {
    "no field": ({"weight": None}, "weight", ("not in the dictionary", "every declared column")),
    "field misspelt": (
        {"weight": None, "wieght": {"Field Type": "text"}},
        "weight",
        ("not in the dictionary", "did you mean 'wieght'?"),
    ),
    "higher limit": ({"age": {HEADER[9]: "60"}}, "age", ("Text Validation Max 60", "50, the limit in the")),
    "lower limit": ({"age": {HEADER[8]: "12"}}, "age", ("Text Validation Min 12", "16, the limit in the")),
    "other choices": (
        {"sex": {HEADER[5]: "1, Female | 2, Male | 3, Other | X, Not said"}},
        "sex",
        ("choices 3, X", "the codes of study.yaml: 1, 2"),
    ),
    "more answers": ({"mood2": {HEADER[5]: MOODS + " | 4, All the time"}}, "mood2", ("choices 4", "0 to 3")),
    "answers in letters": ({"mood2": {HEADER[5]: "a, Never | b, Often"}}, "mood2", ("choices a, b", "0 to 3")),
    "identifier": ({"weight": {HEADER[10]: "y"}}, "weight", ("marked as an identifier", "no direct identifier")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_dictionary_that_disagrees_is_refused(name: str, tmp_path: Path) -> None:
    changes, field, parts = WRONG[name]
    problems = problems_of(tmp_path, long_study(), dictionary(**changes))
    assert len(problems) == 1
    assert problems[0].startswith(f"data/raw/dictionary.csv, field {field!r}\n")
    for part in parts:
        assert part in problems[0]


def test_every_disagreement_is_told_in_one_run(tmp_path: Path) -> None:
    changes: dict[str, dict[str, str] | None] = {"weight": None, "age": {HEADER[8]: "1", HEADER[9]: "99"}}
    assert len(problems_of(tmp_path, long_study(), dictionary(**changes))) == 3


AGREES: dict[str, dict[str, dict[str, str] | None]] = {
    "narrower limits": {"age": {HEADER[8]: "18", HEADER[9]: "45"}},
    "fewer choices": {"sex": {HEADER[5]: "1, Female"}},
    "a choice that stands for a missing value": {"mood1": {HEADER[5]: MOODS + " | -9, Not known"}},
    "a field that is not read": {"notes": {"Field Type": "notes", HEADER[10]: "y"}},
    "limits of a date": {"visited_on": {HEADER[8]: "2019-01-01", HEADER[9]: "2030-12-31"}},
}


@pytest.mark.parametrize("name", AGREES)
def test_a_dictionary_that_is_no_wider_than_the_configuration_is_accepted(name: str, tmp_path: Path) -> None:
    study = long_study()
    study["files"][0]["missing_codes"] = ["", "-9"]
    raw = {"export.csv": long_export(), "dictionary.csv": dictionary(**AGREES[name])}
    assert received(make_study(tmp_path, study, raw))[2].empty


def test_a_column_of_a_checkbox_belongs_to_its_field(tmp_path: Path) -> None:
    study = long_study()
    ticks = {"0": "Unchecked", "1": "Checked"}
    study["variables"].append({"name": "lone", "label": "Lives alone", "type": "category", "levels": ticks})
    study["files"][0]["columns"].append({"variable": "lone", "column": "home___1"})
    header, *rows = rows_of(long_export())
    export = written([[*header, "home___1"], *([*row, "1" if "baseline" in row[1] else ""] for row in rows)])
    fields = dictionary(home={"Field Type": "checkbox", HEADER[5]: "1, Alone | 2, With a partner"})
    folder = make_study(tmp_path, study, {"export.csv": export, "dictionary.csv": fields})
    participants, _, queries = received(folder)
    assert queries.empty
    assert participants["lone"].tolist() == ["1"] * 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "not a REDCap data dictionary"),
        (written([HEADER]).encode(), "not a REDCap data dictionary"),
        (b"field,type\nage,text\n", "not a REDCap data dictionary"),
        (dictionary().encode("utf-16"), "not a REDCap data dictionary"),
        (b"PK\x03\x04" + bytes(99), "not a REDCap data dictionary"),
    ],
)
def test_a_dictionary_that_cannot_be_read(content: bytes | None, said: str, tmp_path: Path) -> None:
    problems = problems_of(tmp_path, long_study(), content)
    assert len(problems) == 1
    assert problems[0].startswith("data/raw/dictionary.csv\n")
    assert said in problems[0]
    assert "allowed: " in problems[0]
