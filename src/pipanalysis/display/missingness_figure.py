"""Patterns of visits with a value: a row a pattern, squares by visit, bars by arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.figure_files import COLOURS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import marks, wrapped
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

INK = "#333333"
HATCHES = ("", "////", "....", "xxxx")
LETTERS = 80
"""of a line of a label that is as wide as the figure"""
LINE = 0.15
"""height of a line of it in inches"""


def missingness_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the patterns of each outcome of the figure, the most complete first."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation), notes=[*figure.footnotes])
    name = figure.analyses[0]
    panels: dict[str, list[str]] = {}
    for outcome in study.plan.outcomes:
        if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
            continue
        contexts = [c for c in results.contexts(name, outcome.name) if c.startswith("pattern=")]
        if contexts:
            panels[outcome.name] = sorted(contexts, key=lambda context: _order(study, context))
        for context in panels.get(outcome.name, []):
            for arm in study.arms:
                numbers = results.stats(name, outcome.name, ("n_level", "percent"), arm=arm, context=context)
                own = {"analysis": name, "outcome": outcome.name, "pattern": context.removeprefix("pattern=")}
                model.records.append(own | {"arm": arm} | numbers)
    if not panels:
        return model
    labels = {outcome.name: outcome.label for outcome in study.plan.outcomes}
    model.notes.insert(
        0,
        "Filled square: a value at the visit; empty square: none. Bars: "
        f"{study.config.study.unit}s with the pattern, in percent of the arm.",
    )
    model.alternative = (
        f"Patterns of visits with a value, by arm, of {counted(len(panels), 'outcome')}: "
        f"{'; '.join(labels[outcome] for outcome in panels)}. "
        + " ".join(_whole(study, model.records, outcome, labels[outcome]) for outcome in panels)
    )
    titles = {outcome: wrapped(labels[outcome], LETTERS) for outcome in panels}
    heights = [0.32 * len(contexts) + 0.75 + LINE * titles[one].count("\n") for one, contexts in panels.items()]
    arms = {arm.label: wrapped(arm.label, LETTERS) for arm in study.arms.values()}
    above = 0.15 + LINE * sum(text.count("\n") + 1 for text in arms.values())
    model.size = (6.8, above + sum(heights) + 0.3)

    def draw(body: SubFigure) -> None:
        top, *parts = body.subfigures(1 + len(panels), 1, height_ratios=[above, *heights], squeeze=False).flat
        for part, (outcome, contexts) in zip(parts, panels.items(), strict=True):
            own = [record for record in model.records if record["outcome"] == outcome]
            bars = _panel(study, part, titles[outcome], contexts, own)
        handles, names = bars.get_legend_handles_labels()
        top.legend(handles, [arms[name] for name in names], loc="upper left")

    model.draw = draw
    return model


def _seen(context: str) -> list[str]:
    return context.removeprefix("pattern=").split()


def _order(study: Study, context: str) -> tuple[int, list[bool]]:
    seen = _seen(context)
    return -len(seen), [visit not in seen for visit in study.visits]


def _whole(study: Study, records: list[dict[str, Any]], outcome: str, label: str) -> str:
    """Return in words how many units have the first, fullest pattern."""
    own = [record for record in records if record["outcome"] == outcome]
    first = [record for record in own if record["pattern"] == own[0]["pattern"]]
    said = ", ".join(f"{study.arms[r['arm']].label} {rounding.count(r['n_level'])}" for r in first)
    return f"{label}, fullest pattern: {said}."


def _panel(study: Study, part: SubFigure, label: str, contexts: list[str], records: list[dict[str, Any]]) -> Axes:
    """Draw the patterns of an outcome, and return the axes of the bars."""
    seen = {visit for context in contexts for visit in _seen(context)}
    visits = [visit for visit in study.visits.values() if visit.name in seen]
    squares: Axes
    bars: Axes
    squares, bars = part.subplots(1, 2, sharey=True, width_ratios=[max(len(visits), 2), 6])
    places = [(column, row) for row in range(len(contexts)) for column in range(len(visits))]
    for filled, inside in ((True, INK), (False, "white")):
        at = [place for place in places if (visits[place[0]].name in _seen(contexts[place[1]])) == filled]
        columns, rows = [column for column, _ in at], [row for _, row in at]
        squares.plot(columns, rows, "s", color=INK, markerfacecolor=inside, markersize=8)
    squares.set_xticks(range(len(visits)), [wrapped(visit.label, 10) for visit in visits])
    squares.set_xlim(-0.6, len(visits) - 0.4)
    squares.set_ylim(len(contexts) - 0.4, -0.6)
    squares.set_yticks([])
    for side in squares.spines.values():
        side.set_visible(False)
    squares.tick_params(length=0)
    squares.set_title(label, loc="left", fontweight="bold")
    arms = list(study.arms.values())
    thick = 0.8 / len(arms)
    for i, arm in enumerate(arms):
        for row, context in enumerate(contexts):
            record = next(r for r in records if r["arm"] == arm.name and f"pattern={r['pattern']}" == context)
            y = row + (i - (len(arms) - 1) / 2) * thick
            bars.barh(
                y,
                record["percent"],
                thick * 0.92,
                color=COLOURS[i % len(COLOURS)] if i % 2 == 0 else "white",
                edgecolor=COLOURS[i % len(COLOURS)],
                hatch=HATCHES[i % len(HATCHES)],
                label=arm.label if row == 0 else None,
            )
            bars.annotate(
                rounding.with_percent(record["n_level"], record["percent"], study.displays.digits.percent),
                (record["percent"], y),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
            )
    bars.set_xlim(0, 118)
    bars.set_xticks([0, 25, 50, 75, 100])
    bars.spines["bottom"].set_bounds(0, 100)
    bars.set_xlabel("Percent of the arm")
    bars.tick_params(axis="y", length=0)
    return bars
