"""The table of risks shows what the collected results say, and nothing else."""

import numpy as np
import pandas as pd

from display.test_tables import MINUS, Page, shown
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.measures import FitTest, Measure, MeasuredResult, measure_rows
from pipanalysis.estimate.model_result import Extra, ModelResult, Status
from pipanalysis.files import sha256
from pipanalysis.study.load import Study

VALUES = {
    "risk_difference": (-0.14266250409508496, 0.1007, -0.34012848276084695, 0.05480347454, 0.15677),
    "risk_ratio": (0.7893696674, 0.17188, 0.563606105845, 1.105567284, 0.168798),
    "odds_ratio": (0.36617044, 0.74267, 0.0854125982, 1.56980111, 0.17613106945),
}


def risks(study: Study, *, failed: str = "", warning: str = "", status: Status = Status.ok) -> list[Row]:
    """The rows of one outcome at one visit."""
    outcome = study.outcomes["cesd_case"]
    analysis = next(one for one in study.plan.analyses if one.name == "binary_case")
    scope = Scope(analysis, outcome.name, outcome.domain, 0.95, analysis.method)
    extras = []
    for arm, n, events in (("control", 29, 20), ("pip", 27, 14)):
        extras += [Extra("n", n, "month12", arm), Extra("n_level", events, "month12", arm, "level=Yes")]
        extras.append(Extra("percent", 100 * events / n, "month12", arm, "level=Yes"))
    measures = [Measure("risk", "control", "", 0.677312, 0.067), Measure("risk", "pip", "", 0.53465, 0.0748)]
    measures += [Measure(name, "pip", "control", *values) for name, values in VALUES.items()]
    if failed:
        measures = [Measure(one.name, one.arm, one.reference) for one in measures]
    model = ModelResult("logistic ml delta", status, (), extras, [warning] if warning else [], failed, "month12")
    return list(measure_rows(scope, MeasuredResult(model, measures)))


def test_risks_are_shown_rounded_and_kept_whole(study: Study) -> None:
    page = shown(study, risks(study), "risks")
    assert page.row("12 months") == [
        "20/29 (69%)",
        "0.68",
        "14/27 (52%)",
        "0.53",
        f"{MINUS}0.14 ({MINUS}0.34 to 0.05)",
        "0.79 (0.56 to 1.11)",
        "0.37 (0.09 to 1.57)",
        "0.176",
    ]
    assert page.row("CES-D case (16 or more) (lower is better)") == [""] * 8
    record = pd.read_csv(study.layout.table("risks", "csv")).iloc[0]
    for name, values in VALUES.items():
        columns = [name, *(f"{name}_{part}" for part in ("std_error", "conf_low", "conf_high", "p_value"))]
        assert tuple(record[columns]) == values
    assert tuple(record[["n_control", "events_control", "n_pip", "events_pip"]]) == (29, 20, 27, 14)
    assert record["risk_pip"] == 0.53465
    assert (record["method"], record["fit_status"]) == ("logistic ml delta", "ok")


def test_what_stands_beside_a_sparse_cell_is_shown_below(study: Study) -> None:
    rows = risks(study)
    analysis = next(one for one in study.plan.analyses if one.name == "binary_case")
    outcome = study.outcomes["cesd_case"]
    scope = Scope(analysis, outcome.name, outcome.domain, 0.95, analysis.method)
    beside = Measure("penalised_odds_ratio", "pip", "control", 0.4123, 0.7, 0.1049, 1.6012, 0.20149)
    tested = [FitTest("test=exact", "pip", "control", {"p_value": 0.27213})]
    model = ModelResult("logistic ml delta", Status.ok, (), [], [], "", "month12")
    made = measure_rows(scope, MeasuredResult(model, [beside], tested))
    page = shown(study, rows + [row for row in made if row["context"]], "risks")
    assert page.row("Firth's penalised likelihood") == [""] * 6 + ["0.41 (0.10 to 1.60)", "0.201"]
    assert page.row("Fisher's exact test, unadjusted") == [""] * 7 + ["0.272"]
    record = pd.read_csv(study.layout.table("risks", "csv")).iloc[0]
    assert record["penalised_odds_ratio"] == 0.4123
    assert record["exact_p_value"] == 0.27213


def test_its_face_says_what_it_rests_on(study: Study) -> None:
    page = shown(study, risks(study), "risks")
    said = " ".join(page.text)
    assert "SYNTHETIC DATA" in said
    assert "Difference between arms in risk, and ratio of risks" in said
    assert "logistic regression at each visit, adjusted for CES-D depressive symptoms at baseline" in said
    assert "No effect is estimated here for: Secure attachment, Disorganised attachment." in said
    assert "SYNTHETIC DATA" in study.layout.table("risks", "csv").read_text(encoding="utf-8")


def test_a_fit_that_is_not_as_planned_has_a_footnote(study: Study) -> None:
    page = shown(study, risks(study, warning="quasi-complete separation", status=Status.reduced), "risks")
    assert page.row("12 months [a]")[7] == "0.176"
    assert "[a] quasi-complete separation" in page.text


def test_a_failed_fit_is_not_a_number(study: Study) -> None:
    page = shown(study, risks(study, failed="too few observed", status=Status.failed), "risks")
    assert page.row("12 months [a]") == ["20/29 (69%)", "–", "14/27 (52%)", "–", "not estimated", "–", "–", "–"]
    assert "[a] too few observed" in page.text
    assert np.isnan(pd.read_csv(study.layout.table("risks", "csv")).iloc[0]["odds_ratio"])


def test_same_results_same_bytes_and_none_take_one_line(study: Study) -> None:
    paths = [study.layout.table("risks", kind) for kind in ("html", "csv")]
    shown(study, risks(study), "risks")
    first = [sha256(path) for path in paths]
    shown(study, risks(study), "risks")
    assert [sha256(path) for path in paths] == first
    page = shown(study, [row for row in risks(study) if row["stat_name"] == "nothing"], "risks")
    assert "table" not in page.tags
    assert isinstance(page, Page)
