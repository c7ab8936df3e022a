"""Statistics of the collected results by what they belong to."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str, str, str, str, str, str]


class ResultsIndex:
    """Looks statistics up by analysis, outcome, visit, arm or contrast, context and name."""

    def __init__(self, results: pd.DataFrame) -> None:
        columns = ["analysis", "outcome", "visit", "arm", "contrast", "context", "stat_name"]
        self._names = list(results.columns)
        self._stat = self._names.index("stat")
        cells = {name: results[name].tolist() for name in self._names}
        keys = zip(*(cells[name] for name in columns), strict=True)
        # Rows are made when they are asked for: displays show few of the tens of thousands.
        self._cells: dict[Key, tuple[Any, ...]] = dict(zip(keys, zip(*cells.values(), strict=True), strict=True))
        self._by_outcome: dict[tuple[str, str], list[Key]] = {}
        for key in self._cells:
            self._by_outcome.setdefault(key[:2], []).append(key)

    def _row(self, key: Key) -> dict[str, Any]:
        return dict(zip(self._names, self._cells[key], strict=True))

    def row(self, analysis: str, outcome: str, stat_name: str, **where: str) -> dict[str, Any] | None:
        """Return the row of a statistic at a visit, arm, contrast and context, None where there is none."""
        key = _key(analysis, outcome, stat_name, **where)
        return self._row(key) if key in self._cells else None

    def stat(self, analysis: str, outcome: str, stat_name: str, **where: str) -> float:
        """Return a statistic, NaN where there is none."""
        found = self._cells.get(_key(analysis, outcome, stat_name, **where))
        return nan if found is None else float(found[self._stat])

    def stats(self, analysis: str, outcome: str, names: tuple[str, ...], **where: str) -> dict[str, float]:
        """Return several statistics of one place."""
        return {name: self.stat(analysis, outcome, name, **where) for name in names}

    def rows(self, analysis: str, outcome: str, stat_name: str) -> list[dict[str, Any]]:
        """Return every row of a statistic, whatever its visit, arm or context."""
        return [self._row(key) for key in self._by_outcome.get((analysis, outcome), ()) if key[-1] == stat_name]

    def has(self, analysis: str, outcome: str, stat_name: str, **where: str) -> bool:
        """Tell whether a statistic has a value."""
        return not isnan(self.stat(analysis, outcome, stat_name, **where))

    def visits(self, analysis: str, outcome: str) -> set[str]:
        """Return the visits that an analysis of an outcome has results at."""
        return {key[2] for key in self._by_outcome.get((analysis, outcome), ()) if key[2]}

    def contexts(self, analysis: str, outcome: str) -> list[str]:
        """Return the contexts (levels of a category) of an analysis of an outcome."""
        return list(dict.fromkeys(key[5] for key in self._by_outcome.get((analysis, outcome), ()) if key[5]))

    def of_fit(self, analysis: str, outcome: str, visit: str, stat_name: str) -> dict[str, Any] | None:
        """Return a statistic of the fit that covers a visit: of all visits together, or of that visit alone."""
        together = self.row(analysis, outcome, stat_name)
        return together if together is not None else self.row(analysis, outcome, stat_name, visit=visit)


def _key(
    analysis: str,
    outcome: str,
    stat_name: str,
    *,
    visit: str = "",
    arm: str = "",
    contrast: str = "",
    context: str = "",
) -> Key:
    return (analysis, outcome, visit, arm, contrast, context, stat_name)
