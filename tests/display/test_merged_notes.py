"""Notes that say the same of several rows are one note, and every row still leads to all that is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from display.reference import reference_study
from pipanalysis.display.merged_notes import merge_notes
from pipanalysis.display.rounding import with_minus
from pipanalysis.display.step import LAYOUTS, read_results, table_model
from pipanalysis.display.table_model import RowGroup, TableModel, TableRow

NAMES = {"Mood (lower is better)": "Mood", "Sleep": "Sleep", "Play": "Play", "6 months": "6 months"}


def made(groups: list[RowGroup], texts: list[str]) -> TableModel:
    model = TableModel("t", "1", "T", [], [], [], groups)
    model.footnotes.texts = texts
    merge_notes(model, NAMES)
    return model


def labels(model: TableModel) -> list[str]:
    return [label for group in model.groups for label in (group.label, *(row.label for row in group.rows))]


def row(label: str, depth: int = 1) -> TableRow:
    return TableRow(label, ("1",), depth)


def test_one_note_lists_the_outcomes_by_number() -> None:
    group = RowGroup("Mother", [TableRow("Mood (lower is better)"), row("6 months: Model [a]"), row("1 year [a]")])
    group.rows += [TableRow("Sleep"), row("6 months: Model [b]"), TableRow("Play"), row("6 months: Model [c]")]
    said = ["left out for want of age: 1 dyad, 1 visit", "left out for want of age: 2 dyads, 3 visits", "fell back"]
    model = made([group], [*said[:2], f"{said[2]}; {said[0]}"])
    assert labels(model)[2:4] == ["6 months: Model [a]", "1 year [a]"]
    assert [labels(model)[5], labels(model)[7]] == ["6 months: Model [a]", "6 months: Model [a,\u00a0b]"]
    assert model.footnotes.texts == [
        "left out for want of age: 1 dyad, 1 visit (Mood, Play); 2 dyads, 3 visits (Sleep)",
        "fell back",
    ]


def test_visits_are_named_where_the_outcome_does_not_tell() -> None:
    group = RowGroup("", [TableRow("Sleep"), row("6 months [a]"), row("1 year [b]")])
    group.rows += [TableRow("Play"), row("6 months [b]"), row("1 year [a]")]
    model = made([group], ["cases: left out 5 (3 in A, 2 in B)", "cases: left out 8 (3 in A, 5 in B)"])
    assert model.footnotes.texts == [
        "cases: left out 5 (3 in A, 2 in B) (Sleep: 6 months, Play: 1 year); "
        "left out 8 (3 in A, 5 in B) (Sleep: 1 year, Play: 6 months)"
    ]


def test_what_differs_in_words_or_has_no_number_keeps_its_letter() -> None:
    said = ["fell back: 1 visit", "fell back: 1 visit (A; 2 needed); no slope", "no slope", "merged: 1 to 2"]
    model = made([RowGroup("G [d]", [row(f"Row {letter} [{letter}]") for letter in "abc"])], said)
    assert labels(model) == ["G [a]", "Row a [b]", "Row b [c]", "Row c [d]"]
    assert model.footnotes.texts == [said[3], *said[:3]]


def test_rows_of_one_name_keep_their_notes() -> None:
    model = made([RowGroup("", [row("Sleep [a]"), row("Sleep [b]")])], ["out: 1", "out: 2"])
    assert labels(model) == ["", "Sleep [a]", "Sleep [b]"]
    assert model.footnotes.texts == ["out: 1", "out: 2"]


def test_letters_in_a_label_that_lead_to_no_note_stay() -> None:
    model = made([RowGroup("", [row("Vitamin [d]"), row("Vitamin [d] [a]")])], ["out: 1"])
    assert labels(model) == ["", "Vitamin [d]", "Vitamin [d] [a]"]


def parts_of(text: str) -> set[str]:
    return set(text.split("; "))


def told(text: str, place: set[str]) -> set[str]:
    """Return what a note of the tables made here tells a row, read as a reader does."""
    if "(" not in text:
        return parts_of(text)
    lead, listed = text.split(": ", 1)
    found = set()
    for numbers, where in re.findall(r"(?:^|; )([^()]*?) \(([^()]*)\)", listed):
        heading: list[str] = []
        for item in re.split("[;,] ", where):
            *above, label = item.split(": ")
            heading = above or heading
            if {*heading, label} <= place:
                found.add(f"{lead}: {numbers}")
    return found


counted = st.builds(
    lambda lead, units, visits: f"{lead}: {units} dyad{'s' * (units > 1)}, {visits} visit{'s' * (visits > 1)}",
    st.sampled_from(["left out for want of age", "not used"]),
    st.integers(1, 2),
    st.integers(1, 2),
)
note = st.lists(st.one_of(counted, st.sampled_from(["fell back", "no slope"])), max_size=3, unique_by=lambda p: p[:4])


@given(st.lists(note.map("; ".join), min_size=8, max_size=8))
def test_every_row_leads_to_all_that_was_said_of_it(said: list[str]) -> None:
    model = TableModel("t", "1", "T", [], [], [])
    before = []
    for group in ("Mother", "Infant"):
        model.groups.append(RowGroup(group))
        for heading in ("Mood", "Sleep"):
            model.groups[-1].rows.append(TableRow(f"{heading} {group}"))
            for visit in ("Early", "Late"):
                text = said[len(before)]
                before.append(({group, f"{heading} {group}", visit}, parts_of(text) if text else set()))
                model.groups[-1].rows.append(row(visit + model.footnotes.mark(text)))
    merge_notes(model, {})
    texts = dict(zip("abcdefghijklmnop", model.footnotes.texts, strict=False))
    rows = [one for group in model.groups for one in group.rows if one.cells]
    for (place, parts), one in zip(before, rows, strict=True):
        marked = re.fullmatch(r"\w+(?: \[(.*)\])?", one.label)
        assert marked
        found = [told(texts[letter], place) for letter in marked[1].split(",\u00a0")] if marked[1] else []
        assert sorted(part for each in found for part in each) == sorted(parts)
    assert len(set(model.footnotes.texts)) == len(model.footnotes.texts)


def marked_labels(model: TableModel) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each label that leads to notes: those above it with it, without letters, and what its letters lead to."""
    known = {letter: text for letter, _, text in (note.partition("] ") for note in numbered(model))}
    for group in model.groups:
        heading = ""
        for label, heads in [(group.label, True), *((one.label, not one.cells) for one in group.rows)]:
            bare, _, letter = label.partition(" [")
            heading = bare if heads else heading
            if letter:
                yield f"{heading} {bare}", bare, [known[f"[{one}"] for one in letter.rstrip("]").split(",\u00a0")]


