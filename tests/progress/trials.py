"""Small trials for tests of the progress page: a configuration and the tables that intake and derive would write."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipanalysis.study.load import Study, load_study

START, END = dt.date(2020, 1, 1), dt.date(2020, 12, 31)
STUDY: dict[str, Any] = {
    "study": {"id": "small", "title": "A small trial", "data": "real", "blinding": "open", "seed": 1, "unit": "dyad"},
    "arms": [{"name": "control", "label": "Control", "reference": True}, {"name": "treated", "label": "Treated"}],
    "visits": [
        {"name": "baseline", "label": "Baseline", "months": 0, "baseline": True, "window": {"before": 30, "after": 10}},
        {"name": "month6", "label": "6 months", "months": 6, "window": {"before": 14, "after": 28}},
        {"name": "month12", "label": "12 months", "months": 12, "window": {"before": 14, "after": 28}},
    ],
    "sites": [{"name": "north", "label": "North"}, {"name": "south", "label": "South"}],
    "recruitment": {"units": 40, "start": START, "end": END},
    "variables": [
        {"name": "site", "label": "Site", "type": "category", "role": "site"},
        {"name": "randomised_on", "label": "Date of randomisation", "type": "date", "role": "randomisation_date"},
        {"name": "born", "label": "Birth", "type": "date_of_birth", "age_name": "age", "age_label": "Age"},
        {"name": "left_on", "label": "Date of withdrawal", "type": "date", "role": "withdrawal_date"},
        {
            "name": "left_why",
            "label": "Reason for withdrawal",
            "type": "category",
            "role": "withdrawal_reason",
            "levels": {"1": "Moved", "2": "Declined"},
        },
        {"name": "secret", "label": "Therapy room", "type": "text", "closed": True, "measured": "after_randomisation"},
        {
            "name": "visited_on",
            "label": "Date of visit",
            "type": "date",
            "level": "visit",
            "role": "visit_date",
            "measured": "after_randomisation",
        },
        {
            "name": "rater",
            "label": "Rater",
            "type": "category",
            "level": "visit",
            "levels": {"R1": "Rater 1", "R2": "Rater 2"},
        },
    ],
    "files": [
        {
            "name": "people",
            "path": "people.csv",
            "key": "id",
            "columns": [{"variable": v} for v in ("site", "randomised_on", "born", "left_on", "left_why")],
        },
        {
            "name": "visits",
            "path": "visits.csv",
            "key": "id",
            "visit_column": "visit",
            "columns": [{"variable": "visited_on"}, {"variable": "rater"}],
            "instruments": [{"instrument": "mood", "columns": "mood{item}"}],
        },
        {
            "name": "log",
            "path": "log.csv",
            "key": "id",
            "events": {
                "name": "log",
                "key_required": False,
                "variables": [
                    {"name": "seen_on", "label": "Seen", "type": "date"},
                    {"name": "fits", "label": "Fits", "type": "category", "levels": {"0": "No", "1": "Yes"}},
                    {
                        "name": "why_not",
                        "label": "Why not",
                        "type": "category",
                        "levels": {"1": "Too old", "2": "Other"},
                    },
                    {"name": "agreed", "label": "Agreed", "type": "category", "levels": {"0": "No", "1": "Yes"}},
                    {"name": "why_no", "label": "Why no", "type": "category", "levels": {"1": "No time"}},
                ],
            },
            "columns": [{"variable": v} for v in ("site", "seen_on", "fits", "why_not", "agreed", "why_no")],
        },
        {
            "name": "twice",
            "path": "twice.csv",
            "key": "id",
            "visit_column": "visit",
            "events": {"name": "twice"},
            "instruments": [{"instrument": "mood", "columns": "mood{item}"}],
        },
        {
            "name": "sessions",
            "path": "sessions.csv",
            "key": "id",
            "closed": True,
            "events": {
                "name": "sessions",
                "variables": [
                    {
                        "name": "attended",
                        "label": "Attended",
                        "type": "category",
                        "levels": {"0": "No", "1": "Yes"},
                        "closed": True,
                        "measured": "after_randomisation",
                    }
                ],
            },
            "columns": [{"variable": "attended"}],
        },
    ],
    "allocation": {"path": "allocation.csv", "key": "id", "arm": "arm"},
}
MOOD: dict[str, Any] = {
    "name": "mood",
    "label": "Mood scale",
    "respondent": "mother",
    "double_coded": "twice",
    "items": {"count": 3, "range": {"min": 0, "max": 3}},
    "scores": {"total": {"label": "Mood", "rule": "sum", "items": "all", "better": "lower"}},
}
PLAN: dict[str, Any] = {
    "domains": [{"name": "mood", "label": "Mood"}],
    "outcomes": [{"name": "mood", "label": "Mood", "domain": "mood", "score": "mood.total", "role": "primary"}],
    "analysis_sets": [{"name": "all", "label": "All"}],
    "analyses": [
        {"name": "describe", "label": "D", "method": "descriptives", "role": "descriptive", "analysis_set": "all"}
    ],
}
DISPLAYS = {"tables": [{"name": "t", "number": "1", "kind": "outcomes", "title": "T", "analyses": ["describe"]}]}
PROGRESS: dict[str, Any] = {
    "assessor": "rater",
    "screening": {
        "table": "log",
        "date": "seen_on",
        "eligible": "fits",
        "not_eligible_reason": "why_not",
        "consented": "agreed",
        "declined_reason": "why_no",
    },
    "double_coding": [{"instrument": "mood", "share": 0.5}],
    "listings": {"variables": ["randomised_on"]},
}
PEOPLE = ["unit", "randomised", "site", "randomised_on", "age", "left_on", "left_why"]
VISITS = ["unit", "visit", "visited_on", "rater", "age", "mood_1", "mood_2", "mood_3"]
LOG = ["unit", "site", "seen_on", "fits", "why_not", "agreed", "why_no"]
TWICE = ["unit", "visit", "mood_1", "mood_2", "mood_3"]
QUERY = ["query_id", "severity", "rule", "file", "row", "unit", "visit", "variable", "found", "allowed", "action"]
DATES = {"randomised_on", "left_on", "visited_on", "seen_on"}


def study(folder: Path, progress: Mapping[str, Any] | None = None, **changes: Any) -> Study:
    """Write the configuration, with other keys of progress.yaml and study.yaml, and load it."""
    config = folder / "config"
    (config / "instruments").mkdir(parents=True, exist_ok=True)
    contents = {
        "study.yaml": {**STUDY, **changes},
        "analysis.yaml": PLAN,
        "displays.yaml": DISPLAYS,
        "progress.yaml": {**PROGRESS, **(progress or {})},
        "instruments/mood.yaml": MOOD,
    }
    for name, content in contents.items():
        (config / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_study(folder)


def table(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A checked table as intake writes it."""
    frame = pd.DataFrame(list(rows), columns=columns)
    for name in columns:
        if name in DATES:
            frame[name] = pd.to_datetime(frame[name])
        elif name == "randomised":
            frame[name] = frame[name].astype(bool)
        elif name == "age" or name.startswith("mood_"):
            frame[name] = frame[name].astype("float64")
        else:
            frame[name] = frame[name].astype("str").where(frame[name].notna())
    return frame


