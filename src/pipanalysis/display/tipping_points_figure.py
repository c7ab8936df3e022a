"""Tipping-point map: the difference between arms by where the missing values of each arm may lie."""

from __future__ import annotations

from itertools import product
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.figure_files import LETTERS_PER_INCH
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import analyses_line, analysis, marks, wrapped
from pipanalysis.estimate.delta_adjustment import delta_context
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import DeltaAdjustment, Outcome
    from pipanalysis.study.study import Arm

ACROSS = 2
"""maps side by side"""
FIELD, LINE = 0.26, 0.15
"""heights of a field of a map, and of a line of its labels, in inches"""
DRAWN = ("estimate", "conf_low", "conf_high", "p_value")
COLOURS_OF_SIDE = {1: "#9ecae1", 0: "#ffffff", -1: "#fbe3d4"}
HATCHES = {1: "", 0: "", -1: "...."}

Map = tuple[str, str, list[float], list[dict[str, Any]]]
"""a title, the arm, the deltas, and a record for each pair of them"""


def tipping_points_figure(
    study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]
) -> FigureModel:
    """Draw a map for each outcome, visit and arm that the figure's analyses have delta adjustments of."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    maps = _maps(study, figure, results)
    model.records = [record for *_, records in maps for record in records]
    if not maps:
        return model
    level = rounding.level(study.plan.conf_level)
    reference = study.reference_arm.label
    others = study.terms.others
    model.notes = [
        f"{analyses_line(study, figure.analyses)} Number in a field: difference, {others} minus {reference}, if the "
        "values that an arm misses at the visit lie, in the mean, above (or below) where the model expects them by the "
        "shift, in units of the outcome. Framed: missing at random. "
        f"Coloured: the {level} interval excludes zero.",
        *figure.footnotes,
    ]
    model.alternative = "Tipping-point maps. " + " ".join(_in_words(study, one) for one in maps)
    across = min(ACROSS, len(maps))
    down = -(-len(maps) // across)
    size = max(len(deltas) for _, _, deltas, _ in maps)
    width = 3.6 if across > 1 else 4.4
    axis = _letters(width)
    lines = max(wrapped(f"Shift in {arm.label}", axis).count("\n") for arm in study.arms.values())
    height = FIELD * size + 1.45 + LINE * lines
    favoured = {1: f"Favours {others}", 0: "Includes zero", -1: f"Favours {reference}"}
    names = {side: wrapped(name, 30) for side, name in favoured.items()}
    model.size = (width * across, height * down + 0.4 + LINE * max(name.count("\n") for name in names.values()))

    def draw(body: SubFigure) -> None:
        from matplotlib.patches import Patch

        grid = body.subplots(down, across, squeeze=False)
        for axes, one in zip(grid.flat, maps, strict=False):
            _panel(study, axes, one, axis, min(axis, int(LETTERS_PER_INCH * (height - 0.4))))
        for axes in list(grid.flat)[len(maps) :]:
            axes.set_visible(False)
        handles = [
            Patch(facecolor=COLOURS_OF_SIDE[side], edgecolor="#707070", hatch=HATCHES[side], label=name)
            for side, name in names.items()
        ]
        body.legend(handles=handles, loc="outside lower center", ncols=3)

    model.draw = draw
    return model


def _maps(study: Study, figure: Figure, results: ResultsIndex) -> list[Map]:
    found = []
    for name in figure.analyses:
        for adjustment in analysis(study, name).delta_adjustments:
            outcome = study.outcomes[adjustment.outcome]
            if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
                continue
            for visit in study.visits:
                if not (figure.visits == "all" or visit in figure.visits):
                    continue
                for arm in list(study.arms)[1:]:
                    records = _records(study, results, name, adjustment, outcome, visit, arm)
                    if records:
                        title = f"{outcome.label}, {mid_sentence(study.visits[visit].label)}"
                        found.append((title, arm, adjustment.deltas, records))
    return found


def _records(
    study: Study,
    results: ResultsIndex,
    name: str,
    adjustment: DeltaAdjustment,
    outcome: Outcome,
    visit: str,
    arm: str,
) -> list[dict[str, Any]]:
    reference = study.reference_arm.name
    better = study.scores[outcome.score].better or "higher"
    shared: dict[str, Any] = {"analysis": name, "outcome": outcome.name, "visit": visit}
    for one in (reference, arm):
        counted = results.stats(name, outcome.name, ("n", "n_missing"), visit=visit, arm=one, context="delta")
        shared |= {f"{stat}_{one}": value for stat, value in counted.items()}
    records = []
    for reference_delta, arm_delta in product(adjustment.deltas, repeat=2):
        where = {"visit": visit, "contrast": contrast_name(arm, reference)}
        context = delta_context(reference_delta, arm_delta)
        s = results.stats(name, outcome.name, DRAWN, **where, context=context)
        if all(isfinite(value) for value in s.values()):
            side = (s["conf_low"] > 0) - (s["conf_high"] < 0)
            favours = {1: "arm", 0: "neither", -1: "reference"}[side if better == "higher" else -side]
            deltas = {"reference_shift": f"{reference_delta:g}", "arm_shift": f"{arm_delta:g}"}
            records.append(shared | {"contrast": where["contrast"]} | deltas | s | {"favours": favours})
    return records


def _in_words(study: Study, one: Map) -> str:
    title, arm, _, records = one
    counts = {side: sum(record["favours"] == side for record in records) for side in ("arm", "reference", "neither")}
    return (
        f"{title}: of {len(records)} pairs of shifts, {counts['arm']} have an interval that favours "
        f"{study.arms[arm].label}, {counts['reference']} one that favours {study.reference_arm.label}, and "
        f"{counts['neither']} one that includes zero."
    )


def _letters(inches: float) -> int:
    """Return how many letters have room below a map."""
    return int(LETTERS_PER_INCH * (inches - 0.9))


def _panel(study: Study, axes: Axes, one: Map, letters: int, upright: int) -> None:
    """Draw a map, with so many letters of a line below it, and upright beside it."""
    from matplotlib.patches import Rectangle

    title, arm, deltas, records = one
    names = [f"{delta:g}" for delta in deltas]
    digits = study.displays.digits.estimate
    for record in records:
        x, y = names.index(record["arm_shift"]), names.index(record["reference_shift"])
        side = {"arm": 1, "neither": 0, "reference": -1}[record["favours"]]
        at_random = record["arm_shift"] == record["reference_shift"] == "0"
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5), 1, 1, facecolor=COLOURS_OF_SIDE[side], hatch=HATCHES[side], edgecolor="#b5b5b5"
            )
        )
        if at_random:
            frame = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="#202020", linewidth=1.6, zorder=3)
            axes.add_patch(frame)
        text = rounding.fixed(record["estimate"], digits)
        behind = {"facecolor": COLOURS_OF_SIDE[side], "linewidth": 0, "pad": 0.8}
        axes.text(x, y, text, ha="center", va="center", fontsize=5.8, zorder=4, bbox=behind)
    axes.set_xlim(-0.5, len(deltas) - 0.5)
    axes.set_ylim(-0.5, len(deltas) - 0.5)
    written = [rounding.fixed(delta, 0) if delta == int(delta) else f"{delta:g}" for delta in deltas]
    axes.set_xticks(range(len(deltas)), written)
    axes.set_yticks(range(len(deltas)), written)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(wrapped(title, letters), loc="left")
    first = records[0]
    axes.set_xlabel(_shift(study.arms[arm], first, letters))
    axes.set_ylabel(_shift(study.reference_arm, first, upright))


def _shift(arm: Arm, record: dict[str, Any], letters: int) -> str:
    """Return the name of an axis: whose values are shifted, and how many of them are missing."""
    observed, missing = record[f"n_{arm.name}"], record[f"n_missing_{arm.name}"]
    counted = f"({rounding.count(missing)} missing, {rounding.count(observed)} observed)"
    return wrapped(f"Shift in {arm.label}", letters) + f"\n{counted}"
