"""Counts of people that are too small to be sent out."""

from __future__ import annotations

from collections.abc import Mapping


def hide_small(counts: Mapping[str, int], below: int) -> dict[str, int | None]:
    """Return the counts of a table with a known total, None where hidden.

    Counts from 1 up to `below` - 1 are hidden. Where just one is, it could be had by subtraction from the total, so
    the smallest of the others that is not 0 is hidden with it (a 0, if there is nothing else).

    Args:
        counts: category → count, a partition of the total.
        below: smallest count that may be shown; 1 shows all.
    """
    shown: dict[str, int | None] = {name: None if 0 < n < below else n for name, n in counts.items()}
    hidden = [name for name, n in shown.items() if n is None]
    if len(hidden) == 1:
        others = sorted((n == 0, n, name) for name, n in shown.items() if n is not None)
        if others:
            shown[others[0][2]] = None
    return shown