def numbered(model: TableModel) -> list[str]:
    return [f"[{model.footnotes.letter(text)}] {text}" for text in list(model.footnotes.texts)]


def test_no_table_of_the_study_loses_a_word_of_its_notes(root: Path, tmp_path: Path) -> None:
    """Numbers of a part stand in the note that its row leads to, and the brackets after them name the row."""
    study = reference_study(root, tmp_path)
    results, allocation = read_results(study)
    checked = fewer = 0
    for table in study.displays.tables:
        old = LAYOUTS[table.kind](study, table, results, allocation)
        old.footnotes.texts = [with_minus(text) for text in old.footnotes.texts]
        new = table_model(study, table, results, allocation)
        fewer += len(old.footnotes.texts) - len(new.footnotes.texts)
        for (place, label, before), (_, same, after) in zip(marked_labels(old), marked_labels(new), strict=True):
            assert label == same
            for part in re.split(r"; (?![^()]*\))", "; ".join(before)):
                checked += 1
                if any(part in note and f"{part} (" not in note for note in after):
                    continue
                lead, _, numbers = part.partition(": ")
                (note,) = (note for note in after if note.startswith(f"{lead}: ") and f"{numbers} (" in note)
                where = re.split(r"\); (?=\d|left out)", note.split(f"{numbers} (", 1)[1])[0]
                named = [name for name in re.split(r"[,;:)] ?", where) if name and name in place]
                assert named, (table.name, place, part, where)
    assert checked > 300
    assert fewer > 50
