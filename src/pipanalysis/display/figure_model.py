"""A figure before it has a format: what it says in words, the numbers behind it, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

EMPTY_FIGURE = "No results: none of the planned analyses has a result for this figure."


@dataclass
class FigureModel:
    """A figure.

    Attributes:
        name: of its files.
        number: in the catalogue of displays.
        title: without the number.
        marks: what must be said on its face: synthetic data, masked allocation.
        alternative: what the figure shows, for those who do not see it.
        notes: lines below it.
        records: the numbers that are drawn, at full precision, one record per line of the CSV file.
        size: width and height in inches, without the marks.
        draw: puts it on a blank figure; None where there is nothing to show.
    """

    name: str
    number: str
    title: str
    marks: list[str]
    alternative: str = EMPTY_FIGURE
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    size: tuple[float, float] = (7.0, 1.2)
    draw: Callable[[SubFigure], None] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.draw is None

    @property
    def numbered_title(self) -> str:
        """The title with the figure's number."""
        return f"Figure {self.number}. {self.title}"
