"""What has become of each planned assessment: exactly one state each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

STATES = {
    "done_in_window": "Done in window",
    "done_out_of_window": "Done out of window",
    "done_undated": "Done, date or window not known",
    "due": "Due now",
    "overdue": "Overdue",
    "missed": "Missed",
    "withdrawn": "Withdrawn",
    "expected": "Not yet due",
}
"""state → what it is called, in the order of display"""
DONE = ("done_in_window", "done_out_of_window", "done_undated")


def visit_states(visits: pd.DataFrame, as_of: pd.Timestamp, late_days: int) -> pd.Series:
    """Return the state of each enrolled unit's planned assessment on a day.

    Args:
        visits: target_date, window_open, window_close, visit_date, done, withdrawn_on; what is dated after `as_of` has
            been taken out.
        as_of: the day.
        late_days: days after the window's close in which an assessment not done is still chased.

    Both ends of a window belong to it. An assessment not done is `withdrawn` where the unit left before it was missed;
    `expected` before its window opens, and where the target date is not known; `due` in its window; `overdue` for
    `late_days` days after it; then `missed`. Without a window, the target date is its only day.
    """
    opens = visits["window_open"].fillna(visits["target_date"])
    closes = visits["window_close"].fillna(visits["target_date"])
    last_chance = closes + pd.Timedelta(days=late_days)
    done, date = visits["done"].to_numpy(dtype=bool), visits["visit_date"]
    placed = date.notna() & visits["window_open"].notna()
    inside = (date >= visits["window_open"]) & (date <= visits["window_close"])
    left = visits["withdrawn_on"].notna() & ~(visits["withdrawn_on"] > last_chance)
    states = np.select(
        [
            done & ~placed,
            done & inside,
            done,
            left,
            closes.isna() | (opens > as_of),
            closes >= as_of,
            last_chance >= as_of,
        ],
        ["done_undated", "done_in_window", "done_out_of_window", "withdrawn", "expected", "due", "overdue"],
        "missed",
    )
    return pd.Series(states, index=visits.index, dtype="object")


def state_counts(data: ProgressData) -> pd.DataFrame:
    """Return visits (rows, in time order) by states: how many units are in each; each row adds up to those enrolled."""
    counts = data.visits.groupby(["visit", "state"], observed=True).size().unstack(fill_value=0)
    return counts.reindex(index=list(data.study.visits), columns=list(STATES), fill_value=0).astype(int)


def follow_up_rate(counts: pd.DataFrame) -> pd.DataFrame:
    """Return, for each visit, `done` of those `decided` (done, missed or withdrawn) and the percentage."""
    done = counts[list(DONE)].sum(axis=1)
    decided = done + counts["missed"] + counts["withdrawn"]
    return pd.DataFrame({"done": done, "decided": decided, "percent": 100 * done / decided.where(decided > 0)})
