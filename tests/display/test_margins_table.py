"""What a margin's results say in words."""

import pytest

from pipanalysis.display.margins_table import conclusion


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
