"""Figures of every kind from made-up results, and what is written on them, for the tests of figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from display import results as made
from pipanalysis.display.figure_files import STYLE, drawn
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.step import DRAWINGS
from pipanalysis.estimate.analysis_results import Row
from pipanalysis.study.load import Study

ROWS: dict[str, Callable[[Study], list[Row]]] = {
    "consort": made.flow,
    "trajectories": made.means,
    "forest": made.effects,
    "missingness": made.completeness,
    "recruitment": made.recruitment,
    "posteriors": made.posteriors,
    "prior_posterior": made.posteriors,
    "tipping_points": made.deltas,
}
ANALYSES = {
    "consort": ("flow", "primary"),
    "trajectories": ("descriptives",),
    "forest": ("primary",),
    "missingness": ("completeness",),
    "recruitment": ("recruitment",),
    "posteriors": ("bayes",),
    "prior_posterior": ("bayes",),
    "tipping_points": ("primary",),
}


def model_of(kind: str, labels: list[str], **options: Any) -> FigureModel:
    study = made.study(labels, [made.figure(kind, *ANALYSES[kind], **options)])
    return DRAWINGS[kind](study, study.displays.figures[0], made.index(ROWS[kind](study)), made.OPEN)


def shown(svg: str) -> list[str]:
    """Return the texts of an SVG whose letters are drawn as shapes: matplotlib names each in a comment."""
    return re.findall(r"<!-- (.*?) -->", svg, re.DOTALL)


def texts(model: FigureModel) -> Iterator[tuple[str, Any]]:
    """Yield text and place of everything written on a figure."""
    with mpl.rc_context(STYLE):
        figure = drawn(model)
        figure.draw_without_rendering()  # puts the labels of ticks into their places
        renderer = FigureCanvasAgg(figure).get_renderer()
        beyond = {id(label) for axes in figure.findobj(Axes) for label in _out_of_view(axes)}
        for text in figure.findobj(Text):
            seen = text.get_visible() and (text.axes is None or text.axes.get_visible()) and id(text) not in beyond
            if text.get_text().strip() and seen:
                yield text.get_text(), text.get_window_extent(renderer)
        yield "", figure.bbox


def figure_axes(model: FigureModel) -> list[Axes]:
    """Return the axes of a figure that are seen."""
    with mpl.rc_context(STYLE):
        return [axes for axes in drawn(model).findobj(Axes) if axes.get_visible()]


def _out_of_view(axes: Any) -> list[Text]:
    """Return the labels of ticks beyond the axes' limits, which are not drawn."""
    both = ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim())))
    return [
        tick.label1
        for axis, (low, high) in both
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
    ]


def check_texts(model: FigureModel) -> None:
    """Fail where a text of a figure is cut off or lies on another."""
    *written, (_, page) = texts(model)
    assert len(written) > 3
    for text, box in written:
        assert box.x0 >= page.x0 - 1, text
        assert box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1, text
        assert box.y1 <= page.y1 + 1, text
    for (one, a), (other, b) in combinations(written, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 2 or high < 4, (one, other)
