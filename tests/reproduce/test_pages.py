"""Numbers on the pages of tables against those beside them."""

from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.reproduce.pages import shown_numbers


@pytest.mark.parametrize(
    ("shown", "right"),
    [
        ("−7.01", True),
        ("-7.0", True),
        ("−7.02", False),
        ("−7.0065", True),
        ("−7.0066", False),
        ("<0.001", True),
        ("<0.0001", False),
        (">0.99", True),
        (">0.999", False),
        ("35%", True),
        ("36%", False),
        ("2e-04", True),
        ("3e-04", False),
        ("2 × 10⁻⁴", True),
        ("2\u00a0×\u00a010⁻⁴", True),
        ("3\u00a0×\u00a010⁻⁴", False),
        ("2\u00a0×\u00a010⁻⁵", False),
        ("iv2sls, HC3, 2020-01-31, v1.2.3", True),
        ("12 (35%; −7.01 to 0.995)", True),
        ("12 (35%; −7.01 to 0.996)", False),
    ],
)
def test_numbers_of_pages_are_those_of_the_table_as_rounded(tmp_path: Path, shown: str, right: bool) -> None:
    page = tmp_path / "x.html"
    head = "<thead><tr><th>99 months</th></tr></thead>"
    page.write_text(f"<table>{head}<tbody><tr><td>77 months</td><td><b>{shown}</b></td></tr></tbody></table>")
    table = pd.DataFrame({"visit": ["month77"], "estimate": ["-7.00649"], "p": ["0.000214"], "share": ["0.3519"]})
    table = table.assign(n="12", other="0.995")
    results = pd.DataFrame({"analysis": ["another"], "stat_name": ["n"], "stat": [-7.02]})
    assert all(found for _, _, found in shown_numbers(page, table, results)) == right
