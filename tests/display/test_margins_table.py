"""What a margin's results say in words."""

import pytest

from pipanalysis.display.margins_table import bounds, conclusion
from pipanalysis.study.plan import Margin


@pytest.mark.parametrize(
    ("noninferior", "equivalent", "inferior", "kind", "words"),
    [
        (1, 1, 0, "equivalence", "equivalent"),
        (1, 0, 0, "equivalence", "non-inferior; equivalence not shown"),
        (0, 0, 0, "equivalence", "equivalence not shown"),
        (1, 1, 0, "non_inferiority", "non-inferior"),
        (0, 0, 0, "non_inferiority", "non-inferiority not shown"),
        (0, 0, 1, "non_inferiority", "inferior"),
        (float("nan"), float("nan"), float("nan"), "equivalence", "–"),
    ],
)
def test_conclusion(noninferior: float, equivalent: float, inferior: float, kind: str, words: str) -> None:
    against = {
        "shows_noninferiority": noninferior,
        "shows_equivalence": equivalent,
        "shows_inferiority": inferior,
    }
    assert conclusion(against, kind) == words


@pytest.mark.parametrize(
    ("kind", "better", "words"),
    [
        ("equivalence", "lower", "−5 to 5"),
        ("equivalence", "higher", "−5 to 5"),
        ("non_inferiority", "lower", "below 5"),
        ("non_inferiority", "higher", "above −5"),
    ],
)
def test_where_the_interval_must_lie(kind: str, better: str, words: str) -> None:
    margin = Margin.model_validate({"outcome": "y", "margin": 5, "kind": kind})
    assert bounds(margin, better) == words
