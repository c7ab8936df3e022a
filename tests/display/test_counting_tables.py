"""Tables of counts and of fits: participant flow, completeness, deviations from the protocol, diagnostics."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from display import results as made
from pipanalysis.display.merged_notes import merge_notes
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.step import LAYOUTS
from pipanalysis.display.table_model import TableModel
from pipanalysis.estimate.analysis_results import Row, as_results
from pipanalysis.intake.rules import RULES
from pipanalysis.study.displays import Table
from pipanalysis.study.estimands import IntercurrentEvent
from pipanalysis.study.load import Study
from pipanalysis.study.plan import Analysis


def laid_out(study: Study, kind: str, analyses: list[str], rows: list[Row]) -> TableModel:
    table = Table.model_validate({"name": "t", "number": "1", "kind": kind, "title": "T", "analyses": analyses})
    model = LAYOUTS[kind](study, table, ResultsIndex(as_results(rows)), made.OPEN)
    merge_notes(model, {})
    return model


def row_of(model: TableModel, group: str, label: str) -> tuple[str, ...]:
    """Return the cells of the one row of a group with a label."""
    rows = [row for one in model.groups if one.label == group for row in one.rows if row.label == label]
    assert len(rows) == 1, (group, label, [(g.label, [r.label for r in g.rows]) for g in model.groups])
    return rows[0].cells


def test_flow_stands_before_and_after_allocation() -> None:
    study = made.study(["Depression"], [])
    model = laid_out(study, "flow", ["flow"], made.flow(study))
    assert [column.label for column in model.columns] == ["All", "Control", "Treated"]
    assert row_of(model, "Before allocation", "Screened") == ("100", "", "")
    assert row_of(model, "Before allocation", "Other α") == ("35", "", "")
    assert row_of(model, "Allocation", "Allocated") == ("", "20", "20")
    assert row_of(model, "month12", "Assessed") == ("", "14", "10")
    assert row_of(model, "month6", "Moved") == ("", "3", "5")
    assert row_of(model, "Analysis sets", "All") == ("", "20", "20")
    assert {"analysis": "flow", "visit": "", "stage": "screened", "label": "Screened", "arm": "all", "n": 100.0} in (
        model.records
    )


def test_a_count_that_a_masked_study_did_not_make_is_a_dash_with_its_reason() -> None:
    study = made.study(["Depression"], [])
    of = made.scope(study, "flow", "participants")
    said = "not read while the allocation is masked"
    rows = [of.row("n_stage", float("nan"), arm="treated", context="stage=treated", warning=said)]
    model = laid_out(study, "flow", ["flow"], [*made.flow(study), *rows])
    assert row_of(model, "Allocation", "Attended at least one session [a]") == ("", "", "–")
    assert model.footnotes == [said]


def test_completeness_by_visit_and_arm() -> None:
    study = made.study(["Depression", "Stress"], [])
    rows = []
    for name, n in (("o0", 15), ("o1", 0)):
        of = made.scope(study, "completeness", name)
        for arm in study.arms:
            numbers = {"n": n, "n_missing": 20 - n, "percent_observed": 5 * n}
            rows += [of.row(stat, value, visit="month6", arm=arm) for stat, value in numbers.items()]
    model = laid_out(study, "completeness", ["completeness"], rows)
    assert [column.spanner for column in model.columns] == ["baseline"] * 2 + ["month6"] * 2 + ["month12"] * 2
    assert row_of(model, "Form", "Depression") == ("", "", "15 (75%)", "15 (75%)", "", "")
    assert row_of(model, "Form", "Stress") == ("", "", "0 (0%)", "0 (0%)", "", "")


def with_analysis(study: Study, **options: Any) -> Study:
    one = Analysis.model_validate({"analysis_set": "all_randomised", "role": "descriptive", "label": "L"} | options)
    return replace(study, plan=study.plan.model_copy(update={"analyses": [*study.plan.analyses, one]}))


def test_deviations_and_exclusions() -> None:
    study = with_analysis(made.study(["Depression"], []), name="deviations", method="protocol_deviations")
    of = made.scope(study, "deviations", "participants")
    rows = [
        of.row("n_affected", n, visit="month6", arm=arm, context="deviation=out_of_window")
        for n, arm in ((2, "control"), (3, "treated"))
    ]
    rows += [of.row("n_affected", 4, context="excluded=all_randomised; step=02; assessed at month6: o0")]
    rows += [
        of.row("n_rows", 9, context="file=a.csv; read"),
        of.row("n_rows", 2, context="file=a.csv; set aside=no-unit"),
    ]
    rows += [of.row("n_queries", 5, context="rule=bad-date")]
    model = laid_out(study, "protocol_deviations", ["deviations"], rows)
    meant = RULES["bad-date"].meaning
    assert row_of(model, "month6", "Assessed out of the visit's window") == ("", "2", "3")
    assert row_of(model, "Left out of: All", "Not met: assessed at month6: Depression") == ("4", "", "")
    assert row_of(model, "Rows of the raw files", "a.csv: read") == ("9", "", "")
    assert row_of(model, "Rows of the raw files", "set aside, without an identifier") == ("2", "", "")
    assert row_of(model, "Data queries by rule", f"{meant[0].upper()}{meant[1:]} (bad-date)") == ("5", "", "")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Baseline", "assessed at baseline in its window: Depression"),
        ("8 weeks", "assessed at 8 weeks in its window: Depression"),
        ("Before treatment", "assessed before treatment in its window: Depression"),
    ],
)
def test_conditions_of_a_set_read_well_with_every_visit(label: str, said: str) -> None:
    study = with_analysis(made.study(["Depression"], []), name="deviations", method="protocol_deviations")
    visits = [visit.model_copy(update={"label": label}) for visit in study.config.visits]
    study = replace(study, config=study.config.model_copy(update={"visits": visits}))
    of = made.scope(study, "deviations", "participants")
    condition = "excluded=all_randomised; step=02; assessed at month6 in its window: o0"
    model = laid_out(study, "protocol_deviations", ["deviations"], [of.row("n_affected", 4, context=condition)])
    assert row_of(model, "Left out of: All", f"Not met: {said}") == ("4", "", "")


def test_intercurrent_events_before_a_visit_and_what_masking_hides() -> None:
    study = with_analysis(made.study(["Depression"], []), name="deviations", method="protocol_deviations")
    events = [
        {"name": name, "label": label, "when": {"date": "d"}} for name, label in (("s", "Stopping"), ("o", "Other"))
    ]
    plan = study.plan.model_copy(update={"intercurrent_events": [IntercurrentEvent.model_validate(e) for e in events]})
    study = replace(study, plan=plan)
    of = made.scope(study, "deviations", "participants")
    rows = [
        of.row("n_affected", n, visit="month6", arm=arm, context="event=s")
        for n, arm in ((2, "control"), (3, "treated"))
    ]
    hidden = {"visit": "month6", "context": "event=o", "warning": "not read while masked"}
    rows += [of.row("n_affected", nan, arm=arm, **hidden) for arm in ("control", "treated")]
    model = laid_out(study, "protocol_deviations", ["deviations"], rows)
    assert row_of(model, "month6", "After: stopping") == ("", "2", "3")
    assert row_of(model, "month6", "After: other [a]") == ("", "–", "–")
    assert model.footnotes == ["not read while masked"]
    assert "whether or not assessed" in " ".join(model.notes)


def test_diagnostics_say_how_each_fit_ended() -> None:
    study = made.study(["Depression", "Stress"], [])
    first, second = (made.scope(study, "primary", name) for name in ("o0", "o1"))
    numbers = {"n_units": 40, "n_observations": 77, "variance_residual": 12.345, "icc": 0.456, "aic": 301.26}
    rows = [first.row(name, value) for name, value in numbers.items()]
    rows += [first.row("fit_status", 2, warning="fell back"), second.row("fit_status", 3, error="no variation")]
    model = laid_out(study, "diagnostics", ["primary"], rows)
    group = "Mixed model, primary (All)"
    shown = row_of(model, group, "Depression [a]")
    assert shown == ("Simpler than planned", "MMRM", "40", "77", "12.35", "0.46", "301.3")
    assert row_of(model, group, "Stress [b]") == ("Failed", "MMRM", "–", "–", "", "", "")
    assert model.footnotes == ["fell back", "no variation"]
    assert model.notes[0].startswith("Fits: 1 simpler than planned, 1 failed.")
