"""The schema of the analysis results dataset."""

import re
from pathlib import Path

import pandas as pd
import pytest

from estimate import trials
from pipanalysis.errors import DataError
from pipanalysis.estimate.analysis_results import COLUMNS, FIT_STATUSES, KEY, STATISTICS, Scope, as_results, checked


def results() -> pd.DataFrame:
    configuration = trials.study([{"method": "ancova"}], visits={"baseline": 0, "month6": 6})
    scope = Scope(trials.analysis(configuration), "total", "health", 0.9, "ancova ols model")
    return as_results(
        [
            scope.row("estimate", 1.5, visit="month6", contrast="treated - control", warning="two\n lines"),
            scope.row("conf_low", -0.5, visit="month6", contrast="treated - control"),
            scope.row("fit_status", 2, visit="month6"),
            scope.row("mean", 1.0, visit="Month6", arm="control"),
        ]
    )


def test_rows_are_complete_typed_and_sorted_in_c_order() -> None:
    found = checked(results(), "here")
    assert tuple(found.columns) == COLUMNS
    assert found["visit"].tolist() == ["Month6", "month6", "month6", "month6"]
    assert found["stat_name"].tolist()[1:] == ["fit_status", "conf_low", "estimate"]
    assert found.loc[found["stat_name"] == "fit_status", "stat_label"].item() == "reduced"
    assert found["conf_level"].dropna().tolist() == [0.9]
    assert "two lines" in found["warning"].tolist()
    assert found["estimand"].tolist() == [""] * 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.assign(stat_name="meen"), "meen"),
        (lambda frame: frame.drop(columns="error"), "error"),
        (lambda frame: frame.assign(extra=1), "extra"),
        (lambda frame: pd.concat([frame, frame.iloc[[0]]]), "control"),
        (lambda frame: frame.assign(method=""), "method"),
        (lambda frame: frame.assign(stat_label="splendid"), "fit_status is one of ok, boundary, reduced, failed"),
        (lambda frame: frame.assign(conf_level=95.0), "95"),
        (lambda frame: frame.assign(stat=frame["stat"].astype(str)), "float64"),
        (lambda frame: frame.assign(warning=None), "warning"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(change, told: str) -> None:
    with pytest.raises(DataError) as error:
        checked(change(results()), "mmrm.parquet")
    assert told in str(error.value)
    assert "mmrm.parquet" in str(error.value)


def test_documentation_lists_every_column_statistic_and_status(root: Path) -> None:
    page = (root / "docs" / "analysis-results.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert listed == [*COLUMNS, *STATISTICS, *FIT_STATUSES]
    assert ", ".join(KEY) in re.sub(r"[`\n]", "", page)
