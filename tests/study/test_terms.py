"""Units, arms and visits are called by the study's own labels."""

from pathlib import Path

import pytest

from pipanalysis.study.load import load_study
from pipanalysis.study.terms import Terms, counted, mid_sentence


def test_the_terms_of_a_study_are_its_labels(root: Path) -> None:
    study = load_study(root)
    terms = study.terms
    assert (terms.units, terms.counted(1), terms.counted(1200)) == ("dyads", "1 dyad", "1,200 dyads")
    assert terms.arm("control") == "Routine care"
    assert terms.visit("month6") == "6 months"
    assert terms.visit("baseline") == "baseline"
    assert next(iter(terms.arms)) == study.reference_arm.name
    assert terms.others == "Parent-Infant Psychotherapy"


def test_what_has_no_label_is_called_by_its_name() -> None:
    terms = Terms(arms={"pip": "Psychotherapy"})
    assert terms.by_arm({"control": 8, "pip": 10}) == "8 in control, 10 in Psychotherapy"
    assert terms.by_arm({"pip": 1}, "of") == "1 of Psychotherapy"
    assert (terms.visit("month6"), terms.counted(0)) == ("month6", "0 units")


@pytest.mark.parametrize(
    ("label", "said"), [("Infant's age", "infant's age"), ("CES-D score", "CES-D score"), ("6 months", "6 months")]
)
def test_a_label_within_a_sentence(label: str, said: str) -> None:
    assert mid_sentence(label) == said


def test_a_number_and_what_is_counted() -> None:
    assert (counted(1, "row"), counted(2, "row"), counted(0, "row")) == ("1 row", "2 rows", "0 rows")
