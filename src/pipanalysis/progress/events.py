"""Rows of event tables as the progress page needs them: screened people, activities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.study.event_tables import event_file

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import Variable

NO_GROUP = ""
"""group of what belongs to no known site"""


def labels(variable: Variable | None, values: pd.Series) -> pd.Series:
    """Return the labels of a category's codes as text, "" where missing."""
    names = variable.levels if variable else {}
    return values.map(lambda code: "" if pd.isna(code) else names.get(str(code), str(code))).astype("object")


def dates_of(frame: pd.DataFrame, name: str | None) -> pd.Series:
    """Return a column of dates, each without a time of day; all missing where there is no such column."""
    if name is None or name not in frame:
        return pd.Series(pd.NaT, index=frame.index, dtype="datetime64[ns]")
    return frame[name].astype("datetime64[ns]").dt.normalize()


def name_of(variable: Variable | None) -> str | None:
    """Return the name of a variable that the study may not have."""
    return None if variable is None else variable.name


def of_unit(people: pd.DataFrame, column: str, units: pd.Series) -> pd.Series:
    """Return a column of the people for each of some units; missing for a unit that is none of them."""
    return pd.Series(people.set_index("unit")[column].reindex(units.astype("object")).to_numpy(), index=units.index)


def _group_of(study: Study, table: pd.DataFrame, people: pd.DataFrame) -> pd.Series:
    """Return the group of each event: its own where the table has it, else its unit's."""
    name = study.progress.group or name_of(study.variable_with_role("site"))
    if name and name in table:
        own = table[name].astype("object")
        return own.where(own.notna(), NO_GROUP)
    found = of_unit(people, "group", table["unit"])
    return found.where(found.notna(), NO_GROUP)


def _said(values: pd.Series, yes: str) -> pd.Series:
    """Return True, False or None (not said)."""
    return pd.Series([None if pd.isna(v) else str(v) == yes for v in values], index=values.index, dtype="object")


def screening(study: Study, table: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return a row per person screened: unit, group, date, eligible and consented (True, False, None), reasons."""
    log = study.progress.screening
    assert log is not None
    own = _own_variables(study, log.table)
    empty = pd.Series("", index=table.index, dtype="object")

    def reason(name: str | None) -> pd.Series:
        return labels(own.get(name), table[name]) if name else empty

    return pd.DataFrame(
        {
            "unit": table["unit"].astype("object").where(table["unit"].notna(), ""),
            "group": _group_of(study, table, people),
            "date": dates_of(table, log.date),
            "eligible": _said(table[log.eligible], log.yes),
            "not_eligible_reason": reason(log.not_eligible_reason),
            "consented": _said(table[log.consented], log.yes),
            "declined_reason": reason(log.declined_reason),
        }
    )


def activities(study: Study, table: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return a row per person and activity: unit, group, date, kind, kind_label, together, voucher."""
    plan = study.progress.activities
    assert plan is not None
    own = _own_variables(study, plan.table)
    together = plan.together.identifier if plan.together else None
    issued = plan.vouchers.issued if plan.vouchers else None
    return pd.DataFrame(
        {
            "unit": table["unit"].astype("object"),
            "group": _group_of(study, table, people),
            "date": dates_of(table, plan.date),
            "kind": table[plan.kind].astype("object").where(table[plan.kind].notna(), ""),
            "kind_label": labels(own.get(plan.kind), table[plan.kind]),
            "together": labels(own.get(together or ""), table[together]) if together else "",
            "voucher": _said(table[issued], plan.vouchers.yes) if issued and plan.vouchers else None,
        }
    )


def _own_variables(study: Study, table: str) -> dict[str, Variable]:
    file = event_file(study, table)
    return {v.name: v for v in file.events.variables} if file and file.events else {}
