"""The flow diagram of CONSORT 2025, drawn from the counts of the flow."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import marks, set_label
from pipanalysis.estimate.flow import EVERYONE
from pipanalysis.study.terms import at_visit, mid_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

WIDTH = 7.2
LINE = 0.145
"""height of a line of text in inches"""
LETTERS_PER_INCH = 14.5
BOLD = 1.15
"""how much wider bold letters are"""
GAP = 0.28
"""between boxes, for the arrow"""
INSET = "\u2003"
INK = "#222222"


@dataclass(frozen=True)
class Box:
    """A box of the diagram in inches from its left and top side; the first lines of it are its heading."""

    x: float
    y: float
    width: float
    lines: tuple[str, ...]
    headings: int

    @property
    def height(self) -> float:
        """Height of the box."""
        return LINE * len(self.lines) + 0.16

    @property
    def bottom(self) -> float:
        """Place of its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Place of its vertical middle line."""
        return self.x + self.width / 2


def consort_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the flow of participants: enrolment, allocation, follow-up at each visit, analysis.

    The first of the figure's analyses is of method flow; those after it give the numbers in their models.
    """
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation), notes=[*figure.footnotes])
    counts = _Counts(study, results, model, figure.analyses[0])
    if not counts.known("randomised"):
        return model
    rows = _boxes(study, figure, results, model, counts)
    size = (WIDTH, max(box.bottom for row in rows for box in row) + 0.1)
    model.size = size
    model.alternative = f"Flow diagram. {_in_words(study, rows)}"

    def draw(body: SubFigure) -> None:
        axes = body.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, size[0])
        axes.set_ylim(size[1], 0)
        axes.axis("off")
        for row in rows:
            for box in row:
                _box(axes, box)
        _arrows(axes, rows)

    model.draw = draw
    return model


def _in_words(study: Study, rows: list[list[Box]]) -> str:
    """Return what stands in the boxes: before allocation, then arm by arm from top to bottom."""
    columns = {"": [row[0] for row in rows if len(row) == 1]}
    by_arm = [row for row in rows if len(row) > 1]
    columns |= {f" {arm.label}: ": [row[i] for row in by_arm] for i, arm in enumerate(study.arms.values())}
    lines = {arm: [" ".join(filter(None, map(str.strip, box.lines))) for box in own] for arm, own in columns.items()}
    return "".join(f"{arm}{'; '.join(said)}." for arm, said in lines.items())


class _Counts:
    """Lines of the diagram, each with its number; every number that is shown becomes a record."""

    def __init__(self, study: Study, results: ResultsIndex, model: FigureModel, analysis: str) -> None:
        self._study, self._results, self._model, self._analysis = study, results, model, analysis
        self._contexts = results.contexts(analysis, EVERYONE)

    def known(self, stage: str, **where: str) -> bool:
        return isfinite(self._results.stat(self._analysis, EVERYONE, "n_stage", context=f"stage={stage}", **where))

    def line(self, stage: str, label: str, *, inset: int = 0, zero: bool = True, **where: str) -> list[str]:
        """Return `label (n = …)`; nothing where there is no count, or where it is zero and zeros are not shown."""
        context = f"stage={stage}"
        n = self._results.stat(self._analysis, EVERYONE, "n_stage", context=context, **where)
        if not isfinite(n) or (n == 0 and not zero):
            return []
        self._model.records.append({"analysis": self._analysis, "stage": stage, "label": label, **where, "n": n})
        return [INSET * inset + f"{label} (n\u00a0=\u00a0{rounding.count(n)})"]

    def reasons(self, stage: str, *, inset: int, **where: str) -> list[str]:
        start = f"stage={stage}; reason="
        lines = []
        for context in self._contexts:
            if context.startswith(start):
                own = context.removeprefix("stage=")
                lines += self.line(own, context.removeprefix(start), inset=inset, zero=False, **where)
        return lines


