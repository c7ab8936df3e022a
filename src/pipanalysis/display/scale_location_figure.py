"""The size of a model's residuals against its fitted means, a panel an outcome: in bins, never single observations.

A scale-location plot shows a point for each observation; results hold no participant's values, so bins stand for them.
"""

from __future__ import annotations

from math import gamma, isfinite, pi, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from pipanalysis.display.figure_files import COLOURS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.residuals_figure import panel_axes, panels_by_label, panels_size
from pipanalysis.display.wording import analyses_line, marks
from pipanalysis.estimate.checks import MOST_BINS, UNITS_OF_BIN, bin_context
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

NUMBERS = ("fitted_mean", "root_residual", "root_residual_q1", "root_residual_q3", "n_in_bin")
NORMAL_MEAN = 2**0.25 * gamma(0.75) / sqrt(pi)
"""mean of the root of the size of a standard normal variable"""
NORMAL_QUARTILES = tuple(sqrt(NormalDist().inv_cdf(0.5 + p / 2)) for p in (0.25, 0.75))
"""its quartiles"""


def scale_location_figure(
    study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]
) -> FigureModel:
    """Draw the bins of the figure's analyses (`check=scale bin=`): means and quartiles of the roots by fitted mean."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    bins_of: dict[tuple[str, str], list[dict[str, float]]] = {}
    for name in figure.analyses:
        for outcome in study.plan.outcomes:
            if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
                continue
            for i in range(1, MOST_BINS + 1):
                found = results.stats(name, outcome.name, NUMBERS, context=bin_context(i))
                if isfinite(found["root_residual"]):
                    bins_of.setdefault((name, outcome.name), []).append(found)
                    model.records.append({"analysis": name, "outcome": outcome.name, "bin": i} | found)
    if not bins_of:
        return model
    panels = panels_by_label(study, bins_of)
    unit = study.config.study.unit
    used = dict.fromkeys(str(record["analysis"]) for record in model.records)
    model.notes = [
        f"{analyses_line(study, used)} Square root of the absolute normalised residuals against the fitted means, in "
        f"units of the outcome, in bins of {UNITS_OF_BIN} {unit}s or more. Points: means; bars: from the first to the "
        "third quartile.",
        "Line and band: mean and quartiles where the distribution is normal and the spread constant. Points that rise "
        "or fall to the right show a spread that depends on the mean.",
        *figure.footnotes,
    ]
    model.alternative = (
        f"Scale-location plots: the square root of the absolute normalised residuals against the fitted means, in "
        f"bins, of {counted(len(panels), 'outcome')}: {'; '.join(panels)}. The numbers are in the file beside."
    )
    model.size = panels_size(len(panels))

    def draw(body: SubFigure) -> None:
        all_axes = panel_axes(body, list(panels), sharex=False)
        for axes, bins in zip(all_axes, panels.values(), strict=True):
            axes.axhspan(*NORMAL_QUARTILES, color="#999999", alpha=0.2, linewidth=0)
            axes.axhline(NORMAL_MEAN, color="#999999", linewidth=0.8)
            names = ("fitted_mean", "root_residual", "root_residual_q1", "root_residual_q3")
            at, middle, low, high = ([own[name] for own in bins] for name in names)
            axes.vlines(at, low, high, colors=COLOURS[1], linewidth=0.9, capstyle="projecting")
            axes.plot(at, middle, "o-", color=COLOURS[1], markersize=3, linewidth=0.6)
        all_axes[0].set_ylim(bottom=0)  # of all panels; after the last, since limits that are set no longer grow
        body.supxlabel("Fitted mean", fontsize="medium")
        body.supylabel("Square root of |normalised residual|", fontsize="medium")

    model.draw = draw
    return model
