"""Tables that describe: participants at baseline, and outcomes by arm and visit."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow
from pipanalysis.display.wording import characteristic_label, level_labels, marks, outcome_label
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

CONTINUOUS = ("n", "n_missing", "mean", "sd", "median", "q1", "q3", "min", "max")
LEVEL = ("n_level", "percent")
EVERYONE = ""
"""the arm of rows that describe all arms together"""


def baseline_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out baseline characteristics by arm, over all, and how far the arms differ."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    arms = [*study.arms, EVERYONE]
    contrasts = [contrast_name(arm, study.reference_arm.name) for arm in list(study.arms)[1:]]
    group = RowGroup("")
    sizes: dict[str, float] = {}
    for name in table.analyses:
        model.lead.append(method_sentence(study, name))
        for characteristic in study.plan.baseline_characteristics:
            visit = study.baseline_visit.name if characteristic in study.scores and study.baseline_visit else ""
            lines = _described(study, results, name, characteristic, visit, arms)
            if lines is None:
                continue
            for arm in arms:
                found = results.stats(name, characteristic, ("n", "n_missing"), visit=visit, arm=arm)
                sizes[arm] = sum(found.values())
            label = characteristic_label(study, characteristic)
            differences = [
                results.stat(name, characteristic, "std_difference", visit=visit, contrast=contrast)
                for contrast in contrasts
            ]
            shown = tuple(rounding.fixed(value, study.displays.digits.effect_size) for value in differences)
            blank = ("",) * len(contrasts)
            first, *rest = lines
            if len(first[1]) == 0:
                group.rows.append(TableRow(f"{label}, n (%)", ("",) * len(arms) + shown))
            else:
                group.rows.append(TableRow(f"{label}, mean (SD)", first[1] + shown))
            group.rows += [TableRow(text, cells + blank, 1) for text, cells in rest]
            model.records += _records(study, results, name, characteristic, label, characteristic, visit, arms)
    model.groups.append(group)
    model.columns = [
        Column(f"{study.arms[arm].label if arm else 'All'} (N = {rounding.count(sizes.get(arm, 0))})") for arm in arms
    ]
    model.columns += [
        Column("Standardised difference", "" if len(contrasts) == 1 else study.arms[arm].label)
        for arm in list(study.arms)[1:]
    ]
    model.notes += [
        "Percentages, means and standard deviations are of those with a value.",
        "Standardised difference: difference of means over the root mean of the two variances; of a category, the "
        "distance between its proportions in the same scale, which has no sign. No test is made: differences at "
        "baseline between randomised arms are due to chance.",
        *table.footnotes,
    ]
    return model


def _described(
    study: Study, results: ResultsIndex, analysis: str, characteristic: str, visit: str, arms: list[str]
) -> list[tuple[str, tuple[str, ...]]] | None:
    """Return label and cells of each line of a variable; the first without cells where it has levels."""
    if all(results.row(analysis, characteristic, "n", visit=visit, arm=arm) is None for arm in arms):
        return None
    digits = study.displays.digits.of(characteristic)
    levels = _levels(study, results, analysis, characteristic, characteristic)
    lines: list[tuple[str, tuple[str, ...]]] = []
    if levels:
        lines.append(("", ()))
        for level in levels:
            cells = []
            for arm in arms:
                n, percent = results.stats(
                    analysis, characteristic, LEVEL, visit=visit, arm=arm, context=level
                ).values()
                cells.append(rounding.with_percent(n, percent, digits.percent))
            lines.append((level.removeprefix("level="), tuple(cells)))
    else:
        cells = []
        for arm in arms:
            mean, sd = results.stats(analysis, characteristic, ("mean", "sd"), visit=visit, arm=arm).values()
            cells.append(rounding.with_spread(mean, sd, digits.mean, digits.sd))
        lines.append(("", tuple(cells)))
    missing = [results.stat(analysis, characteristic, "n_missing", visit=visit, arm=arm) for arm in arms]
    if any(isfinite(n) and n > 0 for n in missing):
        lines.append(("Missing", tuple(rounding.count(n) for n in missing)))
    return lines


def _levels(study: Study, results: ResultsIndex, analysis: str, outcome: str, source: str) -> list[str]:
    """Return the contexts of a variable's levels, in the order of the configuration; `source` is score or variable."""
    order = {f"level={label}": i for i, label in enumerate(level_labels(study, source))}
    found = [context for context in results.contexts(analysis, outcome) if context.startswith("level=")]
    return sorted(found, key=lambda context: order.get(context, len(order)))


