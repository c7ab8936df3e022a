"""Prior beside posterior: what each set of priors said of an effect, and what is believed after the data."""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.display import rounding
from pipanalysis.display.bayes_places import Place, places
from pipanalysis.display.figure_files import COLOURS, LETTERS_PER_INCH, LINES
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.posteriors_figure import LINE, WIDTH, quantiles, subjects
from pipanalysis.display.wording import analyses_line, marks, wrapped
from pipanalysis.estimate.bayes_quantiles import PROBABILITIES
from pipanalysis.study.terms import counted, mid_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.bayes_plan import PriorSet
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

PRIOR = "#dcdcdc"
KERNEL = 0.4
"""standard deviation of a kernel in those of the quantiles: one top for all but very long tails"""
REACH = 2.5
"""of a kernel that is drawn beyond the outer quantiles, in its standard deviations"""
POINTS = 101
"""of a curve"""
Curve = tuple[str, str, tuple[float, ...]]
"""a statistic, what it is called, and its quantiles"""


def prior_posterior_figure(
    study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]
) -> FigureModel:
    """Draw prior and posteriors of each outcome, a row an outcome, the plan's sets of priors side by side."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    plan = study.plan.bayes
    assert plan is not None  # the study was refused without it
    rows: dict[str, list[tuple[PriorSet, list[Curve]]]] = {}
    for subject, label, _ in subjects(study, figure):
        own = []
        for priors in plan.prior_sets:
            at = list(places(study, results, figure.analyses, figure.visits, subject, priors))
            curves = _curves(results, priors, at, model)
            own += [(priors, curves)] if curves else []
        if own:
            rows[label] = own
    if not rows:
        return model
    used = dict.fromkeys(str(record["analysis"]) for record in model.records)
    difference = f"Difference, {study.terms.others} minus {study.reference_arm.label}"
    model.notes = [
        f"{difference}, in units of the outcome. {analyses_line(study, used)} Grey: prior; lines: posteriors. Each is "
        f"drawn from quantiles in steps of {rounding.fixed(100 / len(PROBABILITIES), 0)}%, smoothed by normal kernels; "
        "a wide prior goes on beyond the panel.",
        *figure.footnotes,
    ]
    sets = ", ".join(mid_sentence(priors.label) for priors in plan.prior_sets)
    model.alternative = (
        "Densities of the prior and of the posteriors of the difference between arms in "
        f"{counted(len(rows), 'outcome')}: {'; '.join(rows)}; under the sets of priors: {sets}. The numbers are in the "
        "file beside."
    )
    across = max(len(row) for row in rows.values())
    below_all = wrapped(difference, int(LETTERS_PER_INCH * WIDTH * 0.9))
    model.size = (WIDTH, 1.55 * len(rows) + 0.45 + LINE * (below_all.count("\n") + 1.5))

    def draw(body: SubFigure) -> None:
        grid = body.subplots(len(rows), across, squeeze=False, sharex="row", sharey="row")
        handles: dict[str, Any] = {}
        for line, (label, row) in zip(grid, rows.items(), strict=True):
            drawn = [curve for _, curves in row for curve in curves]
            line[0].set_xlim(*_limits(drawn))
            line[0].set_ylim(0, 1.05 * max(density(values)[1].max() for *_, values in drawn) or 1.0)
            for axes in line[len(row) :]:
                axes.set_visible(False)
            for axes, (priors, curves) in zip(line, row, strict=False):
                handles |= _panel(axes, curves)
                axes.set_xlabel(wrapped(priors.label, int(LETTERS_PER_INCH * (WIDTH / across - 0.3))))
            line[0].set_title(wrapped(label, int(LETTERS_PER_INCH * WIDTH * 0.9)), loc="left")
        names = list(handles)
        body.legend(
            list(handles.values()), names, loc="outside lower center", ncols=min(6, len(names)), title=below_all
        )

    model.draw = draw
    return model


def _curves(results: ResultsIndex, priors: PriorSet, at: list[Place], model: FigureModel) -> list[Curve]:
    """Return the prior and, by visit, the posteriors under a set of priors; fill in the model's records."""
    found: list[Curve] = []
    for i, place in enumerate(at):
        drawn = [("posterior_quantile", place.label, place.visit)]
        if i == 0:
            drawn.insert(0, ("prior_quantile", "Prior", ""))
        for stat, label, visit in drawn:
            values = quantiles(results, place, priors, stat, visit)
            if not values:
                continue
            found.append((stat, label, values))
            own = {"analysis": place.analysis, "outcome": place.outcome, "visit": visit, "contrast": place.contrast}
            own |= {"measure": place.measure.removeprefix("measure="), "prior": priors.name, "statistic": stat}
            drawn_at = zip(PROBABILITIES, values, strict=True)
            model.records += [own | {"probability": p, "value": value} for p, value in drawn_at]
    # Without a prior there is nothing to compare with.
    return found if any(stat == "prior_quantile" for stat, *_ in found) else []


def _limits(curves: list[Curve]) -> tuple[float, float]:
    """Return the ends of a row's axis: all of the posteriors, and the middle half of the priors at least."""
    middle = [i for i, p in enumerate(PROBABILITIES) if 0.25 <= p <= 0.75]
    values = [0.0]
    for stat, _, own in curves:
        values += [own[i] for i in middle] if stat == "prior_quantile" else density(own)[0][[0, -1]].tolist()
    pad = 0.02 * (max(values) - min(values)) or 1.0
    return min(values) - pad, max(values) + pad


def density(values: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Return places and heights of a density that has about these quantiles: a normal kernel on each.

    Quantiles of draws are uneven, so that the probability between two of them by their gap makes a jagged line. The
    quantiles are drawn in by as much as the kernels widen them: mean and variance are theirs (Jones 1991,
    Computational Statistics & Data Analysis 11:3-15). Of normal quantiles the height is within 3% of the
    normal density's greatest.
    """
    at = np.array(values)
    width = KERNEL * at.std()
    if not width > 0:
        return at, np.zeros(len(at))
    drawn_in = at.mean() + sqrt(1 - KERNEL**2) * (at - at.mean())
    places = np.linspace(drawn_in[0] - REACH * width, drawn_in[-1] + REACH * width, POINTS)
    kernels = np.exp(-0.5 * ((places[:, None] - drawn_in) / width) ** 2)
    return places, kernels.mean(axis=1) / (width * sqrt(2 * pi))


def _panel(axes: Axes, curves: list[Curve]) -> dict[str, Any]:
    """Draw the densities of one set of priors, and return their handles by what they are called."""
    handles: dict[str, Any] = {}
    posteriors = 0
    for stat, label, values in curves:
        x, y = density(values)
        if stat == "prior_quantile":
            handles[label] = axes.fill(x, y, facecolor=PRIOR, edgecolor="#707070", linewidth=0.7)[0]
            continue
        posteriors += 1
        style: dict[str, Any] = {
            "color": COLOURS[posteriors % len(COLOURS)],
            "linestyle": LINES[(posteriors - 1) % len(LINES)],
        }
        handles[label] = axes.plot(x, y, **style)[0]
    axes.axvline(0, color="#808080", linewidth=0.7, zorder=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    return handles
