"""Every kind of raw file that cannot be used stops the step: exit status 11, a message to act on, no table written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from openpyxl.chart import BarChart
from openpyxl.worksheet.formula import ArrayFormula

from intake.damage import damaged_workbook, half, noise, one_wrong_byte, packed, parquet_with_a_broken_text
from intake.studies import (
    ALLOCATION,
    PEOPLE,
    RAW,
    VISITS,
    Config,
    Raw,
    make_study,
    packaged,
    received,
    rows_of,
    study_config,
    workbook,
)
from pipanalysis.cli import main
from pipanalysis.derive.step import derive
from pipanalysis.study.load import load_study

Break = Callable[[Config, Raw, Path], None]
TABLE = rows_of(PEOPLE)
FRAME = pd.DataFrame(TABLE[1:], columns=TABLE[0])
LABELLED = pd.DataFrame({"id": ["A1", "A2", "A3"], "age": [1.0, 2.0, 3.0], "site": [1.0, 2.0, 1.0]})
CSV, XLSX, ARMS = "people.csv", "people.xlsx", "allocation.csv"


def content(change: Callable[[str], str | bytes], name: str = CSV, **keys: object) -> Break:
    """Return what changes a text file, and what the configuration says of the participants' file."""

    def build(study: Config, raw: Raw, folder: Path) -> None:
        raw[name] = change(str(RAW[name]))
        study["files"][0] |= keys

    return build


def edit(old: str, new: str, name: str = CSV, **keys: object) -> Break:
    assert str(RAW[name]).count(old) == 1
    return content(lambda text: text.replace(old, new), name, **keys)


def other(name: str, made: Callable[[], bytes], **keys: object) -> Break:
    """Return what puts a file of another kind in the place of the participants' file."""

    def build(study: Config, raw: Raw, folder: Path) -> None:
        del raw[CSV]
        raw[name] = made()
        study["files"][0] |= {"path": name, **keys}

    return build


def sheet(change: Callable[[Any], object], **keys: object) -> Break:
    return other(XLSX, lambda: workbook(TABLE, change), **keys)


def chart_alone(page: Any) -> None:
    page.parent.create_chartsheet("Chart").add_chart(BarChart())
    page.parent.remove(page)


def gone(name: str) -> Break:
    def build(study: Config, raw: Raw, folder: Path) -> None:
        del raw[name]

    return build


def a_folder(study: Config, raw: Raw, folder: Path) -> None:
    del raw[CSV]
    (folder / "data" / "raw" / CSV).mkdir(parents=True)


def a_link_to_elsewhere(study: Config, raw: Raw, folder: Path) -> None:
    del raw[CSV]
    (folder / "data" / "raw").mkdir(parents=True)
    (folder / "elsewhere.csv").write_text(PEOPLE)
    (folder / "data" / "raw" / CSV).symlink_to(folder / "elsewhere.csv")


def without_identifiers(text: str) -> str:
    header, *rows = text.splitlines()
    return "\n".join([header, *(row[2:] for row in rows)])


def extra(column: str, text: str, **keys: object) -> Break:
    header, first, *rest = PEOPLE.splitlines()
    return content(lambda _: "\n".join([f"{header},{column}", f"{first},{text}", *(f"{row}," for row in rest)]), **keys)


