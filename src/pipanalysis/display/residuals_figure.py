"""Quantiles of a model's residuals against those of the normal distribution, a panel an outcome."""

from __future__ import annotations

import re
from collections import Counter
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.figure_files import COLOURS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.trajectories_figure import ACROSS
from pipanalysis.display.wording import analyses_line, analysis_label, marks, wrapped
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

PROBABILITY = re.compile(r"p=(0\.\d+)")


def residuals_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the statistics `residual_quantile`, whose context gives the probability, of the figure's analyses."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    points_of: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name in figure.analyses:
        for outcome in study.plan.outcomes:
            if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
                continue
            for row in results.rows(name, outcome.name, "residual_quantile"):
                found = PROBABILITY.search(str(row["context"]))
                if found:
                    p = float(found[1])
                    points_of.setdefault((name, outcome.name), []).append((p, float(row["stat"])))
                    own = {"analysis": name, "outcome": outcome.name, "probability": p}
                    model.records.append(own | {"residual_quantile": row["stat"]})
    if not points_of:
        return model
    panels = panels_by_label(study, points_of)
    used = dict.fromkeys(str(record["analysis"]) for record in model.records)
    at = [record["probability"] for record in model.records]
    span = f"{rounding.fixed(100 * min(at), 0)}% to {rounding.fixed(100 * max(at), 0)}%"
    model.notes = [
        f"{analyses_line(study, used)} Points: quantiles of the normalised residuals from {span}; on the line, "
        "those of a normal distribution.",
        *figure.footnotes,
    ]
    model.alternative = (
        f"Quantiles of the normalised residuals against those of the normal distribution, of "
        f"{counted(len(panels), 'outcome')}: {'; '.join(panels)}. The numbers are in the file beside."
    )
    model.size = panels_size(len(panels))

    def draw(body: SubFigure) -> None:
        for axes, points in zip(panel_axes(body, list(panels), sharex=True), panels.values(), strict=True):
            normal = [NormalDist().inv_cdf(p) for p, _ in points]
            ends = [min(normal) - 0.3, max(normal) + 0.3]
            axes.plot(ends, ends, color="#999999", linewidth=0.8)
            axes.plot(normal, [value for _, value in points], "o", color=COLOURS[1], markersize=3)
        body.supxlabel("Normal quantile", fontsize="medium")
        body.supylabel("Normalised residual", fontsize="medium")

    model.draw = draw
    return model


def panels_by_label[T](study: Study, found: dict[tuple[str, str], T]) -> dict[str, T]:
    """Return panels by label: the outcome's, with the analysis's where several analyses have a panel of the outcome."""
    n = Counter(outcome for _, outcome in found)
    labels = {
        (name, outcome): study.outcomes[outcome].label + (f", {analysis_label(study, name)}" if n[outcome] > 1 else "")
        for name, outcome in found
    }
    return {labels[key]: own for key, own in found.items()}


def panels_size(n_panels: int) -> tuple[float, float]:
    """Return width and height in inches of square panels."""
    across = _across(n_panels)
    # The marks above a panel that is alone take many lines unless it is wider.
    side = 3.6 if n_panels == 1 else 2.3 if across <= ACROSS else 2.0
    return side * across + 0.4, side * -(-n_panels // across) + 0.3


def _across(n_panels: int) -> int:
    """Return how many panels stand side by side: more where there are many, so that all fit a page upright."""
    return min(n_panels, max(ACROSS, round(sqrt(0.75 * n_panels))))


def panel_axes(body: SubFigure, labels: list[str], *, sharex: bool) -> list[Axes]:
    """Return an axes for each label, side by side and below one another, all of one vertical scale."""
    across = _across(len(labels))
    grid = body.subplots(-(-len(labels) // across), across, squeeze=False, sharex=sharex, sharey=True)
    used, unused = list(grid.flat)[: len(labels)], list(grid.flat)[len(labels) :]
    for axes, label in zip(used, labels, strict=True):
        axes.set_title(wrapped(label, 34 if across <= ACROSS else 28), loc="left")
        axes.locator_params(nbins=5)
    for axes in unused:
        axes.set_visible(False)
    for axes in used[-across:]:
        axes.tick_params(labelbottom=True)
    return used
