import datetime as dt
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.progress.spreadsheet import neutral, write_safe_csv, write_workbook

NASTY = ["=1+1", "+44 20", "-2", "@SUM(A1)", "\t=1", "\r=1", "plain", "a=b", "", "<script>", "caf\u00e9"]


@given(st.text())
def test_no_text_starts_like_a_formula(text: str) -> None:
    assert not neutral(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("value", [3, -2.5, None, True])
def test_numbers_stay_numbers(value: object) -> None:
    assert neutral(value) is value


def test_a_workbook_holds_no_formula(tmp_path: Path) -> None:
    frame = pd.DataFrame({"=head": NASTY, "n": range(len(NASTY))})
    write_workbook(tmp_path / "a.xlsx", {"One": frame}, ["=mark"], dt.date(2020, 6, 1))
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["One"]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert all(cell.data_type in ("s", "n") for cell in cells)
    assert sheet["A1"].value == "'=mark"
    assert sheet["A2"].value == "'=head"
    assert [row[1].value for row in sheet.iter_rows(min_row=3)] == list(range(len(NASTY)))
    assert [row[0].value for row in sheet.iter_rows(min_row=3)][:4] == ["'=1+1", "'+44 20", "'-2", "'@SUM(A1)"]


def test_characters_that_a_workbook_cannot_hold_are_replaced(tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", {"One": pd.DataFrame({"a": ["x\x00y\x0b"]})}, [], dt.date(2020, 6, 1))
    assert openpyxl.load_workbook(tmp_path / "a.xlsx")["One"]["A2"].value == "x\ufffdy\ufffd"


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": NASTY})
    write_workbook(tmp_path / "a.xlsx", {"One": frame}, [], dt.date(2020, 6, 1))
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    write_workbook(tmp_path / "b.xlsx", {"One": frame}, [], dt.date(2020, 6, 1))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2020-06-01T00:00:00Z" in archive.read("docProps/core.xml")


def test_a_csv_list_is_neutral_too(tmp_path: Path) -> None:
    write_safe_csv(tmp_path / "a.csv", pd.DataFrame({"a": NASTY, "n": -1.5}))
    read = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert read["a"].tolist()[:4] == ["'=1+1", "'+44 20", "'-2", "'@SUM(A1)"]
    assert (read["n"] == -1.5).all()
