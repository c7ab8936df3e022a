"""Rows that should be one: repeated rows are set aside, and where two differ neither value is believed."""

from __future__ import annotations

import pandas as pd

from pipanalysis.intake.queries import Queries


def one_row_each(frame: pd.DataFrame, keys: list[str], file: str, queries: Queries) -> tuple[pd.DataFrame, int]:
    """Return a table with one row for each value of the keys.

    A row that repeats an earlier one in everything is set aside. Where rows of one key differ, values on which they
    agree (or which only one has) are kept, and the others are set missing with a query.

    Args:
        frame: keys, `row` (row number in the file) and values.
        keys: columns that identify a row.
        file: how messages call the file.
        queries: collects the problems.

    Returns:
        The table without repeats, and the number of rows set aside.
    """
    repeated = frame.duplicated(keys, keep=False)
    if not repeated.any():
        return frame, 0
    values = [column for column in frame.columns if column not in (*keys, "row")]
    merged, set_aside = [], 0
    for key, group in frame[repeated].groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        unit, visit = named.get("unit", ""), str(named.get("visit", ""))
        first = group.iloc[[0]].copy()
        same = group.duplicated(values, keep="first")
        for row in group.loc[same, "row"]:
            found = f"the same as row {first['row'].iloc[0]}"
            queries.add("duplicate-row", file, int(row), unit=unit, visit=visit, found=found, allowed="one row")
        set_aside += int(same.sum())
        distinct = group[~same]
        if len(distinct) > 1:
            set_aside += len(distinct) - 1
            numbers = " and ".join(str(row) for row in distinct["row"])
            for column in values:
                present = distinct[column].dropna()
                if present.nunique() > 1:
                    first[column] = first[column].where(pd.Series(data=False, index=first.index))
                    found = f"rows {numbers}: " + " and ".join(str(value) for value in present.unique())
                    row = int(distinct["row"].iloc[-1])
                    queries.add(
                        "conflicting-values",
                        file,
                        row,
                        unit=unit,
                        visit=visit,
                        variable=column,
                        found=found,
                        allowed="one value",
                    )
                elif len(present):
                    first[column] = present.iloc[0]
        merged.append(first)
    return pd.concat([frame[~repeated], *merged]).sort_index(ignore_index=True), set_aside


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
