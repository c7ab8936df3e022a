"""What displays show, traced back to the rows of the results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.rounding import power_of_ten
from pipanalysis.display.step import DRAWINGS, LAYOUTS
from pipanalysis.study.load import Study

TOKEN = re.compile(r"(?<![\w.])[<>]?[−-]?\d[\d,]*(?:\.\d+)?(?:[ \u00a0]×[ \u00a0]10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")
NOT_STATISTICS = ("probability",)
"""columns of records that hold what a statistic belongs to"""


@dataclass(frozen=True)
class Display:
    """A table or figure: its name, the numbers of its records, and the numbers of its cells as they are written."""

    name: str
    numbers: tuple[float, ...]
    cells: tuple[str, ...]


def displays(study: Study, results: pd.DataFrame, allocation: dict[str, Any]) -> Iterator[Display]:
    """Yield every table and figure of a study."""
    index = ResultsIndex(results)
    for table in study.displays.tables:
        model = LAYOUTS[table.kind](study, table, index, allocation)
        cells = [cell for group in model.groups for row in group.rows for cell in row.cells]
        yield Display(
            f"table {table.name}", numbers_of(model.records), tuple(token for c in cells for token in tokens(c))
        )
    for figure in study.displays.figures:
        drawing = DRAWINGS[figure.kind](study, figure, index, allocation)
        yield Display(f"figure {figure.name}", numbers_of(drawing.records), ())


def numbers_of(records: list[dict[str, Any]]) -> tuple[float, ...]:
    """Return the statistics of the records of a display."""
    return tuple(
        float(value)
        for record in records
        for key, value in record.items()
        if isinstance(value, int | float | np.floating) and not isinstance(value, bool) and key not in NOT_STATISTICS
        if isfinite(value)
    )


def tokens(cell: str) -> list[str]:
    """Return the numbers of a text as they are written."""
    return [token.replace(",", "") for token in TOKEN.findall(cell)]


class Rounded:
    """The statistics as they may be written: so many decimals, as they are or in percent, with either sign."""

    def __init__(self, statistics: pd.Series) -> None:
        self._values = [float(value) for value in statistics if isfinite(value)]
        self._known: dict[int, set[str]] = {}

    def has(self, token: str) -> bool:
        """Tell whether a number as written is some statistic rounded, or says that one is beyond a last decimal."""
        if token[0] in "<>":
            beyond = float(token[1:])
            return any(value < beyond if token[0] == "<" else value > beyond for value in self._values)
        if "×" in token:
            return any(power_of_ten(value) == token for value in self._values)
        digits = len(token.partition(".")[2])
        if digits not in self._known:
            self._known[digits] = {self._written(value * scale, digits) for value in self._values for scale in (1, 100)}
        return token.lstrip("−-") in self._known[digits]

    @staticmethod
    def _written(value: float, digits: int) -> str:
        return str(abs(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)))
