"""Counts by visit: observed and adjusted means, their difference and ratio, and the overdispersion."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

COMPARISONS = ("mean_difference", "rate_ratio")
SPREAD = ("dispersion", "p_value_dispersion", "percent_beyond")
STATISTICS = ("estimate", "std_error", "conf_low", "conf_high", "p_value")


def counts_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out means and their comparisons of the table's analyses, by outcome and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        model.columns += [Column(head, arm.label) for head in ("n", "Mean (SD)", "Adjusted mean")]
    heads = (f"Difference ({level})", f"Rate ratio ({level})", "P", "Overdispersion (P)")
    model.columns += [Column(head) for head in heads]
    names = fill(study, table, results, model, _row)
    model.notes = [*_notes(study, names), *model.notes, *table.footnotes]
    return model


def _row(at: Comparison) -> TableRow | None:
    digits = at.study.displays.digits.of(at.outcome.score)
    own = at.row("estimate", "measure=rate_ratio")
    fit = at.fit_status
    if own is None or fit is None:
        return None
    cells: list[str] = []
    record = at.place
    for one in at.study.arms:
        observed = {stat: at.of_arm(one, stat) for stat in ("n", "mean", "sd")}
        mean = at.of_arm(one, "estimate", "measure=mean")
        cells += [
            rounding.count(observed["n"]),
            rounding.with_spread(observed["mean"], observed["sd"], digits.mean, digits.sd),
            rounding.fixed(mean, digits.mean),
        ]
        record |= {f"{key}_{one}": value for key, value in observed.items()} | {f"adjusted_mean_{one}": mean}
    for measure in COMPARISONS:
        found = at.stats(STATISTICS, f"measure={measure}")
        places = digits.mean if measure == "mean_difference" else digits.estimate
        cells.append(rounding.with_interval(found["estimate"], found["conf_low"], found["conf_high"], places))
        record |= {measure: found.pop("estimate")} | {f"{measure}_{key}": value for key, value in found.items()}
    cells.append(rounding.p_value(record["rate_ratio_p_value"], digits.p_value))
    spread = at.results.stats(at.analysis, at.outcome.name, SPREAD, visit=at.visit)
    p = rounding.p_value(spread["p_value_dispersion"], digits.p_value)
    shown = f"{rounding.fixed(spread['dispersion'], digits.estimate)} ({p})"
    cells.append(shown if isfinite(spread["dispersion"]) else rounding.ABSENT)
    warning, error = str(own["warning"]), str(own["error"])
    record |= spread | {"method": own["method"], "fit_status": fit["stat_label"], "warning": warning, "error": error}
    at.model.records.append(record)
    if error:
        cells[-4] = "not estimated"
    notes = noted(error, warning)
    return TableRow(at.label, tuple(cells), 1, notes)


def _notes(study: Study, names: list[str]) -> list[str]:
    reference = study.reference_arm.label
    others = study.terms.others
    unit = study.config.study.unit
    return [
        f"Adjusted mean: the model's predictions for all {unit}s in the model at the visit had they been in the arm, "
        f"averaged. Difference: {others} minus {reference}; rate ratio: {others} over {reference}. P: of the rate "
        "ratio. Overdispersion: a of the variance m + am² at mean m, and the P value that there is none.",
        *dict.fromkeys(method_sentence(study, name) for name in names),
    ]
