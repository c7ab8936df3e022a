"""The table of checks shows the results as they stand."""

import pandas as pd

from display.test_harms_table import scope
from display.test_tables import MINUS, shown
from pipanalysis.study.load import Study

BETWEEN = {"visit": "month6", "contrast": "pip - control"}


def test_residuals_spread_influence_and_structures(study: Study) -> None:
    of = scope(study, "primary", "bayley_cognitive")
    rows = [of.row("fit_status", 0)]
    normality = {"shapiro_w": 0.9941, "p_value": 0.0004, "skewness": -0.042, "kurtosis": 0.1}
    rows += [of.row(k, v, context="check=residuals") for k, v in normality.items()]
    rows += [
        of.row("residual_quantile", q, context=f"check=residuals p={p}") for p, q in (("0.05", -1.589), ("0.95", 1.507))
    ]
    rows += [
        of.row(k, v, visit="month6", context="check=spread") for k, v in {"scale_slope": -0.07, "p_value": 0.1}.items()
    ]
    rows += [
        of.row(k, v, context="check=spread", **BETWEEN) for k, v in {"sd_ratio": 1.2477, "p_value": 0.2887}.items()
    ]
    rows.append(of.row("max_cooks_distance", 0.135, context="check=influence", warning="1 dyad cannot be left out"))
    left = {"estimate_least": -2.758, "estimate_greatest": 4.776, "n_conclusions_changed": 3}
    rows += [of.row(k, v, context="check=influence", **BETWEEN) for k, v in left.items()]
    rows.append(of.row("aic", 928.705, context="check=structure us"))
    rows += [of.row(k, v, context="check=structure cs") for k, v in {"aic": 927.202, "p_value": 0.4809}.items()]
    failed = scope(study, "secondary", "cesd_total")
    rows.append(failed.row("fit_status", 3, error="no observation"))
    page = shown(study, rows, "checks")
    assert page.row("Bayley-III cognitive (primary outcome; higher is better) [a]") == [
        "0.994 (<0.001)",
        f"{MINUS}0.04",
        f"{MINUS}1.59 and 1.51",
        "",
        "",
        "0.14",
        "",
        "",
        "unstructured 928.7; compound symmetry 927.2 (P = 0.481)",
    ]
    assert page.row("6 months") == [
        "",
        "",
        "",
        f"{MINUS}0.07 (0.100)",
        "1.25 (0.289)",
        "",
        f"{MINUS}2.76 to 4.78",
        "3",
        "",
    ]
    assert "[a] 1 dyad cannot be left out" in page.text
    assert "[b] no observation" in page.text
    kept = pd.read_csv(study.layout.table("checks", "csv"))
    assert {0.135, 0.9941} <= set(kept["max_cooks_distance"]) | set(kept["shapiro_w"])
    assert kept["structure"].dropna().tolist() == ["us", "cs"]
