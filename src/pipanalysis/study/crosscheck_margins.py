"""Checks of what a difference in means is held against: margins and delta adjustments, and of tables of margins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, DeltaAdjustment, Margin

OF_MEANS = ("mmrm", "clda", "mixed_model", "ancova")
"""methods whose difference between arms can be held against a margin, or adjusted by deltas"""


def check_margins(study: Study) -> Iterator[Finding]:
    """Find margins and deltas of what is no difference in means, and tables without margins to show."""
    for i, analysis in enumerate(study.plan.analyses):
        for option in ("margins", "delta_adjustments"):
            given: Sequence[Margin | DeltaAdjustment] = getattr(analysis, option)
            at: Location = ("analyses", i, option)
            if given and (analysis.method not in OF_MEANS or analysis.subgroup or analysis.moderator):
                found = f"{option} of {analysis.name!r}, method {analysis.method}" + (
                    ", by subgroup or moderator" * bool(analysis.subgroup or analysis.moderator)
                )
                allowed = f"a method of {', '.join(OF_MEANS)} without subgroup or moderator, or no {option}"
                yield "analysis.yaml", at, found, allowed, "option-unsuited"
            yield from _outcomes(study, analysis, given, at)
        yield from _beyond_the_scale(study, i, analysis)
        for m, margin in enumerate(analysis.margins):
            own = study.outcomes.get(margin.outcome)
            if own and (score := study.scores.get(own.score)) and score.better is None:
                found = f"{margin.outcome}: its score does not say whether higher or lower is better"
                where: Location = ("analyses", i, "margins", m, "outcome")
                yield "analysis.yaml", where, found, "better: higher or lower", "option-unsuited"
    with_margins = {analysis.name for analysis in study.plan.analyses if analysis.margins}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses if table.kind == "margins" else ():
            if name in {a.name for a in study.plan.analyses} and name not in with_margins:
                where = ("tables", t, "analyses")
                yield (
                    "displays.yaml",
                    where,
                    f"{name} in a table of margins",
                    "analyses with margins",
                    "display-unsuited",
                )


def _beyond_the_scale(study: Study, i: int, analysis: Analysis) -> Iterator[Finding]:
    """Find margins and deltas as wide as the whole scale of the outcome, which no difference in means can reach."""
    widest = [("margins", m, "margin", one.outcome, one.margin) for m, one in enumerate(analysis.margins)]
    widest += [
        ("delta_adjustments", m, "deltas", one.outcome, max(one.deltas, key=abs))
        for m, one in enumerate(analysis.delta_adjustments)
    ]
    for option, m, key, name, size in widest:
        outcome = study.outcomes.get(name)
        score = study.scores.get(outcome.score) if outcome else None
        if score and score.range and abs(size) >= score.range.max - score.range.min:
            found = f"{size:g} of {name}, whose scale is from {score.range.min:g} to {score.range.max:g}"
            allowed = f"less than {score.range.max - score.range.min:g}"
            yield "analysis.yaml", ("analyses", i, option, m, key), found, allowed, "option-unsuited"


def _outcomes(
    study: Study, analysis: Analysis, given: Sequence[Margin | DeltaAdjustment], at: Location
) -> Iterator[Finding]:
    covered = [outcome.name for outcome in study.analysis_outcomes(analysis)] if given else []
    for m, _ in repeated(one.outcome for one in given):
        found = f"{str(at[-1]).replace('_', ' ')} of one outcome twice"
        yield "analysis.yaml", (*at, m, "outcome"), found, "each outcome once", "repeated-name"
    for m, one in enumerate(given):
        if one.outcome not in covered:
            yield "analysis.yaml", (*at, m, "outcome"), repr(one.outcome), one_of(covered)
        for name in one.visits if one.visits != "all" else ():
            if name not in study.visits:
                yield "analysis.yaml", (*at, m, "visits"), repr(name), one_of(study.visits)
