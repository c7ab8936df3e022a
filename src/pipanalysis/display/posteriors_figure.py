"""Posterior distributions as dots that can be counted, with the region of practical equivalence and the MCID."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.bayes_places import OVERALL, Place, places
from pipanalysis.display.figure_files import COLOURS, LETTERS_PER_INCH
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import analyses_line, marks, wrapped
from pipanalysis.estimate.bayes_quantiles import PROBABILITIES
from pipanalysis.study.terms import counted, mid_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.bayes_plan import PriorSet
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

SUMMARY = ("mcid", "rope", "p_benefit", "p_beyond_mcid", "p_equivalence")
WIDTH = 7.2
"""of the figure in inches"""
PANEL = 0.8
"""height of a panel's axes in inches"""
DOTS_ACROSS = 22
"""dots side by side on the axis of a panel"""
LINE = 0.15
"""height of a line of text in inches"""
GAIN: dict[str, Any] = {"marker": "o", "color": COLOURS[1]}
LITTLE: dict[str, Any] = {"marker": "o", "color": "#8c8c8c", "markerfacecolor": "white"}
HARM: dict[str, Any] = {"marker": "^", "color": COLOURS[2]}
"""dots of a benefit beyond the MCID, of less either way, and of a harm as large"""
ROPE_COLOUR = "#e4e4e4"


@dataclass(frozen=True, eq=False)
class Posterior:
    """A posterior distribution as it is drawn.

    Attributes:
        place: where it stands in the results.
        quantiles: of PROBABILITIES, in units of the outcome.
        summary: the statistics of SUMMARY.
        sign: 1 where higher values are better, else -1.
    """

    place: Place
    quantiles: tuple[float, ...]
    summary: dict[str, float]
    sign: int


