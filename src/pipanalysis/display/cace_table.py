"""Effects of treatment received (complier average causal effects), beside those of treatment offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, estimand_line, marks, outcome_label
from pipanalysis.estimate.cace import exposures

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")
FIRST = ("first_stage", "f_first_stage")


def cace_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the table's analyses by outcome and visit: a row for each form of exposure, one for other methods."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    model.columns = [Column("n", arm.label) for arm in study.arms.values()]
    heads = ("Received", f"Difference ({level})", "P", "First-stage F")
    model.columns += [Column(head) for head in heads]
    chosen = [analysis(study, name) for name in table.analyses]
    used = {a.estimand for a in chosen}
    model.lead = [estimand_line(study.plan, estimand) for estimand in study.plan.estimands if estimand.name in used]
    covered = {o.name for a in chosen if a.exposure for o in study.analysis_outcomes(a)}
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            wanted = table.outcomes == "all" or outcome.name in table.outcomes
            if outcome.domain == domain.name and outcome.name in covered and wanted:
                group.rows += _outcome_rows(study, table, results, model, outcome)
        if group.rows:
            model.groups.append(group)
    model.notes = [*_notes(study), *(method_sentence(study, name) for name in table.analyses), *table.footnotes]
    return model


def _notes(study: Study) -> list[str]:
    sessions, unit = study.config.sessions, study.config.study.unit
    arm = study.arms[sessions.arm].label if sessions else ""
    by = "up to the visit's target date" if sessions and sessions.date else "in all"
    return [
        f"Difference: {arm} minus {study.reference_arm.label}. n: {unit}s in the model. Received: {unit}s of {arm} in "
        f"the model that attended so many sessions {by}; their mean number of sessions for the dose.",
        "Effects of treatment received rest on assumptions that the data cannot show: allocation is random; it acts on "
        "the outcome through the sessions counted alone, so that fewer sessions than the threshold do nothing; "
        f"{unit}s of {study.reference_arm.label} get none; no {unit} would attend only if not offered; the dose form "
        "also that each session adds as much as any other. Missing outcomes are left out (complete cases): they are "
        "taken as missing at random given arm and covariates.",
    ]


def _outcome_rows(
    study: Study, table: Table, results: ResultsIndex, model: TableModel, outcome: Outcome
) -> list[TableRow]:
    rows = [TableRow(outcome_label(study, outcome))]
    sessions = study.config.sessions
    for visit in study.visits:
        if not (table.visits == "all" or visit in table.visits):
            continue
        for name in table.analyses:
            chosen = analysis(study, name)
            forms = exposures(chosen.exposure) if chosen.exposure else {"offered": ""}
            for form, context in forms.items():
                arms = [sessions.arm] if chosen.exposure and sessions else list(study.arms)[1:]
                for arm in arms:
                    label = f"{study.visits[visit].label}: {chosen.label}"
                    label += f", {context.removeprefix('exposure=')}" if context else ""
                    label += f", {study.arms[arm].label}" if len(arms) > 1 else ""
                    if row := _row(Comparison(study, results, model, outcome, visit, name, arm, label), form, context):
                        rows.append(row)
    return rows


def _row(at: Comparison, form: str, context: str) -> TableRow | None:
    study, digits = at.study, at.study.displays.digits
    own = at.row("estimate", context)
    if own is None:
        return None
    s = at.stats(EFFECT, context)
    first = at.results.stats(at.analysis, at.outcome.name, FIRST, visit=at.visit, context=context)
    n = {each: at.of_arm(each, "n") for each in study.arms}
    number = at.of_arm(at.arm, "n_level", context)
    mean = at.of_arm(at.arm, "mean", "sessions=attended")
    shown = {"received": rounding.count(number), "dose": rounding.fixed(mean, digits.mean), "offered": ""}[form]
    error = str(own["error"])
    difference = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
    cells = (
        *(rounding.count(value) for value in n.values()),
        shown,
        "not estimated" if error else difference,
        rounding.p_value(s["p_value"], digits.p_value),
        rounding.fixed(first["f_first_stage"], 1) if context else "",
    )
    notes = noted(error, str(own["warning"]))
    at.model.records.append(
        at.place
        | {"exposure": context.removeprefix("exposure="), **{f"n_{each}": value for each, value in n.items()}}
        | {"n_received": number, "mean_sessions": mean, **s, **first, "warning": own["warning"], "error": error}
    )
    return TableRow(at.label, cells, 1, notes)
