"""Answers of R on public trial data, stored with the script that made them (tests/fixtures/r)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parents[1] / "fixtures" / "r"


def answers(name: str) -> dict[str, Any]:
    """The answers of one script."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def data(name: str) -> pd.DataFrame:
    """A file of data that a script wrote."""
    return pd.read_csv(FOLDER / f"{name}.csv")
