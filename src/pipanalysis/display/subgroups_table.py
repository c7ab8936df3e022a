"""Treatment effects within subgroups, and whether they differ between them: a group of rows per analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, characteristic_label, level_labels, marks, outcome_label
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high")
INTERACTION = ("p_value_interaction", "f_interaction", "num_df_interaction", "den_df_interaction")


def subgroups_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the effects within levels: analysis, outcome, visit, level; the interaction stands with the visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    arms = list(study.arms)
    for arm in arms:
        model.columns.append(Column("n", study.arms[arm].label))
    for arm in arms[1:]:
        spanner = study.arms[arm].label if len(arms) > 2 else ""
        model.columns.append(Column(f"Difference ({level})", spanner))
    model.columns.append(Column("P of interaction"))
    for name in table.analyses:
        subgroup = str(analysis(study, name).subgroup)
        group = RowGroup(f"By {mid_sentence(characteristic_label(study, subgroup))}")
        for outcome in study.plan.outcomes:
            if (table.outcomes == "all" or outcome.name in table.outcomes) and results.visits(name, outcome.name):
                group.rows += _outcome_rows(study, table, results, model, outcome, name, subgroup)
        model.groups.append(group)
    others = study.terms.others
    model.notes.append(
        f"Difference: {others} minus {study.reference_arm.label}. n: {study.config.study.unit}s in the model that are "
        "observed at the visit. P of interaction: that the difference is the same in all levels at the visit. "
        "Intervals of single levels do not tell whether levels differ. No P value here is adjusted for how many there "
        "are."
    )
    model.notes += dict.fromkeys(method_sentence(study, name) for name in table.analyses)
    model.notes += table.footnotes
    return model


def _outcome_rows(
    study: Study,
    table: Table,
    results: ResultsIndex,
    model: TableModel,
    outcome: Outcome,
    name: str,
    subgroup: str,
) -> list[TableRow]:
    digits, arms = study.displays.digits, list(study.arms)
    found = set(results.contexts(name, outcome.name))
    levels = [label for label in level_labels(study, subgroup) if f"subgroup={label}" in found]
    rows = [TableRow(outcome_label(study, outcome))]
    for visit in study.visits:
        test = results.stats(name, outcome.name, INTERACTION, visit=visit)
        fit = results.row(name, outcome.name, "p_value_interaction", visit=visit)
        if fit is None or not (table.visits == "all" or visit in table.visits):
            continue
        notes = noted(fit["error"], fit["warning"])
        blank = ("",) * (2 * len(arms) - 1)
        p = rounding.p_value(test["p_value_interaction"], digits.p_value)
        rows.append(TableRow(study.visits[visit].label, (*blank, p), 1, notes))
        for label in levels:
            context = f"subgroup={label}"
            numbers = {
                arm: results.stat(name, outcome.name, "n", visit=visit, arm=arm, context=context) for arm in arms
            }
            cells = [rounding.count(n) for n in numbers.values()]
            why = []
            for arm in arms[1:]:
                contrast = contrast_name(arm, study.reference_arm.name)
                where = {"visit": visit, "contrast": contrast, "context": context}
                s = results.stats(name, outcome.name, EFFECT, **where)
                own = results.row(name, outcome.name, "estimate", **where)
                error = str(own["error"]) if own else ""
                why += [error] if error and error != fit["error"] else []
                limits = (s["conf_low"], s["conf_high"])
                shown = rounding.with_interval(s["estimate"], *limits, digits.estimate)
                cells.append("not estimated" if error else shown)
                model.records.append(
                    {"analysis": name, "subgroup": subgroup, "level": label, "domain": outcome.domain}
                    | {"outcome": outcome.name, "label": outcome.label, "visit": visit, "contrast": contrast}
                    | {f"n_{own_arm}": n for own_arm, n in numbers.items()}
                    | {**s, **test, "warning": fit["warning"], "error": error}
                )
            rows.append(TableRow(label, (*cells, ""), 2, noted(*why)))
    return rows
