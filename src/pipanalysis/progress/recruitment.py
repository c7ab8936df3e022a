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
        rate: posterior of the rate, where recruitment goes on and there is a target.
        done_on: low, middle and high date of reaching the target; None for a date more than ten years off.
        by_end: low, middle and high number by the planned end; None once that is past.
        chance: probability of reaching the target by the planned end; None once that is past.
        cumulative: week (Monday) → units so far.
        forecast: date, low, middle, high number so far, from the as-of date on.
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
    rate: Rate | None
    done_on: tuple[pd.Timestamp | None, ...] | None
    by_end: tuple[int, ...] | None
    chance: float | None
    cumulative: pd.Series
    forecast: pd.DataFrame


def recruitment(data: ProgressData, group: str | None = None, n_groups: int = 1) -> Recruitment:
    """Count recruitment and project it.

    Args:
        data: of all groups or of one.
        group: the group that they are of; None for all.
        n_groups: groups that share the planned rate, where a group has no target of its own.
    """
    plan, settings, as_of = data.study.config.recruitment, data.study.progress.projection, data.as_of
    dates = data.enrolled["enrolled_on"].dropna().sort_values()
    enrolled = len(data.enrolled)
    target = None if plan is None else plan.units if group is None else plan.per_site.get(group)
    begun = _begun(data, dates)
    since = max(as_of - pd.Timedelta(days=settings.recent_days), begun) if begun is not None else as_of
    recent, days = int((dates > since).sum()), (as_of - since).days
    planned_now = reached_on = rate = done_on = by_end = chance = None
    forecast = pd.DataFrame(columns=["date", "low", "middle", "high"])
    state: State = "no_target"
    if plan is not None and target:
        start, end = pd.Timestamp(plan.start), pd.Timestamp(plan.end)
        length = max((end - start).days, 1)
        planned_now = target * min(max((as_of - start).days / length, 0.0), 1.0)
        state = _state(enrolled, target, recent, past_end=as_of > end)
        if state == "reached" and len(dates) >= target:
            reached_on = dates.iloc[target - 1]
    if plan is not None and state in ("going_on", "no_target") and begun is not None and enrolled:
        end = pd.Timestamp(plan.end)
        share = 1 if group is None else n_groups
        per_day = (target or plan.units / share) / max((end - pd.Timestamp(plan.start)).days, 1)
        rate = posterior(recent, days, per_day, settings.prior_units)
        if target:
            tail = (1 - settings.interval) / 2
            levels = (tail, 0.5, 1 - tail)
            done_on = tuple(_after(as_of, d) for d in days_until(rate, target - enrolled, levels))
            left = (end - as_of).days
            if left > 0:
                by_end = tuple(enrolled + n for n in recruited_within(rate, left, levels))
                chance = probability_of(rate, target - enrolled, left)
            forecast = _forecast(rate, enrolled, as_of, _horizon(as_of, end, done_on), levels, target)
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
        rate=rate,
        done_on=done_on,
        by_end=by_end,
        chance=chance,
        cumulative=_cumulative(dates, as_of),
        forecast=forecast,
    )


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


def _horizon(as_of: pd.Timestamp, end: pd.Timestamp, done_on: tuple[pd.Timestamp | None, ...]) -> pd.Timestamp:
    """Return how far the forecast is drawn: to the planned end or the likely one, at most three years on."""
    far = [day for day in (end, done_on[1]) if day is not None and day > as_of]
    longest = as_of + pd.Timedelta(days=1096)
    return min(max(far, default=longest), longest)


def _forecast(
    rate: Rate, enrolled: int, as_of: pd.Timestamp, until: pd.Timestamp, levels: tuple[float, ...], target: int
) -> pd.DataFrame:
    steps = max(2, min(13, (until - as_of).days // 14))
    days = [round(i * (until - as_of).days / (steps - 1)) for i in range(steps)]
    rows = []
    for ahead in dict.fromkeys(days):
        low, middle, high = (min(enrolled + n, target) for n in recruited_within(rate, ahead, levels))
        rows.append((as_of + pd.Timedelta(days=ahead), low, middle, high))
    return pd.DataFrame(rows, columns=["date", "low", "middle", "high"])


def _cumulative(dates: pd.Series, as_of: pd.Timestamp) -> pd.Series:
    """Return units so far on each Monday after a week with recruitment, from the first to the as-of date."""
    if dates.empty:
        return pd.Series(dtype="int64", index=pd.DatetimeIndex([]))
    monday = dates - pd.to_timedelta(dates.dt.dayofweek, unit="D")
    by_week = monday.value_counts().sort_index().cumsum()
    known_on = pd.DatetimeIndex(by_week.index + pd.Timedelta(days=7)).map(lambda day: min(day, as_of))
    start = pd.Series([0], index=pd.DatetimeIndex([by_week.index[0]]))
    series: pd.Series = pd.concat([start, pd.Series(by_week.to_numpy(), index=known_on)])
    if series.index[-1] < as_of:
        series = pd.concat([series, pd.Series([int(series.iloc[-1])], index=pd.DatetimeIndex([as_of]))])
    return series
