"""Treatment effects at values of a moderator, and how they change with it: a group of rows per analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, characteristic_label, marks, outcome_label
from pipanalysis.estimate.moderator import SLOPE, SLOPE_PER_SD, SPREAD, contexts
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")


def moderators_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out differences by value of the moderator: analysis, outcome, visit, value; slopes stand with the visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    model.columns = [Column("n", arm.label) for arm in study.arms.values()]
    for arm in list(study.arms)[1:]:
        spanner = study.arms[arm].label if len(study.arms) > 2 else ""
        model.columns.append(Column(f"Difference ({level})", spanner))
        model.columns.append(Column(f"Change of the difference per SD ({level})", spanner))
    model.columns.append(Column("P of interaction"))
    for name in table.analyses:
        moderator = str(analysis(study, name).moderator)
        at_baseline = " at baseline" if moderator in study.scores else ""
        group = RowGroup(f"By {mid_sentence(characteristic_label(study, moderator))}{at_baseline}")
        for outcome in study.plan.outcomes:
            if (table.outcomes == "all" or outcome.name in table.outcomes) and results.visits(name, outcome.name):
                group.rows += _outcome_rows(study, table, results, model, outcome, name)
        model.groups.append(group)
    others = study.terms.others
    model.notes = [
        f"Difference: {others} minus {study.reference_arm.label}, at the value of the moderator. Change of the "
        "difference: by how much it is larger where the moderator is a standard deviation higher. P of interaction: "
        "that the difference does not change with the moderator at the visit. n, mean and standard deviation are of "
        f"the {study.config.study.unit}s in the model. Intervals at single values do not tell whether the difference "
        "changes. No P value here is adjusted for how many there are.",
        *dict.fromkeys(method_sentence(study, name) for name in table.analyses),
        *table.footnotes,
    ]
    return model


def _outcome_rows(
    study: Study, table: Table, results: ResultsIndex, model: TableModel, outcome: Outcome, name: str
) -> list[TableRow]:
    digits, arms = study.displays.digits, list(study.arms)
    rows = [TableRow(outcome_label(study, outcome))]
    mean, sd = (results.stat(name, outcome.name, stat, context="moderator") for stat in ("mean", "sd"))
    for visit in study.visits:
        fit = results.row(name, outcome.name, "p_value_interaction", visit=visit)
        if fit is None or not (table.visits == "all" or visit in table.visits):
            continue
        p = float(fit["stat"])
        numbers = {arm: results.stat(name, outcome.name, "n", visit=visit, arm=arm) for arm in arms}
        cells, why = [rounding.count(n) for n in numbers.values()], str(fit["error"])
        record: dict[str, Any] = {
            "analysis": name,
            "moderator": analysis(study, name).moderator,
            "outcome": outcome.name,
        }
        record |= {"label": outcome.label, "visit": visit} | {f"n_{arm}": n for arm, n in numbers.items()}
        by_value: dict[str, list[str]] = {context: ["" for _ in arms] for context in contexts(analysis(study, name))}
        for arm in arms[1:]:
            contrast = contrast_name(arm, study.reference_arm.name)
            where = {"visit": visit, "contrast": contrast}
            for context in (*by_value, SLOPE, SLOPE_PER_SD):
                s = results.stats(name, outcome.name, EFFECT, **where, context=context)
                own = results.row(name, outcome.name, "estimate", **where, context=context)
                error = str(own["error"]) if own else ""
                why = why or error
                shown = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
                shown = "not estimated" if error else shown
                if context in by_value:
                    by_value[context] += [shown, ""]
                elif context == SLOPE_PER_SD:
                    cells += ["", shown]
                model.records.append(
                    record
                    | {"at": context.removeprefix("moderator="), "contrast": contrast, **s, "moderator_mean": mean}
                    | {"moderator_sd": sd, "p_value_interaction": p, "warning": fit["warning"], "error": error}
                )
        notes = noted(why, str(fit["warning"]))
        all_cells = (*cells, rounding.p_value(p, digits.p_value))
        rows.append(TableRow(study.visits[visit].label, all_cells, 1, notes))
        rows += [
            TableRow(_value_label(context, mean, sd, digits.mean), (*shown_cells, ""), 2)
            for context, shown_cells in by_value.items()
        ]
    return rows


def _value_label(context: str, mean: float, sd: float, digits: int) -> str:
    """Return where a difference stands: the value, and for one in standard deviations what number that is."""
    named = context.removeprefix("moderator=").replace("-", rounding.MINUS)
    if context not in SPREAD:
        return f"at {named}"
    return f"at the {named} ({rounding.fixed(mean + SPREAD[context] * sd, digits)})"
