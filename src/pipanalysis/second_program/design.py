"""Data and design of one outcome, put together with pandas from the analysis dataset's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

FEWEST = 2
"""rows that an arm needs at a visit"""


@dataclass(frozen=True)
class Wanted:
    """What an analysis asks for, in the words of the tables.

    Attributes:
        score: the outcome's.
        baseline_score: the score whose baseline value is adjusted for; "" for none.
        baseline_visit: where that stands.
        visits: compared, in time order.
        arms: the reference first.
        analysis_set: whose units are analysed.
        factors: categorical adjustments → their levels in order.
        numbers: numeric adjustments: columns of the participants, or scores at baseline.
        by_visit: the slope of the baseline differs between visits.
        schedule: all visits of the study, in time order.
        events: (column of the people that names the first visit after an event, strategy that alters the values).
        worst: the score's worst value, for a composite strategy.
    """

    score: str
    baseline_score: str
    baseline_visit: str
    visits: tuple[str, ...]
    arms: tuple[str, ...]
    analysis_set: str
    factors: dict[str, list[str]]
    numbers: Sequence[str] = ()
    by_visit: bool = True
    schedule: tuple[str, ...] = ()
    events: Sequence[tuple[str, str]] = ()
    worst: float | None = None


class TooFewError(ValueError):
    """An arm that is hardly observed at a visit."""

    def __init__(self, arm: str, visit: str) -> None:
        super().__init__(f"fewer than {FEWEST} of {arm} at {visit}")
        self.arm, self.visit = arm, visit


class Asked(NamedTuple):
    """What is estimated of an arm at a visit: its difference from the reference, or its adjusted mean."""

    kind: Literal["difference", "mean"]
    arm: str
    visit: str


@dataclass(frozen=True)
class Design:
    """Rows without missing values, sorted by unit and visit.

    Attributes:
        rows: unit, visit, arm, value or level, one a row.
        X: shape (n, p), of full rank; the differences between arms at visits are the columns of `effects`.
        effects: (arm, visit) → column of X.
        means: (arm, visit) → weights (p,) of the coefficients in its adjusted mean; those that the data determine.
    """

    rows: pd.DataFrame
    X: FloatArray
    effects: dict[tuple[str, str], int]
    means: dict[tuple[str, str], FloatArray]

    def sums(self) -> dict[Asked, FloatArray]:
        """Return every difference between arms and every adjusted mean as weights (p,) of the coefficients."""
        one = np.eye(self.X.shape[1])
        differences = {Asked("difference", *key): one[column] for key, column in self.effects.items()}
        return differences | {Asked("mean", *key): weights for key, weights in self.means.items()}


def complete_rows(people: pd.DataFrame, scores: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Return a row per unit and visit with a value, every adjustment beside it; none of them is missing.

    Args:
        people: unit, arm, in_<analysis set>, variables.
        scores: unit, visit, score, value, level.
        wanted: what is asked for.
    """
    chosen = people.loc[people[f"in_{wanted.analysis_set}"].fillna(False).astype(bool)].copy()
    chosen["arm"] = chosen["arm"].astype(str)
    own = scores.loc[scores["score"] == wanted.score]
    if wanted.events:
        own = after_events(chosen, own, wanted)
    own = own.loc[own["visit"].isin(wanted.visits)]
    rows = own[["unit", "visit", "value", "level"]].merge(chosen, on="unit", how="inner")
    rows["visit"] = pd.Categorical(rows["visit"].astype(str), categories=list(wanted.visits), ordered=True)
    needed = [*wanted.factors]
    for name in dict.fromkeys([*([wanted.baseline_score] if wanted.baseline_score else []), *wanted.numbers]):
        if name not in rows:
            before = scores.loc[(scores["score"] == name) & (scores["visit"] == wanted.baseline_visit)]
            rows[name] = rows["unit"].map(before.set_index("unit")["value"])
        needed.append(name)
    known = rows["value"].notna() | rows["level"].notna()
    rows = rows.loc[known & rows[needed].notna().all(axis=1)]
    return rows.sort_values(["unit", "visit"], kind="stable").reset_index(drop=True)


