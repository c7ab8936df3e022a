"""The page's words on recruitment: screening, numbers against target, forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.progress.funnel import Funnel, funnel
from pipanalysis.progress.page_model import Bar, Section, Table, day, iso, number_table, percent, several
from pipanalysis.progress.recruitment import Outlook, Recruitment, recruitment
from pipanalysis.progress.small_counts import hide_small

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData


def funnel_section(data: ProgressData, *, whole: bool) -> Section | None:
    """Return the section on screening; None where the study has no screening log."""
    found = funnel(data)
    if found is None:
        return None
    progress, unit = data.study.progress, data.study.config.study.unit
    names = {"screened": "Screened", "eligible": "Eligible", "consented": "Consented"}
    names["enrolled"] = progress.enrolled.capitalize()
    title = f"From screening to {progress.enrolled}"
    top = found.steps[0].n
    if not top:
        return Section("screening", title, [f"Nobody has been screened yet{'' if whole else ' at this site'}."])
    hide = progress.small_counts.below if progress.small_counts.page and not whole else 1
    bars = [Bar(names[step.name], step.n, top, _lost(step.lost, step.waiting, step.name, hide)) for step in found.steps]
    reasons = [
        [names[step.name], why, _count(n)] for step in found.steps for why, n in hide_small(step.lost, hide).items()
    ]
    lead = [
        f"Of {top:,} screened, {percent(found.steps[1].n, top)} were eligible; of those eligible, "
        f"{percent(found.steps[2].n, found.steps[1].n)} consented."
    ]
    steps = number_table(
        "Screening, step by step",
        ["Step", "Reached it", "Went no further", "Not yet known", "Went on"],
        [_row(found, i, names) for i in range(len(found.steps))],
    )
    headings = ["After this step", "Reason", "Number"]
    tables = [steps, Table("Reasons for going no further", headings, reasons, frozenset({2}), open=False)]
    notes = []
    if found.not_in_log:
        notes.append(
            f"{several(found.not_in_log, unit)} {progress.enrolled} without an entry in the screening log that says "
            "eligible and consented; please complete the log."
        )
    return Section("screening", title, lead, bars=bars, tables=tables, notes=notes)


def _row(found: Funnel, i: int, names: dict[str, str]) -> list[Any]:
    step = found.steps[i]
    onward = found.steps[i + 1].n if i + 1 < len(found.steps) else None
    lost = sum(step.lost.values()) if onward is not None else None
    return [names[step.name], step.n, lost, step.waiting if onward is not None else None, onward]


def _lost(lost: dict[str, int], waiting: int, step: str, hide: int) -> list[str]:
    said = [f"{why}: {_count(n)}" for why, n in hide_small(lost, hide).items()]
    if waiting:
        said.append(f"{'Not yet ' + 'in the study' if step == 'consented' else 'Not yet known'}: {waiting}")
    return said


def _count(n: int | None) -> str:
    return "hidden (small)" if n is None else f"{n:,}"


def recruitment_section(
    data: ProgressData, group: str | None, *, n_groups: int, going_on: bool
) -> tuple[Section, Recruitment]:
    """Return the section on recruitment, and its numbers."""
    found = recruitment(data, group, n_groups=n_groups, going_on=going_on)
    lead, notes = _standing(data, found), []
    if found.undated:
        verb = "is" if found.undated == 1 else "are"
        dateless = several(found.undated, data.study.config.study.unit)
        notes.append(f"{dateless} without a date of enrolment {verb} counted, and not in the chart.")
    rows = [[iso(date), n] for date, n in found.cumulative.items()]
    tables = [number_table("Number so far, week by week", ["Date", "Number"], rows)]
    if found.outlook is not None:
        notes.append(
            f"The forecast takes the pace of the last {found.recent_days} days and lets chance play: in "
            f"{data.study.progress.projection.interval:.0%} of cases the truth should fall in the stated range, if "
            "nothing about recruitment changes."
        )
        curve = [[iso(r["date"]), r["low"], r["middle"], r["high"]] for r in found.outlook.curve.to_dict("records")]
        tables.append(number_table("Forecast", ["Date", "Low", "Middle", "High"], curve))
    return Section("recruitment", "Recruitment", lead, chart=_chart(data, found), tables=tables, notes=notes), found


def _standing(data: ProgressData, found: Recruitment) -> list[str]:
    unit, verb = data.study.config.study.unit, data.study.progress.enrolled
    of = f" of {found.target:,}" if found.target else ""
    now = f"{several(found.enrolled, unit)}{of} {verb}"
    if found.planned_now is not None and found.state in ("going_on", "not_started", "ended_short"):
        now += f"; by now the plan has {found.planned_now:.0f}"
    said = [now + "."]
    if found.state == "not_started" or not found.enrolled:
        return [*said, f"The first {unit} is yet to be {verb}, so there is no forecast."]
    if found.state == "reached":
        when = "" if found.reached_on is None else f" on {day(found.reached_on)}"
        return [*said, f"The target was reached{when}."]
    if found.state == "ended_short":
        return [*said, f"The planned end of recruitment is past, and the latest {unit} came on {day(found.last_on)}."]
    if found.last_on is None:
        return [*said, "None of them has a date, so there is no forecast."]
    said.append(f"In the last {found.recent_days} days: {found.recent}; the latest on {day(found.last_on)}.")
    return said if found.outlook is None else [*said, *_forecast(data, found.outlook)]


def _forecast(data: ProgressData, outlook: Outlook) -> list[str]:
    said = []
    if outlook.done_on is not None:
        low, middle, high = outlook.done_on
        until = day(high) if high is not None else "more than ten years from now"
        said.append(
            f"At the recent pace the target is reached about {day(middle)} (likely between {day(low)} and {until})."
            if middle is not None
            else "At the recent pace the target is not reached within ten years."
        )
    if outlook.by_end is not None and data.study.config.recruitment is not None:
        low_n, middle_n, high_n = outlook.by_end
        end = day(data.study.config.recruitment.end)
        numbers = f"By the planned end, {end}: about {middle_n:,} (likely {low_n:,} to {high_n:,})"
        chance = "" if outlook.chance is None else f"; the chance of the target by then is {_chance(outlook.chance)}"
        said.append(f"{numbers}{chance}.")
    return said


def _chance(probability: float) -> str:
    """Return a probability in per cent, never as certain."""
    if probability > 0.99:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"


def _chart(data: ProgressData, found: Recruitment) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"s": "So far", "d": iso(date), "n": int(n)} for date, n in found.cumulative.items()]
    plan = data.study.config.recruitment
    if plan is not None and found.target:
        rows.append({"s": "Plan", "d": plan.start.isoformat(), "n": 0})
        rows.append({"s": "Plan", "d": plan.end.isoformat(), "n": found.target})
    ahead = found.outlook.curve.to_dict("records") if found.outlook else []
    rows += [{"s": "Forecast", "d": iso(r["date"]), "n": r["middle"], "lo": r["low"], "hi": r["high"]} for r in ahead]
    return rows
