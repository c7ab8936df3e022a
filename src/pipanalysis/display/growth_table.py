"""Change over time by arm: the slopes of the growth model and their difference, by outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis_label, estimand_line, marks, outcome_label
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

SLOPE = "slope=per year"
EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")


def growth_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the slopes of the table's analyses: a row per outcome, analysis and arm compared."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = rounding.level(study.plan.conf_level)
    model.columns = [Column("Change a year", arm.label) for arm in study.arms.values()]
    model.columns += [Column(f"Difference ({level} CI)"), Column("P")]
    chosen = [a for a in study.plan.analyses if a.name in table.analyses]
    used = {a.estimand for a in chosen}
    model.lead = [estimand_line(study.plan, estimand) for estimand in study.plan.estimands if estimand.name in used]
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain == domain.name and (table.outcomes == "all" or outcome.name in table.outcomes):
                for name in table.analyses:
                    group.rows += _rows(study, results, model, name, outcome)
        if group.rows:
            model.groups.append(group)
    others = study.terms.others
    model.notes = [
        f"Difference: {others} minus {study.reference_arm.label}. Change a year: slope in time since baseline.",
        *(method_sentence(study, name) for name in table.analyses),
        *table.footnotes,
    ]
    return model


def _rows(study: Study, results: ResultsIndex, model: TableModel, name: str, outcome: Outcome) -> list[TableRow]:
    rows, digits = [], study.displays.digits
    reference = study.reference_arm.name
    for arm in list(study.arms)[1:]:
        contrast = contrast_name(arm, reference)
        own = results.row(name, outcome.name, "estimate", contrast=contrast, context=SLOPE)
        if own is None:
            continue
        s = results.stats(name, outcome.name, EFFECT, contrast=contrast, context=SLOPE)
        slopes = {each: results.stat(name, outcome.name, "estimate", arm=each, context=SLOPE) for each in study.arms}
        shown = [slopes[each] if each in (reference, arm) else float("nan") for each in study.arms]
        difference = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
        cells = [*(rounding.fixed(slope, digits.estimate) for slope in shown)]
        cells += ["not estimated" if own["error"] else difference, rounding.p_value(s["p_value"], digits.p_value)]
        notes = noted(str(own["error"]), str(own["warning"]))
        label = outcome_label(study, outcome)
        label += f": {analysis_label(study, name)}" if len(model.lead) > 1 else ""
        label += f", {study.arms[arm].label}" if len(study.arms) > 2 else ""
        rows.append(TableRow(label, tuple(cells), 1, notes))
        record = {"analysis": name, "outcome": outcome.name, "label": outcome.label, "contrast": contrast}
        slope_columns = {f"slope_{each}": slope for each, slope in slopes.items()}
        model.records.append(record | slope_columns | s | {"warning": own["warning"], "error": own["error"]})
    return rows