# What is wrong: how it is made, which file the message names, and what it says of it.
HARD: dict[str, tuple[Break, str, tuple[str, ...]]] = {
    "no bytes": (content(lambda _: b""), CSV, ("an empty file", "a header and rows")),
    "blank lines": (content(lambda _: "\n  \n\r\n\t\n"), CSV, ("an empty file", "a header and rows")),
    "header alone": (content(lambda text: text.splitlines()[0]), CSV, ("a header and no rows", "a row for each unit")),
    "other delimiter": (
        content(lambda text: text.replace(",", ";")),
        CSV,
        ("one column only with delimiter ','", "the header holds 4 of ';': set delimiter"),
    ),
    "UTF-16": (content(lambda text: text.encode("utf-16")), CSV, ("a file in UTF-16", "text in utf-8-sig")),
    "UTF-8 marked as such where the plan says otherwise": (
        content(lambda text: text.encode("utf-8-sig"), encoding="cp1252"),
        CSV,
        ("a file in UTF-8", "text in cp1252", "set encoding: utf-8-sig"),
    ),
    "UTF-16 unmarked": (content(lambda text: text.encode("utf-16-le")), CSV, ("line 1: a NUL character",)),
    "Latin-1": (
        content(lambda text: text.replace("P2", "P\xe9").encode("latin-1")),
        CSV,
        ("line 3: byte 0xe9 is not utf-8-sig", "text in utf-8-sig", "cp1252 is usual"),
    ),
    "unknown encoding": (content(str, encoding="utf-99"), CSV, ("encoding 'utf-99'", "an encoding that Python knows")),
    "NUL": (edit("41", "4\x001"), CSV, ("line 4: a NUL character", "damaged or not a text file")),
    "ten megabytes of noise": (content(lambda _: noise(10_000_000)), CSV, ("is not utf-8-sig", "text in utf-8-sig")),
    "column twice": (edit("age,weight", "age,age"), CSV, ("column 'age' in places 3 and 4", "each column once")),
    "column without name": (edit("age", ""), CSV, ("column 3", "no column name", "a name for every column")),
    "tabs and no first name": (
        content(lambda text: text.replace("id,", ",").replace(",", "\t"), delimiter="\t"),
        CSV,
        ("column 1", "no column name in the header"),
    ),
    "column misspelt": (
        edit("weight", "wieght"),
        CSV,
        ("no column 'weight'", "columns: id, sex, age, wieght, randomised_on", "did you mean 'wieght'?"),
    ),
    "no visit column": (edit("id,visit,", "id,when,", "visits.csv"), "visits.csv", ("no column 'visit'", "id, when")),
    "key empty": (content(without_identifiers), CSV, ("column 'id'", "no identifier in any row", "one in every row")),
    "row too long": (edit("2020-01-11", "2020-01-11,x"), CSV, ("line 3", "6 cells", "5, as the header has")),
    "row too short": (edit(",2020-01-12", ""), CSV, ("line 4", "4 cells", "5, as the header has")),
    "header in row 3": (
        content(lambda text: "Export of 1 May\n\n" + text),
        CSV,
        ("line 3", "5 cells", "1, as the header has", "the header must be the first line that is not blank"),
    ),
    "open quotation mark": (
        edit("2020-01-12", '"2020-01-12'),
        CSV,
        ("line 4", "a quotation mark that does not close", "cells with closed quotation marks"),
    ),
    "quotation mark in a cell": (edit("71", '"7"1'), CSV, ("line 3", "a quotation mark that closes within a cell")),
    "line break in the header": (edit("weight", '"weight\nkg"'), CSV, ("row 1", "not a csv header", "column names")),
    "cell of 1 MB": (
        edit("60.5", "6" * 1_000_000),
        CSV,
        ("column 'weight', row 2", "a cell of 1000000 characters", "at most 131072"),
    ),
    "quoted cell of 3 MB": (
        edit("60.5", '"' + "x" * 3_000_000 + '"'),
        CSV,
        ("line 2", "a cell of more than 131072 characters"),
    ),
    "workbook as csv": (
        content(lambda _: workbook(TABLE)),
        CSV,
        ("a zip or xlsx file", "a csv file"),
    ),
    "PDF as csv": (content(lambda _: b"%PDF-1.7\n" + bytes(99)), CSV, ("a PDF", "a csv file")),
    "no file": (gone(CSV), CSV, ("no such file", "the file that study.yaml names")),
    "folder": (a_folder, CSV, ("a folder", "a file")),
    "link": (a_link_to_elsewhere, CSV, ("a link that leads out of data/raw", "a file in data/raw")),
    "ending of no format": (
        other("people.ods", lambda: workbook(TABLE)),
        "people.ods",
        ("a file that ends in '.ods'", "one of: csv, xlsx", "set format"),
    ),
    "merged cells": (
        sheet(lambda page: page.merge_cells("B2:B3")),
        XLSX,
        ("sheet 'Sheet', cells B2:B3", "merged cells", "one value a cell"),
    ),
    "other sheet": (sheet(bool, sheet="Sheets"), XLSX, ("no sheet 'Sheets'", "one of: Sheet", "did you mean 'Sheet'?")),
    "chart alone": (sheet(chart_alone), XLSX, ("no worksheet", "a sheet of cells")),
    "csv as workbook": (other(XLSX, PEOPLE.encode), XLSX, ("not a workbook, or a damaged one", "an xlsx file")),
    "password": (
        other(XLSX, lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5_000)),
        XLSX,
        ("a password-protected or old (xls) workbook", "an xlsx file", "remove the password"),
    ),
    "noise as workbook": (other(XLSX, lambda: noise(100_000)), XLSX, ("not a workbook, or a damaged one",)),
    "half a workbook": (other(XLSX, lambda: half(workbook(TABLE))), XLSX, ("not a workbook, or a damaged one",)),
    "damaged sheet": (
        other(XLSX, lambda: damaged_workbook(TABLE)),
        XLSX,
        ("cannot be read as a workbook", "an xlsx file"),
    ),
    "zip of a csv": (other(XLSX, lambda: packed(CSV, PEOPLE.encode())), XLSX, ("cannot be read as a workbook",)),
    "zip that swells": (
        other(XLSX, lambda: packed("xl/workbook.xml", bytes(5_000_000))),
        XLSX,
        ("an archive that unpacks to 5000000 bytes", "a workbook of the usual size"),
    ),
    "formula": (
        sheet(lambda page: page.__setitem__("D3", "=D2+10")),
        XLSX,
        ("sheet 'Sheet', row 3, column 'weight'", "a formula", "a value", "paste the sheet as values"),
    ),
    "array formula": (
        sheet(lambda page: page.__setitem__("D3", ArrayFormula("D3:D4", "=C3:C4*2"))),
        XLSX,
        ("row 3, column 'weight'", "a formula"),
    ),
    "sheet with header in row 3": (
        other(XLSX, lambda: workbook([["Export of 1 May"], [], *TABLE])),
        XLSX,
        ("row 3", "a cell beyond the last named column", "1 columns", "the header must be the first row"),
    ),
    "sheet with header alone": (other(XLSX, lambda: workbook(TABLE[:1])), XLSX, ("a header and no rows",)),
    "empty sheet": (other(XLSX, lambda: workbook([])), XLSX, ("an empty sheet", "a header and rows")),
    "half a sav": (other("p.sav", lambda: half(packaged(FRAME, "sav"))), "p.sav", ("cannot be read: ", "a whole sav")),
    "sav with one wrong byte": (
        other(
            "p.sav", lambda: one_wrong_byte(packaged(LABELLED, "sav", variable_value_labels={"site": {1.0: "a"}}), 180)
        ),
        "p.sav",
        ("cannot be read: its reader crashed on it", "a whole sav file"),
    ),
    "half a dta": (other("p.dta", lambda: half(packaged(FRAME, "dta"))), "p.dta", ("cannot be read: ", "a whole dta")),
    "half a parquet": (
        other("p.parquet", lambda: half(packaged(FRAME, "parquet"))),
        "p.parquet",
        ("cannot be read: ", "a whole Parquet file"),
    ),
    "noise as sav": (other("p.sav", lambda: noise(9_999)), "p.sav", ("cannot be read: ", "a whole sav file")),
    "noise as dta": (other("p.dta", lambda: noise(9_999)), "p.dta", ("cannot be read: ", "a whole dta file")),
    "noise as sas7bdat": (
        other("p.sas7bdat", lambda: noise(9_999)),
        "p.sas7bdat",
        ("cannot be read: ", "a whole sas7bdat file"),
    ),
    "parquet not UTF-8": (
        other("p.parquet", lambda: parquet_with_a_broken_text(FRAME)),
        "p.parquet",
        ("cannot be read: ", "a whole Parquet file"),
    ),
    "sav without rows": (
        other("p.sav", lambda: packaged(FRAME.astype({"age": float}).head(0), "sav")),
        "p.sav",
        ("no rows", "a row for each unit or visit"),
    ),
}
# The text that is planted, which no message may repeat: column, text, and what the message calls it.
IDENTIFIERS = {
    "forename": ("mother_forename", "Josephine", "a column for a name"),
    "initials": ("initials", "J.B.", "a column for a name"),
    "NHS number": ("notes", "943 476 5919", "an NHS number"),
    "postcode": ("notes", "lives near SW1A 1AA", "a postcode"),
    "telephone": ("notes", "ring 020 7946 0018", "a phone number"),
    "e-mail": ("notes", "j.bloggs@example.org", "an e-mail address"),
    "date of birth": ("dob", "1984-03-02", "a column for a full date of birth"),
}
for _name, (_column, _text, _kind) in IDENTIFIERS.items():
    _said = (f"column {_column!r}", _kind, "no direct identifier")
    HARD[_name] = (extra(_column, _text), CSV, _said)
    HARD[f"{_name}, ignored"] = (extra(_column, _text, ignore=[_column]), CSV, _said)

