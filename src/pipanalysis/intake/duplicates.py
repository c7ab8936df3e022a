"""Rows that should be one: repeated rows are set aside, and where two differ neither value is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.intake.queries import Queries

if TYPE_CHECKING:
    from pipanalysis.intake.extract import Extract


def set_aside_repeats(one: Extract, queries: Queries) -> None:
    """Drop each row of a file that repeats an earlier one in everything, and count all rows that should be one.

    Args:
        one: a file with a row for each unit, or each unit and visit; changed in place.
        queries: collects the problems.
    """
    long = bool(one.file.visit_column)
    keys = ["unit", "visit"] if long else ["unit"]
    frames = [frame for frame in (None if long else one.participants, *one.visits) if frame is not None]
    if not frames:
        return
    rows = pd.concat([frame[[*keys, "row"]] for frame in frames]).drop_duplicates("row").set_index("row").sort_index()
    several = rows[rows.duplicated(keys, keep=False)]
    if several.empty:
        return
    held = [
        frame[frame["row"].isin(several.index)].set_index("row").drop(columns=["unit", "visit"], errors="ignore")
        for frame in frames
    ]
    values = pd.concat(held, axis=1, keys=range(len(held)))
    repeats: list[int] = []
    for key, group in several.groupby(keys, sort=False):
        distinct: list[int] = []
        for row in group.index:
            first = next((other for other in distinct if values.loc[row].equals(values.loc[other])), None)
            if first is None:
                distinct.append(row)
                continue
            repeats.append(row)
            visit = str(key[1]) if long else one.file.visit or ""
            found = f"the same as row {first}"
            queries.add("duplicate-row", one.name, int(row), unit=key[0], visit=visit, found=found, allowed="one row")
    one.set_aside["duplicate-row"] = int(rows.duplicated(keys).sum())
    if one.participants is not None and not long:
        one.participants = one.participants[~one.participants["row"].isin(repeats)]
    one.visits = [frame[~frame["row"].isin(repeats)] for frame in one.visits]


def one_row_each(frame: pd.DataFrame, keys: list[str], file: str, queries: Queries) -> pd.DataFrame:
    """Return a table with one row for each value of the keys.

    Where rows of one key differ, values on which they agree (or which only one has) are kept, and the others are set
    missing with a query.

    Args:
        frame: keys, `row` (row number in the file) and values.
        keys: columns that identify a row.
        file: how messages call the file.
        queries: collects the problems.
    """
    repeated = frame.duplicated(keys, keep=False)
    if not repeated.any():
        return frame
    values = [column for column in frame.columns if column not in (*keys, "row")]
    merged = []
    for key, group in frame[repeated].groupby(keys, sort=False):
        named = dict(zip(keys, key, strict=True))
        first = group.iloc[[0]].copy()
        numbers = " and ".join(str(row) for row in group["row"])
        for column in values:
            present = group[column].dropna()
            if present.nunique() > 1:
                first[column] = first[column].where(pd.Series(data=False, index=first.index))
                found = f"rows {numbers}: " + " and ".join(str(value) for value in present.unique())
                queries.add(
                    "conflicting-values",
                    file,
                    int(group["row"].iloc[-1]),
                    unit=named["unit"],
                    visit=str(named.get("visit", "")),
                    variable=column,
                    found=found,
                    allowed="one value",
                )
            elif len(present):
                first[column] = present.iloc[0]
        merged.append(first)
    return pd.concat([frame[~repeated], *merged]).sort_index(ignore_index=True)


def repeated_events(frame: pd.DataFrame, keys: list[str], file: str, queries: Queries) -> tuple[pd.DataFrame, int]:
    """Return an event table without exact repeats; rows alike in their key alone are kept, with a query."""
    values = [column for column in frame.columns if column != "row"]
    same = frame.duplicated(values, keep="first")
    for row in frame.loc[same].itertuples():
        queries.add(
            "duplicate-row",
            file,
            int(str(row.row)),
            unit=row.unit,
            found="the same as an earlier row",
            allowed="one row",
        )
    frame = frame[~same].reset_index(drop=True)
    if keys:
        for row in frame[frame.duplicated(keys, keep="first")].itertuples():
            found = "the same " + ", ".join(keys) + " as an earlier row"
            queries.add("repeated-key", file, int(str(row.row)), unit=row.unit, found=found, allowed="one row")
    return frame, int(same.sum())
