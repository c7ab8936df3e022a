"""Rows of event tables: sessions, adverse events, contacts, a screening log, second coders' ratings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipanalysis.twin.margins import Margin, common_values, discrete_margin, smooth_margin
from pipanalysis.twin.model import UnitModel, Units
from pipanalysis.twin.source import RawColumn, Source, SourceFile

MOSTLY = 0.9
"""a column that does not change within this share of the units with several rows is drawn once for a unit"""
TRIES = 50
NOTHING = float("-inf")
"""stands for a missing value where rows are compared"""


@dataclass
class EventRows:
    """Rows of a twin's event table.

    Attributes:
        unit: (n,) place of each row's unit, -1 for none.
        visit: (n,) visit, "" where the table has none.
        values: column → (n,) numbers, dates as days since 1970.
        copied: rows drawn again because they were a real row.
        left_out: rows left out because they stayed one.
    """

    unit: np.ndarray
    visit: np.ndarray
    values: dict[str, np.ndarray]
    copied: int = 0
    left_out: int = 0


@dataclass
class _Pool:
    """Rows of a table that new ones are drawn like: codes together where enough units share them, the rest alone.

    Attributes:
        codes: (k, c) combinations of codes; None where none is common enough.
        shares: (k,) of the combinations.
        alone: each coded column's own distribution, and its share of missing values.
        numbers: the same of numbers and days, by column.
    """

    codes: np.ndarray | None
    shares: np.ndarray
    alone: list[tuple[Margin, float]]
    numbers: dict[str, tuple[Margin, float]] = field(default_factory=dict)

    def draw(self, n: int, generator: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return (n, c) codes, and numbers by column."""
        if self.codes is not None:
            codes = self.codes[generator.choice(len(self.shares), size=n, p=self.shares)]
        else:
            codes = np.column_stack([_draw_one(*one, n, generator) for one in self.alone])
        return codes, {name: _draw_one(*one, n, generator) for name, one in self.numbers.items()}


def _draw_one(margin: Margin, missing: float, n: int, generator: np.random.Generator) -> np.ndarray:
    drawn = margin.quantile(generator.random(n))
    return np.where(generator.random(n) < missing, np.nan, drawn)


def draw_events(
    model: UnitModel, one: SourceFile, units: Units, min_cell: int, generator: np.random.Generator
) -> EventRows:
    """Return the rows of one event table for drawn units.

    Rows with a visit are second looks at what was seen then: each number is the unit's own plus a difference drawn from
    those of the source, each code the unit's own or another as often as there. Other rows are as many as the unit model
    says; codes are drawn as whole combinations, which at least `min_cell` units share, days from their distance to the
    unit's first date. Rows without a unit are as many as in the source.
    """
    events = one.extract.events
    assert events is not None
    source = model.source
    if "visit" in events:
        rows = _by_visit(source, one, events, units, min_cell, generator)
    else:
        rows = _free(source, one, events, units, min_cell, generator)
    _shared_values(source, one, units, rows)
    return _distinct(source, one, events, rows, min_cell, generator)


def _free(
    source: Source, one: SourceFile, events: pd.DataFrame, units: Units, min_cell: int, generator: np.random.Generator
) -> EventRows:
    place = {unit: i for i, unit in enumerate(source.units)}
    of = np.array([place.get(u, -1) if isinstance(u, str) else -1 for u in events["unit"]])
    frame = {name: raw.numbers(events[raw.column.name]) for name, raw in one.columns.items()}
    dated = {name for name, raw in one.columns.items() if raw.type == "date"}
    anchored = {
        name: column - np.where(of >= 0, source.anchor[of], 0.0) if name in dated else column
        for name, column in frame.items()
    }
    coded = [name for name, raw in one.columns.items() if raw.type not in ("number", "date")]
    constant = _constant_within_units(anchored, coded, of)
    unit = np.repeat(np.arange(len(units.arms)), units.rows.get(one.file.name, 0))
    values = {name: np.full(len(unit), np.nan) for name in frame}
    with_unit = of >= 0
    for arm in np.unique(units.arms):
        here = units.arms[unit] == arm
        own = with_unit & (source.arms[of] == arm)
        if len(np.unique(of[own])) < 4 * min_cell:
            own = with_unit
        if here.any() and own.any():
            pool = _pool(anchored, coded, own, of, min_cell)
            codes, numbers = pool.draw(int(here.sum()), generator)
            first = np.unique(unit[here], return_index=True)[1]
            starts = first[np.searchsorted(unit[here][first], unit[here])]
            for k, name in enumerate(coded):
                values[name][here] = codes[starts, k] if name in constant else codes[:, k]
            for name, drawn in numbers.items():
                values[name][here] = drawn + (units.anchor[unit[here]] if name in dated else 0)
    others = int((~with_unit).sum())
    if others and not one.file.events.key_required:  # type: ignore[union-attr]
        codes, numbers = _pool(anchored, coded, ~with_unit, of, min_cell).draw(others, generator)
        for k, name in enumerate(coded):
            values[name] = np.concatenate([values[name], codes[:, k]])
        for name, drawn in numbers.items():
            values[name] = np.concatenate([values[name], drawn])
        unit = np.concatenate([unit, np.full(others, -1)])
    for name in dated:
        values[name] = np.clip(np.round(values[name]), *one.columns[name].dates)
    return EventRows(unit, np.full(len(unit), "", dtype=object), values)


