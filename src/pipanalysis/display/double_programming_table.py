"""Double programming: every estimate of two programs side by side, and how far they differ."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis, marks, outcome_label
from pipanalysis.estimate.double_programming import repeated_context
from pipanalysis.study.contrasts import compared_arm, reference_arm

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

RELATIVE = "Relative difference"
COMPARED = ("estimate", "std_error")
DIGITS = 4
"""of estimates and standard errors: more than a paper needs, so that agreement can be seen"""


def double_programming_table(
    study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]
) -> TableModel:
    """Lay out the first and second estimates of the table's analyses by the analysis repeated, outcome and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.columns = [
        *(Column(head, program) for program in ("First program", "Second program") for head in ("Estimate", "SE")),
        Column("Between arms", RELATIVE),
        Column("Adjusted means", RELATIVE),
    ]
    largest, visits = 0.0, list(study.visits)
    repeated = []
    for ours in table.analyses:
        for name in analysis(study, ours).analyses:
            group = RowGroup(f"{analysis(study, name).label} ({analysis(study, name).role})")
            for outcome in study.plan.outcomes:
                if not (table.outcomes == "all" or outcome.name in table.outcomes):
                    continue
                rows = []
                differences = [
                    found
                    for found in results.rows(ours, outcome.name, "max_relative_difference")
                    if f"{found['context']}; ".startswith(f"{repeated_context(name)}; ")
                ]
                largest = max([largest, *(found["stat"] for found in differences if isfinite(found["stat"]))])
                for found in sorted(differences, key=lambda row: visits.index(str(row["visit"]))):
                    if found["contrast"]:
                        means = [row for row in differences if _is_mean_of(row, found)]
                        rows.append(_row(study, results, model, ours, name, outcome.name, found, means))
                if rows:
                    group.rows += [TableRow(outcome_label(study, outcome)), *rows]
            model.groups.append(group)
            repeated.append(name)
    model.notes = [
        "Relative difference: the largest of those of the estimates (over the first standard error; ratios by their "
        "logarithms), of the standard errors (of a ratio: of its logarithm) and of the degrees of freedom; beside that "
        "of the difference between arms, that of the adjusted means of the arms compared, where the table of the "
        f"analysis has them. The largest here is {rounding.power_of_ten(largest)}.",
        *dict.fromkeys(method_sentence(study, name) for name in [*table.analyses, *repeated]),
        *table.footnotes,
    ]
    return model


def _is_mean_of(row: dict[str, Any], found: dict[str, Any]) -> bool:
    """Return whether a row is of the adjusted mean of an arm that is compared, at its visit."""
    contrast = str(found["contrast"])
    compared = (compared_arm(contrast), reference_arm(contrast))
    return not row["contrast"] and row["visit"] == found["visit"] and row["arm"] in compared


def _row(
    study: Study,
    results: ResultsIndex,
    model: TableModel,
    ours: str,
    name: str,
    outcome: str,
    found: dict[str, Any],
    means: list[dict[str, Any]],
) -> TableRow:
    visit, contrast, context = str(found["visit"]), str(found["contrast"]), str(found["context"])
    plain = context.removeprefix(repeated_context(name)).removeprefix("; ")
    first = results.stats(name, outcome, COMPARED, visit=visit, contrast=contrast, context=plain)
    second = results.stats(ours, outcome, COMPARED, visit=visit, contrast=contrast, context=context)
    words = [study.visits[visit].label]
    words += [f"{part.partition('=')[2].replace('_', ' ')}" for part in plain.split("; ") if part]
    if len(study.arms) > 2:
        words.append(study.arms[compared_arm(contrast)].label)
    own = results.row(ours, outcome, "estimate", visit=visit, contrast=contrast, context=context)
    said = [str(row["warning"]) for row in (own, found, *means) if row is not None]
    notes = noted(*dict.fromkeys(said))
    cells = [rounding.fixed(one[stat], DIGITS) for one in (first, second) for stat in COMPARED]
    of_means = max((float(row["stat"]) for row in means), default=nan, key=lambda stat: stat if isfinite(stat) else inf)
    cells += [rounding.power_of_ten(stat) for stat in (float(found["stat"]), of_means)]
    model.records.append(
        {"analysis": name, "outcome": outcome, "visit": visit, "contrast": contrast, "context": plain}
        | {f"first_{stat}": first[stat] for stat in COMPARED}
        | {f"second_{stat}": second[stat] for stat in COMPARED}
        | {"max_relative_difference": found["stat"], "max_relative_difference_of_means": of_means}
    )
    return TableRow(", ".join(words), tuple(cells), 1, notes)
