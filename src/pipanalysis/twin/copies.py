"""Is a real row among the twin's? Rows compared value by value, and how near the nearest stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipanalysis.errors import DisclosureError, Problem
from pipanalysis.twin.model import UnitModel, Units
from pipanalysis.twin.source import Source

TRIES = 500
MANY = 2000
"""distances are measured among the first so many units"""


@dataclass
class CopyCheck:
    """Rows compared.

    Attributes:
        rows: description of a kind of row → how many of the twin were compared.
        redrawn: units drawn again because one of their rows was a real one.
    """

    rows: dict[str, int] = field(default_factory=dict)
    redrawn: int = 0


UNIT, EVERYTHING = "what belongs to the unit, in all files", "all that is known of a unit"


def kinds_of_rows(source: Source) -> dict[str, list[int]]:
    """Return what is compared: what belongs to the unit, each file's rows, and all that is known of a unit."""
    everything = [j for j, v in enumerate(source.variables) if v.raw.type not in ("text", "serial")]
    kinds = {UNIT: [j for j in everything if not source.variables[j].block[1]]}
    for name in dict.fromkeys(v.file for v in source.variables):
        members = [j for j in everything if source.variables[j].file == name]
        if not source.files[name].file.visit_column:
            kinds[f"rows of {name}"] = members
            continue
        for visit in dict.fromkeys(source.variables[j].block[1] for j in members):
            kinds[f"rows of {name}, {visit}"] = [j for j in members if source.variables[j].block[1] in ("", visit)]
    kinds[EVERYTHING] = everything
    return {name: members for name, members in kinds.items() if members}


def without_copies(model: UnitModel, units: Units, min_cell: int, generator: np.random.Generator) -> CopyCheck:
    """Draw units again until none has a row that is a real one; they keep their arm and which visits are there.

    A real row is one of two values or more that fewer than `min_cell` real units share: what more of them share, and a
    single value, is no one's. Files' rows are compared as they are written; what belongs to a unit, and all that is
    known of it, with its dates counted from the first, so that moving all of them makes no other person.

    Raises:
        DisclosureError: some units remain copies however often they are drawn.
    """
    source = model.source
    kinds = kinds_of_rows(source)
    real = np.column_stack([v.values for v in source.variables])
    written = source.as_written(real, source.anchor)
    rare = {
        name: rare_rows((real if name in (UNIT, EVERYTHING) else written)[:, members], min_cell)
        for name, members in kinds.items()
    }
    check = CopyCheck({name: int(_comparable(units.values[:, m]).sum()) for name, m in kinds.items()})

    def copied(made: Units) -> np.ndarray:
        found = np.zeros(len(made.arms), dtype=bool)
        as_written = source.as_written(made.values, made.anchor)
        for name, members in kinds.items():
            rows = row_keys((made.values if name in (UNIT, EVERYTHING) else as_written)[:, members])
            found |= np.array([row in rare[name] for row in rows], dtype=bool)
        return found

    still = np.flatnonzero(copied(units))
    check.redrawn = len(still)
    for _ in range(TRIES):
        if not len(still):
            return check
        others = model.draw(units.arms[still], generator)
        same = np.all([others.there[block] == units.there[block][still] for block in source.blocks], axis=0)
        good = same & ~copied(others)
        units.replace(still[good], others.only(good))
        still = still[~good]
    found = f"{len(still)} made-up units that equal a real one, after {TRIES} draws"
    hint = "a smaller --min-cell; or so few variables that a twin is the real data"
    raise DisclosureError(Problem("twin", found, "no row of a real unit", hint))


def rare_rows(values: np.ndarray, min_cell: int) -> set[bytes]:
    """Return the rows of two values or more that fewer than `min_cell` units share."""
    counts = Counter(row_keys(values[_comparable(values)]))
    return {row for row, n in counts.items() if n < min_cell}


def _comparable(values: np.ndarray) -> np.ndarray:
    return np.asarray((~np.isnan(values)).sum(axis=1) >= 2)


def row_keys(values: np.ndarray) -> list[bytes]:
    """Return each row as something to look up; what is missing counts too."""
    plain = np.ascontiguousarray(np.round(np.nan_to_num(values, nan=-9e9), 6) + 0.0)
    return [row.tobytes() for row in plain]


def nearest_distances(source: Source, units: Units) -> dict[str, Any]:
    """Return how far a unit's nearest real one is, for the twin's units and for the real ones among themselves.

    The distance of two units is the root mean squared difference of the variables that both have, each in standard
    deviations. Only the mean and quantiles of the nearest distances are returned.
    """
    real = np.column_stack([v.values for v in source.variables])
    mean, sd = np.nanmean(real, axis=0), np.nanstd(real, axis=0)
    use = sd > 0
    real, made = (((x[:MANY] - mean) / np.where(use, sd, 1))[:, use] for x in (real, units.values))
    among = _distances(real, real)
    np.fill_diagonal(among, np.inf)
    found = {"twin to real": _distances(made, real).min(axis=1), "real to another real": among.min(axis=1)}
    return {
        name: {"mean": _rounded(d.mean()), **{f"quantile {q}": _rounded(np.quantile(d, q)) for q in (0.05, 0.5)}}
        for name, nearest in found.items()
        if len(d := nearest[np.isfinite(nearest)])
    }


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    seen_a, seen_b = (~np.isnan(a)).astype(float), (~np.isnan(b)).astype(float)
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    both = seen_a @ seen_b.T
    squares = (a**2) @ seen_b.T + seen_a @ (b**2).T - 2 * a @ b.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(both > 0, np.sqrt(np.maximum(squares, 0) / both), np.inf)


def _rounded(value: Any) -> float:
    return float(f"{float(value):.4g}")
