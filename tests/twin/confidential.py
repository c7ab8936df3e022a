"""A trial that stands for a confidential one: two arms, two visits, correlated items, drop-out, sessions, notes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from intake.studies import make_study, study_config, workbook

RARE_SITE = "9"
"""a code that only three units have"""


def confidential_config(data: str = "real") -> dict[str, Any]:
    """Return study.yaml: people and sessions as csv, visits as xlsx, a screening log of people who are no units."""
    config = study_config()
    config["study"]["data"] = data
    config["variables"] += [
        {
            "name": "region",
            "label": "Region",
            "type": "category",
            "levels": {"1": "North", "2": "South", "9": "Island"},
        },
        {"name": "notes", "label": "Notes", "type": "text"},
    ]
    people, visits = config["files"]
    people["columns"] += [{"variable": "region"}, {"variable": "notes"}]
    people |= {"delimiter": ";", "missing_codes": ["", "-9"]}
    visits["path"], visits["sheet"] = "visits.xlsx", "Forms"
    session = [
        {"name": "held_on", "label": "Date of session", "type": "date"},
        {"name": "therapist", "label": "Therapist", "type": "text"},
        {"name": "attended", "label": "Attended", "type": "category", "levels": {"0": "No", "1": "Yes"}},
    ]
    log = [
        {"name": "number", "label": "Screening number", "type": "text"},
        {"name": "screened_on", "label": "Date", "type": "date"},
    ]
    config["files"] += [
        {
            "name": "sessions",
            "path": "sessions.csv",
            "key": "id",
            "closed": True,
            "events": {"name": "sessions", "unique": ["unit", "held_on"], "variables": session},
            "columns": [{"variable": v["name"]} for v in session],
        },
        {
            "name": "log",
            "path": "log.csv",
            "key": "id",
            "events": {"name": "log", "unique": ["number"], "key_required": False, "variables": log},
            "columns": [{"variable": v["name"]} for v in log],
        },
    ]
    config["sessions"] = {
        "table": "sessions",
        "attended": "attended",
        "arm": "treated",
        "therapist": "therapist",
        "date": "held_on",
    }
    return config


def confidential_raw(n: int, seed: int = 1) -> dict[str, str | bytes]:
    """Return its raw files: the items share a factor, the treatment lowers them, a quarter are lost at six months."""
    g = np.random.default_rng(seed)
    ids = [f"PX-{i:04d}" for i in range(1, n + 1)]
    arm = np.array(["control", "treated"] * (n // 2) + ["control"] * (n % 2))
    start = np.datetime64("2020-01-06") + g.integers(0, 300, n).astype("timedelta64[D]")
    factor = g.normal(size=n)
    weight = np.round(70 + 8 * factor + 6 * g.normal(size=n), 1)
    region = np.where(g.random(n) < 0.6, "1", "2")
    region[:3] = RARE_SITE
    people = pd.DataFrame(
        {
            "id": ids,
            "sex": np.where(g.random(n) < 0.7, "1", "2"),
            "age": np.clip(np.round(30 + 6 * g.normal(size=n)), 16, 50).astype(int).astype(str),
            "weight": np.where(g.random(n) < 0.1, "-9", weight.astype(str)),
            "randomised_on": start.astype(str),
            "region": region,
            "notes": [f"secret of {unit}" if i % 3 else "" for i, unit in enumerate(ids)],
        }
    )
    rows: list[list[Any]] = [["id", "visit", "visited_on", "mood1", "mood2", "mood3"]]
    lost = g.random(n) < 0.25
    for i, unit in enumerate(ids):
        for visit, day, effect in (("baseline", -5, 0.0), ("month6", 183, 0.7)):
            if visit == "month6" and lost[i]:
                continue
            level = 1.5 + 0.6 * factor[i] - effect * (arm[i] == "treated")
            items = np.clip(np.round(level + 0.7 * g.normal(size=3)), 0, 3).astype(int).tolist()
            on = str(start[i] + np.timedelta64(day + int(g.integers(0, 4)), "D"))
            rows.append([unit, visit, on, *(None if g.random() < 0.03 else item for item in items)])
    sessions = [
        {
            "id": ids[i],
            "held_on": str(start[i] + np.timedelta64(7 * k + int(g.integers(0, 3)), "D")),
            "therapist": f"Dr {'ABC'[i % 3]}",
            "attended": str(int(g.random() < 0.8)),
        }
        for i in np.flatnonzero(arm == "treated")
        for k in range(1, 2 + int(g.integers(0, 12)))
    ]
    log = [
        {
            "id": ids[i] if i < n else "",
            "number": f"S{i:05d}",
            "screened_on": str(start[i % n] - np.timedelta64(int(g.integers(1, 20)), "D")),
        }
        for i in range(n + n // 2)
    ]
    return {
        "people.csv": people.to_csv(index=False, sep=";"),
        "visits.xlsx": workbook(rows, lambda sheet: setattr(sheet, "title", "Forms")),
        "sessions.csv": pd.DataFrame(sessions).to_csv(index=False),
        "log.csv": pd.DataFrame(log).to_csv(index=False),
        "allocation.csv": pd.DataFrame({"id": ids, "arm": arm}).to_csv(index=False),
    }


def confidential_study(folder: Path, n: int, seed: int = 1) -> Path:
    """Write the study and return its folder."""
    return make_study(folder, confidential_config(), confidential_raw(n, seed))


def raw_frames(folder: Path) -> dict[str, pd.DataFrame]:
    """Return every raw file of the study as text."""
    raw = folder / "data" / "raw"
    text: dict[str, Any] = {"dtype": str, "keep_default_na": False}
    return {
        "people": pd.read_csv(raw / "people.csv", sep=";", **text),
        "visits": pd.read_excel(io.BytesIO((raw / "visits.xlsx").read_bytes()), sheet_name="Forms", **text),
        "sessions": pd.read_csv(raw / "sessions.csv", **text),
        "log": pd.read_csv(raw / "log.csv", **text),
        "allocation": pd.read_csv(raw / "allocation.csv", **text),
    }
