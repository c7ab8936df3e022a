"""Ordinal and nominal outcomes by visit: units and probability at each level, comparisons, and tests of the whole."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, level_labels, marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

COMPARISON = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
TEST = ("chi_squared", "df", "p_value")
TESTS = {
    "assumption=proportional_odds": "Test of proportional odds",
    "test=exact": "All levels, exact test, unadjusted",
}
"""context of a test that has a row of its own → its label"""


def categories_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the levels of the outcomes of the table's analyses, by outcome and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        share = f"{study.config.study.unit.capitalize()}s/n (%)"
        model.columns += [Column(share, arm.label), Column("Adjusted probability", arm.label)]
    ordinal = any(analysis(study, name).method == "ordinal" for name in table.analyses)
    heads = [f"Difference ({level})", f"Ratio ({level})", *([f"Better ({level})"] if ordinal else []), "P"]
    model.columns += [Column(head) for head in heads]
    names = fill(study, table, results, model, partial(_rows, ordinal=ordinal))
    model.notes = [*_notes(study, names), *model.notes, *table.footnotes]
    return model


def _rows(at: Comparison, *, ordinal: bool) -> list[TableRow]:
    fit = at.fit_status
    if fit is None:
        return []
    digits = at.study.displays.digits
    identity = at.place | {
        "method": fit["method"],
        "fit_status": fit["stat_label"],
        "warning": fit["warning"],
        "error": fit["error"],
    }
    spare = [""] * (2 * len(at.study.arms))

    def interval(of: str, record: dict[str, Any], level: str = "") -> str:
        """Write a comparison into the record, and return its text."""
        context = f"measure={of}" + (f"; level={level}" if level else "")
        if at.row("estimate", context) is None:
            return ""
        found = at.stats(COMPARISON, context)
        text = rounding.with_interval(found["estimate"], found["conf_low"], found["conf_high"], digits.estimate)
        record |= {of: found.pop("estimate")} | {f"{of}_{key}": value for key, value in found.items()}
        return text

    whole: dict[str, Any] = identity | {"level": ""}
    own = analysis(at.study, at.analysis).method == "ordinal"
    ratio, better = interval("odds_ratio", whole), interval("probability_better", whole)
    overall = at.stats(TEST, "test=all_levels")
    p = float(whole["odds_ratio_p_value"]) if own else overall["p_value"]
    whole |= {} if own else {f"all_levels_{key}": value for key, value in overall.items()}
    comparison = ["", ratio, *([better] if ordinal else []), rounding.p_value(p, digits.p_value)]
    if fit["error"]:
        comparison[0] = "not estimated"
    notes = noted(str(fit["error"]), str(fit["warning"]))
    at.model.records.append(whole)
    found = [TableRow(at.label, (*spare, *comparison), 1, notes)]
    compared = _compared(at.results, at.analysis, at.outcome.name, at.visit)
    for level in _levels(at.study, at.results, at.analysis, at.outcome, at.visit):
        record: dict[str, Any] = identity | {"level": level}
        cells = []
        for one in at.study.arms:
            n = at.of_arm(one, "n")
            taken = at.of_arm(one, "n_level", f"level={level}")
            percent = at.of_arm(one, "percent", f"level={level}")
            context = f"measure=probability; level={level}"
            probability = at.of_arm(one, "estimate", context)
            share = f" ({rounding.fixed(percent, digits.percent)}%)" if isfinite(percent) else ""
            cells += [f"{rounding.count(taken)}/{rounding.count(n)}{share}"]
            cells += [rounding.fixed(probability, digits.estimate)]
            record |= {f"n_{one}": n, f"units_{one}": taken, f"percent_{one}": percent}
            record |= {f"probability_{one}": probability}
        difference = interval("probability_difference", record, level)
        relative = interval("relative_risk_ratio", record, level)
        if compared and level not in compared and difference:
            relative = "reference"
        found.append(TableRow(level, (*cells, difference, relative, *([""] if ordinal else []), ""), 2))
        at.model.records.append(record)
    for context, said in TESTS.items():
        if at.row("p_value", context) is not None:
            test = at.stats(TEST, context)
            key = context.partition("=")[2]
            at.model.records.append(identity | {"level": ""} | {f"{key}_{stat}": value for stat, value in test.items()})
            shown = rounding.p_value(test["p_value"], digits.p_value)
            found.append(TableRow(said, (*spare, *[""] * (len(comparison) - 1), shown), 2))
    return found


def _compared(results: ResultsIndex, name: str, outcome: str, visit: str) -> set[str]:
    """Return the levels that are compared with a reference level."""
    prefix = "measure=relative_risk_ratio; level="
    rows = [row for row in results.rows(name, outcome, "estimate") if row["visit"] == visit]
    return {row["context"].removeprefix(prefix) for row in rows if row["context"].startswith(prefix)}


def _levels(study: Study, results: ResultsIndex, name: str, outcome: Outcome, visit: str) -> list[str]:
    """Return the levels that units are counted at, in the order of the outcome."""
    counted = results.rows(name, outcome.name, "n_level")
    levels = {str(row["context"]).removeprefix("level=") for row in counted if row["visit"] == visit}
    if study.scores[outcome.score].type == "nominal":
        return [label for label in level_labels(study, outcome.score) if label in levels]
    return sorted(levels, key=lambda level: float(level.partition(" to ")[0]))


def _notes(study: Study, names: list[str]) -> list[str]:
    reference = study.reference_arm.label
    others = study.terms.others
    unit = study.config.study.unit
    methods = {analysis(study, name).method for name in names}
    said = [
        f"{unit.capitalize()}s/n: {unit}s at the level, and {unit}s in the model at the visit. Adjusted probability: "
        f"the model's predictions for all of these {unit}s had they been in the arm, averaged. Difference: {others} "
        f"minus {reference}, of adjusted probabilities."
    ]
    if "ordinal" in methods:
        said.append(
            f"Ordinal outcomes: the ratio is the common odds ratio of a better level, {others} over {reference}, given "
            f"what the model adjusts for. Better: probability that a {unit} of {others} is better than one of "
            f"{reference}, ties counted half; 0.5 where arms do not differ. Test of proportional odds: score test that "
            "the odds ratio is the same at every cut between levels; a small P speaks against it."
        )
    if "nominal" in methods:
        said.append(
            "Nominal outcomes: the ratio is the relative risk ratio of a level against the reference level, "
            f"{others} over {reference}, given what the model adjusts for. P: of all levels together, by the "
            "likelihood ratio; below it the exact test of Fisher, Freeman and Halton."
        )
    return [*said, *dict.fromkeys(method_sentence(study, name) for name in names)]
