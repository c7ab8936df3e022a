"""Binary outcomes by visit: events, adjusted risks, their difference and ratio, and the odds ratio."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import fill, place_of
from pipanalysis.display.table_model import Column, TableModel, TableRow
from pipanalysis.display.wording import marks, method_sentence
from pipanalysis.estimate.describe import BINARY_LEVELS
from pipanalysis.estimate.measures import EXACT_TEST, PENALISED_ODDS

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

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


def _row(
    study: Study,
    results: ResultsIndex,
    model: TableModel,
    outcome: Outcome,
    visit: str,
    name: str,
    arm: str,
    label: str,
) -> list[TableRow]:
    digits = study.displays.digits
    contrast = f"{arm} - {study.reference_arm.name}"
    own = results.row(name, outcome.name, "estimate", visit=visit, contrast=contrast, context="measure=risk_difference")
    if own is None:
        return []
    cells: list[str] = []
    record = place_of(outcome, visit, name, contrast)
    for one in study.arms:
        at = {"visit": visit, "arm": one}
        n = results.stat(name, outcome.name, "n", **at)
        events = results.stat(name, outcome.name, "n_level", context=EVENT, **at)
        percent = results.stat(name, outcome.name, "percent", context=EVENT, **at)
        risk = results.stat(name, outcome.name, "estimate", context="measure=risk", **at)
        share = f" ({rounding.fixed(percent, digits.percent)}%)" if isfinite(percent) else ""
        cells += [f"{rounding.count(events)}/{rounding.count(n)}{share}", rounding.fixed(risk, digits.estimate)]
        record |= {f"n_{one}": n, f"events_{one}": events, f"percent_{one}": percent, f"risk_{one}": risk}
    for measure in COMPARISONS:
        where = {"visit": visit, "contrast": contrast, "context": f"measure={measure}"}
        found = results.stats(name, outcome.name, STATISTICS, **where)
        cells.append(rounding.with_interval(found["estimate"], found["conf_low"], found["conf_high"], digits.estimate))
        if results.row(name, outcome.name, "bootstrap_low", **where) is not None:
            found |= results.stats(name, outcome.name, DRAWN, **where)
        record |= {measure: found.pop("estimate")} | {f"{measure}_{key}": value for key, value in found.items()}
    cells.append(rounding.p_value(record["odds_ratio_p_value"], digits.p_value))
    status = results.of_fit(name, outcome.name, visit, "fit_status")
    ended = "" if status is None else str(status["stat_label"])
    method, warning, error = str(own["method"]), str(own["warning"]), str(own["error"])
    record |= {"method": method, "fit_status": ended, "warning": warning, "error": error}
    model.records.append(record)
    if error:
        cells[-4] = "not estimated"
    mark = model.footnotes.mark(error, warning)
    rows = [TableRow(label + mark, tuple(cells), 1)]
    if any(isfinite(record.get(f"{measure}_bootstrap_low", nan)) for measure in COMPARISONS):
        drawn = [
            rounding.interval(record[f"{measure}_bootstrap_low"], record[f"{measure}_bootstrap_high"], digits.estimate)
            for measure in BOOTSTRAPPED
        ]
        rows.append(TableRow("Bootstrap interval", (*[""] * (2 * len(study.arms)), *drawn, "", ""), 2))
    return rows + _sparse_rows(study, results, outcome.name, visit, name, contrast, record)


def _sparse_rows(
    study: Study,
    results: ResultsIndex,
    outcome: str,
    visit: str,
    name: str,
    contrast: str,
    record: dict[str, Any],
) -> list[TableRow]:
    """Return what stands beside the analysis where a cell is sparse, adding it to the record."""
    digits, where = study.displays.digits, {"visit": visit, "contrast": contrast}
    rows, before = [], [""] * (2 * len(study.arms) + len(BOOTSTRAPPED))
    context = f"measure={PENALISED_ODDS}"
    if results.row(name, outcome, "estimate", **where, context=context) is not None:
        s = results.stats(name, outcome, STATISTICS, **where, context=context)
        odds = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
        rows.append(TableRow(PENALISED, (*before, odds, rounding.p_value(s["p_value"], digits.p_value)), 2))
        record |= {PENALISED_ODDS: s.pop("estimate")} | {f"{PENALISED_ODDS}_{key}": value for key, value in s.items()}
    if results.row(name, outcome, "p_value", **where, context=EXACT_TEST) is not None:
        p_value = results.stat(name, outcome, "p_value", **where, context=EXACT_TEST)
        rows.append(TableRow(EXACT, (*before, "", rounding.p_value(p_value, digits.p_value)), 2))
        record["exact_p_value"] = p_value
    return rows


def _notes(study: Study, names: list[str]) -> list[str]:
    reference = study.reference_arm.label
    others = ", ".join(study.arms[arm].label for arm in list(study.arms)[1:])
    unit = study.config.study.unit
    return [
        f"Events/n: {unit}s in the model at the visit, and how many have the outcome. Adjusted risk: the model's "
        f"predictions for all of these {unit}s had they been in the arm, averaged. Risk difference: {others} minus "
        f"{reference}; ratios: {others} over {reference}. Risk difference and risk ratio compare adjusted risks; the "
        "odds ratio is the model's, given what it adjusts for. P: of the odds ratio.",
        *dict.fromkeys(method_sentence(study, name) for name in names),
    ]
