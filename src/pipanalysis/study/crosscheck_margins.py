"""Checks of the margins of non-inferiority and equivalence, and of the tables that show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

WITH_MARGINS = ("mmrm", "clda", "mixed_model", "ancova")
"""methods whose difference between arms can be held against a margin"""


def check_margins(study: Study) -> Iterator[Finding]:
    """Find margins that no difference in means can be held against, and tables without margins to show."""
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "margins")
        if not analysis.margins:
            continue
        if analysis.method not in WITH_MARGINS or analysis.subgroup or analysis.moderator:
            found = f"margins of {analysis.name!r}, method {analysis.method}" + (
                ", by subgroup or moderator" * bool(analysis.subgroup or analysis.moderator)
            )
            allowed = f"a method of {', '.join(WITH_MARGINS)} without subgroup or moderator, or no margins"
            yield "analysis.yaml", at, found, allowed, "option-unsuited"
        yield from _outcomes(study, analysis, at)
    with_margins = {analysis.name for analysis in study.plan.analyses if analysis.margins}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses if table.kind == "margins" else ():
            if name in {a.name for a in study.plan.analyses} and name not in with_margins:
                where: Location = ("tables", t, "analyses")
                yield (
                    "displays.yaml",
                    where,
                    f"{name} in a table of margins",
                    "analyses with margins",
                    "display-unsuited",
                )


def _outcomes(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    covered = [outcome.name for outcome in study.analysis_outcomes(analysis)]
    for m, _ in repeated(margin.outcome for margin in analysis.margins):
        yield (
            "analysis.yaml",
            (*at, m, "outcome"),
            "two margins of an outcome",
            "one margin an outcome",
            "repeated-name",
        )
    for m, margin in enumerate(analysis.margins):
        if margin.outcome not in covered:
            yield "analysis.yaml", (*at, m, "outcome"), repr(margin.outcome), one_of(covered)
        elif (score := study.scores.get(study.outcomes[margin.outcome].score)) and score.better is None:
            found = f"{margin.outcome}: its score does not say whether higher or lower is better"
            yield "analysis.yaml", (*at, m, "outcome"), found, "better: higher or lower", "option-unsuited"
        for name in margin.visits if margin.visits != "all" else ():
            if name not in study.visits:
                yield "analysis.yaml", (*at, m, "visits"), repr(name), one_of(study.visits)
