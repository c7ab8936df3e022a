"""Treatment effects under each assumption about those who dropped out, beside those of other analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks
from pipanalysis.estimate.reference_based import strategy_context

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value", "estimate_mcse", "missing_information")
STRATEGIES = {
    "mar": ("Missing at random", "as those of their arm who stayed"),
    "j2r": ("Jump to reference", "from then on at the mean of {reference}"),
    "cir": ("Copy increments in reference", "from then on as {reference} changes, from where their arm stood"),
    "cr": ("Copy reference", "as if they had been of {reference} from the start"),
    "lmcf": ("Last mean carried forward", "at the mean that their arm had at their last visit"),
}
"""strategy → its name, and what is assumed of those who dropped out"""


def imputation_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the table's analyses by outcome and visit: a row for each strategy, one for other methods."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    for arm in study.arms.values():
        model.columns += [Column(head, arm.label) for head in ("Observed", "Imputed", "Adjusted mean")]
    model.columns += [Column(f"Difference ({level})"), Column("P")]
    names = fill(study, table, results, model, _rows)
    model.notes = [*_notes(study, names), *model.notes, *table.footnotes]
    return model


def _notes(study: Study, names: list[str]) -> list[str]:
    unit, reference = study.config.study.unit, study.reference_arm.label
    others = study.terms.others
    used = dict.fromkeys(s for name in names for s in _strategies(study, name) if s)
    assumed = [f"{STRATEGIES[s][0]}: {STRATEGIES[s][1].format(reference=reference)}." for s in used]
    return [
        f"Difference: {others} minus {reference}. Observed, imputed: {unit}s of the arm with a value at the visit, and "
        f"without one. Adjusted mean after imputation: of all these {unit}s, of every arm, had they been in it.",
        f"What is assumed of those who miss a visit and all later ones. {' '.join(assumed)} Values missing before a "
        f"later one that is there are taken as missing at random, and so are those of {reference}"
        + (" unless the last mean is carried forward." if "lmcf" in used else "."),
        *_errors(study, names),
        *dict.fromkeys(method_sentence(study, name) for name in names),
    ]


def _errors(study: Study, names: list[str]) -> list[str]:
    """Return what the standard errors of each kind of imputation say."""
    chosen = [analysis(study, name) for name in names if analysis(study, name).method == "reference_based"]
    said = []
    if not all(one.imputations for one in chosen):
        said.append("those of conditional means say how far an estimate would vary in repeated trials")
    if any(one.imputations for one in chosen):
        said.append(
            "those of multiple imputation hold the information lost with missing values alike under every assumption, "
            "so they are larger where a reference is copied (Monte Carlo standard errors are in the CSV file)"
        )
    return [f"Standard errors behind the intervals: {'; '.join(said)}."] if said else []


def _strategies(study: Study, name: str) -> list[str]:
    chosen = analysis(study, name)
    return list(chosen.strategies) if chosen.method == "reference_based" else [""]


def _rows(at: Comparison) -> list[TableRow]:
    rows = []
    for strategy in _strategies(at.study, at.analysis):
        context = strategy_context(strategy) if strategy else ""
        own = at.row("estimate", context)
        if own is None:
            continue
        digits = at.study.displays.digits
        s = at.stats(EFFECT, context)
        cells: list[str] = []
        record = at.place | {"strategy": strategy}
        for each in at.study.arms:
            n = at.of_arm(each, "n")
            imputed = at.of_arm(each, "n_imputed")
            mean = at.of_arm(each, "estimate", context)
            cells += [rounding.count(n), rounding.count(imputed), rounding.fixed(mean, digits.estimate)]
            record |= {f"n_{each}": n, f"n_imputed_{each}": imputed, f"adjusted_mean_{each}": mean}
        error = str(own["error"])
        difference = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
        cells += ["not estimated" if error else difference, rounding.p_value(s["p_value"], digits.p_value)]
        at.model.records.append(record | {**s, "warning": own["warning"], "error": error})
        text = f"{at.label}, {STRATEGIES[strategy][0].lower()}" if strategy else at.label
        rows.append(TableRow(text, tuple(cells), 1, noted(error, str(own["warning"]))))
    return rows
