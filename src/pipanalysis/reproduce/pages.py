"""Whether the numbers that a table's page shows are those of its file and of the results, as rounded there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

# Not within a word or date; a sign may be a minus or a hyphen.
_NUMBER = re.compile(r"(?<![\w.])(?<!\d-)([<>]?)([−-]?\d+(?:\.\d+)?(?:e[−-]?\d+)?)(?!\w|\.\d|-\d)")

# A digit and a power of ten, as 3 × 10⁻¹¹.
_POWER = re.compile(r"(\d)[ \u00a0]×[ \u00a0]10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class _Cells(HTMLParser):
    """Collects the text of the cells of a page's tables, row by row, without those of their headings."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_body = self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tbody":
            self._in_body = True
        elif tag == "tr" and self._in_body:
            self.rows.append([])
        elif tag in ("td", "th") and self._in_body and self.rows:
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tbody":
            self._in_body = False
        elif tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def shown_numbers(page: Path, table: pd.DataFrame, results: pd.DataFrame) -> Iterator[tuple[str, str, bool]]:
    """Yield each number that a table's page shows right of a row's name.

    Args:
        page: the HTML page.
        table: the same table's CSV file, as text.
        results: the analysis results; counts and P values of the table's analyses may be shown too.

    Yields:
        Row and column (from 1), the number as shown, and whether it is one of the table's file or of those,
        rounded to as many digits, as a percentage if need be; after < or > whether there is one beyond it.
    """
    import pandas as pd

    numbers = pd.concat([pd.to_numeric(table[name], errors="coerce") for name in table])
    analyses = set(table["analysis"]) if "analysis" in table else set()
    beside = results["stat_name"].str.match(r"(n|n_.*|p_value.*)$")  # counts and P values that only the page shows
    stats = results.loc[results["analysis"].isin(analyses) & beside, "stat"]
    known = np.unique(np.concatenate([numbers.dropna().to_numpy(float), stats.dropna().to_numpy(float)]))
    cells = _Cells()
    cells.feed(page.read_text(encoding="utf-8"))
    for i, row in enumerate(cells.rows, start=1):
        for j, text in enumerate(row[1:], start=2):
            plain = _POWER.sub(lambda power: f"{power[1]}e{power[2].translate(_LOWERED)}", text)
            for bound, shown in _NUMBER.findall(plain):
                yield f"row {i}, column {j}", f"{bound}{shown}", _among(known, bound, shown.replace("−", "-"))


def _among(known: np.ndarray, bound: str, shown: str) -> bool:
    value = float(shown)
    if bound:  # of probabilities
        beyond = known[(known >= 0.0) & (known <= 1.0)] - value
        return bool((beyond <= 0.0).any() if bound == "<" else (beyond >= 0.0).any())
    mantissa, _, exponent = shown.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    half = 0.5 * unit * (1 + 1e-9)
    return bool((np.abs(known - value) <= half).any() or (np.abs(100 * known - value) <= half).any())
