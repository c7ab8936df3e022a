"""What an earlier page showed, so that the next one can say what changed.

One file per as-of date, in data/progress. A page writes its own date's file, and no other's; it writes none for a day
before the latest on record, so that looking back does not change what is remembered.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipanalysis.errors import DataError, Problem
from pipanalysis.files import write_json


@dataclass(frozen=True)
class Snapshot:
    """The state of the data on a day.

    Attributes:
        as_of: the day.
        counts: what is counted → how many.
        files: raw file → checksum.
        queries: the data queries of that day, each a row of text by column.
        by_group: group → the counts of it alone; {} in records from before it was kept.
    """

    as_of: dt.date
    counts: dict[str, int]
    files: dict[str, str]
    queries: list[dict[str, str]]
    by_group: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A count then and now."""

    what: str
    before: int
    now: int


def read_history(folder: Path) -> list[Snapshot]:
    """Return the snapshots on record, in time order.

    Raises:
        DataError: every file that cannot be read; none of them can be made again, so none is passed over.
    """
    found: list[Snapshot] = []
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            day = dt.date.fromisoformat(path.stem)
            by_group = {str(name): dict(counts) for name, counts in content.get("by_group", {}).items()}
            found.append(
                Snapshot(day, dict(content["counts"]), dict(content["files"]), list(content["queries"]), by_group)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(Problem(str(path), f"cannot be read: {error}", "a record that `progress` wrote"))
    if problems:
        raise DataError(problems)
    return found


def before(history: list[Snapshot], day: dt.date) -> list[Snapshot]:
    """Return the snapshots of earlier days, in time order."""
    return [snapshot for snapshot in history if snapshot.as_of < day]


def record(folder: Path, snapshot: Snapshot, history: list[Snapshot]) -> bool:
    """Write a day's snapshot, unless a later day is on record; tell whether it was written."""
    if any(other.as_of > snapshot.as_of for other in history):
        return False
    content = {
        "as_of": snapshot.as_of.isoformat(),
        "counts": snapshot.counts,
        "by_group": snapshot.by_group,
        "files": snapshot.files,
        "queries": snapshot.queries,
    }
    write_json(folder / f"{snapshot.as_of.isoformat()}.json", content)
    return True


def changes(now: Snapshot, last: Snapshot | None, group: str | None = None) -> list[Change]:
    """Return every count then and now, of all groups or of one; what was not counted then is left out."""
    if last is None:
        return []
    counts = now.counts if group is None else now.by_group[group]
    then = last.counts if group is None else last.by_group.get(group, {})
    return [Change(what, then[what], n) for what, n in counts.items() if what in then]


def changed_files(now: Snapshot, last: Snapshot | None) -> list[str]:
    """Return the raw files that are new or differ, and those that are gone."""
    if last is None:
        return []
    names = sorted({*now.files, *last.files})
    return [name for name in names if now.files.get(name) != last.files.get(name)]
