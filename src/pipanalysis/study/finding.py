"""What a cross-check of the configuration finds, and how it is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pipanalysis.study.yaml_file import Location

Finding = tuple[str, Location, str, str]
"""file, location, what was found, what is allowed"""


def one_of(names: Iterable[object]) -> str:
    """Return the allowed names as a sentence."""
    return "one of: " + (", ".join(str(name) for name in names) or "(none is defined)")


def repeated(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield position and name of every name that stands earlier too."""
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield i, name
