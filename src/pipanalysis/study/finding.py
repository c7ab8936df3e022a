"""What a cross-check of the configuration finds, and how it is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pipanalysis.study.rules import RuleId
from pipanalysis.study.yaml_file import Location

Finding = tuple[str, Location, str, str] | tuple[str, Location, str, str, RuleId]
"""file, location, what was found, what is allowed; where a rule of the plan is broken, its id"""

ONE_OF = "one of: "


def rule_of(finding: Finding) -> str:
    """Return the id of the rule that a finding is about: a name that is not defined needs none given."""
    if len(finding) == 5:
        return finding[4]
    return "unknown-name" if finding[3].startswith(ONE_OF) else ""


def one_of(names: Iterable[object]) -> str:
    """Return the allowed names as a sentence."""
    return ONE_OF + (", ".join(str(name) for name in names) or "(none is defined)")


def repeated(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield position and name of every name that stands earlier too."""
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield i, name
