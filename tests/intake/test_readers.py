"""One table in every format gives one checked table; raw files stay as they are and their checksums are kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from intake.studies import Raw, intake_record, make_study, packaged, received, study_config, workbook
from pipanalysis.errors import DataError
from pipanalysis.intake.read_file import read_file
from pipanalysis.study.layout import Layout
from pipanalysis.study.study import RawFile

COLUMNS = ["id", "sex", "age", "weight", "randomised_on", "note"]
PLAIN: list[list[Any]] = [
    ["P1", "1", "25", "60.5", "2020-01-10", "naïve"],
    ["P2", "2", "30", "71", "2020-01-11", ""],
    ["P3", "1", "", "55.25", "2020-01-12", "çà; là"],
    ["P4", "2", "19", "60.1", "2020-01-13", "né"],
    ["P5", "1", "50", "1999", "", "x"],
]
EXPECTED = pd.DataFrame(
    {
        "unit": pd.Series(["P1", "P2", "P3", "P4", "P5"], dtype="str"),
        "randomised": [True, True, True, True, False],
        "sex": pd.Series(["1", "2", "1", "2", "1"], dtype="str"),
        "age": [25.0, 30.0, np.nan, 19.0, 50.0],
        "weight": [60.5, 71.0, 55.25, 60.1, 1999.0],
        "randomised_on": np.array(["2020-01-10", "2020-01-11", "2020-01-12", "2020-01-13", "NaT"], "datetime64[ms]"),
        "note": pd.Series(["naïve", None, "çà; là", "né", "x"], dtype="str"),
    }
)


def typed(missing: float = np.nan) -> pd.DataFrame:
    """Return the table with numbers as numbers and dates as dates; a missing age as given."""
    dates = [dt.date.fromisoformat(row[4]) if row[4] else None for row in PLAIN]
    return pd.DataFrame(
        {
            "id": [row[0] for row in PLAIN],
            "sex": [float(row[1]) for row in PLAIN],
            "age": [float(row[2]) if row[2] else missing for row in PLAIN],
            "weight": [float(row[3]) for row in PLAIN],
            "randomised_on": dates,
            "note": [row[5] for row in PLAIN],
        }
    )


def csv(delimiter: str = ",", decimal: str = ".", encoding: str = "utf-8", end: str = "\n", quote: str = "") -> bytes:
    rows = [[*row[:3], row[3].replace(".", decimal), *row[4:]] for row in PLAIN]
    note = '"{}"' if delimiter == ";" else "{}"
    lines = [delimiter.join(quote + cell + quote for cell in COLUMNS)]
    lines += [delimiter.join([*(quote + c + quote for c in row[:5]), note.format(row[5])]) for row in rows]
    return (end.join(lines) + end).encode(encoding)


def sheet() -> bytes:
    return workbook([COLUMNS, *([None if pd.isna(v) or v == "" else v for v in row] for row in typed().to_numpy())])


def sheet_of_text() -> bytes:
    return workbook([[], COLUMNS, *PLAIN], lambda page: page.insert_rows(5))


def sav() -> bytes:
    labels = {"sex": {1: "Female", 2: "Male"}, "age": {99: "Not known"}}
    return packaged(typed(99), "sav", variable_value_labels=labels, missing_ranges={"age": [99]})


def stata() -> bytes:
    frame = typed().astype({"age": object})
    frame.loc[2, "age"] = "a"
    return packaged(frame, "dta", missing_user_values={"age": ["a"]}, version=15)


def stata_in_single_precision() -> bytes:
    frame = typed().astype({"weight": "float32", "randomised_on": "datetime64[ns]"})
    held = io.BytesIO()
    frame.to_stata(held, write_index=False, version=118)
    return held.getvalue()


def parquet_with_types() -> bytes:
    frame = typed().astype({"weight": "float32", "sex": "int64", "age": "Int8", "note": "category"})
    return packaged(frame.set_index("id"), "parquet")


WRITTEN: dict[str, tuple[str, Callable[[], bytes], dict[str, object]]] = {
    "csv": ("people.csv", csv, {}),
    "csv with a byte-order mark": ("people.csv", lambda: csv(encoding="utf-8-sig"), {"encoding": "utf-8"}),
    "csv of Windows": (
        "people.csv",
        lambda: csv(";", ",", "cp1252", "\r\n"),
        {"delimiter": ";", "decimal": ",", "encoding": "cp1252"},
    ),
    "csv in UTF-16": ("people.txt", lambda: csv("\t", encoding="utf-16"), {"delimiter": "\t", "encoding": "utf-16"}),
    "csv of old Macs": ("people.csv", lambda: csv(end="\r"), {}),
    "csv with quotation marks": ("people.csv", lambda: csv(quote='"'), {}),
    "csv with blank lines": ("people.csv", lambda: csv(end="\n\n"), {}),
    "xlsx": ("people.xlsx", sheet, {"sheet": "Sheet"}),
    "xlsx of text": ("people.xlsx", sheet_of_text, {}),
    "sav": ("people.sav", sav, {}),
    "dta": ("people.dta", stata, {}),
    "dta in single precision": ("people.dta", stata_in_single_precision, {}),
    "parquet": ("people.parquet", lambda: packaged(typed(), "parquet"), {}),
    "parquet of other types": ("people.parquet", parquet_with_types, {}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_table_in_every_format(name: str, tmp_path: Path) -> None:
    path, made, keys = WRITTEN[name]
    study = study_config()
    study["variables"].append({"name": "note", "label": "Note", "type": "text"})
    study["files"][0] |= {"path": path, **keys}
    study["files"][0]["columns"].append({"variable": "note"})
    visits = "id,visit,visited_on,mood1,mood2,mood3\nP1,baseline,2020-01-05,0,1,2\n"
    raw: Raw = {path: made(), "visits.csv": visits}
    folder = make_study(tmp_path, study, raw)
    participants, _, queries = received(folder)
    assert queries.empty
    pd.testing.assert_frame_equal(participants, EXPECTED, check_exact=True)
    before = {f"data/raw/{file}": hashlib.sha256(raw[file] if file == path else visits.encode()) for file in raw}
    for file in intake_record(folder)["files"]:
        assert file["sha256"] == before[file["file"]].hexdigest()
        assert hashlib.sha256((folder / file["file"]).read_bytes()).hexdigest() == file["sha256"]
    assert {file.name for file in (folder / "data" / "raw").iterdir()} == {path, "visits.csv"}


def test_a_row_number_is_what_a_reader_of_the_file_sees(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.raw.mkdir(parents=True)
    (layout.raw / "people.xlsx").write_bytes(sheet_of_text())
    (layout.raw / "people.csv").write_bytes(b"\n" + csv(end="\n\n"))
    (layout.raw / "people.sav").write_bytes(sav())
    rows = {
        path: read_file(layout, RawFile(name="people", path=path, key="id"), COLUMNS, []).rows.tolist()
        for path in ("people.xlsx", "people.csv", "people.sav")
    }
    assert rows["people.xlsx"] == [3, 4, 6, 7, 8]
    assert rows["people.csv"] == [4, 6, 8, 10, 12]
    assert rows["people.sav"] == [1, 2, 3, 4, 5]


def test_identifiers_of_many_digits_stay_apart(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.raw.mkdir(parents=True)
    ids = [2**53, 2**53 + 1, 10**17 + 1]
    pd.DataFrame({"id": ids}).to_parquet(layout.raw / "people.parquet")
    table = read_file(layout, RawFile(name="people", path="people.parquet", key="id"), ["id"], [])
    assert table.columns["id"] == pa.array([str(one) for one in ids])


def test_a_long_note_is_searched_for_identifiers_in_good_time(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.raw.mkdir(parents=True)
    note = "a" * 130_000
    file = RawFile(name="people", path="people.csv", key="id")
    (layout.raw / "people.csv").write_text(f"id,note\nP1,{note}\n")
    assert read_file(layout, file, ["id"], []).columns["note"].to_pylist() == [note]
    (layout.raw / "people.csv").write_text(f"id,note\nP1,{note}@example.org\n")
    with pytest.raises(DataError, match="an e-mail address"):
        read_file(layout, file, ["id"], [])


def test_a_damaged_sas_file_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.raw.mkdir(parents=True)
    magic = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
    path = layout.raw / "people.sas7bdat"
    for content in (magic, magic + random.Random(3).randbytes(70_000), b"id,sex\nP1,1\n"):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_file(layout, RawFile(name="people", path=path.name, key="id"), ["id"], [])
        problem = caught.value.problems[0]
        assert problem.where == "data/raw/people.sas7bdat"
        assert problem.found.startswith("cannot be read: ")
        assert problem.allowed == "a whole sas7bdat file"
