"""Notes that say the same of several rows are one note, and every row still leads to all that is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from display.reference import reference_study
from pipanalysis.display.grid import footnotes
from pipanalysis.display.merged_notes import merge_notes
from pipanalysis.display.rounding import with_minus
from pipanalysis.display.step import LAYOUTS, read_results, table_model
from pipanalysis.display.table_model import RowGroup, TableModel, TableRow, noted

NAMES = {"Mood (lower is better)": "Mood", "Sleep": "Sleep", "Play": "Play", "6 months": "6 months"}


def made(groups: list[RowGroup]) -> TableModel:
    model = TableModel("t", "1", "T", [], [], [], groups)
    merge_notes(model, NAMES)
    return model


def labels(model: TableModel) -> list[str]:
    return [label for group in model.groups for label in (group.label, *(row.label for row in group.rows))]


def row(label: str, *notes: str) -> TableRow:
    return TableRow(label, ("1",), 1, notes)


def test_one_note_lists_the_outcomes_by_number() -> None:
    one, two = "left out for want of age: 1 dyad, 1 visit", "left out for want of age: 2 dyads, 3 visits"
    group = RowGroup("Mother", [TableRow("Mood (lower is better)"), row("6 months: Model", one), row("1 year", one)])
    group.rows += [TableRow("Sleep"), row("6 months: Model", two)]
    group.rows += [TableRow("Play"), row("6 months: Model", f"fell back; {one}")]
    model = made([group])
    assert labels(model)[2:4] == ["6 months: Model [a]", "1 year [a]"]
    assert [labels(model)[5], labels(model)[7]] == ["6 months: Model [a]", "6 months: Model [a,\u00a0b]"]
    assert model.footnotes == [
        "left out for want of age: 1 dyad, 1 visit (Mood, Play); 2 dyads, 3 visits (Sleep)",
        "fell back",
    ]


def test_visits_are_named_where_the_outcome_does_not_tell() -> None:
    five, eight = "cases: left out 5 (3 in A, 2 in B)", "cases: left out 8 (3 in A, 5 in B)"
    group = RowGroup("", [TableRow("Sleep"), row("6 months", five), row("1 year", eight)])
    group.rows += [TableRow("Play"), row("6 months", eight), row("1 year", five)]
    model = made([group])
    assert model.footnotes == [
        "cases: left out 5 (3 in A, 2 in B) (Sleep: 6 months, Play: 1 year); "
        "left out 8 (3 in A, 5 in B) (Sleep: 1 year, Play: 6 months)"
    ]


def test_what_differs_in_words_or_has_no_number_keeps_its_letter() -> None:
    said = ["fell back: 1 visit", "fell back: 1 visit (A; 2 needed); no slope", "no slope", "merged: 1 to 2"]
    model = made([RowGroup("G", [row("Row", text) for text in said[:3]], (said[3],))])
    assert labels(model) == ["G [a]", "Row [b]", "Row [c]", "Row [d]"]
    assert model.footnotes == [said[3], *said[:3]]


def test_rows_of_one_name_keep_their_notes() -> None:
    model = made([RowGroup("", [row("Sleep", "out: 1"), row("Sleep", "out: 2")])])
    assert labels(model) == ["", "Sleep [a]", "Sleep [b]"]
    assert model.footnotes == ["out: 1", "out: 2"]


def test_a_label_that_ends_as_one_with_a_letter_keeps_its_end() -> None:
    model = made([RowGroup("", [row("Vitamin [d]"), row("Vitamin [d]", "out: 1")])])
    assert labels(model) == ["", "Vitamin [d]", "Vitamin [d] [a]"]


def test_what_one_row_alone_leads_to_is_one_note() -> None:
    model = made([RowGroup("", [row("Sleep", "fell back", "no slope; out: 1"), row("Play", "out: 1")])])
    assert labels(model) == ["", "Sleep [a,\u00a0b]", "Play [b]"]
    assert model.footnotes == ["fell back; no slope", "out: 1"]


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
                model.groups[-1].rows.append(row(visit, *noted(text)))
    merge_notes(model, {})
    texts = dict(zip("abcdefghijklmnop", model.footnotes, strict=False))
    rows = [one for group in model.groups for one in group.rows if one.cells]
    for (place, parts), one in zip(before, rows, strict=True):
        marked = re.fullmatch(r"\w+(?: \[(.*)\])?", one.label)
        assert marked
        found = [told(texts[letter], place) for letter in marked[1].split(",\u00a0")] if marked[1] else []
        assert sorted(part for each in found for part in each) == sorted(parts)
    assert len(set(model.footnotes)) == len(model.footnotes)


def headed(model: TableModel) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the label of every group and row: those above it with it, it alone, and what is said of it."""
    for group in model.groups:
        heading = ""
        for one, heads in [(group, True), *((each, not each.cells) for each in group.rows)]:
            heading = one.label if heads else heading
            yield f"{heading} {one.label}", one.label, one.notes


def test_no_table_of_the_study_loses_a_word_of_its_notes(root: Path, tmp_path: Path) -> None:
    """Numbers of a part stand in the note that its row leads to, and the brackets after them name the row."""
    study = reference_study(root, tmp_path)
    results, allocation = read_results(study)
    checked = fewer = 0
    for table in study.displays.tables:
        old = LAYOUTS[table.kind](study, table, results, allocation)
        new = table_model(study, table, results, allocation)
        known = {letter: text for letter, _, text in (note.partition("] ") for note in footnotes(new))}
        fewer += len({note for _, _, notes in headed(old) for note in notes}) - len(new.footnotes)
        for (place, label, before), (_, lettered, _) in zip(headed(old), headed(new), strict=True):
            assert lettered.startswith(label)
            letters = lettered.removeprefix(label)
            assert bool(letters) == bool(before)
            after = [known[f"[{letter}"] for letter in letters.strip(" []").split(",\u00a0") if letter]
            for part in re.split(r"; (?![^()]*\))", with_minus("; ".join(before))) if before else ():
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
