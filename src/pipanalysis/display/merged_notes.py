"""What is said of a table's rows becomes lettered notes; those that say the same with other numbers become one.

Such a note lists the rows by number. What is said of a row is made of parts (why units were left out, how a fit was
mended). A part with numbers that several rows share, be it with other numbers, gets a letter of its own, to which the
rows lead beside that of what else is said of them. Parts are found by the form of the sentences: that is how the
results hold them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from pipanalysis.display.rounding import with_minus
from pipanalysis.display.table_model import letters

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel

END = re.compile(r"; |[()]")
"""between parts, where it is not within brackets"""
COUNTED = re.compile(r"(?P<lead>[^:]+): (?P<numbers>.*\d.*)")
"""a part with numbers, and before them what they are of"""
NUMBER = re.compile(r"[−-]?\d[\d,.]*%?(?: (?P<one>[^\W\d]+?)s?\b)?")
"""a number, and what is counted without its plural"""
APART = ",\u00a0"
"""between letters, so that no line ends there"""

type Place = tuple[str, ...]
"""labels of the group and of the rows that a row stands under, and its own"""


class Kind(NamedTuple):
    """What parts of notes share: the words before the numbers, and those between them."""

    lead: str
    between: str


class Part(NamedTuple):
    """A part of a note, and its kind where it has numbers."""

    text: str
    kind: Kind | None


class Marked(NamedTuple):
    """A label that leads to notes: positions of its group and row (-1 for the group's), its place, and what is said."""

    at: tuple[int, int]
    place: Place
    parts: list[Part]


def merge_notes(model: TableModel, names: Mapping[str, str]) -> None:
    """Make the footnotes of a table from what is said of its groups and rows, and end their labels with the letters.

    What several say gets a letter of its own, with a list of which numbers are of which rows. Nothing is left out: each
    row leads to all that is said of it.

    Args:
        model: the table, whose labels and footnotes are changed; letters stand at the end of labels, as ` [a]`.
        names: of outcomes and visits, as labels of rows begin with them → what to call them in a note.
    """
    said = [(at, place, [with_minus(text) for text in notes]) for at, place, notes in _places(model, names) if notes]
    shared = _shared({text for _, _, texts in said for text in texts})
    marked = [
        Marked(at, place, list(dict.fromkeys(part for text in texts for part in _split(text, shared))))
        for at, place, texts in said
    ]
    told = _told(marked)
    model.footnotes = list(dict.fromkeys(told[part] for one in marked for part in one.parts))
    for one in marked:
        own = sorted({model.footnotes.index(told[part]) for part in one.parts})
        letter = f" [{APART.join(map(letters, own))}]"
        group, row = model.groups[one.at[0]], one.at[1]
        if row < 0:
            group.label += letter
        else:
            group.rows[row] = replace(group.rows[row], label=group.rows[row].label + letter)


def _places(model: TableModel, names: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], Place, tuple[str, ...]]]:
    """Yield where every group (its row is -1) and row stands, by position and in words, and what is said of it."""
    for g, group in enumerate(model.groups):
        yield (g, -1), (group.label,), group.notes
        above: list[tuple[int, Place]] = []
        for r, row in enumerate(group.rows):
            above = [(depth, parts) for depth, parts in above if depth < row.depth]
            above.append((row.depth, _parted(row.label, names)))
            yield (g, r), (group.label, *(part for _, parts in above for part in parts)), row.notes


def _parted(label: str, names: Mapping[str, str]) -> Place:
    """Return a label in as many parts as it says an outcome, a visit and more."""
    for name in sorted(names, key=len, reverse=True):
        if label == name:
            return (names[name],)
        for end in (", ", ": "):
            if label.startswith(name + end):
                return (names[name], *_parted(label.removeprefix(name + end), names))
    return (label,)


def _parts(text: str) -> list[str]:
    """Return what stands between semicolons, but for those within brackets."""
    parts, depth, start = [], 0, 0
    for found in END.finditer(text):
        if found[0] == "; " and depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
        depth += {"(": 1, ")": -1 if depth else 0}.get(found[0], 0)
    return [*parts, text[start:]]


def _shared(texts: Collection[str]) -> set[Kind]:
    """Return the kinds of parts that more than one note has."""
    kinds = [kind for text in texts for kind in {part.kind for part in map(_part, _parts(text)) if part.kind}]
    return {kind for kind in kinds if kinds.count(kind) > 1}


def _part(text: str) -> Part:
    found = COUNTED.fullmatch(text)
    return Part(text, Kind(found["lead"], NUMBER.sub(r"# \g<one>", found["numbers"])) if found else None)


def _split(text: str, shared: set[Kind]) -> list[Part]:
    """Return a note as its shared parts and, as one part, what is left of it, in their order."""
    parts = [_part(part) for part in _parts(text)]
    rest = [part for part in parts if part.kind not in shared]
    whole = Part("; ".join(part.text for part in rest), None)
    return list(dict.fromkeys(part if part.kind in shared else whole for part in parts))


def _told(marked: list[Marked]) -> dict[Part, str]:
    """Return the text of the note that tells each part."""
    where: dict[Part, list[int]] = {}
    for i, one in enumerate(marked):
        for part in one.parts:
            where.setdefault(part, []).append(i)
    versions: dict[Kind, dict[str, list[Place]]] = {}
    for part, rows in where.items():
        if part.kind:
            numbers = part.text.removeprefix(f"{part.kind.lead}: ")
            versions.setdefault(part.kind, {})[numbers] = [marked[i].place for i in rows]
    lists = {kind: _listed(found) for kind, found in versions.items() if len(found) > 1}
    # What the same rows lead to is one note.
    alike: dict[tuple[int, ...], list[str]] = {}
    for part, rows in where.items():
        alike.setdefault(tuple(rows), []).extend([] if part.kind and lists.get(part.kind) else [part.text])
    return {
        part: f"{part.kind.lead}: {said}"
        if part.kind and (said := lists.get(part.kind))
        else "; ".join(alike[tuple(rows)])
        for part, rows in where.items()
    }


def _listed(versions: Mapping[str, Sequence[Place]]) -> str:
    """Return each version with where it holds, in as few words as tell the versions apart; "" where none do."""
    deepest = max(len(place) for places in versions.values() for place in places)
    for size in range(1, deepest + 1):
        # A group says least: it may have rows without the note.
        for chosen in sorted(combinations(range(deepest), size), key=lambda chosen: 0 in chosen):
            named = {
                numbers: list(dict.fromkeys(tuple(place[i] for i in chosen if i < len(place)) for place in places))
                for numbers, places in versions.items()
            }
            every = [name for names in named.values() for name in names]
            if len(set(every)) == len(every) and all("".join(name) for name in every):
                return "; ".join(f"{numbers} ({_enumerated(names)})" for numbers, names in named.items())
    return ""


def _enumerated(names: list[Place]) -> str:
    """Return places one after another; those under one heading after it."""
    above: dict[Place, list[str]] = {}
    for *headings, label in names:
        above.setdefault(tuple(heading for heading in headings if heading), []).append(label)
    said = [": ".join([*headings, ", ".join(labels)]) for headings, labels in above.items()]
    return ("; " if any("," in part for labels in above.values() for part in [*said, *labels]) else ", ").join(said)
