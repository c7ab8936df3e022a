"""When each visit was due, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.schedule import target_dates

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

STATES = ("in_window", "out_of_window", "undated", "withdrawn", "not_done")


def assessments(study: Study, participants: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """Return a row per randomised unit and planned visit.

    Args:
        study: visits and windows.
        participants: one row per unit, with `randomised` and, where the study has them, the variables that hold the
            dates of randomisation and withdrawal.
        visits: checked visits (unit, visit, ...).

    Returns:
        Columns unit, visit, target_date, window_open, window_close, visit_date, days_from_target, state and the ages.
        Each row has exactly one of ``STATES``: `in_window`, `out_of_window`, `undated` (done; no date, or no window to
        hold it against), `withdrawn` (not done, and the unit withdrew on or before the target date), `not_done`.
    """
    randomised = study.variable_with_role("randomisation_date")
    withdrawal = study.variable_with_role("withdrawal_date")
    dated = study.variable_with_role("visit_date")
    ages = [v.age_name for v in study.config.variables if v.age_name and v.age_name in visits]
    chosen = participants.loc[participants["randomised"]]
    no_date = pd.Series(pd.NaT, index=chosen.index, dtype="datetime64[ns]")
    start = chosen[randomised.name].astype("datetime64[ns]") if randomised else no_date
    left = chosen[withdrawal.name].astype("datetime64[ns]") if withdrawal else no_date
    held = visits[["unit", "visit", *([dated.name] if dated and dated.name in visits else []), *ages]].assign(done=True)
    parts = []
    for visit in study.visits.values():
        target = target_dates(start, visit)
        window = visit.window
        part = pd.DataFrame(
            {
                "unit": chosen["unit"],
                "visit": visit.name,
                "target_date": target,
                "window_open": target - pd.Timedelta(days=window.before) if window else no_date,
                "window_close": target + pd.Timedelta(days=window.after) if window else no_date,
                "left": left,
            }
        )
        parts.append(part)
    table = pd.concat(parts, ignore_index=True).merge(held, on=["unit", "visit"], how="left", validate="one_to_one")
    done = table["done"].notna()
    date = (
        table[dated.name].astype("datetime64[ns]") if dated and dated.name in table else pd.Series(pd.NaT, table.index)
    )
    table["visit_date"] = date.astype("datetime64[ns]")
    table["days_from_target"] = (table["visit_date"] - table["target_date"]).dt.days.astype("float64")
    inside = (table["visit_date"] >= table["window_open"]) & (table["visit_date"] <= table["window_close"])
    known = table["visit_date"].notna() & table["window_open"].notna()
    withdrawn = table["left"].notna() & ~(table["left"] > table["target_date"])
    table["state"] = np.select(
        [done & ~known, done & inside, done, withdrawn],
        ["undated", "in_window", "out_of_window", "withdrawn"],
        "not_done",
    )
    order = {name: i for i, name in enumerate(study.visits)}
    table = table.sort_values(["unit", "visit"], key=lambda s: s.map(order) if s.name == "visit" else s, kind="stable")
    columns = ["unit", "visit", "target_date", "window_open", "window_close", "visit_date", "days_from_target", "state"]
    return table[[*columns, *ages]].reset_index(drop=True)
