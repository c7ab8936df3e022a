"""How the roles of a dyad change together, and the treatment effects by role: two groups of rows per analysis."""

from __future__ import annotations

from itertools import combinations
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks
from pipanalysis.estimate.dyadic import pair_context
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")
ASSOCIATION = ("association", "conf_low", "conf_high", "p_value", "n_units", "n_missing")
DIGITS = 2
"""of correlations and of effects in standard deviations"""


def dyadic_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the associations of each two roles by visit, and the effects by role with their differences."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    others = list(study.arms)[1:]
    model.columns = [Column(f"Correlation ({level})", arm.label) for arm in study.arms.values()]
    model.columns += [Column(f"Correlation ({level})", "Both arms" if len(others) == 1 else "All arms")]
    for arm in others:
        spanner = "Difference" if len(others) == 1 else f"Difference, {study.arms[arm].label}"
        model.columns += [Column(f"({level})", spanner), Column("P", spanner)]
    for name in table.analyses:
        chosen = analysis(study, name)
        outcome = "+".join(role.outcome for role in chosen.dyad)
        at = [v for v in study.visits if v in results.visits(name, outcome)]
        visits = [visit for visit in at if table.visits == "all" or visit in table.visits]
        effects = RowGroup("Treatment effects by role, in standard deviations at baseline, better outcomes above zero")
        together = RowGroup("Correlations of the roles' changes; covariance between arms")
        for visit in visits:
            effects.rows += _effect_rows(study, results, model, chosen, outcome, visit)
            together.rows += _association_rows(study, results, model, chosen, outcome, visit)
        model.groups += [effects, together]
    roles = [role for name in table.analyses for role in analysis(study, name).dyad]
    unit = study.config.study.unit
    model.notes = [
        "Exploratory. Every outcome is turned so that higher is better. Correlations are of the outcomes given both "
        f"roles' baselines, and those of both arms given the arm too; n: {unit}s with both outcomes and baselines. "
        "Covariance between arms: the share of the arm times that of the other times the product of the two treatment "
        "effects, in standard deviations at baseline, which are taken as known. P: of a difference between arms or "
        "roles, and of an interaction of arm and role. No P value here is adjusted for how many there are.",
        *(f"{role.label}: {study.outcomes[role.outcome].label}." for role in roles),
        *(method_sentence(study, name) for name in table.analyses),
        *table.footnotes,
    ]
    return model


def _blank(study: Study) -> list[str]:
    return [""] * (len(study.arms) + 1)


def _effect_rows(
    study: Study, results: ResultsIndex, model: TableModel, chosen: Analysis, outcome: str, visit: str
) -> list[TableRow]:
    digits, arms = study.displays.digits, list(study.arms)
    fit = results.row(chosen.name, outcome, "p_value_interaction", visit=visit)
    notes = () if fit is None else noted(str(fit["error"]), str(fit["warning"]))
    rows = [TableRow(study.visits[visit].label, notes=notes)]
    lines = [(f"role={role.name}", role.label) for role in chosen.dyad]
    lines += [
        (f"roles={a.name} - {b.name}", f"{a.name.capitalize()} minus {b.name}") for a, b in combinations(chosen.dyad, 2)
    ]
    for context, label in lines:
        cells = _blank(study)
        units = {arm: results.stat(chosen.name, outcome, "n", visit=visit, arm=arm, context=context) for arm in arms}
        for i, n in enumerate(units.values()):
            cells[i] = f"n = {rounding.count(n)}" if isfinite(n) else ""
        for arm in list(study.arms)[1:]:
            contrast = contrast_name(arm, study.reference_arm.name)
            s = results.stats(chosen.name, outcome, EFFECT, visit=visit, contrast=contrast, context=context)
            shown = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], DIGITS)
            cells += [shown if isfinite(s["estimate"]) else "not estimated"]
            cells += [rounding.p_value(s["p_value"], digits.p_value)]
            known = {f"n_{arm}": n for arm, n in units.items() if isfinite(n)}
            model.records.append(_record(chosen, outcome, visit, contrast, context) | s | known)
        rows.append(TableRow(label, tuple(cells), 1))
    if fit is not None and len(chosen.dyad) > 2:
        p = rounding.p_value(float(fit["stat"]), digits.p_value)
        blank = [""] * (2 * (len(study.arms) - 1) - 1)
        rows.append(TableRow("The same effect in all roles", (*_blank(study), *blank, p), 1))
        record = _record(chosen, outcome, visit, "", "roles=all") | {"p_value_interaction": float(fit["stat"])}
        model.records.append(record)
    return rows


def _association_rows(
    study: Study, results: ResultsIndex, model: TableModel, chosen: Analysis, outcome: str, visit: str
) -> list[TableRow]:
    digits, reference = study.displays.digits, study.reference_arm.name
    rows = [TableRow(study.visits[visit].label)]
    for a, b in combinations(chosen.dyad, 2):
        context = pair_context(a.name, b.name)
        cells, missing = [], []
        for arm in (*study.arms, ""):
            s = results.stats(chosen.name, outcome, ASSOCIATION, visit=visit, arm=arm, context=context)
            shown = rounding.with_interval(s["association"], s["conf_low"], s["conf_high"], DIGITS)
            cells.append(f"{shown}; n = {rounding.count(s['n_units'])}")
            missing.append(s["n_missing"])
            model.records.append(_record(chosen, outcome, visit, "", context) | {"arm": arm} | s)
        covariances: list[str] = []
        for arm in list(study.arms)[1:]:
            where = {"visit": visit, "contrast": contrast_name(arm, reference)}
            s = results.stats(chosen.name, outcome, ASSOCIATION, **where, context=context)
            shown = rounding.with_interval(s["association"], s["conf_low"], s["conf_high"], DIGITS)
            cells += [shown, rounding.p_value(s["p_value"], digits.p_value)]
            model.records.append(_record(chosen, outcome, visit, where["contrast"], context) | s)
            between = f"between={a.name},{b.name}"
            c = results.stats(chosen.name, outcome, ("estimate", "conf_low", "conf_high"), **where, context=between)
            covariances += [rounding.with_interval(c["estimate"], c["conf_low"], c["conf_high"], DIGITS), ""]
            model.records.append(_record(chosen, outcome, visit, where["contrast"], between) | c)
        label = f"{a.name.capitalize()} and {b.name}"
        absent = counted(int(missing[-1]), study.config.study.unit) if isfinite(missing[-1]) else rounding.ABSENT
        rows.append(TableRow(label, tuple(cells), 1, noted(f"without both: {absent}")))
        rows.append(TableRow("covariance between arms", (*_blank(study), *covariances), 2))
    return rows


def _record(chosen: Analysis, outcome: str, visit: str, contrast: str, context: str) -> dict[str, Any]:
    return {"analysis": chosen.name, "outcome": outcome, "visit": visit, "contrast": contrast, "context": context}
