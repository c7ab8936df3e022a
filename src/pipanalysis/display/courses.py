"""Thin lines behind means: mean courses of groups of similar units, and of how many units they are."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.wording import analysis
from pipanalysis.estimate.courses import CONTEXT, MOST, course_context

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.load import Study

Records = list[dict[str, Any]]


def course_records(study: Study, results: ResultsIndex, name: str, outcome: str, visits: list[str]) -> Records:
    """Return the courses of an outcome, a record a point, before them for each arm one of how many units have any.

    None where the analysis asks for no courses or has none.
    """
    records: Records = []
    for arm in study.arms if analysis(study, name).courses is not None else ():
        counts = results.stats(name, outcome, ("n_all_visits", "n_set"), arm=arm, context=CONTEXT)
        if not isfinite(counts["n_set"]):
            continue
        own = {"analysis": name, "outcome": outcome, "arm": arm}
        records.append(own | {"visit": ""} | counts)
        for number in range(1, MOST + 1):
            at = {"arm": arm, "context": course_context(number)}
            n = results.stat(name, outcome, "n_in_course", **at)
            for visit in visits:
                mean = results.stat(name, outcome, "course_mean", visit=visit, **at)
                if isfinite(mean):
                    line = {"visit": visit, "course": f"{number:02d}", "course_mean": mean, "n_in_course": n}
                    records.append(own | line)
    return records


def courses_note(study: Study, records: Records, labels: dict[str, str]) -> str:
    """Return what the thin lines are and which are lacking, "" where the analyses have no courses.

    Args:
        study: the configuration.
        records: those of all outcomes.
        labels: of the outcomes, by name.
    """
    counts = [record for record in records if "n_all_visits" in record]
    if not counts:
        return ""
    unit = study.config.study.unit
    of_arms = []
    for arm in study.arms.values():
        own = [record for record in counts if record["arm"] == arm.name]
        if own:
            n, of = (_range([record[key] for record in own]) for key in ("n_all_visits", "n_set"))
            of_arms.append(f"{arm.label} {n} of {of}")
    of = f"{unit}s with a value at every visit"
    sizes = [record["n_in_course"] for record in records if "course" in record]
    if not sizes:
        return f"Too few {of} for lines of groups: {'; '.join(of_arms)}."
    said = (
        f"Thin lines: rounded mean courses of groups of {_range(sizes)} similar {unit}s of an arm (microaggregation), "
        f"among {of} ({'; '.join(of_arms)}). Single {unit}s differ more."
    )
    few: dict[str, list[str]] = {}
    for outcome, label in labels.items():
        own = [record for record in records if record["outcome"] == outcome]
        for arm in dict.fromkeys(record["arm"] for record in own):
            if arm not in with_courses(own):
                few.setdefault(study.arms[arm].label, []).append(label)
    if few:
        said += f" Too few for a line: {'; '.join(f'{arm}, {", ".join(names)}' for arm, names in few.items())}."
    return said


def with_courses(records: Records) -> set[str]:
    """Return the arms that have courses."""
    return {record["arm"] for record in records if "course" in record}


def _range(numbers: list[float]) -> str:
    """Return the least and greatest of counts, once where they are one."""
    least, greatest = rounding.count(min(numbers)), rounding.count(max(numbers))
    return least if least == greatest else f"{least} to {greatest}"


def draw_courses(axes: Axes, records: Records, place: dict[str, float], colour: str, line: Any) -> None:
    """Draw an arm's courses, thin and pale; `place` is where each visit stands."""
    courses: dict[str, Records] = {}
    for record in records:
        if "course" in record:
            courses.setdefault(record["course"], []).append(record)
    for points in courses.values():
        at = [place[point["visit"]] for point in points]
        means = [point["course_mean"] for point in points]
        axes.plot(at, means, color=colour, linewidth=0.6, linestyle=line, alpha=0.6, zorder=0.5)
