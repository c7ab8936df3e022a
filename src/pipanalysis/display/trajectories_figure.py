"""Means by arm over the visits with their limits, a panel an outcome.

Behind observed means lie courses where the plan asks for them, else the middle half of the values: mean courses of
groups of similar units or, where the data are synthetic or published, those of single ones. Of confidential data no
line of a single participant is drawn: results hold nothing at the level of participants.
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.courses import (
    course_records,
    courses_note,
    draw_courses,
    lines_in_words,
    lines_label,
    thin_line,
    with_courses,
)
from pipanalysis.display.figure_files import COLOURS, LETTERS_PER_INCH, LINES, MARKERS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import analyses_line, analysis, marks, wrapped
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

ACROSS = 3
"""panels side by side"""
MARKER = 8
"""room of an arm's line and marker in the legend, in letters"""
LINE = 0.15
"""height of a line of it in inches"""
ALONE = 3.4
"""height in inches of a single panel, which is as wide as the figure: courses would else look flat"""
NARROWEST = 7
"""letters between two visits at least, for their labels to lie level"""


def trajectories_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the means of the first of the figure's analyses that has them, for each outcome."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    panels: dict[str, list[dict[str, Any]]] = {}
    courses: dict[str, list[dict[str, Any]]] = {}
    visits = [name for name in study.visits if figure.visits == "all" or name in figure.visits]
    used: dict[str, None] = {}
    for outcome in study.plan.outcomes:
        if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
            continue
        for name in figure.analyses:
            means = "mean" if analysis(study, name).method == "descriptives" else "estimate"
            found = _points(study, visits, results, name, outcome.name, means)
            if found:
                courses[outcome.name] = course_records(study, results, name, outcome.name, visits)
                panels[outcome.name] = _without_bands(found, with_courses(courses[outcome.name]))
                used[name] = None
                break
    model.records = [record for name, points in panels.items() for record in (*points, *courses[name])]
    if not panels:
        return model
    points = [point for own in panels.values() for point in own]
    level = rounding.level(study.plan.conf_level)
    observed = {analysis(study, name).method == "descriptives" for name in used}
    means = "Means" if len(observed) > 1 else "Observed means" if observed == {True} else "Adjusted means"
    bands = any(isfinite(point["q1"]) for point in points)
    behind = " Shaded: from the first to the third quartile of the values." if bands else ""
    labels = {outcome.name: outcome.label for outcome in study.plan.outcomes}
    every = [record for own in courses.values() for record in own]
    lines = courses_note(study, every, labels)
    first = f"{means} with {level} confidence intervals.{behind} {analyses_line(study, used)}"
    model.notes = [first, *([lines] if lines else []), *figure.footnotes]
    drawn = lines_in_words(study, every)
    thin = f" and, behind them, {drawn}" if drawn else ""
    model.alternative = (
        f"Line charts of the means by arm over the visits, with {level} confidence intervals{thin}, of "
        f"{counted(len(panels), 'outcome')}: {'; '.join(labels[name] for name in panels)}. The numbers are in the "
        "file beside."
    )
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    width = 7.2 if across > 1 else 6.2
    room = _room(study, points, LETTERS_PER_INCH * (width / across - 0.6))
    # Arms and lines stand side by side below the panels where their labels have room, else one below another.
    letters = int(LETTERS_PER_INCH * width)
    thin_lines = lines_label(study, every)
    entries = [*(arm.label for arm in study.arms.values()), *([thin_lines] if thin_lines else [])]
    beside = sum(len(entry) + MARKER for entry in entries) <= letters
    said_below = {entry: wrapped(entry, letters - MARKER) for entry in entries}
    more = 0 if beside else sum(text.count("\n") + 1 for text in said_below.values()) - 1
    high = ALONE if across == 1 else 2.25 if room >= NARROWEST else 3.0
    model.size = (width, high * down + 0.35 + LINE * more)

    def draw(body: SubFigure) -> None:
        grid = body.subplots(down, across, squeeze=False)
        body.supylabel("Mean", fontsize="medium")
        for axes, (name, points) in zip(grid.flat, panels.items(), strict=False):
            _panel(study, axes, points, courses[name], room)
            better = study.scores[study.outcomes[name].score].better
            axes.set_title(wrapped(labels[name], 32) + (f"\n({better} is better)" if better else ""), loc="left")
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        handles, names = grid.flat[0].get_legend_handles_labels()
        if thin_lines:
            handles, names = [*handles, thin_line()], [*names, thin_lines]
        columns = len(names) if beside else 1
        body.legend(handles, [said_below[name] for name in names], loc="outside lower center", ncols=columns)

    model.draw = draw
    return model