def after_events(people: pd.DataFrame, own: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Return a score's rows as an estimand's strategies leave them: a unit's first event decides about what follows.

    Args:
        people: the units analysed, with the columns of the events.
        own: the score: unit, visit, value, level.
        wanted: the events, their strategies, all visits, and the score's worst value.
    """
    known = own.loc[own["value"].notna() | own["level"].notna()]
    keys = zip(known["unit"], known["visit"].astype(str), strict=True)
    held: dict[tuple[str, str], tuple[Any, Any]] = dict(
        zip(keys, zip(known["value"], known["level"], strict=True), strict=True)
    )
    rows = []
    for person in people.to_dict("records"):
        unit, last, decided = person["unit"], (None, None), ""
        for visit in wanted.schedule:
            begun = [strategy for column, strategy in wanted.events if person[column] == visit]
            decided = decided or next(iter(begun), "")
            if decided == "hypothetical":
                break
            if decided == "composite":
                rows.append((unit, visit, wanted.worst, None))
            elif decided == "while_on_treatment":
                rows.append((unit, visit, *last))
            elif (unit, visit) in held:
                last = held[unit, visit]
                rows.append((unit, visit, *last))
    return pd.DataFrame(rows, columns=["unit", "visit", "value", "level"])


def design(rows: pd.DataFrame, wanted: Wanted) -> Design:
    """Return the design: a mean for each visit, arms within visits, baseline (by visit), adjustments.

    Adjusted means are those at the mean of every number over the rows, where it is 0, and of a factor's levels with
    equal weights: emmeans' of R.

    Args:
        rows: from `complete_rows`.
        wanted: what is asked for.

    Raises:
        TooFewError: an arm is observed fewer than twice at a visit.
        ValueError: an arm is told by the other columns.
    """
    at = {visit: _is(rows["visit"], visit) for visit in wanted.visits}
    columns: list[FloatArray] = list(at.values())
    effects: dict[tuple[str, str], int] = {}
    for arm in wanted.arms:
        inside = _is(rows["arm"], arm)
        for visit in wanted.visits:
            if (inside * at[visit]).sum() < FEWEST:
                raise TooFewError(arm, visit)
            if arm != wanted.arms[0]:
                effects[arm, visit] = len(columns)
                columns.append(inside * at[visit])
    if wanted.baseline_score:
        before = rows[wanted.baseline_score].to_numpy(dtype=float)
        before = before - before.mean()
        columns += [before * here for here in at.values()] if wanted.by_visit else [before]
    shares: dict[int, float] = {}
    for name, levels in wanted.factors.items():
        seen = [level for level in levels if (rows[name].astype(str) == level).any()]
        shares |= dict.fromkeys(range(len(columns), len(columns) + len(seen)), 1 / len(seen))
        columns += [_is(rows[name].astype(str), level) for level in seen]
    for name in wanted.numbers:
        number = rows[name].to_numpy(dtype=float)
        columns.append(number - number.mean())
    kept: list[int] = []
    for j in range(len(columns)):
        tried = np.column_stack([columns[i] for i in [*kept, j]])
        if np.linalg.matrix_rank(tried) == len(kept) + 1:
            kept.append(j)
    if not set(effects.values()) <= set(kept):
        raise ValueError("an arm cannot be told apart from the visits")
    whole, means = np.column_stack(columns), {}
    for arm in wanted.arms:
        for v, visit in enumerate(wanted.visits):
            weights = np.zeros(len(columns))
            weights[v] = 1.0
            weights[list(shares)] = list(shares.values())
            if arm != wanted.arms[0]:
                weights[effects[arm, visit]] = 1.0
            if _determined(weights, whole):
                means[arm, visit] = weights[kept]
    return Design(rows, whole[:, kept], {key: kept.index(j) for key, j in effects.items()}, means)


def _determined(weights: FloatArray, X: FloatArray) -> bool:
    """Return whether a sum of coefficients is one of fitted values, so that it does not depend on the columns kept."""
    found = np.linalg.lstsq(X.T, weights, rcond=None)[0]
    return bool(np.allclose(X.T @ found, weights, atol=1e-6))


def _is(column: pd.Series, level: str) -> FloatArray:
    return np.asarray(column == level, dtype=np.float64)
