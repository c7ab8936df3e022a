"""Forest plot: standardised effects of all outcomes by domain, a panel a visit, analyses below one another."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.bayes_places import context_of
from pipanalysis.display.figure_files import COLOURS, MARKERS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import analyses_line, analysis, enumerated, marks, wrapped
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import counted, mid_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

SIZES = (("effect_size", "effect_size_low", "effect_size_high"), ("hedges_g", "conf_low", "conf_high"))
"""statistics on the standardised scale and their limits, the first that an analysis has"""
POSTERIOR = ("posterior_mean", "cred_low", "cred_high")
"""the same of Bayesian analyses, positive where it is benefit"""
LABEL_LETTERS = 42
ACROSS = 2
"""visits side by side"""
COLUMNS = 3
"""of the legend"""
LEGEND = 0.2
"""height of a line of it in inches"""
BENEFIT = "#dbe9e0"
"""behind the side of zero on which the arm does better"""
EDGE = "#808080"
STEP = 0.75
"""lines from one analysis of a row to the next"""
ROW = 0.24
"""height of a row in inches"""


def forest_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the standardised effects of the figure's analyses; those of one analysis a label stand in one row.

    Effects are drawn as they stand in the results, and the side of zero on which the arm does better is shaded.
    """
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    rows = _rows(study, figure, results, model)
    if not model.records:
        return model
    shown = {record["visit"] for record in model.records}
    visits = [visit for visit in study.visits.values() if visit.name in shown]
    labels = list(dict.fromkeys(analysis(study, str(record["analysis"])).label for record in model.records))
    level = rounding.level(study.plan.conf_level)
    arms = study.terms.others
    own_sd = "; Hedges' g: at the visit" if any(r["statistic"] == "hedges_g" for r in model.records) else ""
    credible = any(record["statistic"] == POSTERIOR[0] for record in model.records)
    model.notes = [
        f"Standardised difference, {arms} minus {study.reference_arm.label}, with {level} interval: the difference in "
        f"standard deviations at baseline{own_sd}. Shaded: the side of zero on which {arms} does better.",
        *([_credible(study)] if credible else []),
        analyses_line(study, dict.fromkeys(str(record["analysis"]) for record in model.records)),
        *figure.footnotes,
    ]
    model.alternative = (
        f"Forest plot of {counted(sum(bool(key) for _, key in rows), 'outcome')} by domain at "
        f"{enumerated([visit.label for visit in visits])}: standardised differences with {level} intervals. The "
        "numbers are in the file beside."
    )
    shaded = any(study.scores[study.outcomes[r["outcome"]].score].better for r in model.records)
    heights = [_height(label, len(labels) if key else 1) for label, key in rows]
    across = min(ACROSS, len(visits))
    down = -(-len(visits) // across)
    model.size = (2.8 + 3.1 * across, (ROW * sum(heights) + 0.8) * down + 0.2 + (LEGEND if shaded else 0.0))

    def draw(body: SubFigure) -> None:
        grid = body.subplots(down, across, sharey=True, squeeze=False)
        ends = [value for record in model.records for value in oriented(study, record)]
        low, high = min(ends), max(ends)
        for axes in list(grid.flat)[len(visits) :]:
            axes.set_visible(False)
        for axes, visit in zip(grid.flat, visits, strict=False):
            own = [record for record in model.records if record["visit"] == visit.name]
            _panel(study, axes, rows, heights, own, labels, (low, high))
            axes.set_title(visit.label)
            axes.set_xlabel("Standardised difference")
        _legend(body, grid.flat[0], labels, wrapped(f"Favours {arms}", LABEL_LETTERS) if shaded else "")

    model.draw = draw
    return model


def _legend(body: SubFigure, axes: Axes, labels: list[str], favoured: str) -> None:
    """Say which analysis a marker is of, where there are several, and what is shaded, where anything is."""
    from matplotlib.patches import Patch

    handles, names = axes.get_legend_handles_labels()
    shown = dict(zip(names, handles, strict=True)) if len(labels) > 1 else {}
    if favoured:
        shown[favoured] = Patch(facecolor=BENEFIT, edgecolor=EDGE, linewidth=0.5)
    if shown:
        body.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=min(COLUMNS, len(shown)))


def _rows(study: Study, figure: Figure, results: ResultsIndex, model: FigureModel) -> list[tuple[str, str]]:
    """Return label and key of each row, the key of a domain's heading being empty; fill in the model's records."""
    rows: list[tuple[str, str]] = []
    others = list(study.arms.values())[1:]
    for domain in study.plan.domains:
        own: list[tuple[str, str]] = []
        for outcome in study.plan.outcomes:
            chosen = figure.outcomes == "all" or outcome.name in figure.outcomes
            if outcome.domain != domain.name or not chosen:
                continue
            for arm in others:
                found = _effects(study, figure, results, outcome.name, arm.name)
                if found:
                    label = outcome.label + (f", {arm.label}" if len(others) > 1 else "")
                    own.append((wrapped(label, LABEL_LETTERS), f"{outcome.name} {arm.name}"))
                    model.records += found
        if own:
            rows += [(domain.label, ""), *own]
    return rows