def _constant_within_units(frame: dict[str, np.ndarray], coded: list[str], of: np.ndarray) -> set[str]:
    kept = set()
    for name in coded:
        held = pd.Series(frame[name])[of >= 0].groupby(of[of >= 0])
        several = held.nunique()[held.count() > 1]
        if len(several) and (several == 1).mean() >= MOSTLY:
            kept.add(name)
    return kept


def _pool(frame: dict[str, np.ndarray], coded: list[str], rows: np.ndarray, of: np.ndarray, min_cell: int) -> _Pool:
    """Return what rows are like, from those chosen; a row without a unit counts as one of its own."""
    holder = np.where(of >= 0, of, -1 - np.arange(len(of)))[rows]
    columns = []
    for name in coded:
        stands_for = common_values(frame[name][rows], min_cell, holder)
        columns.append(np.array([stands_for.get(v, np.nan) for v in frame[name][rows].tolist()]))
    alone = [_alone(column, holder, min_cell, coded=True) for column in columns]
    numbers = {
        name: _alone(column[rows], holder, min_cell, coded=False) for name, column in frame.items() if name not in coded
    }
    if not columns:
        return _Pool(np.empty((1, 0)), np.ones(1), alone, numbers)
    codes = np.nan_to_num(np.column_stack(columns), nan=-1.0)
    distinct, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    holders = np.array([len(np.unique(holder[inverse == i])) for i in range(len(distinct))])
    common = np.flatnonzero(holders >= min_cell)
    if not len(common):
        return _Pool(None, np.empty(0), alone, numbers)
    differences = (distinct[:, None, :] != distinct[common][None, :, :]).sum(axis=2)
    nearest = np.lexsort((np.broadcast_to(-counts[common], differences.shape), differences), axis=1)[:, 0]
    shares = np.bincount(nearest[inverse], minlength=len(common)).astype(float)
    kept = np.where(distinct[common] < 0, np.nan, distinct[common])
    return _Pool(kept, shares / shares.sum(), alone, numbers)


def _alone(values: np.ndarray, holder: np.ndarray, min_cell: int, *, coded: bool) -> tuple[Margin, float]:
    """Return a column's distribution and its share of missing values; few missing ones are none."""
    filled = ~np.isnan(values)
    if len(np.unique(holder[filled])) < min_cell:
        return Margin(np.ones(1), np.zeros(1), discrete=True), 1.0
    missing = float((~filled).mean()) if len(np.unique(holder[~filled])) >= min_cell else 0.0
    if coded:
        return discrete_margin(values), missing
    return smooth_margin(values, min_cell, grid=1.0), missing


def _by_visit(
    source: Source, one: SourceFile, events: pd.DataFrame, units: Units, min_cell: int, generator: np.random.Generator
) -> EventRows:
    place = {unit: i for i, unit in enumerate(source.units)}
    known = events[events["unit"].isin(place)]
    of = known["unit"].map(place).to_numpy(dtype=int)
    visits = known["visit"].to_numpy(dtype=object)
    made_unit, made_visit = [], []
    for visit in dict.fromkeys(visits.tolist()):
        blocks = [block for block in source.blocks if block[1] == visit]
        seen = np.any([source.blocks[b] for b in blocks], axis=0) if blocks else np.zeros(len(source.units), bool)
        again = np.any([units.there[b] for b in blocks], axis=0) if blocks else np.zeros(len(units.arms), bool)
        share = min(1.0, (visits == visit).sum() / max(1, seen.sum()))
        chosen = np.flatnonzero(again & (generator.random(len(units.arms)) < share))
        made_unit.append(chosen)
        made_visit.append(np.full(len(chosen), visit, dtype=object))
    unit = np.concatenate(made_unit) if made_unit else np.empty(0, dtype=int)
    visit_of = np.concatenate(made_visit) if made_visit else np.empty(0, dtype=object)
    values: dict[str, np.ndarray] = {}
    for name, raw in one.columns.items():
        second = raw.numbers(known[raw.column.name])
        firsts = {
            variable.block[1]: j
            for j, variable in enumerate(source.variables)
            if variable.raw.column.name == raw.column.name and variable.block[1]
        }
        first = _first_ratings([source.variables[j].values for j in firsts.values()], list(firsts), visits, of)
        again = _first_ratings([units.values[:, j] for j in firsts.values()], list(firsts), visit_of, unit)
        values[name] = _second(raw, first, second, again, of, min_cell, generator)
    return EventRows(unit, visit_of, values)


