"""Small study folders for tests of intake: four units, two visits, one questionnaire of three items."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyreadstat

from pipanalysis.intake.step import intake
from pipanalysis.study.load import load_study

Config = dict[str, Any]
Raw = dict[str, str | bytes]

PEOPLE = """id,sex,age,weight,randomised_on
P1,1,25,60.5,2020-01-10
P2,2,30,71,2020-01-11
P3,1,41,55.25,2020-01-12
P4,2,19,80,2020-01-13
"""
VISITS = """id,visit,visited_on,mood1,mood2,mood3
P1,baseline,2020-01-05,0,1,2
P2,baseline,2020-01-06,3,2,1
P3,baseline,2020-01-07,1,1,1
P1,month6,2020-07-10,0,0,0
P2,month6,2020-07-11,1,2,3
P4,month6,2020-07-12,2,2,2
"""
ALLOCATION = """id,arm
P1,control
P2,treated
P3,control
P4,treated
"""
RAW = {"people.csv": PEOPLE, "visits.csv": VISITS, "allocation.csv": ALLOCATION}

STUDY: Config = {
    "study": {
        "id": "small",
        "title": "A small trial",
        "data": "real",
        "blinding": "open",
        "without_lock": "a trial of the tests",
        "seed": 1,
    },
    "arms": [
        {"name": "control", "label": "Control", "reference": True},
        {"name": "treated", "label": "Treated"},
    ],
    "visits": [
        {"name": "baseline", "label": "Baseline", "months": 0, "baseline": True},
        {"name": "month6", "label": "6 months", "months": 6},
    ],
    "variables": [
        {"name": "sex", "label": "Sex", "type": "category", "levels": {"1": "Female", "2": "Male"}, "required": True},
        {"name": "age", "label": "Age", "type": "integer", "range": {"min": 16, "max": 50}},
        {"name": "weight", "label": "Weight", "type": "number", "range": {"min": 30, "max": 2000}},
        {
            "name": "randomised_on",
            "label": "Date of randomisation",
            "type": "date",
            "role": "randomisation_date",
            "dates": ["2020-01-01", "2020-12-31"],
        },
        {"name": "visited_on", "label": "Date of visit", "type": "date", "level": "visit", "role": "visit_date"},
    ],
    "files": [
        {
            "name": "people",
            "path": "people.csv",
            "key": "id",
            "columns": [{"variable": name} for name in ("sex", "age", "weight", "randomised_on")],
        },
        {
            "name": "visits",
            "path": "visits.csv",
            "key": "id",
            "visit_column": "visit",
            "columns": [{"variable": "visited_on"}],
            "instruments": [{"instrument": "mood", "columns": "mood{item}"}],
        },
    ],
    "allocation": {"path": "allocation.csv", "key": "id", "arm": "arm"},
}
MOOD: Config = {
    "name": "mood",
    "label": "Mood",
    "respondent": "patient",
    "items": {"count": 3, "range": {"min": 0, "max": 3}},
    "scores": {"total": {"label": "Mood total", "rule": "sum", "range": {"min": 0, "max": 9}, "better": "lower"}},
}
PLAN: Config = {
    "domains": [{"name": "mood", "label": "Mood"}],
    "outcomes": [{"name": "mood", "label": "Mood", "domain": "mood", "score": "mood.total", "role": "primary"}],
    "analysis_sets": [{"name": "everyone", "label": "All randomised"}],
    "analyses": [
        {
            "name": "scores",
            "label": "Scores",
            "method": "descriptives",
            "role": "descriptive",
            "analysis_set": "everyone",
        }
    ],
}
DISPLAYS: Config = {
    "tables": [{"name": "scores", "number": "1", "kind": "outcomes", "title": "Scores", "analyses": ["scores"]}]
}


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of a csv text without quotation marks."""
    return [line.split(",") for line in text.splitlines()]


def workbook(rows: list[list[Any]], change: Callable[[Any], object] = lambda _: None) -> bytes:
    """Return a workbook of one sheet, changed before it is saved."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    change(sheet)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def packaged(frame: pd.DataFrame, ending: str, **options: Any) -> bytes:
    """Return a table as a file of SPSS (sav), Stata (dta) or Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{ending}"
        if ending == "parquet":
            frame.to_parquet(path, **options)
        else:
            {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta}[ending](frame, path, **options)
        return path.read_bytes()


def study_config() -> Config:
    """Return ``study.yaml`` as a copy that a test may change."""
    return deepcopy(STUDY)


def write_config(folder: Path, study: Config) -> None:
    """Write a study folder's configuration, as JSON, which is YAML too."""
    parts = {
        "study.yaml": study,
        "analysis.yaml": PLAN,
        "displays.yaml": DISPLAYS,
        "instruments/mood.yaml": MOOD,
    }
    for name, content in parts.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def write_raw(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write raw files."""
    raw = folder / "data" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (raw / name).write_bytes(content.encode() if isinstance(content, str) else content)


def make_study(folder: Path, study: Config | None = None, raw: Mapping[str, str | bytes] = RAW) -> Path:
    """Write a study folder with its raw files and return it."""
    write_config(folder, study_config() if study is None else study)
    write_raw(folder, raw)
    return folder


def received(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Run intake and return the checked participants, the checked visits and the queries (as text)."""
    study = load_study(folder)
    intake(study)
    queries = pd.read_csv(study.layout.queries, dtype=str, keep_default_na=False)
    return pd.read_parquet(study.layout.checked_participants), pd.read_parquet(study.layout.checked_visits), queries


def intake_record(folder: Path) -> Any:
    """Return what intake recorded: checksums, and rows read and set aside."""
    return json.loads((folder / "data" / "derived" / "checked" / "intake.json").read_text(encoding="utf-8"))
