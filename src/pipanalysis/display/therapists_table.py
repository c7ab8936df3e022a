"""Treatment effects with therapists counted as clusters, beside analyses that ignore them, and how alike they are."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.effects_table import STATUS_NOTES
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks
from pipanalysis.estimate.therapist import CONTEXT

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EFFECT = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")
ICC = ("icc", "conf_low", "conf_high")


def therapists_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the table's analyses by outcome and visit, with the intraclass correlation of the therapists."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(study.plan.conf_level)} CI"
    model.columns = [Column("n", arm.label) for arm in study.arms.values()]
    heads = (f"Difference ({level})", "SE", "df", "P", "Therapists", f"ICC of therapists ({level})")
    model.columns += [Column(head) for head in heads]
    names = fill(study, table, results, model, _row)
    others = study.terms.others
    unit = study.config.study.unit
    model.notes = [
        f"Difference: {others} minus {study.reference_arm.label}. n: {unit}s in the model that are observed at the "
        f"visit. ICC: share of the variance within the arm that lies between therapists, with profile likelihood "
        f"limits. A {unit}'s therapist is the one whose sessions it attended most often; one that attended none is a "
        "cluster of its own.",
        *dict.fromkeys(method_sentence(study, name) for name in names),
        *model.notes,
        *table.footnotes,
    ]
    return model


def _row(at: Comparison) -> TableRow | None:
    digits = at.study.displays.digits
    own = at.row("estimate")
    if own is None:
        return None
    s = at.stats(EFFECT)
    n = {each: at.of_arm(each, "n") for each in at.study.arms}
    nested = analysis(at.study, at.analysis).method == "therapist"
    icc = at.results.stats(at.analysis, at.outcome.name, ICC, visit=at.visit, context=CONTEXT)
    seen = at.of_arm(at.arm, "n_therapists")
    difference = rounding.with_interval(s["estimate"], s["conf_low"], s["conf_high"], digits.estimate)
    error, status = str(own["error"]), at.fit_status
    cells = (
        *(rounding.count(value) for value in n.values()),
        "not estimated" if error else difference,
        rounding.fixed(s["std_error"], digits.estimate),
        rounding.fixed(s["df"], 1),
        rounding.p_value(s["p_value"], digits.p_value),
        rounding.count(seen) if isfinite(seen) else "",
        rounding.with_interval(icc["icc"], icc["conf_low"], icc["conf_high"], 2) if nested else "ignored",
    )
    said = "" if status is None else STATUS_NOTES.get(str(status["stat_label"]), "")
    if status is not None and str(status["stat_label"]) == "boundary" and nested:
        said = ""  # the warning says which variance, and what was done
    notes = noted(error, said, str(own["warning"]))
    variances = {f"icc_{key.removeprefix('icc_')}": value for key, value in icc.items() if key != "icc"}
    at.model.records.append(
        at.place
        | {f"n_{each}": value for each, value in n.items()}
        | {**s, "n_therapists": seen, "icc": icc["icc"], **variances}
        | {"warning": own["warning"], "error": error}
    )
    return TableRow(at.label, cells, 1, notes)
