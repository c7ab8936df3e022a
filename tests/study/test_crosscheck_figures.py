"""Figures and screening logs that the plan cannot give are refused with their place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study

POSTERIORS = "with practical equivalence and the MCID\n    analyses: [bayes_single]"
TIPPING = "not missing at random\n    analyses: [primary]"
FIGURE = '  - name: recruitment\n    number: "2"\n'


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "found"),
    [
        ("displays.yaml", "analyses: [flow, primary]", "analyses: [flow, primry]", "figures[0].analyses", "'primry'"),
        ("displays.yaml", "analyses: [flow, primary]", "analyses: [primary]", "figures[0].analyses", "of method mmrm"),
        ("displays.yaml", FIGURE, FIGURE.replace("recruitment", "consort"), "figures[1].name", "'consort' twice"),
        (
            "displays.yaml",
            POSTERIORS,
            POSTERIORS.replace("bayes_single", "ancova"),
            "figures[6].analyses",
            "method ancova",
        ),
        ("displays.yaml", TIPPING, TIPPING.replace("primary", "ancova"), "figures[9].analyses", "without delta_adjust"),
        ("analysis.yaml", "consented: consented", "consented: agreed", "analyses[0].screening.consented", "'agreed'"),
        ("analysis.yaml", "table: screening", "table: sessions", "analyses[0].screening.table", "of a closed file"),
        ("analysis.yaml", "method: recruitment", "method: nothing", "analyses[1].method", "'nothing'"),
    ],
)
def test_a_mistake_is_named(
    study_folder: Callable[..., Path], file: str, old: str, new: str, place: str, found: str
) -> None:
    folder = study_folder()
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_study(folder)
    said = str(refused.value)
    problem = next((part for part in said.split("config/") if place in part), None)
    assert problem is not None, said
    assert found in problem
