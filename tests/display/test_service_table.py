"""The table of services used shows the results as they stand."""

from pathlib import Path

import pandas as pd

from display.test_harms_table import scope
from display.test_tables import MINUS, shown
from pipanalysis.study.load import Study


def test_contacts_by_arm_and_difference(study: Study, tmp_path: Path) -> None:
    of = scope(study, "routine_care", "contacts")
    rows = []
    for arm, n in (("control", 34), ("pip", 30)):
        numbers = {"n_set": 38, "n_affected": n, "n_events": 99, "event_rate": 99 / 38, "proportion": n / 38}
        numbers |= {"conf_low": 0.752, "conf_high": 0.971}
        rows += [of.row(k, v, arm=arm, context="level=Health visitor", warning="w") for k, v in numbers.items()]
        rows.append(of.row("n_set", 38, arm=arm, warning="2 contacts of no known service"))
        spread = {"mean": 2.605, "sd": 2.24, "median": 1.5, "q1": 1, "q3": 4}
        rows += [of.row(k, v, arm=arm, context="per_unit level=Health visitor") for k, v in spread.items()]
    risk = {"risk_difference": -0.10526, "conf_low": -0.27, "conf_high": 0.0612}
    means = {"estimate": -0.394, "conf_low": -1.519, "conf_high": 0.731}
    at = {"contrast": "pip - control"}
    rows += [of.row(k, v, context="level=Health visitor", **at) for k, v in risk.items()]
    rows += [of.row(k, v, context="per_unit level=Health visitor", **at) for k, v in means.items()]
    page = shown(study, rows, "routine_care")
    assert page.row("Health visitor") == [
        "34 (89%; 75 to 97)",
        "2.6 (2.2)",
        "1.5 (1.0 to 4.0)",
        "30 (79%; 75 to 97)",
        "2.6 (2.2)",
        "1.5 (1.0 to 4.0)",
        f"{MINUS}10.5 ({MINUS}27.0 to 6.1)",
        f"{MINUS}0.39 ({MINUS}1.52 to 0.73)",
    ]
    assert "[a] 2 contacts of no known service" in page.text
    kept = pd.read_csv(study.layout.table("routine_care", "csv"))
    assert -0.394 in kept["contacts_difference"].tolist()
