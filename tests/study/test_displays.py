"""What displays.yaml asks for, as steps of the workflow."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study


@pytest.mark.parametrize("n_figures", [0, 1, 2, 3, 8, 13])
def test_each_figure_is_in_one_lot_and_the_first_lot_leaves_time_for_the_tables(root: Path, n_figures: int) -> None:
    displays = load_study(root).displays
    displays = displays.model_copy(update={"figures": displays.figures[:n_figures]})
    lots = displays.figure_lots()
    assert sorted(figure.name for lot in lots.values() for figure in lot) == sorted(f.name for f in displays.figures)
    assert list(lots) == ["figures", "more_figures"][: min(n_figures, 2)]
    first, second = (len(lots.get(step, [])) for step in ("figures", "more_figures"))
    assert n_figures < 8 or 3 <= second - first <= 5  # 31 tables take as long as 4 figures
    alone = displays.model_copy(update={"tables": displays.tables[:1]}).figure_lots()
    assert n_figures == 0 or abs(len(alone["figures"]) - n_figures / 2) <= 0.5


@pytest.mark.parametrize(("kind", "place"), [("kind: flow", "tables[3].number"), ("kind: forest", "figures[3].number")])
def test_two_tables_or_two_figures_do_not_share_a_number(
    study_folder: Callable[..., Path], root: Path, kind: str, place: str
) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    path = folder / "config" / "displays.yaml"
    path.write_text(path.read_text().replace(f'number: "4", {kind}', f'number: "3", {kind}'))
    with pytest.raises(ConfigError, match="a number that no other has") as refused:
        load_study(folder)
    assert [problem.where.endswith(place) for problem in refused.value.problems] == [True]
