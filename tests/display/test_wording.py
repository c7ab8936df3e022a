"""Sentences of the displays made from the configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipanalysis.display.wording import enumerated, marks
from pipanalysis.study.load import Study
from pipanalysis.study.terms import at_visit


def test_parts_of_a_sentence_are_enumerated() -> None:
    assert [enumerated(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_the_reason_for_no_lock_ends_with_one_stop(study: Study) -> None:
    real = study.config.study.model_copy(update={"data": "real"})
    own = replace(study, config=study.config.model_copy(update={"study": real}))
    for reason in ("it was published", "it was published."):
        said = marks(own, {"allocation": "real", "without_lock": reason})
        assert said[-1].endswith("Reason: it was published.")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Baseline", "at baseline"),
        ("6 months", "at 6 months"),
        ("8 weeks", "at 8 weeks"),
        ("Week 8", "at week 8"),
        ("T1", "at T1"),
        ("Before treatment", "before treatment"),
        ("After the last session", "after the last session"),
        ("Interview 2", "at interview 2"),
    ],
)
def test_a_visit_within_a_sentence_reads_well(label: str, said: str) -> None:
    assert at_visit(label) == said