def _room(study: Study, points: list[dict[str, Any]], letters: float) -> float:
    """Return how many letters lie between the two closest visits on axes that are so many letters wide."""
    shown = {point["visit"] for point in points}
    at = [visit.months for visit in study.visits.values() if visit.name in shown]
    span = max(at) - min(at) or 1.0
    return min((later - earlier for earlier, later in pairwise(at)), default=span) / (1.16 * span) * letters


def _points(
    study: Study, visits: list[str], results: ResultsIndex, name: str, outcome: str, means: str
) -> list[dict[str, Any]]:
    points = []
    for arm in study.arms:
        for visit in visits:
            names = (means, "conf_low", "conf_high", "q1", "q3")
            s = results.stats(name, outcome, names, visit=visit, arm=arm)
            if isfinite(s[means]):
                own = {"analysis": name, "outcome": outcome, "arm": arm, "visit": visit}
                drawn = {"mean": s[means], "low": s["conf_low"], "high": s["conf_high"]}
                points.append(own | drawn | {"q1": s["q1"], "q3": s["q3"]})
    return points


def _without_bands(points: list[dict[str, Any]], arms: set[str]) -> list[dict[str, Any]]:
    """Return the points, without quartiles in arms that have courses: bands and lines could not be told apart."""
    return [point | {"q1": nan, "q3": nan} if point["arm"] in arms else point for point in points]


def _panel(study: Study, axes: Axes, points: list[dict[str, Any]], courses: list[dict[str, Any]], room: float) -> None:
    """Draw an outcome; `room` is how many letters a visit's label may be wide."""
    months = {visit.name: visit.months for visit in study.visits.values()}
    span = max(months.values()) - min(months.values()) or 1.0
    for i, arm in enumerate(study.arms.values()):
        own = [point for point in points if point["arm"] == arm.name]
        if not own:
            continue
        aside = (i - (len(study.arms) - 1) / 2) * span * 0.018
        at = [months[point["visit"]] + aside for point in own]
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        face = style["color"] if i % 2 == 0 else "white"
        axes.plot(
            at,
            [point["mean"] for point in own],
            linestyle=LINES[i % len(LINES)],
            markersize=4.5,
            markerfacecolor=face,
            label=arm.label,
            **style,
        )
        quartiles = [point["q1"] for point in own], [point["q3"] for point in own]
        if any(map(isfinite, quartiles[0])):
            axes.fill_between(at, *quartiles, color=style["color"], alpha=0.13, linewidth=0, zorder=0)
            for edge in quartiles:
                axes.plot(at, edge, color=style["color"], linewidth=0.5, linestyle=LINES[i % len(LINES)], zorder=0)
        for x, point in zip(at, own, strict=True):
            if isfinite(point["low"]) and isfinite(point["high"]):
                axes.plot([x, x], [point["low"], point["high"]], color=style["color"], linewidth=0.9, zorder=1)
        place = {visit: month + aside for visit, month in months.items()}
        own_courses = [record for record in courses if record["arm"] == arm.name]
        draw_courses(axes, own_courses, place, style["color"], LINES[i % len(LINES)])
    shown = {point["visit"] for point in points}
    visits = [visit for visit in study.visits.values() if visit.name in shown]
    at = [visit.months for visit in visits]
    if room >= NARROWEST:
        axes.set_xticks(at, [wrapped(visit.label, int(room)) for visit in visits])
    else:
        axes.set_xticks(at, [wrapped(visit.label, 16) for visit in visits], rotation=90)
    axes.margins(x=0.08)