def write(
    chosen: Study,
    people: Iterable[Mapping[str, Any]] = (),
    visits: Iterable[Mapping[str, Any]] = (),
    log: Iterable[Mapping[str, Any]] = (),
    twice: Iterable[Mapping[str, Any]] = (),
    queries: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write the checked tables. A person with a date of randomisation is randomised."""
    at = chosen.layout
    (at.derived / "checked").mkdir(parents=True, exist_ok=True)
    persons = [{"randomised": row.get("randomised_on") is not None, **row} for row in people]
    table(PEOPLE, persons).to_parquet(at.checked_participants)
    table(VISITS, visits).to_parquet(at.checked_visits)
    table(LOG, log).to_parquet(at.checked_events("log"))
    table(TWICE, twice).to_parquet(at.checked_events("twice"))
    pd.DataFrame(list(queries), columns=QUERY).to_csv(at.queries, index=False)
    record = {"files": [{"file": "data/raw/people.csv", "sha256": "ab" * 32, "rows_read": len(persons)}]}
    at.intake_record.write_text(json.dumps(record), encoding="utf-8")


def query(number: int, unit: str = "", visit: str = "", found: str = "9", severity: str = "error") -> dict[str, Any]:
    """A data query."""
    return {
        "query_id": f"q{number:03d}",
        "severity": severity,
        "rule": "out-of-range",
        "file": "data/raw/visits.csv",
        "row": number,
        "unit": unit,
        "visit": visit,
        "variable": "mood_1",
        "found": found,
        "allowed": "0 to 3",
        "action": "set_missing",
    }