ALLOCATIONS: dict[str, tuple[Break, tuple[str, ...]]] = {
    "no file": (gone(ARMS), ("no such file", "the allocation")),
    "unknown arm": (
        edit("P2,treated", "P2,placebo", ARMS),
        ("row 3, unit 'P2'", "arm 'placebo'", "one of: control, treated"),
    ),
    "no arm": (edit("P2,treated", "P2,", ARMS), ("row 3, unit 'P2'", "arm ''", "one of: control, treated")),
    "unit twice": (content(lambda text: text + "P1,treated\n", ARMS), ("unit 'P1' in rows 2, 6", "each unit once")),
    "unit missing": (edit("P3,control\n", "", ARMS), ("no row for unit 'P3'", "a row for every randomised unit")),
    "unit too many": (content(lambda text: text + "P9,treated\n", ARMS), ("row 6", "unit 'P9'", "a randomised unit")),
    "no column": (edit("arm", "group", ARMS), ("columns id, group", "a column 'arm'")),
    "no bytes": (content(lambda _: b"", ARMS), ("cannot be read: ", "a csv file")),
    "header alone": (content(lambda _: "id,arm\n", ARMS), ("no rows", "a row for every randomised unit")),
    "workbook": (content(lambda _: workbook(rows_of(ALLOCATION)), ARMS), ("cannot be read: ", "a csv file")),
    "UTF-16": (content(lambda text: text.encode("utf-16"), ARMS), ("cannot be read: ", "a csv file")),
    "open quotation mark": (edit("P3,", 'P3,"', ARMS), ("cannot be read: ", "a csv file")),
}


