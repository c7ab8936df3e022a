"""Non-inferiority and equivalence: differences against their margins, by outcome and visit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.by_visit import Comparison, fill
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Margin

EFFECT = ("estimate", "conf_low", "conf_high")
AGAINST = (
    "margin",
    "p_value_noninferiority",
    "p_value_nonsuperiority",
    "p_value_equivalence",
    "shows_noninferiority",
    "shows_equivalence",
    "shows_inferiority",
)


def margins_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out what the table's analyses say of their margins."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = rounding.level(study.plan.conf_level)
    heads = ("Margin: interval must lie", "P, worse by the margin", "P, better by the margin", "The interval shows")
    model.columns = [Column(f"Difference ({level} CI)"), *(Column(head) for head in heads)]
    asked = {margin.outcome for name in table.analyses for margin in analysis(study, name).margins}
    chosen = [name for name in study.outcomes if name in asked and (table.outcomes == "all" or name in table.outcomes)]
    names = fill(study, table.model_copy(update={"outcomes": chosen}), results, model, _row)
    others = study.terms.others
    one_sided = rounding.fixed(50 * (1 - study.plan.conf_level), 2).rstrip("0").rstrip(".")
    model.notes = [
        f"Difference: {others} minus {study.reference_arm.label}, in units of the outcome. Margin: where the whole "
        "interval must lie for what the plan asks of the outcome, non-inferiority (one limit, on the side that is "
        "worse) or equivalence (two). P: one-sided, against a difference as bad as the margin and against one as good; "
        f"each test is at {one_sided}%, as the two limits of the two-sided {level} interval are, so the interval "
        "decides. Non-inferior: the interval leaves out all that is worse than the margin. Equivalent: it lies within "
        "the margins on both sides. Inferior: all of it is worse than the margin.",
        *dict.fromkeys(method_sentence(study, name) for name in names),
        *model.notes,
        *table.footnotes,
    ]
    return model


def _row(at: Comparison) -> TableRow | None:
    margin = next((m for m in analysis(at.study, at.analysis).margins if m.outcome == at.outcome.name), None)
    if margin is None:
        return None
    own = at.row("margin", f"margin={margin.kind}")
    if own is None:
        return None
    effect = at.stats(EFFECT)
    against = at.stats(AGAINST, f"margin={margin.kind}")
    digits, p = at.study.displays.digits, at.study.displays.digits.p_value
    shown = conclusion(against, margin.kind)
    cells = (
        rounding.with_interval(effect["estimate"], effect["conf_low"], effect["conf_high"], digits.estimate),
        bounds(margin, at.study.scores[at.outcome.score].better) + (" (assumed)" if margin.status == "assumed" else ""),
        rounding.p_value(against["p_value_noninferiority"], p),
        rounding.p_value(against["p_value_nonsuperiority"], p),
        shown,
    )
    notes = noted(str(own["error"]), str(own["warning"]))
    at.model.records.append(at.place | {"kind": margin.kind, **effect, **against, "shown": shown})
    return TableRow(at.label, cells, 1, notes)


def bounds(margin: Margin, better: str | None) -> str:
    """Return where the interval of the difference must lie for what the margin is for."""
    if margin.kind == "equivalence":
        return f"{rounding.MINUS}{margin.margin:g} to {margin.margin:g}"
    return f"above {rounding.MINUS}{margin.margin:g}" if better == "higher" else f"below {margin.margin:g}"


def conclusion(against: dict[str, float], kind: str) -> str:
    """Return in words what the results say of a margin."""
    if against["shows_inferiority"] == 1:
        return "inferior"
    asked = "shows_equivalence" if kind == "equivalence" else "shows_noninferiority"
    words = {"shows_equivalence": "equivalent", "shows_noninferiority": "non-inferior"}
    if against[asked] == 1:
        return words[asked]
    if kind == "equivalence" and against["shows_noninferiority"] == 1:
        return "non-inferior; equivalence not shown"
    return f"{kind.replace('_', '-')} not shown" if against[asked] == 0 else rounding.ABSENT
