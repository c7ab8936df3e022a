"""Raw files in the formats that study.yaml declares; the same cells give the same bytes."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.files import whole_file

if TYPE_CHECKING:
    from pipanalysis.simulate.sheets import Sheet

WRITTEN = ("csv", "xlsx", "sav", "dta", "parquet")
_MOMENT = dt.datetime(2000, 1, 1)


def write_sheet(sheet: Sheet, path: Path) -> None:
    """Write a sheet of text cells in one of the formats `WRITTEN`.

    Raises:
        ValueError: the file is declared in a format that is not written here.
    """
    writers = {
        "csv": _write_csv,
        "xlsx": _write_xlsx,
        "sav": _write_sav,
        "dta": _write_dta,
        "parquet": _write_parquet,
    }
    if sheet.format not in WRITTEN:
        raise ValueError(f"{sheet.file.path}: a file of {sheet.format} cannot be written")
    with whole_file(path) as aside:
        writers[sheet.format](sheet, aside)


def _write_csv(sheet: Sheet, path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=sheet.file.delimiter or ",", lineterminator="\r\n")
    writer.writerow(sheet.cells.columns)
    writer.writerows(sheet.cells.itertuples(index=False, name=None))
    path.write_bytes(text.getvalue().encode(sheet.file.encoding or "utf-8"))


def _write_xlsx(sheet: Sheet, path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet(sheet.file.sheet or "Sheet1")
    page.append(list(sheet.cells.columns))
    kinds = [sheet.kinds.get(column, "text") for column in sheet.cells.columns]
    for row in sheet.cells.itertuples(index=False, name=None):
        page.append([_typed(text, kind) for text, kind in zip(row, kinds, strict=True)])
    book.save(path)
    _without_times(path)


def _typed(text: str, kind: str) -> Any:
    """Return a cell as a spreadsheet holds it: numbers and dates as such, anything else as text."""
    if text == "":
        return None
    if kind != "text" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind != "text" and re.fullmatch(r"-?\d+\.\d+", text):
        return float(text)
    if kind == "date":
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(text)
    return text


def _without_times(path: Path) -> None:
    """Rewrite a workbook with fixed times, which are its only bytes that change from run to run."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    moment = _MOMENT.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(parts.items()):
            if name == "docProps/core.xml":
                content = re.sub(rb">\d{4}-\d\d-\d\dT[\d:.]+Z<", b">" + moment + b"<", content)
            archive.writestr(zipfile.ZipInfo(name, _MOMENT.timetuple()[:6]), content)


def _write_sav(sheet: Sheet, path: Path) -> None:
    import pyreadstat

    frame = _columns(sheet)
    ranges: dict[str, list[Any]] = {
        column: [float(code) for code in sheet.missing.get(column, []) if re.fullmatch(r"-?\d+", code)]
        for column, values in frame.items()
        if values.dtype == "float64"
    }
    labels = {
        column: {float(code): label for code, label in levels.items()}
        for column, levels in sheet.labels.items()
        if all(re.fullmatch(r"-?\d+", code) for code in levels)
    }
    pyreadstat.write_sav(
        pd.DataFrame(frame), path, variable_value_labels=labels, missing_ranges={k: v for k, v in ranges.items() if v}
    )
    _without_creation_time(path)


def _columns(sheet: Sheet) -> dict[str, pd.Series]:
    """Return a sheet's columns as a statistics package holds them: numbers, dates, text."""
    frame: dict[str, pd.Series] = {}
    for column in sheet.cells.columns:
        texts, kind = sheet.cells[column], sheet.kinds.get(column, "text")
        if kind == "number" or (kind == "code" and texts.str.fullmatch(r"(-?\d+(\.\d+)?)?").all()):
            frame[column] = pd.to_numeric(texts.replace("", None)).astype("float64")
        elif kind == "date":
            frame[column] = pd.Series([dt.date.fromisoformat(t) if t else None for t in texts], dtype=object)
        else:
            frame[column] = texts
    return frame


def _write_dta(sheet: Sheet, path: Path) -> None:
    frame = pd.DataFrame(_columns(sheet))
    dates = [column for column, kind in sheet.kinds.items() if kind == "date"]
    frame[dates] = frame[dates].apply(pd.to_datetime)
    frame.to_stata(path, write_index=False, version=118, time_stamp=_MOMENT, convert_dates=dict.fromkeys(dates, "td"))


def _write_parquet(sheet: Sheet, path: Path) -> None:
    pd.DataFrame(_columns(sheet)).to_parquet(path, index=False, engine="pyarrow", compression="zstd")


def _without_creation_time(path: Path) -> None:
    """Overwrite the date (9 bytes) and time (8 bytes) of creation that stand at byte 92 of a .sav file's header."""
    with path.open("r+b") as handle:
        handle.seek(92)
        handle.write(_MOMENT.strftime("%d %b %y%H:%M:%S").encode("ascii"))


def as_text(values: pd.Series, kind: str, date_format: str) -> np.ndarray:
    """Return values as the text that a file shows; empty where missing."""
    if kind == "date":
        shown = pd.to_datetime(values).dt.strftime(date_format)
    elif kind == "number":
        numbers = values.to_numpy(dtype=float)
        distinct, codes = np.unique(numbers, return_inverse=True)
        texts = np.array(["" if np.isnan(v) else f"{v:.10g}" for v in distinct], dtype=object)
        return texts[codes.ravel()]
    else:
        shown = values.astype("str")
    return shown.astype(object).where(values.notna(), "").to_numpy(dtype=object)
