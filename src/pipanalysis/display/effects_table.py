"""Treatment effects by visit: adjusted means, differences, P values and standardised differences."""

from __future__ import annotations

from functools import partial
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.multiplicity import adjusted_row, families_note, families_shown
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EFFECT = (
    "estimate",
    "std_error",
    "df",
    "conf_low",
    "conf_high",
    "p_value",
    "effect_size",
    "effect_size_low",
    "effect_size_high",
    "hedges_g",
)
MEANS = (
    "Adjusted mean: at the mean of the baseline and numeric covariates that are adjusted for, factors averaged over "
    "their levels with equal weights."
)
STATUS_NOTES = {
    "boundary": "a variance was estimated as zero, or nearly so",
    "reduced": "a simpler model than the planned one was fitted",
}


def effects_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the treatment effects of the table's analyses, by outcome and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        model.columns += [Column("n", arm.label), Column("Adjusted mean", arm.label)]
    families = families_shown(study, table, results)
    model.columns += [Column(f"Difference ({level})"), Column("P"), *([Column("Adjusted P")] if families else [])]
    model.columns.append(Column(f"Standardised difference ({level})"))
    names = fill(study, table, results, model, partial(_row, adjusted=bool(families)))
    adjusted = [families_note(study, families)] if families else []
    averaged = [MEANS] if any(isfinite(record[key]) for record in model.records for key in _means(record)) else []
    first, *others = _notes(study, names, results)
    model.notes = [first, *averaged, *others, *adjusted, *model.notes, *table.footnotes]
    return model


def _means(record: dict[str, Any]) -> list[str]:
    return [key for key in record if key.startswith("adjusted_mean_")]


def _planned(at: Comparison) -> bool:
    return any(at.row(stat) is not None for stat in ("estimate", "hedges_g"))


def _row(at: Comparison, *, adjusted: bool) -> TableRow | None:
    digits = at.study.displays.digits
    if not _planned(at):
        return None
    s = at.stats(EFFECT)
    cells: list[str] = []
    record = at.place
    for own in at.study.arms:
        n = at.of_arm(own, "n")
        mean = at.of_arm(own, "estimate")
        cells += [rounding.count(n), rounding.fixed(mean, digits.estimate)]
        record |= {f"n_{own}": n, f"adjusted_mean_{own}": mean}
    unadjusted = isfinite(s["hedges_g"])
    limits = (s["conf_low"], s["conf_high"])
    if unadjusted:
        cells += [rounding.ABSENT, rounding.ABSENT, rounding.with_interval(s["hedges_g"], *limits, digits.effect_size)]
    else:
        size = (s["effect_size"], s["effect_size_low"], s["effect_size_high"])
        cells += [
            rounding.with_interval(s["estimate"], *limits, digits.estimate),
            rounding.p_value(s["p_value"], digits.p_value),
            rounding.with_interval(*size, digits.effect_size),
        ]
    status, warning, error = _fit(at)
    if error:
        cells[-3] = "not estimated"
    not_tested = ""
    if adjusted:
        row = adjusted_row(at.study, at.results, at.analysis, at.outcome.name, at.visit, at.contrast)
        value, family, not_tested = (nan, "", "") if row is None else (row["stat"], row["context"], row["warning"])
        cells.insert(-1, rounding.p_value(value, digits.p_value))
        record |= {key: s[key] for key in EFFECT[: EFFECT.index("p_value") + 1]}
        record |= {"p_value_adjusted": value, "family": family.removeprefix("family=")}
    record |= {**s, "fit_status": status, "warning": warning, "error": error}
    at.model.records.append(record)
    notes = noted(error, STATUS_NOTES.get(status, ""), warning, not_tested)
    return TableRow(at.label, tuple(cells), 1, notes)


def _fit(at: Comparison) -> tuple[str, str, str]:
    """Return status, warning and error of the fit behind an effect."""
    own = next(row for stat in ("estimate", "hedges_g") if (row := at.row(stat)) is not None)
    status = at.fit_status
    return ("" if status is None else str(status["stat_label"])), str(own["warning"]), str(own["error"])


def _notes(study: Study, names: list[str], results: ResultsIndex) -> list[str]:
    reference = study.reference_arm.label
    others = study.terms.others
    notes = [
        f"Difference: {others} minus {reference}. n: {study.config.study.unit}s in the model that are observed at the "
        "visit. Standardised difference: the difference over the standard deviation at baseline, pooled over the arms"
        + (" (Hedges' g: over the standard deviation at the visit)." if _has(study, names, "effect_size") else ".")
    ]
    notes += dict.fromkeys(method_sentence(study, name) for name in names)
    agreement = [
        value
        for name in names
        for outcome in study.outcomes
        if isfinite(value := results.stat(name, outcome, "max_relative_difference", context="cross-check"))
    ]
    if agreement:
        fits = "1 fit" if len(agreement) == 1 else f"{len(agreement)} fits"
        notes.append(
            "Cross-check by a second program: with compound symmetry the mixed model for repeated measures is the "
            f"random-intercept model of statsmodels; over {fits} their estimates and standard errors differ by "
            f"{rounding.power_of_ten(max(agreement))} at most, relatively."
        )
    return notes


def _has(study: Study, names: list[str], method: str) -> bool:
    return any(analysis(study, name).method == method for name in names)
