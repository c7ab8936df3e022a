"""What an estimand's strategies make of the values after intercurrent events (ICH E9(R1), section A.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipanalysis.study.terms import Terms

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

LEFT_OUT = -1
"""a value that is left out"""
WORST = -2
"""a value in whose place the worst one of the score stands"""
DONE = {
    "hypothetical": "left out",
    "composite": "set to the worst value of the score",
    "while_on_treatment": "replaced by the last value before it",
}
"""strategy → what happens to the values after the event"""


@dataclass(frozen=True)
class Affected:
    """Which units an intercurrent event affects, from which visit on, and what is done about it.

    Attributes:
        label: of the event.
        strategy: one of DONE.
        first: position of the first visit after the event, shape (units,); the number of visits where there is none.
        read: whether the event was known; not where it stands in a closed table and the allocation is masked.
    """

    label: str
    strategy: str
    first: IntArray
    read: bool = True


def governing(affected: Sequence[Affected], n_visits: int) -> IntArray:
    """Return which of the events governs each cell, shape (units, visits), -1 for none: a unit's first event does.

    Of events with the same first visit after them it is the one that stands first.

    Args:
        affected: at least one event.
        n_visits: number of visits.
    """
    first = np.stack([one.first for one in affected])
    after = np.arange(n_visits) >= first.min(axis=0)[:, None]
    return np.where(after, first.argmin(axis=0)[:, None], -1)


def value_sources(observed: BoolArray, affected: Sequence[Affected]) -> IntArray:
    """Return where each value comes from: position of a visit, LEFT_OUT or WORST; shape (units, visits).

    Args:
        observed: which values are there, shape (units, visits in time order).
        affected: the events whose strategies alter values.
    """
    n_visits = observed.shape[1]
    own = np.broadcast_to(np.arange(n_visits), observed.shape)
    if not affected:
        return own
    event = governing(affected, n_visits)
    before = np.where(observed & (event < 0), own, LEFT_OUT)
    last = before.max(axis=1, initial=LEFT_OUT)[:, None]
    put = {"hypothetical": np.array(LEFT_OUT), "composite": np.array(WORST), "while_on_treatment": last}
    for k, one in enumerate(affected):
        own = np.where(event == k, put[one.strategy], own)
    return own


def handled_values(values: NDArray[Any], source: IntArray, missing: object, worst: object) -> NDArray[Any]:
    """Return the values that `value_sources` says, shape (units, visits).

    Args:
        values: as observed, shape (units, visits).
        source: from `value_sources`.
        missing: what stands for a missing value.
        worst: the worst value of the score.
    """
    found = np.take_along_axis(values, np.maximum(source, 0), axis=1)
    found[source == LEFT_OUT] = missing
    found[source == WORST] = worst
    return found


def handling_notes(
    affected: Sequence[Affected], observed: BoolArray, compared: BoolArray, arm: NDArray[Any], terms: Terms
) -> list[str]:
    """Return what was done about each event, with counts of the values concerned by arm.

    Args:
        affected: the events whose strategies alter values.
        observed: which values were observed, shape (units, visits).
        compared: which of them the analysis uses, shape (units, visits).
        arm: of each unit, shape (units,).
        terms: with the arms in the order of the study.
    """
    if not affected:
        return []
    event = governing(affected, observed.shape[1])
    notes = []
    for k, one in enumerate(affected):
        if not one.read:
            notes.append(f"{one.label}: not read while the allocation is masked, values after it stay as they are")
            continue
        # A bad outcome is known whether or not the unit was assessed.
        cells = (event == k) & compared & (observed | (one.strategy == "composite"))
        counts = {name: int(cells[arm == name].sum()) for name in terms.arms}
        notes.append(
            f"{one.label}: {sum(counts.values())} values after it {DONE[one.strategy]} ({terms.by_arm(counts, 'of')})"
        )
    return notes
