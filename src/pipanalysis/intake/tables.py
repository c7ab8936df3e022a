"""Puts what the files hold together: a row per unit, and a row per unit and visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.intake.columns import empty_column, kind_of
from pipanalysis.intake.duplicates import one_row_each, set_aside_repeats
from pipanalysis.intake.extract import Extract
from pipanalysis.intake.queries import Queries
from pipanalysis.intake.visit_dates import age_in_months, check_visit_dates

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def participants_and_visits(
    study: Study, extracts: list[Extract], queries: Queries
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the checked participants and visits.

    A date of birth is replaced by ages in months, at randomisation in the participants and at each visit's date in the
    visits.
    """
    for one in extracts:
        if one.events is None:
            set_aside_repeats(one, queries)
    participants = _participants(extracts, queries)
    visits = _visits(study, extracts, queries)
    if participants.empty and len(visits):
        participants = pd.DataFrame({"unit": pd.Series(visits["unit"].unique(), dtype="str")})
    visits = check_visit_dates(study, participants, visits, queries)
    participants, visits = _ages(study, participants, visits)
    return _ordered_participants(study, participants), _ordered_visits(study, visits)


def _participants(extracts: list[Extract], queries: Queries) -> pd.DataFrame:
    """Return one row per unit; the values of several rows or files must agree."""
    merged: pd.DataFrame | None = None
    for one in extracts:
        if one.participants is None:
            continue
        values = [column for column in one.participants.columns if column not in ("unit", "row")]
        if one.file.visit_column:
            frame = _agreeing(one.participants, values, one.name, queries)
        else:
            frame = one_row_each(one.participants, ["unit"], one.name, queries)
        frame = frame.drop(columns="row")
        merged = frame if merged is None else merged.merge(frame, on="unit", how="outer", validate="one_to_one")
    return pd.DataFrame({"unit": pd.Series(dtype="str")}) if merged is None else merged


def _agreeing(frame: pd.DataFrame, values: list[str], file: str, queries: Queries) -> pd.DataFrame:
    """Return one row per unit of a long file, whose rows repeat what belongs to the unit."""
    first = frame.groupby("unit", sort=False).first()
    for column in values:
        differing = frame.groupby("unit", sort=False)[column].nunique()
        for unit in differing.index[differing > 1]:
            rows = frame.loc[frame["unit"] == unit].dropna(subset=[column])
            found = " and ".join(str(value) for value in rows[column].unique())
            queries.add(
                "conflicting-values",
                file,
                int(rows["row"].iloc[-1]),
                unit=unit,
                variable=column,
                found=found,
                allowed="one value",
            )
            first.loc[unit, column] = None
    return first.reset_index()


def _visits(study: Study, extracts: list[Extract], queries: Queries) -> pd.DataFrame:
    pieces: list[pd.DataFrame] = []
    for one in extracts:
        single = [one_row_each(frame, ["unit", "visit"], one.name, queries) for frame in one.visits]
        parts = [frame.copy().assign(file=one.name) for frame in single]
        if parts:
            pieces.append(pd.concat(parts, ignore_index=True))
    if not pieces:
        return pd.DataFrame({"unit": pd.Series(dtype="str"), "visit": pd.Series(dtype="str"), "file": "", "row": 0})
    table = pd.concat(pieces, ignore_index=True)
    if table.duplicated(["unit", "visit"]).any():
        values = [str(column) for column in table if column not in ("unit", "visit", "file", "row")]
        shared = [column for column in values if sum(column in piece for piece in pieces) > 1]
        table = _from_several_files(table, shared, queries)
    order = {name: i for i, name in enumerate(study.visits)}
    return table.sort_values(
        ["unit", "visit"], key=lambda s: s.map(order) if s.name == "visit" else s, kind="stable", ignore_index=True
    )


def _from_several_files(table: pd.DataFrame, shared: list[str], queries: Queries) -> pd.DataFrame:
    """Return one row per unit and visit; the columns that several files have must agree."""
    keys = ["unit", "visit"]
    single = table.groupby(keys, sort=False).first()
    several = table[table.duplicated(keys, keep=False)]
    for column in shared:
        differing = several.groupby(keys, sort=False)[column].nunique()
        for unit, visit in differing.index[differing > 1]:
            rows = several[(several["unit"] == unit) & (several["visit"] == visit)].dropna(subset=[column])
            places = " and ".join(f"{file} row {row}" for file, row in zip(rows["file"], rows["row"], strict=True))
            found = f"{places}: " + " and ".join(str(value) for value in rows[column])
            last = rows.iloc[-1]
            queries.add(
                "conflicting-values",
                str(last["file"]),
                int(last["row"]),
                unit=unit,
                visit=str(visit),
                variable=column,
                found=found,
                allowed="one value",
            )
            single.loc[(unit, visit), column] = None
    return single.reset_index()


def _ages(study: Study, participants: pd.DataFrame, visits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    randomised = study.variable_with_role("randomisation_date")
    dated = study.variable_with_role("visit_date")
    for variable in study.config.variables:
        if variable.type != "date_of_birth" or variable.name not in participants:
            continue
        age = str(variable.age_name)
        born = participants[variable.name]
        if randomised and randomised.name in participants:
            participants = participants.assign(**{age: age_in_months(born, participants[randomised.name])})
        if dated and dated.name in visits:
            births = visits["unit"].map(participants.set_index("unit")[variable.name])
            visits = visits.assign(**{age: age_in_months(births, visits[dated.name])})
        participants = participants.drop(columns=variable.name)
    return participants, visits


def _ordered_participants(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return the participants sorted by unit, with every open participant-level variable of the study, in its order.

    A unit is randomised where a date of randomisation was given, even one that had to be set aside, so that nobody is
    lost to a slip of the pen; in a study that records none, every unit received is.
    """
    columns: dict[str, pd.Series] = {"unit": table["unit"].astype("str")}
    randomised = table["randomised"] if "randomised" in table else pd.Series(data=True, index=table.index)
    columns["randomised"] = randomised.eq(True)
    for variable in study.config.variables:
        if variable.level != "participant" or variable.closed:
            continue
        name = variable.age_name if variable.type == "date_of_birth" else variable.name
        kind = "number" if variable.type == "date_of_birth" else kind_of(variable.type)
        columns[str(name)] = table[name] if name in table else empty_column(kind, len(table)).set_axis(table.index)
    return pd.DataFrame(columns).sort_values("unit", ignore_index=True)


def _ordered_visits(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return the visits with the study's variables and items in its order; items as 32-bit numbers."""
    columns: dict[str, pd.Series] = {"unit": table["unit"].astype("str"), "visit": table["visit"].astype("str")}
    names = [v.name for v in study.config.variables if v.level == "visit" and not v.closed]
    names += [v.age_name for v in study.config.variables if v.age_name]
    for name in names:
        if name in table:
            columns[name] = table[name]
    for instrument in study.instruments.values():
        for item in instrument.item_names():
            name = instrument.item_variable(item)
            if name in table:
                number = instrument.items.type != "category"
                columns[name] = table[name].astype(np.float32) if number else table[name].astype("str")
    return pd.DataFrame(columns)
