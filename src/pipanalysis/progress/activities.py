"""Interviews, focus groups and the like: how many people took part, of those wanted, and who is still to be met."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

TO_DO_COLUMNS = ["what", "unit", "group", "since", "days"]


@dataclass(frozen=True)
class ActivityCount:
    """People of a group who took part in a kind of activity.

    Attributes:
        group: name of the group.
        kind: code of the kind.
        people: who took part.
        target: how many are wanted; None where no target is set.
        sessions: held together; None for activities of one person.
        largest: people in the largest of them.
    """

    group: str
    kind: str
    people: int
    target: int | None
    sessions: int | None = None
    largest: int | None = None


@dataclass(frozen=True)
class Vouchers:
    """Vouchers due and issued.

    Attributes:
        due: activities that earn one.
        issued: of those, issued.
        value: of one.
        currency: sign before it.
    """

    due: int
    issued: int
    value: float
    currency: str


def _took_part(data: ProgressData) -> pd.DataFrame:
    """Return the activities of enrolled people: consent comes first."""
    assert data.activities is not None
    return data.activities[data.activities["unit"].isin(set(data.enrolled["unit"])).to_numpy(dtype=bool)]


def without_consent(data: ProgressData) -> int:
    """Return how many activities are on record of people whose consent is not."""
    return 0 if data.activities is None else len(data.activities) - len(_took_part(data))


def activity_counts(data: ProgressData, groups: dict[str, str], kinds: dict[str, str]) -> list[ActivityCount]:
    """Count each group and kind that is wanted or took place."""
    plan = data.study.progress.activities
    if plan is None or data.activities is None:
        return []
    acts = _took_part(data)
    targets = {(target.group, target.kind): target.people for target in plan.targets}
    counts = []
    for group, kind in product(groups, kinds):
        own, target = acts[(acts["group"] == group) & (acts["kind"] == kind)], targets.get((group, kind))
        if own.empty and target is None:
            continue
        people = own["unit"].nunique()
        if plan.together is None or kind != plan.together.kind:
            counts.append(ActivityCount(group, kind, people, target))
            continue
        sizes = own[own["together"] != ""].groupby("together")["unit"].nunique()
        counts.append(ActivityCount(group, kind, people, target, len(sizes), int(sizes.max()) if len(sizes) else 0))
    return counts


def vouchers(data: ProgressData) -> Vouchers | None:
    """Count vouchers; None where the study gives none."""
    plan = data.study.progress.activities
    if plan is None or plan.vouchers is None or data.activities is None:
        return None
    earned = _earning(data)
    return Vouchers(len(earned), int(earned["voucher"].eq(True).sum()), plan.vouchers.value, plan.vouchers.currency)


def _earning(data: ProgressData) -> pd.DataFrame:
    plan = data.study.progress.activities
    acts = _took_part(data)
    chosen = plan.vouchers.groups if plan and plan.vouchers else []
    return acts[acts["group"].isin(chosen).to_numpy(dtype=bool)] if chosen else acts


def cumulative_by_group(data: ProgressData, groups: dict[str, str]) -> pd.DataFrame:
    """Return group, date and people so far who took part in anything, a row for each date with a new one."""
    if data.activities is None:
        return pd.DataFrame(columns=["group", "date", "people"])
    first = _took_part(data).dropna(subset=["date"]).groupby(["group", "unit"])["date"].min().reset_index()
    pieces = []
    for group in groups:
        days = first.loc[first["group"] == group, "date"].value_counts().sort_index().cumsum()
        pieces.append(pd.DataFrame({"group": group, "date": days.index, "people": days.to_numpy()}))
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=["group", "date", "people"])


def to_do(data: ProgressData) -> pd.DataFrame:
    """Return who consented some time ago, is still in, and has had no activity; and vouchers not yet issued."""
    plan = data.study.progress.activities
    if plan is None or data.activities is None:
        return pd.DataFrame(columns=TO_DO_COLUMNS)
    acts, inside = _took_part(data), data.enrolled
    waiting = inside[inside["withdrawn_on"].isna() & ~inside["unit"].isin(set(acts["unit"]))]
    meet = pd.DataFrame(
        {"what": "meet", "unit": waiting["unit"], "group": waiting["group"], "since": waiting["enrolled_on"]}
    )
    meet = meet[(data.as_of - meet["since"]).dt.days >= plan.chase_days]
    pieces = [meet]
    if plan.vouchers:
        owed = _earning(data)
        owed = owed[~owed["voucher"].eq(True)]
        pieces.append(
            pd.DataFrame({"what": "voucher", "unit": owed["unit"], "group": owed["group"], "since": owed["date"]})
        )
    table: pd.DataFrame = pd.concat(pieces, ignore_index=True)
    table = table.assign(days=(data.as_of - table["since"]).dt.days.astype("Int64"))
    table = table.sort_values(["days", "unit", "what"], ascending=[False, True, True], ignore_index=True)
    return table.reindex(columns=TO_DO_COLUMNS)
