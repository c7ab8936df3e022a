"""Recruitment over time against the target, and when the target will be reached if things go on as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from pipanalysis.progress.projection import Rate, days_until, posterior, probability_of, recruited_within

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

FARTHEST = 3653
"""days: a forecast beyond ten years is no forecast"""
State = Literal["not_started", "going_on", "reached", "ended_short", "no_target"]


@dataclass(frozen=True)
class Outlook:
    """What recruitment comes to if it goes on as it did lately.

    Attributes:
        rate: posterior of the rate.
        done_on: low, middle and high date of reaching the target; None for a date more than ten years off. None as a
            whole where no target is set.
        by_end: low, middle and high number by the planned end; None once that is past.
        chance: probability of reaching the target by the planned end; None once that is past, or without a target.
        curve: date, low, middle, high number so far, from the as-of date on.
    """

    rate: Rate
    done_on: tuple[pd.Timestamp | None, ...] | None
    by_end: tuple[int, ...] | None
    chance: float | None
    curve: pd.DataFrame


@dataclass(frozen=True)
class Recruitment:
    """How recruitment stands.

    Attributes:
        enrolled: units so far.
        undated: of those, without a date.
        target: units wanted; None where no target is set.
        planned_now: units that the plan has by the as-of date (a straight line from start to end).
        state: as `State`; ended_short: the planned end is past and nobody came lately.
        last_on: date of the latest unit.
        reached_on: date on which the target was reached.
        recent: units in the last `recent_days` days (or since recruitment began, if that is later).
        recent_days: so many days.
        cumulative: date → units so far.
        outlook: the forecast; None where recruitment does not go on, or has no plan.
    """

    enrolled: int
    undated: int
    target: int | None
    planned_now: float | None
    state: State
    last_on: pd.Timestamp | None
    reached_on: pd.Timestamp | None
    recent: int
    recent_days: int
    cumulative: pd.Series
    outlook: Outlook | None


def recruitment(
    data: ProgressData, group: str | None = None, *, n_groups: int = 1, going_on: bool = True
) -> Recruitment:
    """Count recruitment and project it.

    Args:
        data: of all groups or of one.
        group: the group that they are of; None for all.
        n_groups: groups that share the planned rate, where a group has no target of its own.
        going_on: recruitment to the study as a whole goes on.
    """
    plan, as_of = data.study.config.recruitment, data.as_of
    dates = data.enrolled["enrolled_on"].dropna().sort_values()
    enrolled = len(data.enrolled)
    target = None if plan is None else plan.units if group is None else plan.per_site.get(group)
    begun = _begun(data, dates)
    window = pd.Timedelta(days=data.study.progress.projection.recent_days)
    since = max(as_of - window, begun) if begun is not None else as_of
    recent, days = int((dates > since).sum()), (as_of - since).days
    planned_now = reached_on = outlook = None
    state: State = "no_target"
    if plan is not None and target:
        start, end = pd.Timestamp(plan.start), pd.Timestamp(plan.end)
        share = (as_of - start).days / max((end - start).days, 1)
        planned_now = target * min(max(share, 0.0), 1.0)
        state = _state(enrolled, target, recent, past_end=as_of > end)
        reached_on = dates.iloc[target - 1] if state == "reached" and len(dates) >= target else None
    if plan is not None and going_on and state in ("going_on", "no_target") and enrolled:
        length = max((plan.end - plan.start).days, 1)
        per_day = (target or plan.units / n_groups) / length
        rate = posterior(recent, days, per_day, data.study.progress.projection.prior_units)
        outlook = _outlook(data, rate, enrolled, target, pd.Timestamp(plan.end))
    return Recruitment(
        enrolled=enrolled,
        undated=enrolled - len(dates),
        target=target,
        planned_now=planned_now,
        state=state,
        last_on=dates.iloc[-1] if len(dates) else None,
        reached_on=reached_on,
        recent=recent,
        recent_days=days,
        cumulative=_cumulative(dates, as_of),
        outlook=outlook,
    )


def _outlook(data: ProgressData, rate: Rate, enrolled: int, target: int | None, end: pd.Timestamp) -> Outlook:
    tail = (1 - data.study.progress.projection.interval) / 2
    levels, as_of = (tail, 0.5, 1 - tail), data.as_of
    left = (end - as_of).days
    done_on = chance = None
    if target is not None:
        done_on = tuple(_after(as_of, days) for days in days_until(rate, target - enrolled, levels))
        chance = probability_of(rate, target - enrolled, left) if left > 0 else None
    by_end = tuple(enrolled + n for n in recruited_within(rate, left, levels)) if left > 0 else None
    until = _horizon(as_of, end, done_on[1] if done_on else None)
    return Outlook(rate, done_on, by_end, chance, _curve(rate, enrolled, as_of, until, levels, target))


def _begun(data: ProgressData, dates: pd.Series) -> pd.Timestamp | None:
    """Return when recruitment began here: with the first person screened or enrolled."""
    first = [dates.min()]
    if data.screening is not None:
        first.append(data.screening["date"].min())
    known = [day for day in first if not pd.isna(day)]
    return min(known) if known else None


def _state(enrolled: int, target: int, recent: int, *, past_end: bool) -> State:
    if enrolled >= target:
        return "reached"
    if past_end and not recent:
        return "ended_short"
    return "going_on" if enrolled else "not_started"


def _after(as_of: pd.Timestamp, days: float) -> pd.Timestamp | None:
    return as_of + pd.Timedelta(days=round(days)) if days <= FARTHEST else None


def _horizon(as_of: pd.Timestamp, end: pd.Timestamp, likely: pd.Timestamp | None) -> pd.Timestamp:
    """Return how far the forecast is drawn: to the planned end or the likely one, at most three years on."""
    far = [day for day in (end, likely) if day is not None and day > as_of]
    longest = as_of + pd.Timedelta(days=1096)
    return min(max(far, default=as_of + pd.Timedelta(days=366)), longest)


def _curve(
    rate: Rate, enrolled: int, as_of: pd.Timestamp, until: pd.Timestamp, levels: tuple[float, ...], target: int | None
) -> pd.DataFrame:
    steps = max(2, min(13, (until - as_of).days // 14))
    days = [round(i * (until - as_of).days / (steps - 1)) for i in range(steps)]
    rows = []
    for ahead in dict.fromkeys(days):
        numbers = [enrolled + n for n in recruited_within(rate, ahead, levels)]
        rows.append((as_of + pd.Timedelta(days=ahead), *(min(n, target) if target else n for n in numbers)))
    return pd.DataFrame(rows, columns=["date", "low", "middle", "high"])


def _cumulative(dates: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """Return units so far on each Monday after a week with recruitment, from the first to the as-of date."""
    if dates.empty:
        return pd.Series(dtype="int64", index=pd.DatetimeIndex([]))
    monday = dates - pd.to_timedelta(dates.dt.day_of_week, unit="D")
    by_week = monday.value_counts().sort_index().cumsum()
    known_on = pd.DatetimeIndex(by_week.index + pd.Timedelta(days=7)).map(lambda day: min(day, as_of))
    start = pd.Series([0], index=pd.DatetimeIndex([by_week.index[0]]))
    series: pd.Series = pd.concat([start, pd.Series(by_week.to_numpy(), index=known_on)])
    if series.index[-1] < as_of:
        series = pd.concat([series, pd.Series([int(series.iloc[-1])], index=pd.DatetimeIndex([as_of]))])
    return series
