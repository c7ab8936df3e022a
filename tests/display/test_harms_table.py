"""The table of adherence and harms shows the results as they stand."""

import pandas as pd

from display.test_tables import MINUS, Page
from display.test_tables import shown as page_of
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.study.load import Study


def scope(study: Study, name: str, table: str) -> Scope:
    chosen = next(analysis for analysis in study.plan.analyses if analysis.name == name)
    return Scope(chosen, table, "", 0.95, chosen.method)


def harms(study: Study) -> list[Row]:
    of = scope(study, "adverse_events", "adverse_events")
    rows = []
    for arm, n in (("control", 12), ("pip", 6)):
        for context in ("", "flag=serious", "level=Self-harm"):
            numbers = {"n_set": 38, "n_affected": n, "n_events": n + 1, "event_rate": (n + 1) / 38}
            numbers |= {"proportion": n / 38, "conf_low": 0.175, "conf_high": 0.487}
            rows += [of.row(k, v, arm=arm, context=context, warning="kind not known") for k, v in numbers.items()]
    difference = {"risk_difference": -0.15789, "conf_low": -0.33726, "conf_high": 0.03448}
    return rows + [of.row(k, v, contrast="pip - control") for k, v in difference.items()]


def adherence(study: Study) -> list[Row]:
    of = scope(study, "sessions_attended", "sessions")
    numbers = {"n": 38, "mean": 17.39, "sd": 9.11, "median": 15.5, "q1": 11.25, "q3": 23.75, "min": 4, "max": 42}
    rows = [of.row("n_set", 38, arm="pip")]
    rows += [of.row(k, v, arm="pip", context="sessions=attended") for k, v in numbers.items()]
    reached = {"n_level": 34, "proportion": 34 / 38, "conf_low": 0.752, "conf_high": 0.971}
    return rows + [of.row(k, v, arm="pip", context="at_least=8") for k, v in reached.items()]


def shown(study: Study, rows: list[Row]) -> Page:
    return page_of(study, rows, "harms")


def test_counts_and_difference(study: Study) -> None:
    page = shown(study, harms(study) + adherence(study))
    assert page.row("Any event") == [
        "12 (32%; 18 to 49)",
        "13 (0.34)",
        "6 (16%; 18 to 49)",
        "7 (0.18)",
        f"{MINUS}15.8 ({MINUS}33.7 to 3.4)",
    ]
    assert page.row("Any event, serious")[0] == "12 (32%; 18 to 49)"
    assert page.row("Self-harm")[4] == "–"
    assert "[a] kind not known" in page.text
    assert any("Adverse events [a]" in text for text in page.text)


def test_adherence_stands_in_its_arm_alone(study: Study) -> None:
    page = shown(study, harms(study) + adherence(study))
    assert page.row("Sessions attended per dyad, mean (SD)") == ["", "", "17.4 (9.1)", "", ""]
    assert page.row("8 or more sessions attended") == ["", "", "34 (89%; 75 to 97)", "", ""]
    kept = pd.read_csv(study.layout.table("harms", "csv"))
    reached = kept[kept["context"] == "at_least=8"].iloc[0]
    assert reached["proportion"] == 34 / 38


def test_what_a_masked_study_did_not_read_has_no_number(study: Study) -> None:
    said = "not read while the allocation is masked"
    row = scope(study, "sessions_attended", "sessions").row("n_set", float("nan"), arm="pip", warning=said)
    page = shown(study, [*harms(study), row])
    assert page.row("Dyads offered sessions, n")[2] == "–"
    assert page.row("Sessions offered per dyad, mean (SD)")[2] == "–"
    assert any(said in text for text in page.text)
