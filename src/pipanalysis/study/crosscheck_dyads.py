"""Checks of dyadic analyses: roles with outcomes that change, exploratory, in tables of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.displays import OF_ANY_METHOD
from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, DyadRole

PLAN = "analysis.yaml"
SHOWN_IN = {
    "cace": "cace",
    "dyadic": "dyadic",
    "double_programming": "double_programming",
    "reference_based": "imputation",
}
"""methods whose results one kind of table alone can lay out"""


def check_dyads(study: Study) -> Iterator[Finding]:
    """Find dyadic analyses without two roles, roles whose outcome has no change, and tables that cannot show them."""
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "dyad")
        if analysis.method == "dyadic":
            yield from _roles(study, analysis, at)
            if analysis.role != "exploratory":
                found = f"{analysis.role} analysis of method dyadic"
                yield PLAN, ("analyses", i, "role"), found, "role: exploratory", "method-unsuited"
        elif analysis.dyad:
            yield PLAN, at, f"dyad of method {analysis.method}", "method: dyadic, or no dyad", "option-unsuited"
    methods = {analysis.name: analysis.method for analysis in study.plan.analyses}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses:
            kind = SHOWN_IN.get(methods.get(name, ""))
            if kind and table.kind not in (kind, *OF_ANY_METHOD):
                found = f"{name} in a table of {table.kind}"
                yield "displays.yaml", ("tables", t, "analyses"), found, f"a table of kind {kind}", "display-unsuited"


def _roles(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    if len(analysis.dyad) < 2:
        found = f"{analysis.name!r} with {len(analysis.dyad)} role(s)"
        yield PLAN, at, found, "dyad: two roles or more, each with an outcome", "option-unsuited"
    for j, _ in repeated(role.name for role in analysis.dyad):
        yield PLAN, (*at, j, "name"), repr(analysis.dyad[j].name), "a name that no other role has", "repeated-name"
    for j, _ in repeated(role.outcome for role in analysis.dyad):
        found = f"{analysis.dyad[j].outcome} in two roles"
        yield PLAN, (*at, j, "outcome"), found, "an outcome for each role", "repeated-name"
    for j, role in enumerate(analysis.dyad):
        if role.outcome not in study.outcomes:
            yield PLAN, (*at, j, "outcome"), repr(role.outcome), one_of(study.outcomes)
        elif wrong := _wrong(study, role):
            allowed = "an outcome with a mean, measured at baseline, whose score says which direction is better"
            yield PLAN, (*at, j, "outcome"), f"{role.outcome}: {wrong}", allowed, "method-unsuited"


def _wrong(study: Study, role: DyadRole) -> str:
    """Return why an outcome cannot stand for a role, "" where it can."""
    name, baseline = study.outcomes[role.outcome].score, study.baseline_visit
    score = study.scores.get(name)
    if score is None:
        return ""  # reported with the outcomes
    if score.type in ("binary", "nominal"):
        return f"its score is {score.type}"
    if baseline is None or baseline.name not in study.instrument_visits(name.partition(".")[0]):
        return "it is not measured at baseline"
    return "" if score.better else "its score does not say whether higher or lower is better"