def outcomes_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the outcomes by arm and visit."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    model.lead = [method_sentence(study, name) for name in table.analyses]
    for arm in study.arms.values():
        model.columns += [
            Column("n (missing)", arm.label),
            Column("Mean (SD) or n (%)", arm.label),
            Column("Median (quartiles)", arm.label),
        ]
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain != domain.name or not (table.outcomes == "all" or outcome.name in table.outcomes):
                continue
            for name in table.analyses:
                visits = results.visits(name, outcome.name)
                shown = [v for v in study.visits if v in visits and (table.visits == "all" or v in table.visits)]
                if not shown:
                    continue
                group.rows.append(TableRow(outcome_label(study, outcome)))
                for visit in shown:
                    group.rows += _at_visit(study, results, name, outcome, visit)
                    model.records += _records(
                        study,
                        results,
                        name,
                        outcome.name,
                        outcome.label,
                        outcome.score,
                        visit,
                        list(study.arms),
                        domain.label,
                    )
        model.groups.append(group)
    shares = any("%" in cell for group in model.groups for row in group.rows for cell in row.cells)
    model.notes = [
        f"n: {study.config.study.unit}s with a value; missing: those of the analysis set without one."
        + (" Percentages are of those with a value." if shares else ""),
        *table.footnotes,
    ]
    return model


def _at_visit(study: Study, results: ResultsIndex, analysis: str, outcome: Outcome, visit: str) -> list[TableRow]:
    digits = study.displays.digits.of(outcome.score)
    levels = _levels(study, results, analysis, outcome.name, outcome.score)
    first: list[str] = []
    by_level: dict[str, list[str]] = {level: [] for level in levels}
    for arm in study.arms:
        s = results.stats(analysis, outcome.name, CONTINUOUS, visit=visit, arm=arm)
        first.append(f"{rounding.count(s['n'])} ({rounding.count(s['n_missing'])})")
        if levels:
            first += ["", ""]
            for level in levels:
                n, percent = results.stats(analysis, outcome.name, LEVEL, visit=visit, arm=arm, context=level).values()
                by_level[level] += ["", rounding.with_percent(n, percent, digits.percent), ""]
        else:
            first.append(rounding.with_spread(s["mean"], s["sd"], digits.mean, digits.sd))
            quartiles = rounding.interval(s["q1"], s["q3"], digits.mean)
            median = rounding.fixed(s["median"], digits.mean)
            first.append(f"{median} ({quartiles})" if isfinite(s["median"]) else rounding.ABSENT)
    rows = [TableRow(study.visits[visit].label, tuple(first), 1)]
    return rows + [TableRow(level.removeprefix("level="), tuple(cells), 2) for level, cells in by_level.items()]


def _records(
    study: Study,
    results: ResultsIndex,
    analysis: str,
    outcome: str,
    label: str,
    source: str,
    visit: str,
    arms: list[str],
    domain: str = "",
) -> list[dict[str, Any]]:
    """Return the numbers of a variable at full precision, one record per arm and level."""
    levels = ["", *_levels(study, results, analysis, outcome, source)]
    records = []
    for arm in arms:
        for level in levels:
            names = LEVEL if level else CONTINUOUS
            found = results.stats(analysis, outcome, names, visit=visit, arm=arm, context=level)
            records.append(
                {
                    "analysis": analysis,
                    **({"domain": domain} if domain else {}),
                    "variable": outcome,
                    "label": label,
                    "visit": visit,
                    "arm": arm or "all",
                    "level": level.removeprefix("level="),
                    **dict.fromkeys((*CONTINUOUS, *LEVEL)),
                    **found,
                }
            )
    if not domain:
        for arm in list(study.arms)[1:]:
            contrast = contrast_name(arm, study.reference_arm.name)
            value = results.stat(analysis, outcome, "std_difference", visit=visit, contrast=contrast)
            records.append({**dict.fromkeys(records[0]), "analysis": analysis, "variable": outcome, "label": label})
            records[-1] |= {"visit": visit, "arm": contrast, "std_difference": value}
    return records