def _effects(study: Study, figure: Figure, results: ResultsIndex, outcome: str, arm: str) -> list[dict[str, Any]]:
    found = []
    contrast = contrast_name(arm, study.reference_arm.name)
    for name in figure.analyses:
        for visit in study.visits:
            if not (figure.visits == "all" or visit in figure.visits):
                continue
            size = _size(study, results, name, outcome, visit, contrast)
            if size:
                own = {"analysis": name, "outcome": outcome, "visit": visit, "contrast": contrast}
                found.append(own | {"key": f"{outcome} {arm}"} | size)
    return found


def _size(
    study: Study, results: ResultsIndex, name: str, outcome: str, visit: str, contrast: str
) -> dict[str, Any] | None:
    """Return an effect on the standardised scale with its limits, None where the analysis has none."""
    where = {"visit": visit, "contrast": contrast}
    for names in SIZES:
        estimate, low, high = results.stats(name, outcome, names, **where).values()
        if isfinite(estimate) and isfinite(low) and isfinite(high):
            return {"statistic": names[0], "estimate": estimate, "low": low, "high": high}
    if study.plan.bayes is None:
        return None
    context = context_of(study.plan.bayes.prior_sets[0].name, "measure=standardised")
    benefit, low, high = results.stats(name, outcome, POSTERIOR, **where, context=context).values()
    return {"statistic": POSTERIOR[0], "estimate": benefit, "low": low, "high": high} if isfinite(benefit) else None


def oriented(study: Study, record: dict[str, Any]) -> tuple[float, float, float]:
    """Return an effect and its limits as they are drawn: the arm minus the reference.

    Records hold what stands in the results, where the effects of Bayesian analyses are positive where it is benefit.
    """
    estimate, low, high = record["estimate"], record["low"], record["high"]
    better = study.scores[study.outcomes[record["outcome"]].score].better
    flipped = record["statistic"] == POSTERIOR[0] and better == "lower"
    return (-estimate, -high, -low) if flipped else (estimate, low, high)


def _credible(study: Study) -> str:
    assert study.plan.bayes is not None  # a result of a Bayesian analysis is drawn
    plan = study.plan.bayes
    level = rounding.level(plan.interval.probability)
    prior = mid_sentence(plan.prior_sets[0].label)
    return f"Bayesian analyses: posterior mean with {level} credible interval; prior: {prior}."


def _height(label: str, analyses: int) -> float:
    """Return the height of a row in lines: those of its label, or its analyses one below another."""
    return max(label.count("\n") + 1.0, STEP * analyses + 0.25)


def _draw_effects(
    study: Study, axes: Axes, at: dict[str, float], records: list[dict[str, Any]], labels: list[str]
) -> None:
    """Draw the effects of each analysis as one set of lines and one of markers: a line each takes seconds.

    Args:
        study: the configuration.
        axes: of a visit.
        at: key of a row → where its middle stands.
        records: of the visit.
        labels: of the analyses.
    """
    from matplotlib.transforms import ScaledTranslation

    beside = axes.get_yaxis_transform() + ScaledTranslation(4 / 72, 0, axes.figure.dpi_scale_trans)
    digits = study.displays.digits.effect_size
    for i, label in enumerate(labels):
        own = [record for record in records if analysis(study, str(record["analysis"])).label == label]
        if not own:
            continue
        colour = COLOURS[(i + 1) % len(COLOURS)] if len(labels) > 1 else COLOURS[0]
        y = [at[record["key"]] + (i - (len(labels) - 1) / 2) * STEP for record in own]
        drawn = [oriented(study, record) for record in own]
        estimates, lows, highs = zip(*drawn, strict=True)
        axes.hlines(y, lows, highs, colors=colour, linewidth=1.1, capstyle="projecting", zorder=2)
        style: dict[str, Any] = {"color": colour, "markerfacecolor": colour if i % 2 == 0 else "white", "markersize": 4}
        axes.plot(estimates, y, MARKERS[(i + 1) % len(MARKERS)], **style, zorder=3, label=label)
        for place, effect in zip(y, drawn, strict=True):
            text = rounding.with_interval(*effect, digits)
            axes.text(1.0, place, text, transform=beside, va="center", fontsize=6.5)


def _panel(
    study: Study,
    axes: Axes,
    rows: list[tuple[str, str]],
    heights: list[float],
    records: list[dict[str, Any]],
    labels: list[str],
    limits: tuple[float, float],
) -> None:
    width = limits[1] - min(limits[0], 0.0)
    left, right = min(limits[0], 0.0) - 0.05 * width, max(limits[1], 0.0) + 0.05 * width
    places = [sum(heights[:i]) + height / 2 for i, height in enumerate(heights)]
    for position, height, (_, key) in zip(places, heights, rows, strict=True):
        if not key:
            continue
        better = study.scores[study.outcomes[key.partition(" ")[0]].score].better
        if better:
            side = (0.0, right) if better == "higher" else (left, 0.0)
            axes.fill_betweenx(
                [position - height / 2, position + height / 2], *side, color=BENEFIT, linewidth=0, zorder=0
            )
    at = {key: position for position, (_, key) in zip(places, rows, strict=True)}
    _draw_effects(study, axes, at, records, labels)
    axes.axvline(0, color=EDGE, linewidth=0.8, zorder=1)
    axes.set_xlim(left, right)
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(sum(heights) + 0.1, -0.1)
    axes.set_yticks(places, [label for label, _ in rows])
    # Panels share the labels of the first one.
    for tick, (_, key) in zip(axes.get_yticklabels(), rows, strict=False):
        tick.set_fontweight("normal" if key else "bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
