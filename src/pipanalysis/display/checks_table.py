"""Assumptions of the mixed models: residuals, influence of single units, and covariance structures."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis_label, marks, outcome_label
from pipanalysis.estimate.checks import INFLUENCE, RESIDUALS, SPHERICITY, SPREAD, structure_context
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

NORMALITY = ("shapiro_w", "p_value", "skewness", "kurtosis")
TAILS = (0.05, 0.95)
CRITERIA = ("n_covariance_parameters", "aic", "bic", "lr_statistic", "lr_df", "p_value")
MAUCHLY = ("sphericity_w", "p_value", "epsilon")
LEFT_OUT = ("estimate_least", "estimate_greatest", "n_conclusions_changed")


def checks_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the checks: a group a domain, a row an outcome and below it a row a visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = list(dict.fromkeys(method_sentence(study, name) for name in table.analyses))
    unit = study.config.study.unit
    model.columns = [
        Column("Shapiro-Wilk W (P)", "Residuals"),
        Column("Skewness", "Residuals"),
        Column("5% and 95% quantile", "Residuals"),
        Column("Slope of size on mean (P)", "Spread"),
        Column("Ratio of SDs (P)", "Spread"),
        Column("Greatest Cook's distance", f"Any one {unit} left out"),
        Column("Difference, least to greatest", f"Any one {unit} left out"),
        Column("Conclusions changed", f"Any one {unit} left out"),
        Column("AIC (P against the planned one)", "Covariance of the visits", numbers=False),
    ]
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain == domain.name and (table.outcomes == "all" or outcome.name in table.outcomes):
                for name in table.analyses:
                    group.rows += _rows(study, table, results, model, name, outcome)
        if group.rows:
            model.groups.append(group)
    others = study.terms.others
    limit = rounding.fixed(1.6448536269514722, 2)
    sphericity = any(isfinite(record.get("sphericity_w", nan)) for record in model.records)
    model.notes = [
        "Residuals: of all visits together, freed of their correlation and each of variance 1; a normal distribution "
        f"has W near 1, skewness 0 and these quantiles at {rounding.MINUS}{limit} and {limit}. With few "
        f"{unit}s a test of normality finds gross departures alone, and with many it finds ones that do not matter.",
        "Slope: of the root of the residuals' size on the fitted mean, per standard deviation of it; 0 where the "
        f"spread does not depend on the mean. Ratio of SDs: {others} to {study.reference_arm.label}; P of Brown and "
        "Forsythe.",
        f"Any one {unit} left out: at the fitted covariance. Conclusions changed: {unit}s without any one of which the "
        "interval of the difference would come to include zero, or no longer include it.",
        "Covariance: Akaike's criterion, less is better; the likelihood ratio test against the planned structure. "
        "Structures that are the same model with so few visits are not fitted."
        + (" Mauchly's test of sphericity: what an analysis of variance would assume." if sphericity else ""),
        "The planned analysis stands whatever these checks find.",
        *table.footnotes,
    ]
    return model


def _rows(
    study: Study, table: Table, results: ResultsIndex, model: TableModel, name: str, outcome: Outcome
) -> list[TableRow]:
    status = results.row(name, outcome.name, "fit_status")
    if status is None:
        return []
    label = outcome_label(study, outcome)
    label += f": {analysis_label(study, name)}" if len({analysis_label(study, n) for n in table.analyses}) > 1 else ""
    found = results.stats(name, outcome.name, NORMALITY, context=RESIDUALS)
    if not isfinite(found["shapiro_w"]):
        return [TableRow(label, ("",) * 9, notes=noted(str(status["error"]) or "not checked"))]
    digits = study.displays.digits
    tails = [results.stat(name, outcome.name, "residual_quantile", context=f"{RESIDUALS} p={p:.2f}") for p in TAILS]
    cooks = results.row(name, outcome.name, "max_cooks_distance", context=INFLUENCE)
    greatest, said = (float("nan"), "") if cooks is None else (float(cooks["stat"]), str(cooks["warning"]))
    start = {"analysis": name, "outcome": outcome.name, "visit": "", "contrast": ""}
    quantiles = dict(zip(("quantile_5", "quantile_95"), tails, strict=True))
    model.records.append(start | found | quantiles | {"max_cooks_distance": greatest})
    cells = (
        _with_p(found["shapiro_w"], found["p_value"], 3, digits.p_value),
        rounding.fixed(found["skewness"], 2),
        " and ".join(rounding.fixed(value, 2) for value in tails),
        "",
        "",
        rounding.fixed(greatest, 2),
        "",
        "",
        _structures(study, results, model, name, outcome.name),
    )
    notes = noted(said)
    rows = [TableRow(label, cells, notes=notes)]
    for visit in study.visits:
        if visit in results.visits(name, outcome.name) and (table.visits == "all" or visit in table.visits):
            rows += _visit_rows(study, results, model, name, outcome.name, visit)
    return rows


def _visit_rows(
    study: Study, results: ResultsIndex, model: TableModel, name: str, outcome: str, visit: str
) -> list[TableRow]:
    digits, rows = study.displays.digits, []
    slope = results.stats(name, outcome, ("scale_slope", "p_value"), visit=visit, context=SPREAD)
    for arm in list(study.arms)[1:]:
        at = {"visit": visit, "contrast": contrast_name(arm, study.reference_arm.name)}
        ratio = results.stats(name, outcome, ("sd_ratio", "p_value"), context=SPREAD, **at)
        left = results.stats(name, outcome, LEFT_OUT, context=INFLUENCE, **at)
        if not isfinite(ratio["sd_ratio"]):
            continue
        cells = (
            "",
            "",
            "",
            _with_p(slope["scale_slope"], slope["p_value"], 2, digits.p_value),
            _with_p(ratio["sd_ratio"], ratio["p_value"], 2, digits.p_value),
            "",
            rounding.interval(left["estimate_least"], left["estimate_greatest"], digits.estimate),
            rounding.count(left["n_conclusions_changed"]),
            "",
        )
        label = study.visits[visit].label + (f", {study.arms[arm].label}" if len(study.arms) > 2 else "")
        rows.append(TableRow(label, cells, 1))
        spread = {"scale_slope": slope["scale_slope"], "p_value_slope": slope["p_value"]}
        spread |= {"sd_ratio": ratio["sd_ratio"], "p_value_ratio": ratio["p_value"]}
        model.records.append({"analysis": name, "outcome": outcome} | at | spread | left)
    return rows


def _structures(study: Study, results: ResultsIndex, model: TableModel, name: str, outcome: str) -> str:
    """Return the structures that were fitted with their AIC, and P against the planned one."""
    shown = []
    for structure, label in STRUCTURE_NAMES.items():
        context = structure_context(structure)
        own = results.row(name, outcome, "aic", context=context)
        if own is None:
            continue
        s = results.stats(name, outcome, CRITERIA, context=context)
        p = f" (P {_p(s['p_value'], study.displays.digits.p_value)})" if isfinite(s["p_value"]) else ""
        shown.append(f"{label} {rounding.fixed(s['aic'], 1)}{p}" if isfinite(s["aic"]) else f"{label}: not fitted")
        model.records.append({"analysis": name, "outcome": outcome, "visit": "", "structure": structure} | s)
    found = results.stats(name, outcome, MAUCHLY, context=SPHERICITY)
    if isfinite(found["sphericity_w"]):
        p_digits = study.displays.digits.p_value
        shown.append(f"Mauchly's W {_with_p(found['sphericity_w'], found['p_value'], 2, p_digits)}")
        model.records.append({"analysis": name, "outcome": outcome, "visit": ""} | found)
    return "; ".join(shown)


def _with_p(value: float, p_value: float, digits: int, p_digits: int) -> str:
    if not isfinite(value):
        return rounding.ABSENT
    return f"{rounding.fixed(value, digits)} ({rounding.p_value(p_value, p_digits)})"


def _p(value: float, digits: int) -> str:
    text = rounding.p_value(value, digits)
    return text if text.startswith(("<", ">")) else f"= {text}"
