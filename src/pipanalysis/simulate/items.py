"""Items that make exactly a drawn score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipanalysis.study.instrument import Instrument, Score

CELLS_AT_ONCE = 20_000_000


def items_of_score(
    instrument: Instrument, score: Score, values: np.ndarray, generator: np.random.Generator
) -> dict[int | str, np.ndarray]:
    """Return the items (as they stand in the file, before any reversal) of forms with given scores.

    The score's distance from its minimum, in steps, is dealt out over the items at random, each item getting at most
    what it can hold: a draw without replacement from all the items' steps, so every way of making the sum is possible.

    Args:
        instrument: items and keys.
        score: a score of rule sum, mean or item.
        values: (n,) scores, each one that complete items can make.
        generator: source of randomness.
    """
    chosen = instrument.item_names() if score.items == "all" else list(score.items)
    limits = [limit for item in chosen if (limit := instrument.item_range(item)) is not None]
    step = instrument.items.step or 1.0
    low = np.array([limit.min for limit in limits])
    room = np.array([round((limit.max - limit.min) / step) for limit in limits])
    total = values * len(chosen) if score.rule == "mean" else values
    steps = np.rint((total - low.sum()) / step).astype(np.int64)
    dealt = _deal(steps, room, generator)
    items: dict[int | str, np.ndarray] = {}
    for j, item in enumerate(chosen):
        value = low[j] + step * dealt[:, j]
        items[item] = limits[j].min + limits[j].max - value if item in instrument.items.reversed else value
    return items


def _deal(steps: np.ndarray, room: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return (n, k) numbers of steps with the given row sums, no item above its room."""
    if len(room) == 1:
        return steps[:, None]
    owner = np.repeat(np.arange(len(room)), room)
    dealt = np.empty((len(steps), len(room)), dtype=np.int64)
    rows = max(1, CELLS_AT_ONCE // len(owner))
    for start in range(0, len(steps), rows):
        part = steps[start : start + rows]
        rank = generator.random((len(part), len(owner)), dtype=np.float32).argsort(axis=1).argsort(axis=1)
        taken = rank < part[:, None]
        dealt[start : start + rows] = np.add.reduceat(taken, np.flatnonzero(np.diff(owner, prepend=-1)), axis=1)
    return dealt
