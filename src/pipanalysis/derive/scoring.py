"""Scores of a questionnaire from its items, by the rules that its configuration states.

Everything is vectorised over forms (rows). Items are a float matrix with NaN for missing; category items are text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipanalysis.study.instrument import Instrument, ItemName, Score

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Scored:
    """One score of every form.

    Attributes:
        value: (n,) score, NaN where missing; for a nominal score the position of its level.
        n_missing: (n,) items missing among those that the score rests on.
        prorated: (n,) whether the score was made from an incomplete set of items by prorating.
        level: (n,) label of a nominal score's level (None where missing), else None.
    """

    value: Array
    n_missing: IntArray
    prorated: BoolArray
    level: TextArray | None = None


def score_instrument(instrument: Instrument, items: Array | TextArray) -> dict[str, Scored]:
    """Return every score of an instrument.

    Args:
        instrument: items, keys and rules.
        items: (n, k) values of the k items in the order of ``instrument.item_names()``; NaN (or None for category
            items) where missing. Values outside an item's range are a matter of intake, not of scoring.

    Returns:
        Scores by name, in the configuration's order.
    """
    if instrument.items.type == "category":
        return {name: _category(instrument, score, items) for name, score in instrument.scores.items()}
    values = reverse_items(instrument, np.asarray(items, dtype=float))
    missing_in_form = np.isnan(values).sum(axis=1)
    scored: dict[str, Scored] = {}
    for name, score in instrument.scores.items():
        chosen = values[:, _positions(instrument, score)]
        result = _RULES[score.rule](score, chosen, scored)
        if score.max_missing_in_form is not None:
            result.value[missing_in_form > score.max_missing_in_form] = np.nan
        result.prorated[np.isnan(result.value)] = False
        scored[name] = result
    return scored


def reverse_items(instrument: Instrument, items: Array) -> Array:
    """Return a copy of the (n, k) items in which each reversed item is its range's min + max - value."""
    values = items.copy()
    names = instrument.item_names()
    for item in instrument.items.reversed:
        limits = instrument.item_range(item)
        if limits is not None:
            column = names.index(item)
            values[:, column] = limits.min + limits.max - values[:, column]
    return values


def _positions(instrument: Instrument, score: Score) -> list[int]:
    names: list[ItemName] = instrument.item_names()
    return list(range(len(names))) if score.items == "all" else [names.index(item) for item in score.items]


def _answered(score: Score, items: Array) -> tuple[Array, IntArray, IntArray]:
    """Return the sum of the answered items (NaN where too many are missing), how many are missing, and answered."""
    missing = np.isnan(items).sum(axis=1)
    answered = items.shape[1] - missing
    total = np.nansum(items, axis=1)
    total[(missing > score.missing.max_missing) | (answered == 0)] = np.nan
    return total, missing, answered


def _sum(score: Score, items: Array, _: dict[str, Scored]) -> Scored:
    total, missing, answered = _answered(score, items)
    prorated = (missing > 0) & ~np.isnan(total) & (score.missing.method == "prorate")
    total[prorated] *= items.shape[1] / answered[prorated]
    return Scored(total, missing, prorated)


def _mean(score: Score, items: Array, _: dict[str, Scored]) -> Scored:
    total, missing, answered = _answered(score, items)
    prorated = (missing > 0) & ~np.isnan(total) & (score.missing.method == "prorate")
    return Scored(total / np.maximum(answered, 1), missing, prorated)


def _count(score: Score, items: Array, _: dict[str, Scored]) -> Scored:
    total, missing, answered = _answered(score, items)
    count = np.where(np.isnan(total), np.nan, (items >= _limit(score.at_least)).sum(axis=1))
    prorated = (missing > 0) & ~np.isnan(total) & (score.missing.method == "prorate")
    count[prorated] *= items.shape[1] / answered[prorated]
    return Scored(count, missing, prorated)


def _limit(limit: float | None) -> float:
    """Return a limit that the configuration's checks have seen to be given."""
    return np.nan if limit is None else limit


def _item(_: Score, items: Array, __: dict[str, Scored]) -> Scored:
    value = items[:, 0].copy()
    return Scored(value, np.isnan(value).astype(np.int64), np.zeros(len(value), dtype=bool))


def _sum_of(score: Score, _: Array, scored: dict[str, Scored]) -> Scored:
    parts = [scored[name] for name in score.scores]
    return _combined(np.sum([part.value for part in parts], axis=0), parts)


def _mean_of(score: Score, _: Array, scored: dict[str, Scored]) -> Scored:
    parts = [scored[name] for name in score.scores]
    return _combined(np.mean([part.value for part in parts], axis=0), parts)


def _combined(value: Array, parts: list[Scored]) -> Scored:
    missing = np.sum([part.n_missing for part in parts], axis=0)
    prorated = np.any([part.prorated for part in parts], axis=0)
    return Scored(value, missing, prorated)


def _ratio(score: Score, items: Array, scored: dict[str, Scored]) -> Scored:
    denominator = scored[str(score.denominator)]
    if score.numerator == "item_sum":
        top, missing, _ = _answered(score, items)
        parts = [denominator]
    else:
        numerator = scored[str(score.numerator)]
        top, missing, parts = numerator.value, numerator.n_missing, [numerator, denominator]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(denominator.value == 0, np.nan, top / denominator.value)
    return Scored(value, np.maximum(missing, denominator.n_missing), np.any([p.prorated for p in parts], axis=0))


def _threshold(score: Score, _: Array, scored: dict[str, Scored]) -> Scored:
    base = scored[score.scores[0]]
    beyond = base.value >= score.at_least if score.at_least is not None else base.value <= _limit(score.at_most)
    return Scored(np.where(np.isnan(base.value), np.nan, beyond.astype(float)), base.n_missing, base.prorated.copy())


_RULES = {
    "sum": _sum,
    "mean": _mean,
    "count": _count,
    "item": _item,
    "sum_of": _sum_of,
    "mean_of": _mean_of,
    "ratio": _ratio,
    "threshold": _threshold,
}


def _category(instrument: Instrument, score: Score, items: Array | TextArray) -> Scored:
    """Score a category item: `item` gives its level, `category` whether its code is among those that count."""
    codes = np.asarray(items, dtype=object)[:, _positions(instrument, score)[0]]
    missing = np.array([not isinstance(code, str) for code in codes], dtype=bool)
    known = list(instrument.items.levels)
    position = np.array([known.index(code) if isinstance(code, str) else np.nan for code in codes], dtype=float)
    never = np.zeros(len(codes), dtype=bool)
    if score.rule == "category":
        counts = np.isin(position, [known.index(code) for code in score.codes])
        return Scored(np.where(missing, np.nan, counts.astype(float)), missing.astype(np.int64), never)
    labels = np.array(
        [instrument.items.levels[code] if isinstance(code, str) else None for code in codes], dtype=object
    )
    return Scored(position, missing.astype(np.int64), never, labels)
