"""Binary outcomes by visit: events, adjusted risks, their difference and ratio, and the odds ratio."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import marks
from pipanalysis.estimate.describe import BINARY_LEVELS
from pipanalysis.estimate.measures import EXACT_TEST, PENALISED_ODDS

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EVENT = f"level={BINARY_LEVELS[1.0]}"
COMPARISONS = ("risk_difference", "risk_ratio", "odds_ratio")
BOOTSTRAPPED = ("risk_difference", "risk_ratio")
DRAWN = ("bootstrap_low", "bootstrap_high", "n_resamples")
PENALISED, EXACT = "Firth's penalised likelihood", "Fisher's exact test, unadjusted"
STATISTICS = ("estimate", "std_error", "conf_low", "conf_high", "p_value")


def risks_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out risks and their comparisons of the table's analyses, by outcome and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        model.columns += [Column("Events/n (%)", arm.label), Column("Adjusted risk", arm.label)]
    model.columns += [Column(f"{name} ({level})") for name in ("Risk difference", "Risk ratio", "Odds ratio")]
    model.columns.append(Column("P"))
    names = fill(study, table, results, model, _row)
    model.notes = [*_notes(study, names), *model.notes, *table.footnotes]
    return model


def _row(at: Comparison) -> list[TableRow]:
    digits = at.study.displays.digits
    own = at.row("estimate", "measure=risk_difference")
    if own is None:
        return []
    cells: list[str] = []
    record = at.place
    for one in at.study.arms:
        n = at.of_arm(one, "n")
        events = at.of_arm(one, "n_level", EVENT)
        percent = at.of_arm(one, "percent", EVENT)
        risk = at.of_arm(one, "estimate", "measure=risk")
        share = f" ({rounding.fixed(percent, digits.percent)}%)" if isfinite(percent) else ""
        cells += [f"{rounding.count(events)}/{rounding.count(n)}{share}", rounding.fixed(risk, digits.estimate)]
        record |= {f"n_{one}": n, f"events_{one}": events, f"percent_{one}": percent, f"risk_{one}": risk}
    for measure in COMPARISONS:
        context = f"measure={measure}"
        found = at.stats(STATISTICS, context)
        cells.append(rounding.with_interval(found["estimate"], found["conf_low"], found["conf_high"], digits.estimate))
        if at.row("bootstrap_low", context) is not None:
            found |= at.stats(DRAWN, context)
        record |= {measure: found.pop("estimate")} | {f"{measure}_{key}": value for key, value in found.items()}
    cells.append(rounding.p_value(record["odds_ratio_p_value"], digits.p_value))
    status = at.fit_status
    ended = "" if status is None else str(status["stat_label"])
    method, warning, error = str(own["method"]), str(own["warning"]), str(own["error"])
    record |= {"method": method, "fit_status": ended, "warning": warning, "error": error}
    at.model.records.append(record)
    if error:
        cells[-4] = "not estimated"
    notes = noted(error, warning)
    rows = [TableRow(at.label, tuple(cells), 1, notes)]
    if any(isfinite(record.get(f"{measure}_bootstrap_low", nan)) for measure in COMPARISONS):
        drawn = [
            rounding.interval(record[f"{measure}_bootstrap_low"], record[f"{measure}_bootstrap_high"], digits.estimate)
            for measure in BOOTSTRAPPED
        ]
        rows.append(TableRow("Bootstrap interval", (*[""] * (2 * len(at.study.arms)), *drawn, "", ""), 2))
    return rows + _sparse_rows(at, record)


def _sparse_rows(at: Comparison, record: dict[str, Any]) -> list[TableRow]:
    """Return what stands beside the analysis where a cell is sparse, adding it to the record."""
    digits = at.study.displays.digits
    rows, before = [], [""] * (2 * len(at.study.arms) + len(BOOTSTRAPPED))
    context = f"measure={PENALISED_ODDS}"
    if at.row("estimate", context) is not None:
        s = at.stats(STATISTICS, context)
        odds = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
        rows.append(TableRow(PENALISED, (*before, odds, rounding.p_value(s["p_value"], digits.p_value)), 2))
        record |= {PENALISED_ODDS: s.pop("estimate")} | {f"{PENALISED_ODDS}_{key}": value for key, value in s.items()}
    if (exact := at.row("p_value", EXACT_TEST)) is not None:
        p_value = float(exact["stat"])
        rows.append(TableRow(EXACT, (*before, "", rounding.p_value(p_value, digits.p_value)), 2))
        record["exact_p_value"] = p_value
    return rows


def _notes(study: Study, names: list[str]) -> list[str]:
    reference = study.reference_arm.label
    others = study.terms.others
    unit = study.config.study.unit
    return [
        f"Events/n: {unit}s that have the outcome, and {unit}s in the model at the visit. Adjusted risk: the model's "
        f"predictions for all of these {unit}s had they been in the arm, averaged. Risk difference: {others} minus "
        f"{reference}; ratios: {others} over {reference}. Risk difference and risk ratio compare adjusted risks; the "
        "odds ratio is the model's, given what it adjusts for. P: of the odds ratio.",
        *dict.fromkeys(method_sentence(study, name) for name in names),
    ]
