"""What a site is sent about its own units: a workbook with nothing of other sites in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.progress.funnel import funnel
from pipanalysis.progress.lists import assessments
from pipanalysis.progress.page_model import List, iso_dates
from pipanalysis.progress.query_log import OPEN, STATES
from pipanalysis.progress.retention import withdrawal_reasons
from pipanalysis.progress.small_counts import hide_small
from pipanalysis.progress.spreadsheet import write_workbook
from pipanalysis.progress.visit_states import STATES as VISIT_STATES
from pipanalysis.progress.visit_states import state_counts

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData


INTERNAL = ("since", "answer")
"""columns of the queries that are for the trial team alone"""


def write_listing(
    path: Path, data: ProgressData, group: str | None, groups: dict[str, str], shown: list[List], marks: list[str]
) -> None:
    """Write the workbook of one site, or of all (group None).

    Args:
        path: of the workbook.
        data: of that site, or of all.
        group: the site.
        groups: name → label of all sites.
        shown: the lists on the page, of all sites.
        marks: what is said above each sheet.
    """
    study = data.study
    own_groups = groups if group is None else {group: groups[group]}
    planned = assessments(data, own_groups)
    sheets = {"Summary": summary(data, group)}
    for one in shown:
        frame = one.frame if group is None else one.frame[(one.frame["group"] == group).to_numpy(dtype=bool)]
        columns = {**one.columns, **one.more}
        if one.name == "queries":
            frame = frame[frame["state"].isin([STATES[name] for name in OPEN])]
            hidden = (
                [*INTERNAL, *([] if study.progress.listings.query_values else ["found"])] if group is not None else []
            )
            columns = {name: label for name, label in columns.items() if name not in hidden}
        names = [name for name in columns if group is None or name != "site"]
        sheets["To do" if one.name == "chase" else "Open queries"] = frame[names].rename(columns=columns)
    if study.visits:
        kept = planned.drop(columns=["group"] if group is None else ["group", "site"])
        sheets["Assessments"] = kept.rename(columns=lambda name: str(name).replace("_", " ").capitalize())
    if study.progress.listings.variables:
        sheets[f"{study.config.study.unit.capitalize()}s"] = people(data)
    write_workbook(path, sheets, marks, data.as_of.date())


def people(data: ProgressData) -> pd.DataFrame:
    """Return the enrolled units with the variables that a site may see, and no other."""
    study, own = data.study, data.enrolled
    columns = {study.config.study.unit.capitalize(): own["unit"]}
    for name in study.progress.listings.variables:
        variable = study.variables[name]
        values = own[name] if name in own else pd.Series("", index=own.index)
        if variable.role == "withdrawal_date":
            values = own["withdrawn_on"]
        if pd.api.types.is_datetime64_any_dtype(values):
            values = iso_dates(values.astype("datetime64[ns]"))
        columns[variable.label] = values.astype("object").where(values.notna(), "")
    return pd.DataFrame(columns)


def summary(data: ProgressData, group: str | None) -> pd.DataFrame:
    """Return the counts of a site; those of reasons are hidden where they are too small to be sent out."""
    study, progress = data.study, data.study.progress
    below = 1 if group is None else progress.small_counts.below
    rows: list[tuple[str, str, int | str]] = [(progress.enrolled.capitalize(), "", len(data.enrolled))]
    found = funnel(data)
    for step in found.steps if found else ():
        rows.append((step.name.capitalize(), "reached this step", step.n))
        rows += [(step.name.capitalize(), why, _shown(n, below)) for why, n in hide_small(step.lost, below).items()]
    gone = withdrawal_reasons(data)
    rows.append(("Withdrawn", "", sum(gone.values())))
    rows += [("Withdrawn", why, _shown(n, below)) for why, n in hide_small(gone, below).items()]
    if study.visits:
        for name, counts in state_counts(data).iterrows():
            label = study.visits[str(name)].label
            rows += [(label, VISIT_STATES[str(state)], int(n)) for state, n in counts.items()]
    return pd.DataFrame(rows, columns=["What", "Which", "Number"])


def _shown(n: int | None, below: int) -> int | str:
    return f"hidden (counts under {below})" if n is None else n
