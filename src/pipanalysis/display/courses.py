"""Thin lines behind means: courses of groups of similar units or of single ones, and of how many they are."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.wording import analysis
from pipanalysis.estimate.courses import CONTEXT, MOST, MOST_SINGLE, course_context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.load import Study

Records = list[dict[str, Any]]

THIN = 0.6
"""width of a line in points"""


def course_records(study: Study, results: ResultsIndex, name: str, outcome: str, visits: list[str]) -> Records:
    """Return the courses of an outcome, a record a point, before them for each arm one of how many units have any.

    None where the analysis asks for no courses or has none.
    """
    records: Records = []
    for arm in study.arms if analysis(study, name).courses is not None else ():
        counts = results.stats(name, outcome, ("n_all_visits", "n_two_visits", "n_set"), arm=arm, context=CONTEXT)
        if not isfinite(counts["n_set"]):
            continue
        own = {"analysis": name, "outcome": outcome, "arm": arm}
        single = isfinite(counts["n_two_visits"])
        records.append(own | {"visit": ""} | {key: count for key, count in counts.items() if isfinite(count)})
        for number in range(1, (MOST_SINGLE if single else MOST) + 1):
            at = {"arm": arm, "context": course_context(number)}
            n = {} if single else {"n_in_course": results.stat(name, outcome, "n_in_course", **at)}
            for visit in visits:
                shown = "course_value" if single else "course_mean"
                value = results.stat(name, outcome, shown, visit=visit, **at)
                if isfinite(value):
                    records.append(own | {"visit": visit, "course": f"{number:02d}", shown: value} | n)
    return records


def courses_note(study: Study, records: Records, labels: dict[str, str]) -> str:
    """Return what the thin lines are and which are lacking, "" where the analyses have no courses.

    Args:
        study: the configuration.
        records: those of all outcomes.
        labels: of the outcomes, by name.
    """
    return " ".join(filter(None, (_single_note(study, records), _groups_note(study, records, labels))))


def _single_note(study: Study, records: Records) -> str:
    """Return of how many units of each arm the lines of single ones are, "" where there are none."""
    counted = _counted(study, records, "n_two_visits")
    if not counted:
        return ""
    unit = study.config.study.unit
    whose = f"whose data are published ({study.published.source})" if study.published else "all made up"
    return f"Thin lines: single {unit}s, {whose}, with a value at two visits or more ({counted})."


def _groups_note(study: Study, records: Records, labels: dict[str, str]) -> str:
    """Return of how many units the lines of groups are, and which arms have none; "" where no arm has groups."""
    counted = _counted(study, records, "n_all_visits")
    if not counted:
        return ""
    unit = study.config.study.unit
    of = f"{unit}s with a value at every visit"
    sizes = [record["n_in_course"] for record in records if "n_in_course" in record]
    if not sizes:
        return f"Too few {of} for lines of groups: {counted}."
    said = (
        f"Thin lines: rounded mean courses of groups of {_range(sizes)} similar {unit}s of an arm (microaggregation), "
        f"among {of} ({counted}). Single {unit}s differ more."
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


def _counted(study: Study, records: Records, stat: str) -> str:
    """Return a count's range over the outcomes for each arm that has it, and of how many units it is of."""
    counts = [record for record in records if stat in record]
    of_arms = []
    for arm in study.arms.values():
        own = [record for record in counts if record["arm"] == arm.name]
        if own:
            n, of = (_range([record[key] for record in own]) for key in (stat, "n_set"))
            of_arms.append(f"{arm.label} {n} of {of}")
    return "; ".join(of_arms)


def lines_in_words(study: Study, records: Records) -> str:
    """Return what lies behind the means, for the alternative text; "" where nothing does."""
    of = {"course_value": "the courses of ", "course_mean": "mean courses of "}
    return " and ".join(of[stat] + said for stat, said in _kinds(study, records).items())


def lines_label(study: Study, records: Records) -> str:
    """Return what the thin lines are of, for the legend; "" where there are none."""
    said = " and ".join(_kinds(study, records).values())
    return said[:1].upper() + said[1:]


def _kinds(study: Study, records: Records) -> dict[str, str]:
    """Return what the lines are of, by the statistic that they show."""
    unit = study.config.study.unit
    kinds = {"course_value": f"single {unit}s", "course_mean": f"groups of similar {unit}s"}
    return {stat: said for stat, said in kinds.items() if any(stat in record for record in records)}


def with_courses(records: Records) -> set[str]:
    """Return the arms that have courses."""
    return {record["arm"] for record in records if "course" in record}


def _range(numbers: list[float]) -> str:
    """Return the least and greatest of counts, once where they are one."""
    least, greatest = rounding.count(min(numbers)), rounding.count(max(numbers))
    return least if least == greatest else f"{least} to {greatest}"


def thin_line() -> Line2D:
    """Return a line for the legend, as thin as courses are and of no arm's colour."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="#808080", linewidth=THIN)


def draw_courses(axes: Axes, records: Records, place: dict[str, float], colour: str, line: Any) -> None:
    """Draw an arm's courses, thin and pale; `place` is where each visit stands.

    Those of single units are many, and are drawn as one collection: a line each takes seconds.
    """
    from matplotlib.collections import LineCollection

    courses: dict[str, Records] = {}
    for record in records:
        if "course" in record:
            courses.setdefault(record["course"], []).append(record)
    single = []
    for points in courses.values():
        at = [place[point["visit"]] for point in points]
        if "course_value" in points[0]:
            single.append(list(zip(at, [point["course_value"] for point in points], strict=True)))
            continue
        means = [point["course_mean"] for point in points]
        axes.plot(at, means, color=colour, linewidth=THIN, linestyle=line, alpha=0.6, zorder=0.5)
    if single:
        style = {"colors": colour, "linewidths": 0.35, "linestyles": line, "alpha": 0.4, "zorder": 0.5}
        axes.add_collection(LineCollection(single, **style))
        axes.autoscale_view()
