"""The note on abbreviations holds every one that is read in a table or figure, and none that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipanalysis.display.abbreviations import add_to_figure, add_to_table
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow
from pipanalysis.study.load import Study, load_study


@pytest.fixture(scope="module")
def study(root: Path) -> Study:
    return load_study(root)


def noted(study: Study, *, label: str = "Row", column: str = "n", notes: list[str] | None = None) -> list[str]:
    rows = [TableRow(label, ("1",))]
    model = TableModel("t", "1", "Title", [], [], [Column(column)], [RowGroup("", rows)], list(notes or []))
    add_to_table(study, model)
    return model.notes[len(notes or []) :]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ({"column": "Mean (SD)"}, "SD, standard deviation"),
        ({"column": "Difference (95% CI)"}, "CI, confidence interval"),
        ({"label": "CES-D case"}, "CES-D, Center for Epidemiologic Studies Depression Scale"),
        ({"label": "Parenting stress: PSI-SF total"}, "PSI-SF, Parenting Stress Index, Short Form"),
        ({"label": "Bayley-III motor"}, "Bayley-III, Bayley Scales of Infant and Toddler Development"),
        ({"label": "Effect of being offered PIP: all"}, "PIP, Parent-Infant Psychotherapy"),
    ],
)
def test_an_abbreviation_is_told_once_at_the_end(study: Study, said: dict[str, Any], meaning: str) -> None:
    assert noted(study, **said) == [f"Abbreviations: {meaning}."]


def test_abbreviations_stand_in_the_order_of_the_alphabet(study: Study) -> None:
    (note,) = noted(study, label="EAS sensitivity, BSI", column="SD")
    assert (
        note
        == "Abbreviations: BSI, Brief Symptom Inventory; EAS, Emotional Availability Scales; SD, standard deviation."
    )


def test_words_in_full_and_what_the_notes_explain_are_not_told_again(study: Study) -> None:
    assert noted(study, label="Routine care, Bayley Scales, P, n") == []
    assert noted(study, column="ICC", notes=["n: dyads. ICC: share of the variance between therapists."]) == []


def test_a_table_or_figure_without_results_has_no_note(study: Study) -> None:
    table = TableModel("t", "1", "CES-D", [], [], [])
    figure = FigureModel("f", "1", "CES-D", [])
    add_to_table(study, table)
    add_to_figure(study, figure)
    assert table.notes == figure.notes == []


def test_a_figure_tells_those_of_the_outcomes_that_are_drawn(study: Study) -> None:
    model = FigureModel("f", "1", "Title", [], records=[{"outcome": "cesd_total"}], draw=lambda _: None)
    add_to_figure(study, model)
    assert model.notes == ["Abbreviations: CES-D, Center for Epidemiologic Studies Depression Scale."]
