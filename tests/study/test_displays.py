"""What displays.yaml asks for, as steps of the workflow."""

from pathlib import Path

import pytest

from pipanalysis.study.load import load_study


@pytest.mark.parametrize("n_figures", [0, 1, 2, 3, 8, 13])
def test_each_figure_is_in_one_lot_and_the_first_lot_leaves_time_for_the_tables(root: Path, n_figures: int) -> None:
    displays = load_study(root).displays
    displays = displays.model_copy(update={"figures": displays.figures[:n_figures]})
    lots = displays.figure_lots()
    assert sorted(figure.name for lot in lots.values() for figure in lot) == sorted(f.name for f in displays.figures)
    assert list(lots) == ["figures", "more_figures"][: min(n_figures, 2)]
    first, second = (len(lots.get(step, [])) for step in ("figures", "more_figures"))
    assert n_figures < 8 or 2 <= second - first <= 4  # 31 tables take as long as 3 figures
    alone = displays.model_copy(update={"tables": displays.tables[:1]}).figure_lots()
    assert n_figures == 0 or abs(len(alone["figures"]) - n_figures / 2) <= 0.5
