"""Margins that no difference can be held against are refused, with what is allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study

DELTA = "delta_adjustments: [{outcome: bdi, deltas: [0, 5], visits: [month2]}]\n"
MARGIN = "margins: [{outcome: bdi, margin: 3, kind: equivalence}]\n"
ANCOVA, UNADJUSTED = "    method: ancova\n", "    method: effect_size\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "found", "rule"),
    [
        ("analysis.yaml", UNADJUSTED, f"{UNADJUSTED}    {MARGIN}", "method effect_size", "option-unsuited"),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {MARGIN}".replace("bdi,", "bdy,"), "'bdy'", "unknown-name"),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {MARGIN}".replace("3,", "0,"), "0", ""),
        (
            "analysis.yaml",
            ANCOVA,
            f"{ANCOVA}    {MARGIN}".replace("margin: 3", "margin: 3, visits: [month7]"),
            "'month7'",
            "unknown-name",
        ),
        ("analysis.yaml", UNADJUSTED, f"{UNADJUSTED}    {DELTA}", "method effect_size", "option-unsuited"),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {DELTA}".replace("bdi,", "bdy,"), "'bdy'", "unknown-name"),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {DELTA}".replace("month2", "month7"), "'month7'", "unknown-name"),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {DELTA}".replace("0, 5", "5, 0"), "[5, 0]", ""),
        ("analysis.yaml", ANCOVA, f"{ANCOVA}    {MARGIN}", "does not say whether higher or lower", "option-unsuited"),
        ("displays.yaml", "kind: effects", "kind: margins", "in a table of margins", "display-unsuited"),
    ],
)
def test_a_mistake_is_named(
    study_folder: Callable[..., Path], root: Path, file: str, old: str, new: str, found: str, rule: str
) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    if "higher or lower" in found:
        score = folder / "config" / "instruments" / "bdi.yaml"
        text = score.read_text(encoding="utf-8")
        assert "    better: lower\n" in text
        score.write_text(text.replace("    better: lower\n", ""), encoding="utf-8")
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(folder)
    assert any(found in problem.found and problem.rule == rule for problem in caught.value.problems)