def posteriors_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the figure's posteriors under the first set of priors, a row an outcome, visits side by side.

    A joint analysis adds the pooled effects of its domains, and over all of them.
    """
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    plan = study.plan.bayes
    assert plan is not None  # the study was refused without it
    default = plan.prior_sets[0]
    rows = {
        label: found
        for subject, label, better in subjects(study, figure)
        if (found := _posteriors(study, figure, results, default, subject, 1 if better == "higher" else -1))
    }
    model.records = [record for row in rows.values() for one in row for record in _records(one, default)]
    if not rows:
        return model
    with_mcid = any(isfinite(one.summary["mcid"]) for row in rows.values() for one in row)
    heads = list(dict.fromkeys(one.place.label for row in rows.values() for one in row))
    used = dict.fromkeys(one.place.analysis for row in rows.values() for one in row)
    pooled = {one.place.outcome not in study.outcomes for row in rows.values() for one in row}
    units = {False: "units of the outcome", True: "standard deviations at baseline, positive where it is benefit"}
    scale = units[False] + f" (pooled effects: {units[True]})" if len(pooled) > 1 else units[pooled == {True}]
    difference = f"Difference, {study.terms.others} minus {study.reference_arm.label}"
    each = rounding.fixed(100 / len(PROBABILITIES), 0)
    model.notes = [
        f"{difference}, in {scale}. {analyses_line(study, used)} Prior: {mid_sentence(default.label)}. Each dot is "
        f"{each}% of the posterior. "
        + ("MCID: smallest benefit that matters; dotted line: a harm as large. " if with_mcid else "")
        + "Grey: practical equivalence. Numbers: posterior probabilities.",
        *figure.footnotes,
    ]
    model.alternative = (
        "Dot plots of the posterior distributions of the difference between arms for "
        f"{counted(len(rows), 'effect')}, with the region of practical equivalence"
        + (" and the smallest benefit that matters (MCID): " if with_mcid else ": ")
        + " ".join(_in_words(label, one) for label, row in rows.items() for one in row)
    )
    across = len(heads)
    inches = WIDTH / across - 0.35
    titles = {label: wrapped(label, int(LETTERS_PER_INCH * WIDTH / across)) for label in rows}
    below = {one: _below(one, inches) for row in rows.values() for one in row}
    written = [titles[label].count("\n") + max(below[one].count("\n") for one in row) for label, row in rows.items()]
    heights = [PANEL + 0.65 + LINE * (lines + 2) for lines in written]
    below_all = wrapped(difference, int(LETTERS_PER_INCH * WIDTH * 0.9))
    model.size = (WIDTH, sum(heights) + 0.35 + LINE * (below_all.count("\n") + 1.5))

    def draw(body: SubFigure) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        grid = body.subplots(len(rows), across, squeeze=False, sharex="row", height_ratios=heights)
        for line, (label, row) in zip(grid, rows.items(), strict=True):
            limits = _limits(row)
            drawn = {one.place.label: one for one in row}
            for axes, head in zip(line, heads, strict=True):
                if head in drawn:
                    _panel(axes, drawn[head], limits, inches)
                    axes.set_xlabel(below[drawn[head]])
                else:
                    axes.set_visible(False)
            first = next(axes for axes in line if axes.get_visible())
            first.set_title(titles[label], loc="left")
        handles: list[Any] = []
        if with_mcid:
            for label, style in (
                ("Benefit beyond the MCID", GAIN),
                ("In between", LITTLE),
                ("Harm beyond the MCID", HARM),
            ):
                handles.append(Line2D([], [], linestyle="", markersize=5, label=label, **style))
            handles.append(Line2D([], [], color="#202020", linestyle="--", linewidth=0.9, label="MCID"))
        handles.append(Patch(color=ROPE_COLOUR, label="Practical equivalence"))
        body.legend(
            handles=handles, loc="outside lower center", ncols=5, title=below_all, columnspacing=1.2, handletextpad=0.5
        )

    model.draw = draw
    return model


def subjects(study: Study, figure: Figure) -> list[tuple[str, str, str | None]]:
    """Return name, label and better direction of what a figure shows effects on: outcomes, domains, all together."""
    found: list[tuple[str, str, str | None]] = []
    for domain in study.plan.domains:
        found.append((domain.name, f"{domain.label}: the domain's effect, pooled", "higher"))
        for outcome in study.plan.outcomes:
            if outcome.domain == domain.name and (figure.outcomes == "all" or outcome.name in figure.outcomes):
                better = study.scores[outcome.score].better
                label = outcome.label + (f" ({better} is better)" if better else "")
                found.append((outcome.name, label, better))
    return [*found, (OVERALL, "The overall effect, pooled over the domains", "higher")]


def quantiles(results: ResultsIndex, place: Place, priors: PriorSet, stat: str, visit: str) -> tuple[float, ...]:
    """Return the quantiles of a prior or posterior in order; empty where the results have none."""
    found = tuple(
        results.stat(
            place.analysis,
            place.outcome,
            stat,
            visit=visit,
            contrast=place.contrast,
            context=place.context(priors, f"probability={p:g}"),
        )
        for p in PROBABILITIES
    )
    return found if all(isfinite(value) for value in found) else ()


def _posteriors(
    study: Study, figure: Figure, results: ResultsIndex, priors: PriorSet, subject: str, sign: int
) -> list[Posterior]:
    found = []
    for place in places(study, results, figure.analyses, figure.visits, subject, priors):
        own = quantiles(results, place, priors, "posterior_quantile", place.visit)
        if own:
            where = {"visit": place.visit, "contrast": place.contrast, "context": place.context(priors)}
            summary = results.stats(place.analysis, place.outcome, SUMMARY, **where)
            found.append(Posterior(place, own, summary, sign))
    return found


def _records(one: Posterior, priors: PriorSet) -> list[dict[str, Any]]:
    place = one.place
    own = {"analysis": place.analysis, "outcome": place.outcome, "visit": place.visit, "contrast": place.contrast}
    own |= {"measure": place.measure.removeprefix("measure="), "prior": priors.name}
    drawn = zip(PROBABILITIES, one.quantiles, strict=True)
    return [
        *(own | {"statistic": "posterior_quantile", "probability": p, "value": value} for p, value in drawn),
        *(own | {"statistic": name, "value": value} for name, value in one.summary.items() if not isnan(value)),
    ]


def _probabilities(one: Posterior) -> str:
    said = [f"any benefit {rounding.posterior_probability(one.summary['p_benefit'], 2)}"]
    if isfinite(one.summary["p_beyond_mcid"]):
        said.append(f"beyond the MCID {rounding.posterior_probability(one.summary['p_beyond_mcid'], 2)}")
    if isfinite(one.summary["p_equivalence"]):
        said.append(f"practical equivalence {rounding.posterior_probability(one.summary['p_equivalence'], 2)}")
    return ", ".join(said)


def _below(one: Posterior, inches: float) -> str:
    """Return what stands below a panel that is so many inches wide."""
    letters = int(LETTERS_PER_INCH * inches)
    return f"{wrapped(one.place.label, letters)}\n{wrapped(_probabilities(one), letters)}"


def _in_words(label: str, one: Posterior) -> str:
    return f"{label}, {mid_sentence(one.place.label)}: probability of {_probabilities(one)}."


def _limits(row: list[Posterior]) -> tuple[float, float]:
    """Return the ends of the axis that the panels of a row share."""
    values = [0.0, *(value for one in row for value in one.quantiles)]
    for one in row:
        beside = [one.summary[name] for name in ("mcid", "rope") if isfinite(one.summary[name])]
        values += [sign * value for value in beside for sign in (-1, 1)]
    pad = 0.04 * (max(values) - min(values)) or 1.0
    return min(values) - pad, max(values) + pad


def stacked(values: tuple[float, ...], width: float) -> list[tuple[float, int]]:
    """Return the place and the height (0, 1, …) of the dot of each value, dots of a width on one another.

    Wilkinson (1999), The American Statistician 53:276-281: a stack takes all values within a width of its first.
    """
    placed: list[tuple[float, int]] = []
    stack: list[float] = []
    for value in [*sorted(values), float("inf")]:
        if stack and value - stack[0] > width:
            middle = (stack[0] + stack[-1]) / 2
            placed += [(middle, height) for height in range(len(stack))]
            stack = []
        stack.append(value)
    return placed


def _panel(axes: Axes, one: Posterior, limits: tuple[float, float], inches: float) -> None:
    """Draw a posterior; `inches` is about the width of the axes."""
    low, high = limits
    width = (high - low) / DOTS_ACROSS
    rope, mcid = one.summary["rope"], one.summary["mcid"]
    if isfinite(rope):
        axes.axvspan(-rope, rope, color=ROPE_COLOUR, linewidth=0, zorder=0)
    axes.axvline(0, color="#808080", linewidth=0.8, zorder=1)
    if isfinite(mcid):
        axes.axvline(one.sign * mcid, color="#202020", linestyle="--", linewidth=0.9, zorder=1)
        axes.axvline(-one.sign * mcid, color="#202020", linestyle=":", linewidth=0.9, zorder=1)
    placed = stacked(one.quantiles, width)
    beyond = [
        0 if not (isfinite(mcid) and abs(value) > mcid) else one.sign * (1 if value > 0 else -1)
        for value in sorted(one.quantiles)
    ]
    for side, style in ((1, GAIN), (0, LITTLE), (-1, HARM)):
        own = [dot for dot, of in zip(placed, beyond, strict=True) if of == side]
        size = 0.9 * 72 * inches / DOTS_ACROSS
        x, y = [at for at, _ in own], [height + 0.5 for _, height in own]
        axes.plot(x, y, linestyle="", markersize=size, zorder=2, **style)
    axes.set_xlim(low, high)
    axes.set_ylim(0, max(PANEL / inches * DOTS_ACROSS, max(height for _, height in placed) + 1.2))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
