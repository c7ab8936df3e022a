"""The table of measurement shows the results as they stand."""

import pandas as pd
import pytest

from display.test_harms_table import scope
from display.test_tables import Page, shown
from pipanalysis.study.load import Study


@pytest.fixture
def page(study: Study) -> tuple[Page, pd.DataFrame]:
    of = scope(study, "measurement", "cesd.total")
    alpha = {"n_items": 20, "n_complete": 59, "alpha": 0.8512, "conf_low": 0.79, "conf_high": 0.9011, "omega": 0.866}
    limits = {"n": 72, "n_floor": 9, "percent_floor": 12.5, "n_ceiling": 0, "percent_ceiling": 0}
    rows = [of.row(k, v, visit="month6", context="internal_consistency") for k, v in alpha.items()]
    rows += [of.row(k, v, visit="month6", context="floor_ceiling") for k, v in limits.items()]
    of = scope(study, "measurement", "rf.overall")
    pairs = {"n_pairs": 40, "percent_agreement": 57.5, "icc_agreement": 0.918, "conf_low": 0.851, "conf_high": 0.956}
    rows += [of.row(k, v, context="coder_agreement", warning="40 forms of 30 dyads") for k, v in pairs.items()]
    return shown(study, rows, "measurement"), pd.read_csv(study.layout.table("measurement", "csv"))


def test_a_score_of_items(page: tuple[Page, pd.DataFrame]) -> None:
    assert page[0].row("6 months") == ["72", "9 (13%)", "0 (0%)", "59", "0.85 (0.79 to 0.90)", "0.87", "", "", ""]
    assert page[0].row("CES-D total (20 items)") == [""] * 9
    kept = page[1].set_index("score").loc["cesd.total"]
    assert (kept["alpha"], kept["conf_low_alpha"], kept["percent_floor"]) == (0.8512, 0.79, 12.5)
    assert kept["omega"] == 0.866


def test_a_score_of_coders(page: tuple[Page, pd.DataFrame]) -> None:
    cells = page[0].row("All visits together [a]")
    assert cells == ["", "", "", "", "", "", "40", "58%", "0.92 (0.85 to 0.96)"]
    assert "[a] 40 forms of 30 dyads" in page[0].text


def test_instruments_without_results_are_not_listed(page: tuple[Page, pd.DataFrame]) -> None:
    assert not any("Bayley" in text for text in page[0].text if "style" not in text)
    assert not any(cells and cells[0].startswith("Baseline") for cells in page[0].rows)
