"""The tables of categories and of counts, and of bootstrap intervals, show what the collected results say."""

import numpy as np
import pandas as pd

from display.test_tables import MINUS, shown
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.measures import FitTest, Measure, MeasuredResult, measure_rows
from pipanalysis.estimate.model_result import Extra, ModelResult, Status
from pipanalysis.files import sha256
from pipanalysis.study.load import Study

ARMS = ("control", "pip")


def rows(
    study: Study,
    analysis: str,
    outcome: str,
    measures: list[Measure],
    extras: list[Extra],
    tests: list[FitTest] | None = None,
    *,
    status: Status = Status.ok,
    warning: str = "",
    error: str = "",
) -> list[Row]:
    """The rows of one fit at month12."""
    chosen = next(one for one in study.plan.analyses if one.name == analysis)
    scope = Scope(chosen, outcome, study.outcomes[outcome].domain, 0.95, chosen.method)
    extras = [Extra(e.stat_name, e.stat, "month12", e.arm, e.context) for e in extras]
    model = ModelResult("method", status, (), extras, [warning] if warning else [], error, "month12")
    return list(measure_rows(scope, MeasuredResult(model, measures, tests or [])))


def level_counts(levels: dict[str, tuple[int, int]]) -> list[Extra]:
    found = []
    for i, arm in enumerate(ARMS):
        n = sum(at[i] for at in levels.values())
        found.append(Extra("n", n, arm=arm))
        for level, at in levels.items():
            found.append(Extra("n_level", at[i], arm=arm, context=f"level={level}"))
            found.append(Extra("percent", 100 * at[i] / n, arm=arm, context=f"level={level}"))
    return found


def nominal(study: Study, **options: object) -> list[Row]:
    levels = {"Avoidant": (2, 3), "Secure": (15, 15), "Resistant": (5, 0), "Disorganised": (6, 10)}
    measures, tests = [], []
    for k, level in enumerate(levels):
        for arm, p in zip(ARMS, (0.1 + k / 50, 0.2 + k / 50), strict=True):
            measures.append(Measure("probability", arm, estimate=p, level=level))
        at = {"arm": "pip", "reference": "control", "level": level}
        measures.append(
            Measure(
                "probability_difference", estimate=0.135 + k, std_error=0.1, low=-0.0902, high=0.36, p_value=0.24, **at
            )
        )
        if level != "Secure":
            measures.append(
                Measure("relative_risk_ratio", estimate=1.62, std_error=0.7, low=0.43, high=6.07, p_value=0.5, **at)
            )
    tests.append(FitTest("test=all_levels", "pip", "control", {"chi_squared": 5.9932, "df": 3, "p_value": 0.11196}))
    tests.append(FitTest("test=exact", "pip", "control", {"p_value": 0.1199}))
    if options.get("error"):
        measures = [Measure(one.name, one.arm, one.reference, level=one.level) for one in measures]
        tests = []
    return rows(study, "classification", "attachment", measures, level_counts(levels), tests, **options)  # type: ignore[arg-type]


def test_levels_stand_in_the_instruments_order_with_the_reference_and_both_tests(study: Study) -> None:
    page = shown(study, nominal(study), "categories")
    labels = [cells[0].strip() for cells in page.rows if cells]
    at = labels.index("12 months")
    assert labels[at : at + 6] == [
        "12 months",
        "Avoidant",
        "Secure",
        "Resistant",
        "Disorganised",
        "All levels, exact test, unadjusted",
    ]
    assert page.row("12 months") == ["", "", "", "", "", "", "", "0.112"]
    assert page.row("Avoidant") == [
        "2/28 (7%)",
        "0.10",
        "3/28 (11%)",
        "0.20",
        f"0.14 ({MINUS}0.09 to 0.36)",
        "1.62 (0.43 to 6.07)",
        "",
        "",
    ]
    assert page.row("Secure")[5] == "reference"
    assert page.row("All levels, exact test, unadjusted")[7] == "0.120"
    record = pd.read_csv(study.layout.table("categories", "csv"))
    assert record["all_levels_chi_squared"].dropna().tolist() == [5.9932]
    assert record["exact_p_value"].dropna().tolist() == [0.1199]
    assert record.loc[record["level"] == "Resistant", "units_pip"].tolist() == [0]


def ordinal(study: Study, **options: object) -> list[Row]:
    levels = {"10": (9, 8), "2": (4, 6), "3 to 9": (15, 14)}
    measures = [Measure("probability", arm, estimate=0.3, level=level) for level in levels for arm in ARMS]
    measures.append(Measure("odds_ratio", "pip", "control", 1.65, 0.46, 0.661, 4.115, 0.283))
    measures.append(Measure("probability_better", "pip", "control", 0.556, 0.05, 0.454, 0.653, 0.281))
    test = FitTest("assumption=proportional_odds", "pip", "control", {"chi_squared": 1.025, "df": 3, "p_value": 0.795})
    return rows(study, "ordinal", "reflective_functioning", measures, level_counts(levels), [test], **options)  # type: ignore[arg-type]


