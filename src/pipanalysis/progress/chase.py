"""What to chase: assessments that close soon, are overdue, are open, or open soon, the most urgent first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

URGENCY = {
    "closing": "Closes soon",
    "overdue": "Overdue",
    "open": "Open now",
    "opening": "Opens soon",
}
"""urgency → what it is called, the most urgent first"""
COLUMNS = ["urgency", "unit", "group", "visit", "window_open", "target_date", "window_close", "days", "assessor"]


def chase_list(data: ProgressData) -> pd.DataFrame:
    """Return the assessments to chase, sorted by urgency, then by how little time is left, then by unit.

    `days`: to the window's close (closing, open), since it (overdue, negative), to its opening (opening). `assessor`:
    who carried out the unit's latest assessment.
    """
    table = data.visits
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    soon, as_of = data.study.progress.follow_up.soon_days, data.as_of
    opens = (table["window_open"].fillna(table["target_date"]) - as_of).dt.days
    closes = (table["window_close"].fillna(table["target_date"]) - as_of).dt.days
    urgency = np.select(
        [
            (table["state"] == "due") & (closes <= soon),
            table["state"] == "overdue",
            table["state"] == "due",
            (table["state"] == "expected") & (opens <= soon),
        ],
        list(URGENCY),
        "",
    )
    days = np.where(urgency == "opening", opens, closes)
    chosen = table.assign(urgency=urgency, days=days)[urgency != ""]
    chosen = chosen.assign(
        assessor=chosen["unit"].map(_latest_assessor(data)).fillna(""), days=chosen["days"].astype(int)
    )
    rank = chosen["urgency"].map({name: i for i, name in enumerate(URGENCY)})
    # Of those overdue, the latest to have closed is the likeliest to be saved.
    left = chosen["days"].where(chosen["urgency"] != "overdue", -chosen["days"])
    ordered: pd.DataFrame = chosen.assign(rank=rank, left=left).sort_values(["rank", "left", "unit", "visit"])
    return ordered[COLUMNS].reset_index(drop=True)


def _latest_assessor(data: ProgressData) -> pd.Series:
    known = data.visits[data.visits["done"] & (data.visits["assessor"] != "")]
    return known.sort_values(["unit", "visit_date"], kind="stable").groupby("unit")["assessor"].last()
