"""Tables of therapists, treatment received, moderators and dyads show the results as they stand."""

from typing import Any

import pandas as pd

from display.test_tables import MINUS, Page
from display.test_tables import shown as page_of
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.study.load import Study

CONTRAST = {"contrast": "pip - control"}
EFFECT = {"estimate": -2.345, "std_error": 1.5, "df": 9.87, "conf_low": -5.7, "conf_high": 1.0, "p_value": 0.1234}


def scope(study: Study, name: str, outcome: str) -> Scope:
    chosen = next(analysis for analysis in study.plan.analyses if analysis.name == name)
    domain = study.outcomes[outcome].domain if outcome in study.outcomes else ""
    return Scope(chosen, outcome, domain, 0.95, chosen.method)


def rows_of(of: Scope, values: dict[str, float], **where: Any) -> list[Row]:
    return [of.row(name, value, **where) for name, value in values.items()]


def shown(study: Study, name: str, rows: list[Row]) -> tuple[Page, pd.DataFrame]:
    page = page_of(study, rows, name)
    assert "SYNTHETIC DATA" in "".join(page.text)
    return page, pd.read_csv(study.layout.table(name, "csv"))


def counts(of: Scope, visit: str) -> list[Row]:
    return [of.row("n", n, visit=visit, arm=arm) for arm, n in (("control", 33), ("pip", 30))]


def test_therapists_counted_stand_beside_therapists_ignored(study: Study) -> None:
    rows = []
    for name, warning in (("ancova", ""), ("therapists", "dyads seen by several therapists: 2")):
        of = scope(study, name, "cesd_total")
        rows += [*counts(of, "month6"), of.row("fit_status", 0, visit="month6")]
        rows += rows_of(of, EFFECT, visit="month6", warning=warning, **CONTRAST)
    of = scope(study, "therapists", "cesd_total")
    rows += rows_of(of, {"icc": 0.0456, "conf_low": 0.0, "conf_high": 0.5123}, visit="month6", context="therapist")
    rows.append(of.row("n_therapists", 6, visit="month6", arm="pip"))
    page, numbers = shown(study, "therapists", rows)
    effect = [f"{MINUS}2.35 ({MINUS}5.70 to 1.00)", "1.50", "9.9", "0.123"]
    assert page.row("6 months: Analysis of covariance at each visit") == ["33", "30", *effect, "", "ignored"]
    nested = "6 months: Partially nested mixed model, therapists as a random effect [a]"
    assert page.row(nested) == ["33", "30", *effect, "6", "0.05 (0.00 to 0.51)"]
    assert "dyads seen by several therapists: 2" in "".join(page.text)
    assert numbers.set_index("analysis").loc["therapists", ["icc", "icc_conf_high"]].tolist() == [0.0456, 0.5123]


def test_effects_of_treatment_received_stand_beside_those_of_treatment_offered(study: Study) -> None:
    of = scope(study, "cace", "cesd_total")
    rows = [*counts(of, "month12"), of.row("mean", 18.4, visit="month12", arm="pip", context="sessions=attended")]
    for context, f in (("exposure=at least 8 sessions", 256.27), ("exposure=per 10 sessions", 8.9)):
        rows += rows_of(of, EFFECT, visit="month12", context=context, warning="weak instrument: F 8.9", **CONTRAST)
        rows.append(of.row("f_first_stage", f, visit="month12", context=context))
    rows.append(of.row("n_level", 25, visit="month12", arm="pip", context="exposure=at least 8 sessions"))
    offered = scope(study, "ancova", "cesd_total")
    rows += [*counts(offered, "month12"), *rows_of(offered, EFFECT, visit="month12", **CONTRAST)]
    page, numbers = shown(study, "received", rows)
    effect = [f"{MINUS}2.35 ({MINUS}5.70 to 1.00)", "0.123"]
    label = "12 months: Complier average causal effect"
    assert page.row(f"{label}, at least 8 sessions [a]") == ["33", "30", "25", *effect, "256.3"]
    assert page.row(f"{label}, per 10 sessions [a]") == ["33", "30", "18.4", *effect, "8.9"]
    assert page.row("12 months: Analysis of covariance at each visit") == ["33", "30", "", *effect, ""]
    said = "".join(page.text)
    assert "weak instrument: F 8.9" in said
    assert "principal stratum" in said
    assert "rest on assumptions that the data cannot show" in said
    assert len(numbers) == 3