def _first_ratings(columns: list[np.ndarray], of_visits: list[str], visits: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return what rows' units had at rows' visits, from a column of units for each visit."""
    found = np.full(len(unit), np.nan)
    for visit, column in zip(of_visits, columns, strict=True):
        here = visits == visit
        found[here] = column[unit[here]]
    return found


def _second(
    raw: RawColumn,
    first: np.ndarray,
    second: np.ndarray,
    again: np.ndarray,
    of: np.ndarray,
    min_cell: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return second values of a variable: like the first ones of the same units, where there are first ones."""
    filled = ~np.isnan(second)
    made = np.full(len(again), np.nan)
    coded = raw.type not in ("number", "date")
    common = common_values(second, min_cell, of) if coded else {}
    if len(np.unique(of[filled])) < min_cell or (coded and not common):
        return made
    if coded:
        by_itself = discrete_margin(np.array([common.get(v, np.nan) for v in second.tolist()]))
    else:
        origin = raw.low if raw.low > -np.inf else 0.0
        by_itself = smooth_margin(second, min_cell, low=raw.low, high=raw.high, grid=raw.grid or 1.0, origin=origin)
    made = by_itself.quantile(generator.random(len(again)))
    both = ~np.isnan(first) & filled
    paired = ~np.isnan(again)
    if both.sum() >= 2 * min_cell:
        if raw.type == "number":
            difference = smooth_margin((second - first)[both], min_cell, grid=raw.grid or 1.0)
            moved = again + difference.quantile(generator.random(len(again)))
            made = np.where(paired, np.clip(moved, raw.low, raw.high), made)
        elif raw.type == "category":
            agree = float((first == second)[both].mean())
            made = np.where(paired & (generator.random(len(again)) < agree), again, made)
    made[generator.random(len(again)) < float((~filled).mean())] = np.nan
    return made


def _shared_values(source: Source, one: SourceFile, units: Units, rows: EventRows) -> None:
    """Give a variable that the unit has too (its site in a screening log) the unit's value."""
    for j, variable in enumerate(source.variables):
        for name, raw in one.columns.items():
            if variable.block[1] == "" and raw.column.name == variable.raw.column.name and raw.type == "category":
                has = rows.unit >= 0
                rows.values[name][has] = units.values[rows.unit[has], j]


def _distinct(
    source: Source,
    one: SourceFile,
    events: pd.DataFrame,
    rows: EventRows,
    min_cell: int,
    generator: np.random.Generator,
) -> EventRows:
    """Move the days of rows that are a real row, or repeat another of their unit; leave out what stays one.

    A real row is one of two values or more that fewer than `min_cell` real rows have.
    """
    assert one.file.events is not None
    comparable = [n for n, raw in one.columns.items() if raw.type not in ("text", "serial", "label")]
    dated = [n for n in comparable if one.columns[n].type == "date"]
    real: Counter[tuple[float, ...]] = Counter()
    held = [one.columns[n].numbers(events[one.columns[n].column.name]) for n in comparable]
    visits = events["visit"].tolist() if "visit" in events else [""] * len(events)
    for i, visit in enumerate(visits):
        real[(visit, *(_plain(column[i]) for column in held))] += 1
    by_variable = {raw.column.name: n for n, raw in one.columns.items()}
    unique = [by_variable[n] for n in one.file.events.unique if n in by_variable]
    unique = [n for n in unique if one.columns[n].type != "serial"]
    keyed = "unit" in one.file.events.unique
    taken: set[tuple[object, ...]] = set()
    keep = np.ones(len(rows.unit), dtype=bool)
    for i in range(len(rows.unit)):
        copied = False
        for attempt in range(TRIES + 1):
            row = (rows.visit[i], *(_plain(rows.values[n][i]) for n in comparable))
            mine = (int(rows.unit[i]), rows.visit[i], *(_plain(rows.values[n][i]) for n in unique))
            is_real = sum(part != NOTHING for part in row[1:]) >= 2 and 0 < real[row] < min_cell
            copied = copied or is_real
            if not is_real and not (keyed and mine in taken):
                taken.add(mine)
                break
            if attempt == TRIES or not dated:
                keep[i] = False
                break
            for n in dated:
                low, high = one.columns[n].dates
                rows.values[n][i] = np.clip(
                    rows.values[n][i] + generator.integers(-7 - attempt, 8 + attempt), low, high
                )
        rows.copied += copied
    rows.left_out = int((~keep).sum())
    rows.unit, rows.visit = rows.unit[keep], rows.visit[keep]
    rows.values = {n: column[keep] for n, column in rows.values.items()}
    return rows


def _plain(value: float) -> float:
    return NOTHING if np.isnan(value) else float(value)