def _boxes(study: Study, figure: Figure, results: ResultsIndex, model: FigureModel, counts: _Counts) -> list[list[Box]]:
    """Return the boxes, row by row; a row of one box is the trunk, with what left it at its right."""
    rows: list[list[Box]] = []
    y = 0.1
    trunk, side = 2.9, 3.6
    arms = list(study.arms.values())
    width = (WIDTH - 0.2 - 0.25 * (len(arms) - 1)) / len(arms)
    left = max(0.1 + (width - trunk) / 2, 0.1)  # above the middle of the first arm, as far as there is room
    screened = counts.line("screened", "Assessed for eligibility")
    if screened:
        rows.append([_filled(left, y, trunk, screened)])
        excluded = counts.line("excluded", "Excluded")
        for stage, label in (("not_eligible", "Not eligible"), ("not_consented", "Did not consent")):
            excluded += counts.line(stage, label, inset=1) + counts.reasons(stage, inset=2)
        aside = _filled(WIDTH - side - 0.1, rows[0][0].bottom + GAP, side, excluded)
        rows.append([aside])
        y = aside.bottom + GAP
    start = left if screened else (WIDTH - trunk) / 2
    rows.append([_filled(start, y, trunk, counts.line("randomised", "Randomised"))])
    y = rows[-1][0].bottom + GAP * 1.6
    stages = []
    for arm in arms:
        at: dict[str, Any] = {"arm": arm.name}
        boxes = [counts.line("allocated", f"Allocated to {arm.label}", **at)]
        boxes[0] += counts.line("treated", "Attended at least one session", inset=1, **at)
        boxes[0] += counts.line("not_treated", "Attended no session", inset=1, **at)
        for visit in list(study.visits.values()):
            if visit.baseline or not (figure.visits == "all" or visit.name in figure.visits):
                continue
            lines_of = counts.line("assessed", f"Assessed {at_visit(visit.label)}", visit=visit.name, **at)
            lines_of += counts.line("not_assessed", "Not assessed", inset=1, visit=visit.name, **at)
            lines_of += counts.line("withdrawn", "Withdrawn by then", inset=2, zero=False, visit=visit.name, **at)
            lines_of += counts.reasons("withdrawn", inset=3, visit=visit.name, **at)
            lines_of += counts.line("missed", "Assessment missed", inset=2, zero=False, visit=visit.name, **at)
            boxes.append(lines_of)
        boxes.append(_analysed(study, figure, results, model, counts, arm.name))
        stages.append(boxes)
    for level in range(max(map(len, stages))):
        row = [_filled(0.1 + i * (width + 0.25), y, width, boxes[level]) for i, boxes in enumerate(stages)]
        tallest = max(len(box.lines) for box in row)
        row = [replace(box, lines=box.lines + ("",) * (tallest - len(box.lines))) for box in row]
        rows.append(row)
        y = row[0].bottom + GAP
    return rows


def _analysed(
    study: Study, figure: Figure, results: ResultsIndex, model: FigureModel, counts: _Counts, arm: str
) -> list[str]:
    lines = []
    analyses = [a for a in study.plan.analyses if a.name in figure.analyses[1:]]
    for chosen in dict.fromkeys(a.analysis_set for a in analyses) or [study.plan.analysis_sets[0].name]:
        lines += counts.line(
            f"in_set; set={chosen}", f"In the analysis set: {mid_sentence(set_label(study, chosen))}", arm=arm
        )
        lines += counts.line(f"not_in_set; set={chosen}", "Not in it", inset=1, arm=arm)
    for one in analyses:
        for outcome in study.plan.outcomes:
            if not (figure.outcomes == "all" or outcome.name in figure.outcomes):
                continue
            for visit in study.visits.values():
                n = results.stat(one.name, outcome.name, "n", visit=visit.name, arm=arm)
                if isfinite(n):
                    where = {"arm": arm, "visit": visit.name}
                    label = f"In the model of {outcome.label}, {visit.label}"
                    model.records.append({"analysis": one.name, "stage": "n", "label": label, **where, "n": n})
                    lines.append(f"{INSET}{label} (n\u00a0=\u00a0{rounding.count(n)})")
    return lines


def _filled(x: float, y: float, width: float, lines: list[str]) -> Box:
    """Return a box whose lines are wrapped to its width; the first of them is its heading."""
    letters = (width - 0.2) * LETTERS_PER_INCH
    wrapped: list[str] = []
    headings = 0
    for line in lines:
        inset = line[: len(line) - len(line.lstrip(INSET))]
        own = int(letters) if headings else int(letters / BOLD)
        wrapped += textwrap.wrap(line, own, subsequent_indent=inset + INSET if headings else "") or [""]
        headings = headings or len(wrapped)
    return Box(x, y, width, tuple(wrapped), headings)


def _box(axes: Axes, box: Box) -> None:
    from matplotlib.patches import Rectangle

    style: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.9}
    axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, **style))
    for i, line in enumerate(box.lines):
        inset = len(line) - len(line.lstrip(INSET))
        axes.text(
            box.x + 0.09 + 0.13 * inset,
            box.y + 0.08 + LINE * (i + 0.5),
            line.lstrip(INSET),
            va="center",
            fontsize=7.5,
            fontweight="bold" if i < box.headings else "normal",
        )


def _arrows(axes: Axes, rows: list[list[Box]]) -> None:
    def arrow(start: tuple[float, float], end: tuple[float, float]) -> None:
        axes.annotate(
            "",
            end,
            start,
            arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
        )

    def line(*points: tuple[float, float]) -> None:
        axes.plot([x for x, _ in points], [y for _, y in points], color=INK, linewidth=0.9)

    singles = [row[0] for row in rows if len(row) == 1]
    arms = [row for row in rows if len(row) > 1]
    randomised = singles[-1]
    if len(singles) > 1:
        screened, aside = singles[0], singles[1]
        arrow((screened.middle, screened.bottom), (randomised.middle, randomised.y))
        beside = aside.y + aside.height / 2
        arrow((screened.middle, beside), (aside.x, beside))
    split = (randomised.bottom + arms[0][0].y) / 2
    line((randomised.middle, randomised.bottom), (randomised.middle, split))
    ends = [box.middle for box in arms[0]]
    line((min(*ends, randomised.middle), split), (max(*ends, randomised.middle), split))
    for box in arms[0]:
        arrow((box.middle, split), (box.middle, box.y))
    for above, below in pairwise(arms):
        for upper, lower in zip(above, below, strict=True):
            arrow((upper.middle, upper.bottom), (lower.middle, lower.y))