def broken(folder: Path, build: Break) -> Path:
    study, raw = study_config(), dict(RAW)
    build(study, raw, folder)
    return make_study(folder, study, raw)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command line in process, check that it refuses as it should, and return what it says."""

    def run(verb: str, folder: Path) -> str:
        monkeypatch.setattr(sys, "argv", ["pipanalysis", verb, "--study", str(folder)])
        with pytest.raises(SystemExit) as done:
            main()
        said = capsys.readouterr().err
        assert done.value.code == 11
        assert said.startswith("data: ")
        assert "\n  found:   " in said
        assert "\n  allowed: " in said
        assert "Traceback" not in said
        assert len(said) < 3_000
        return said

    return run


@pytest.mark.parametrize("name", HARD)
def test_a_file_that_cannot_be_used_stops_intake(name: str, tmp_path: Path, command: Callable[..., str]) -> None:
    build, file, parts = HARD[name]
    folder = broken(tmp_path / "study", build)
    layout = load_study(folder).layout
    layout.checked_visits.parent.mkdir(parents=True)
    for path in (layout.checked_participants, layout.checked_visits, layout.queries, layout.intake_record):
        path.write_text("of an earlier run")
    said = command("intake", folder)
    assert f"\ndata/raw/{file}" in said
    for part in parts:
        assert part in said
    planted = IDENTIFIERS.get(name.removesuffix(", ignored"))
    assert planted is None or planted[1] not in said
    assert not [path for path in layout.derived.rglob("*") if path.is_file()]


def test_every_broken_file_is_named_in_one_run(tmp_path: Path, command: Callable[..., str]) -> None:
    raw = {CSV: b"", "visits.csv": VISITS.replace("mood2", "mod2")}
    said = command("intake", make_study(tmp_path, raw=raw))
    assert said.startswith("data: 2 problems\n")
    assert f"data/raw/{CSV}" in said
    assert "data/raw/visits.csv" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path, command: Callable[..., str]) -> None:
    folder = make_study(tmp_path)
    (folder / "data" / "raw" / CSV).chmod(0)
    said = command("intake", folder)
    assert f"data/raw/{CSV}\n  found:   a file that may not be read\n  allowed: a readable file" in said


@pytest.mark.parametrize(("name", "verb"), [("no bytes", "intake"), ("noise as sav", "intake"), ("no file", "derive")])
def test_a_fresh_process_refuses_too_and_so_does_the_next_step(name: str, verb: str, tmp_path: Path) -> None:
    folder = broken(tmp_path / "study", HARD[name][0])
    code = "from pipanalysis.cli import main; main()"
    words = [sys.executable, "-c", code, verb, "--study", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 11
    assert done.stderr.startswith("data: ")
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("data/derived/**/*.parquet"))


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_an_allocation_that_cannot_be_used_stops_allocate(
    name: str, tmp_path: Path, command: Callable[..., str]
) -> None:
    build, parts = ALLOCATIONS[name]
    folder = broken(tmp_path / "study", build)
    received(folder)
    study = load_study(folder)
    derive(study)
    said = command("allocate", folder)
    for part in (f"data/raw/{ARMS}", *parts):
        assert part in said
    assert not study.layout.analysis_participants.exists()
    assert not study.layout.allocation_record.exists()
