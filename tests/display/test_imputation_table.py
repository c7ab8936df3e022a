"""The table of imputation by strategy shows the results as they stand."""

from display.test_received_tables import EFFECT, counts, rows_of, scope, shown
from display.test_tables import MINUS
from pipanalysis.study.load import Study

CONTRAST = {"contrast": "pip - control"}


def test_each_strategy_stands_under_the_mixed_model(study: Study) -> None:
    mixed, ours = scope(study, "secondary", "cesd_total"), scope(study, "dropout", "cesd_total")
    rows = [*counts(mixed, "month6"), mixed.row("fit_status", 0), *rows_of(mixed, EFFECT, visit="month6", **CONTRAST)]
    rows += [*counts(ours, "month6"), ours.row("fit_status", 0)]
    rows += [ours.row("n_imputed", n, visit="month6", arm=arm) for arm, n in (("control", 5), ("pip", 8))]
    for k, strategy in enumerate(("mar", "j2r", "cir", "cr")):
        context = f"strategy={strategy}"
        own = EFFECT | {"estimate": -2.345 + k}
        rows += rows_of(ours, own, visit="month6", context=context, warning="", **CONTRAST)
        means = (("control", 24.5), ("pip", 22.25 + k))
        rows += [ours.row("estimate", m, visit="month6", arm=arm, context=context) for arm, m in means]
    page, numbers = shown(study, "dropout", rows)
    rest = [f"{MINUS}2.35 ({MINUS}5.70 to 1.00)", "0.123"]
    dash = "–"
    assert page.row("6 months: Mixed model for repeated measures") == ["33", dash, dash, "30", dash, dash, *rest]
    label = "6 months: Reference-based imputation, "
    assert page.row(label + "missing at random") == ["33", "5", "24.50", "30", "8", "22.25", *rest]
    assert page.row(label + "copy reference")[5] == "25.25"
    said = "".join(page.text)
    assert "Jump to reference: from then on at the mean of Routine care." in said
    assert "Adjusted mean after imputation: of all these dyads, of every arm, had they been in it." in said
    assert "last mean carried forward" not in said.lower()
    assert numbers["strategy"].fillna("").tolist() == ["", "mar", "j2r", "cir", "cr"]
    assert numbers.loc[1, ["n_pip", "n_imputed_pip", "adjusted_mean_pip"]].tolist() == [30, 8, 22.25]


def test_multiple_imputation_says_how_its_errors_differ_and_writes_the_monte_carlo_ones(study: Study) -> None:
    ours = scope(study, "dropout_multiple", "cesd_total")
    rows = [*counts(ours, "month6"), ours.row("fit_status", 0)]
    own = EFFECT | {"estimate_mcse": 0.0625, "missing_information": 0.1875}
    rows += rows_of(ours, own, visit="month6", context="strategy=j2r", warning="", **CONTRAST)
    page, numbers = shown(study, "dropout", rows)
    said = "".join(page.text)
    assert "those of multiple imputation hold the information lost with missing values alike" in said
    assert "those of conditional means say" not in said
    assert "missing values drawn 300 times" in said
    assert "pooled by Rubin's rules" in said
    assert numbers[["strategy", "estimate_mcse", "missing_information"]].to_numpy().tolist() == [
        ["j2r", 0.0625, 0.1875]
    ]