def test_ordinal_levels_stand_in_order_of_their_values_with_the_test_of_the_assumption(study: Study) -> None:
    page = shown(study, ordinal(study, warning="levels merged", status=Status.reduced), "categories")
    labels = [cells[0].strip() for cells in page.rows if cells]
    at = labels.index("12 months [a]")
    assert labels[at + 1 : at + 5] == ["2", "3 to 9", "10", "Test of proportional odds"]
    assert page.row("12 months [a]")[4:] == ["", "1.65 (0.66 to 4.12)", "0.56 (0.45 to 0.65)", "0.283"]
    assert page.row("Test of proportional odds") == ["", "", "", "", "", "", "", "0.795"]
    assert "[a] levels merged" in page.text
    said = " ".join(page.text)
    assert "SYNTHETIC DATA" in said
    assert "Odds ratio of a better level" in said
    assert "adjusted for baseline, site" in said
    assert "levels with fewer than 5 dyads merged with a neighbour" in said
    assert "No effect is estimated here for: Attachment classification." in said


def test_a_failed_fit_is_not_a_number(study: Study) -> None:
    page = shown(study, nominal(study, error="too few observed", status=Status.failed), "categories")
    assert page.row("12 months [a]")[4:] == ["not estimated", "", "", "–"]
    assert "[a] too few observed" in page.text


def counts(study: Study, **options: object) -> list[Row]:
    extras = []
    for arm, n, mean, sd in (("control", 28, 30.93, 15.4), ("pip", 27, 26.81, 13.5)):
        extras += [Extra("n", n, arm=arm), Extra("mean", mean, arm=arm), Extra("sd", sd, arm=arm)]
    extras += [Extra("dispersion", 0.337), Extra("p_value_dispersion", 1e-9), Extra("percent_beyond", 11.02)]
    measures = [Measure("mean", "control", estimate=29.5), Measure("mean", "pip", estimate=28.17)]
    measures.append(Measure("mean_difference", "pip", "control", -1.321, 4.8, -10.94, 8.2986, 0.784))
    measures.append(Measure("rate_ratio", "pip", "control", 0.955, 0.17, 0.684, 1.334, 0.7842))
    if options.get("error"):
        measures = [Measure(one.name, one.arm, one.reference) for one in measures]
        extras = [extra for extra in extras if extra.arm]
    return rows(study, "symptom_count", "bsi_pst", measures, extras, **options)  # type: ignore[arg-type]


def test_counts_are_shown_with_their_overdispersion_and_what_lies_beyond(study: Study) -> None:
    page = shown(study, counts(study, warning="11.0% of the fitted distribution lies beyond 53"), "counts")
    assert page.row("12 months [a]") == [
        "28",
        "30.9 (15.4)",
        "29.5",
        "27",
        "26.8 (13.5)",
        "28.2",
        f"{MINUS}1.3 ({MINUS}10.9 to 8.3)",
        "0.96 (0.68 to 1.33)",
        "0.784",
        "0.34 (<0.001)",
    ]
    assert "[a] 11.0% of the fitted distribution lies beyond 53" in page.text
    record = pd.read_csv(study.layout.table("counts", "csv")).iloc[0]
    assert tuple(record[["rate_ratio", "rate_ratio_p_value", "percent_beyond", "mean_pip"]]) == (
        0.955,
        0.7842,
        11.02,
        26.81,
    )


def test_counts_that_could_not_be_fitted(study: Study) -> None:
    page = shown(study, counts(study, error="separation", status=Status.failed), "counts")
    assert page.row("12 months [a]")[6:] == ["not estimated", "–", "–", "–"]
    assert np.isnan(pd.read_csv(study.layout.table("counts", "csv")).iloc[0]["rate_ratio"])


def test_bootstrap_intervals_have_a_row_below_their_risks(study: Study) -> None:
    extras = level_counts({"No": (13, 13), "Yes": (15, 15)})
    drawn = {"bootstrap_low": -0.2404, "bootstrap_high": 0.2606, "n_resamples": 1999.0}
    measures = [Measure("risk", arm, estimate=0.54) for arm in ARMS]
    measures.append(Measure("risk_difference", "pip", "control", 0.0007, 0.13, -0.252, 0.253, 0.99, further=drawn))
    ratio = {"bootstrap_low": 0.625, "bootstrap_high": 1.61, "n_resamples": 1999.0}
    measures.append(Measure("risk_ratio", "pip", "control", 1.001, 0.24, 0.63, 1.59, 0.99, further=ratio))
    measures.append(Measure("odds_ratio", "pip", "control", 1.003, 0.56, 0.33, 3.03, 0.996))
    page = shown(study, rows(study, "binary", "attachment_secure", measures, extras), "risks")
    assert page.row("Bootstrap interval") == ["", "", "", "", f"{MINUS}0.24 to 0.26", "0.63 to 1.61", "", ""]
    assert "bootstrap intervals bias-corrected and accelerated, 1,999 resamples within arms" in " ".join(page.text)
    record = pd.read_csv(study.layout.table("risks", "csv")).iloc[0]
    assert record["risk_difference_bootstrap_low"] == -0.2404


def test_same_results_same_bytes(study: Study) -> None:
    for name, make in (("categories", nominal), ("counts", counts)):
        paths = [study.layout.table(name, kind) for kind in ("html", "csv")]
        shown(study, make(study), name)
        first = [sha256(path) for path in paths]
        shown(study, make(study), name)
        assert [sha256(path) for path in paths] == first
