"""How well each score measures: internal consistency, floor and ceiling, agreement of coders; all arms together."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

CONSISTENCY = ("n_items", "n_complete", "alpha", "conf_low", "conf_high", "omega")
FLOOR_CEILING = ("n", "n_floor", "percent_floor", "n_ceiling", "percent_ceiling")
AGREEMENT = ("n_pairs", "percent_agreement", "icc_agreement", "kappa", "conf_low", "conf_high")
TWICE = "coder_agreement"
"""context of the agreement of forms that were coded twice"""
ALL_VISITS = ""
"""the visit of agreement at all visits together"""


def measurement_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the measurement analyses of the table: a group an instrument, a row a score and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    level = f"{rounding.level(study.plan.conf_level)} CI"
    model.columns = [
        Column("n", "Scores"),
        Column("Lowest possible, n (%)", "Scores"),
        Column("Highest possible, n (%)", "Scores"),
        Column("Complete forms", "Items"),
        Column(f"Cronbach's alpha ({level})", "Items"),
        Column("McDonald's omega", "Items"),
        Column("Forms", "Coded twice"),
        Column("Agree exactly", "Coded twice"),
        Column(f"ICC or kappa ({level})", "Coded twice"),
    ]
    for name in table.analyses:
        for instrument in study.instruments.values():
            group = RowGroup(instrument.label)
            for score, its in instrument.scores.items():
                outcome = f"{instrument.name}.{score}"
                visits = [v for v in study.visits if table.visits == "all" or v in table.visits]
                coded = [v for v in study.visits if results.has(name, outcome, "n_pairs", visit=v, context=TWICE)]
                # Coded at one visit alone, all visits together would say the same again.
                places = visits if len(coded) == 1 and coded[0] in visits else [*visits, ALL_VISITS]
                rows = [_row(study, results, model, name, outcome, visit) for visit in places]
                if shown := [row for row in rows if row is not None]:
                    given = (
                        results.stat(name, outcome, "n_items", visit=v, context="internal_consistency") for v in visits
                    )
                    items = next((f" ({rounding.count(n)} items)" for n in given if isfinite(n)), "")
                    group.rows += [TableRow(its.label + items), *shown]
            if group.rows:
                model.groups.append(group)
    model.notes += [
        "Cronbach's alpha: of forms without a missing item, reversed by the key; limits of Feldt (1965). "
        "McDonald's omega: of the same forms, one common factor (minimum residuals). ICC: two-way "
        "random effects, absolute agreement of single codings, ICC(A,1), with limits of McGraw and Wong (1996); "
        "categories: Cohen's kappa, limits by the large-sample standard error of Fleiss, Cohen and Everitt (1969).",
        *table.footnotes,
    ]
    return model


def _row(
    study: Study, results: ResultsIndex, model: TableModel, name: str, outcome: str, visit: str
) -> TableRow | None:
    """Return the row of a score at a visit, None where nothing was found out about it there."""
    digits = study.displays.digits
    alpha = results.stats(name, outcome, CONSISTENCY, visit=visit, context="internal_consistency")
    limits = results.stats(name, outcome, FLOOR_CEILING, visit=visit, context="floor_ceiling")
    pairs = results.stats(name, outcome, AGREEMENT, visit=visit, context=TWICE)
    if not any(isfinite(value) for found in (alpha, limits, pairs) for value in found.values()):
        return None
    model.records.append(
        {"analysis": name, "score": outcome, "visit": visit or "all"}
        | {f"{key}_alpha" if key.startswith("conf") else key: value for key, value in alpha.items()}
        | limits
        | {f"{key}_agreement" if key.startswith("conf") else key: value for key, value in pairs.items()}
    )
    agreement = pairs["icc_agreement"] if isfinite(pairs["icc_agreement"]) else pairs["kappa"]
    share = f"{rounding.fixed(pairs['percent_agreement'], digits.percent)}%"
    cells = (
        _if(limits["n"], rounding.count(limits["n"])),
        _if(limits["n"], rounding.with_percent(limits["n_floor"], limits["percent_floor"], digits.percent)),
        _if(limits["n"], rounding.with_percent(limits["n_ceiling"], limits["percent_ceiling"], digits.percent)),
        _if(alpha["n_complete"], rounding.count(alpha["n_complete"])),
        _if(alpha["n_complete"], _interval(alpha["alpha"], alpha, digits.effect_size)),
        _if(alpha["n_complete"], rounding.fixed(alpha["omega"], digits.effect_size)),
        _if(pairs["n_pairs"], rounding.count(pairs["n_pairs"])),
        _if(pairs["n_pairs"], share if isfinite(pairs["percent_agreement"]) else rounding.ABSENT),
        _if(pairs["n_pairs"], _interval(agreement, pairs, digits.effect_size)),
    )
    note = _note(results, name, outcome, visit)
    notes = noted(note)
    label = study.visits[visit].label if visit else "All visits together"
    return TableRow(label, cells, 1, notes)


def _if(known: float, text: str) -> str:
    """Return the text where there is something to say, and an empty cell where the question does not arise."""
    return text if isfinite(known) else ""


def _interval(value: float, s: dict[str, float], digits: int) -> str:
    return rounding.with_interval(value, s["conf_low"], s["conf_high"], digits)


def _note(results: ResultsIndex, name: str, outcome: str, visit: str) -> str:
    """Return warnings and errors of the score's coefficients at a visit."""
    said = []
    for stat_name in ("alpha", "omega", "icc_agreement", "kappa"):
        for row in results.rows(name, outcome, stat_name):
            if row["visit"] == visit:
                said += [str(row["warning"]), str(row["error"])]
    return "; ".join(text for text in dict.fromkeys(said) if text)
