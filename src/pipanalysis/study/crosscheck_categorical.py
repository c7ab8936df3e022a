"""Checks of the analyses of binary, ordinal, nominal and count outcomes, and of the tables that show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.displays import OF_ANY_METHOD
from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

METHODS_OF_TABLE = {"risks": ("logistic", "gee"), "categories": ("ordinal", "nominal"), "counts": ("count",)}
"""tables that show analyses by certain methods alone, which no other table of comparisons can show"""


def check_categorical(study: Study) -> Iterator[Finding]:
    """Find reference levels that do not exist, and tables of another kind."""
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i)
        if analysis.reference_level is not None and analysis.method == "nominal":
            yield from _reference_level(study, analysis, (*at, "reference_level"))
    methods = {analysis.name: analysis.method for analysis in study.plan.analyses}
    kind_of = {method: kind for kind, suited in METHODS_OF_TABLE.items() for method in suited}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses:
            if name not in methods or table.kind in OF_ANY_METHOD:
                continue
            needed = kind_of.get(methods[name])
            if needed != table.kind and (needed or table.kind in METHODS_OF_TABLE):
                suited = METHODS_OF_TABLE.get(table.kind, ())
                allowed = one_of(
                    other
                    for other, method in methods.items()
                    if (method in suited if suited else method not in kind_of)
                )
                found = f"{name}, in a table of kind {table.kind}"
                yield "displays.yaml", ("tables", t, "analyses"), found, allowed, "display-unsuited"


def _reference_level(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    for outcome in study.analysis_outcomes(analysis):
        score = study.scores.get(outcome.score)
        if score is None or score.type != "nominal":
            continue  # reported elsewhere
        levels = study.instruments[outcome.score.partition(".")[0]].items.levels
        if analysis.reference_level not in levels:
            yield "analysis.yaml", at, repr(analysis.reference_level), one_of(levels)