def test_moderated_effects_stand_under_their_slope(study: Study) -> None:
    of = scope(study, "by_baseline_depression", "cesd_total")
    rows = [*counts(of, "month6"), of.row("p_value_interaction", 0.0312, visit="month6")]
    rows += rows_of(of, {"mean": 24.0, "sd": 9.0}, context="moderator")
    places = {"moderator=mean - 1 SD": 15.0, "moderator=mean": 24.0, "moderator=mean + 1 SD": 33.0}
    for context in (*places, "moderator=change per SD", "moderator=change per unit"):
        rows += rows_of(of, EFFECT, visit="month6", context=context, **CONTRAST)
    by_age = scope(study, "by_infant_age", "cesd_total")
    rows += [*counts(by_age, "month6"), by_age.row("p_value_interaction", 0.5, visit="month6")]
    for value in (3, 6, 9):
        rows += rows_of(by_age, EFFECT, visit="month6", context=f"moderator={value}", **CONTRAST)
    page, numbers = shown(study, "moderators", rows)
    effect = f"{MINUS}2.35 ({MINUS}5.70 to 1.00)"
    assert ["33", "30", "", effect, "0.031"] in [cells[1:] for cells in page.rows]
    for label in (f"at the mean {MINUS} 1 SD (15.0)", "at the mean (24.0)", "at the mean + 1 SD (33.0)", "at 6"):
        assert page.row(label) == ["", "", effect, "", ""]
    assert "By CES-D depressive symptoms at baseline" in "".join(page.text)
    assert set(numbers.loc[numbers["moderator"] == "infant_age", "at"]) >= {"3", "6", "9"}


def test_dyads_show_effects_by_role_and_associations(study: Study) -> None:
    of = scope(study, "dyads", "cesd_total+bayley_cognitive+eas_sensitivity")
    at = {"visit": "month6"}
    rows = [of.row("p_value_interaction", 0.0126, **at)]
    rows += rows_of(of, EFFECT, context="role=mother", **at, **CONTRAST)
    rows += [of.row("n", n, arm=arm, context="role=mother", **at) for arm, n in (("control", 33), ("pip", 30))]
    rows += rows_of(of, EFFECT, context="roles=mother - infant", **at, **CONTRAST)
    found = {"association": 0.456, "conf_low": 0.1, "conf_high": 0.7, "p_value": 0.01, "n_units": 60, "n_missing": 16}
    for where in ({"arm": "control"}, {"arm": "pip"}, {}, CONTRAST):
        rows += rows_of(of, found, context="pair=mother,infant", **at, **where)
    between = {"estimate": 0.034, "conf_low": -0.019, "conf_high": 0.113}
    rows += rows_of(of, between, context="between=mother,infant", **at, **CONTRAST)
    page, numbers = shown(study, "dyads", rows)
    effect = [f"{MINUS}2.35 ({MINUS}5.70 to 1.00)", "0.123"]
    assert page.row("Mother: depressive symptoms") == ["n = 33", "n = 30", "", *effect]
    assert page.row("Mother minus infant") == ["", "", "", *effect]
    assert page.row("The same effect in all roles") == ["", "", "", "", "0.013"]
    cell = "0.46 (0.10 to 0.70); n = 60"
    assert page.row("Mother and infant [a]") == [cell, cell, cell, "0.46 (0.10 to 0.70)", "0.010"]
    assert ["", "", "", f"0.03 ({MINUS}0.02 to 0.11)", ""] in [cells[1:] for cells in page.rows]
    said = "".join(page.text)
    assert "Exploratory." in said
    assert "[a] without both: 16 dyads" in said
    assert {"role=mother", "pair=mother,infant", "between=mother,infant"} <= set(numbers["context"])
