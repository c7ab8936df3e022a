"""The table of reliable change shows the results as they stand."""

import pandas as pd

from display.test_harms_table import scope
from display.test_tables import Page
from display.test_tables import shown as page_of
from pipanalysis.estimate.analysis_results import Row
from pipanalysis.study.load import Study


def rows(study: Study, outcome: str, kinds: tuple[str, ...], error: str = "") -> list[Row]:
    of = scope(study, "reliable_change", outcome)
    made = [of.row("reliability", 0.85), of.row("reliable_change", 9.7944, error=error)]
    for arm, n in (("control", 33), ("pip", 30)):
        made.append(of.row("n", n, visit="month6", arm=arm))
        for i, kind in enumerate(kinds):
            where = {"visit": "month6", "arm": arm, "context": f"change={kind}"}
            made += [of.row("n_level", i, **where), of.row("percent", 100 * i / n, **where)]
    return made


def shown(study: Study, made: list[Row]) -> Page:
    return page_of(study, made, "change")


def test_counts_with_what_they_rest_on(study: Study) -> None:
    kinds = ("improved", "unchanged", "deteriorated", "recovered", "clinical_at_baseline")
    page = shown(study, rows(study, "cesd_total", kinds))
    arm = study.arms["pip"].label
    assert page.row(f"6 months: {arm}") == ["30", "0 (0%)", "1 (3%)", "2 (7%)", "3 (10%)", "4 (13%)"]
    note = next(text for text in page.text if text.startswith("[a]"))
    assert "Reliability 0.85 (Cronbach's alpha, general population; assumed)" in note
    assert "smallest reliable change 9.79" in note
    assert "clinical range: 16 or more (assumed)" in note
    kept = pd.read_csv(study.layout.table("change", "csv")).set_index("arm").loc["pip"]
    assert kept["percent_recovered"] == 10


def test_a_score_without_a_clinical_range_has_empty_cells(study: Study) -> None:
    page = shown(study, rows(study, "psi_total", ("improved", "unchanged", "deteriorated"), "no variation"))
    assert page.row(f"6 months: {study.arms['control'].label}")[4:] == ["", ""]
    note = next(text for text in page.text if text.startswith("[a]"))
    assert "no clinical range is given, so no recovery; no variation" in note
