"""Lettered notes of a table that say the same with other numbers become one note, which lists the rows by number.

A note of a row is made of parts (why units were left out, how a fit was mended). A part with numbers that several notes
share, be it with other numbers, gets a letter of its own, to which its rows lead beside that of what else they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

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
MARK = re.compile(r"(?P<label>.*) \[(?P<letter>[a-z]+)\]")

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


@dataclass
class Marked:
    """A label that leads to notes.

    Attributes:
        label: without its letters.
        place: where it stands.
        notes: positions of the notes in the order of their letters.
        parts: of these notes.
    """

    label: str
    place: Place
    notes: list[int]
    parts: list[Part] = field(default_factory=list)


def merge_notes(model: TableModel, names: Mapping[str, str]) -> None:
    """Give a letter of its own to what several notes of a table say, with a list of which numbers are of which rows.

    Labels of groups and rows, and the footnotes, are changed in place. Nothing is left out: each row leads to all that
    it led to before.

    Args:
        model: the table; letters stand at the end of labels, as ` [a]`.
        names: of outcomes and visits, as labels of rows begin with them → what to call them in a note.
    """
    texts = model.footnotes.texts
    marked: dict[tuple[int, int], Marked] = {}
    for key, label, place in _labels(model, names):
        bare, positions = _unmarked(label, len(texts))
        if positions:
            marked[key] = Marked(bare, place, positions)
    used = {i for one in marked.values() for i in one.notes}
    shared = _shared([texts[i] for i in sorted(used)])
    for one in marked.values():
        one.parts = list(dict.fromkeys(part for i in one.notes for part in _split(texts[i], shared)))
    told = _told(list(marked.values()))
    order = list(dict.fromkeys(told[part] for one in marked.values() for part in one.parts))
    for (g, r), one in marked.items():
        own = sorted({order.index(told[part]) for part in one.parts})
        label = f"{one.label} [{APART.join(map(letters, own))}]"
        group = model.groups[g]
        if r < 0:
            group.label = label
        else:
            group.rows[r] = replace(group.rows[r], label=label)
    model.footnotes.texts = [*order, *(text for i, text in enumerate(texts) if i not in used)]


def _labels(model: TableModel, names: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], str, Place]]:
    """Yield every label of a group (its row is -1) or row, and its place in words without letters."""
    known = len(model.footnotes.texts)
    for g, group in enumerate(model.groups):
        of_group, _ = _unmarked(group.label, known)
        yield (g, -1), group.label, (of_group,)
        above: list[tuple[int, Place]] = []
        for r, row in enumerate(group.rows):
            bare, _ = _unmarked(row.label, known)
            above = [(depth, parts) for depth, parts in above if depth < row.depth]
            above.append((row.depth, _parted(bare, names)))
            yield (g, r), row.label, (of_group, *(part for _, parts in above for part in parts))


def _parted(label: str, names: Mapping[str, str]) -> Place:
    """Return a label in as many parts as it says an outcome, a visit and more."""
    for name in sorted(names, key=len, reverse=True):
        if label == name:
            return (names[name],)
        for end in (", ", ": "):
            if label.startswith(name + end):
                return (names[name], *_parted(label.removeprefix(name + end), names))
    return (label,)


def _unmarked(label: str, known: int) -> tuple[str, list[int]]:
    """Return a label without its letters, and the positions of the notes that they lead to."""
    positions: list[int] = []
    by_letter = {letters(i): i for i in range(known)}
    while (found := MARK.fullmatch(label)) and found["letter"] in by_letter:
        label = found["label"]
        positions.insert(0, by_letter[found["letter"]])
    return label, positions


def _parts(text: str) -> list[str]:
    """Return what stands between semicolons, but for those within brackets."""
    parts, depth, start = [], 0, 0
    for found in END.finditer(text):
        if found[0] == "; " and depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
        depth += {"(": 1, ")": -1 if depth else 0}.get(found[0], 0)
    return [*parts, text[start:]]


def _shared(texts: list[str]) -> set[Kind]:
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
