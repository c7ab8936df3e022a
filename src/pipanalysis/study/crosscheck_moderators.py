"""Checks of moderators: a number known before randomisation, in a model that can have one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.displays import OF_ANY_METHOD
from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

PLAN = "analysis.yaml"
WANTED = "a participant-level number, an age, or a score that is a number and given at baseline"


def check_moderators(study: Study) -> Iterator[Finding]:
    """Find moderators that are measured after randomisation or are no numbers, and tables that cannot show them."""
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "moderator")
        if analysis.moderator is None:
            if analysis.moderator_at:
                where = ("analyses", i, "moderator_at")
                yield (
                    PLAN,
                    where,
                    "moderator_at without moderator",
                    "moderator: what the values are of",
                    "option-unsuited",
                )
            continue
        if analysis.method != "mmrm" or analysis.subgroup:
            found = f"moderator of method {analysis.method}" + ", with subgroup" * bool(analysis.subgroup)
            yield PLAN, at, found, "method: mmrm without subgroup, or no moderator", "moderator-unsuited"
        yield from _moderator(study, analysis.moderator, at)
        yield from _values(study, analysis, i)
    by_name = {analysis.name: analysis for analysis in study.plan.analyses}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses:
            if name not in by_name or table.kind in OF_ANY_METHOD:
                continue
            if (by_name[name].moderator is not None) != (table.kind == "moderators"):
                found = f"{name} in a table of {table.kind}"
                needed = f"analyses {'with' if table.kind == 'moderators' else 'without'} moderator"
                yield "displays.yaml", ("tables", t, "analyses"), found, needed, "display-unsuited"


def _moderator(study: Study, name: str, at: Location) -> Iterator[Finding]:
    ages = [variable.age_name for variable in study.config.variables if variable.age_name]
    if name in ages:
        return
    if name in study.scores:
        baseline = study.baseline_visit
        if study.scores[name].type in ("binary", "nominal"):
            yield PLAN, at, f"{name}: {study.scores[name].type}", WANTED, "moderator-unsuited"
        if baseline is None or baseline.name not in study.instrument_visits(name.partition(".")[0]):
            found = f"{name}: not given at a visit before randomisation"
            yield PLAN, at, found, WANTED, "subgroup-after-randomisation"
        return
    variable = study.variables.get(name)
    if variable is None:
        yield PLAN, at, repr(name), one_of([*study.variables, *ages, *study.scores])
    elif variable.measured != "before_randomisation" or variable.level != "participant" or variable.closed:
        yield PLAN, at, repr(name), f"{WANTED}, measured before randomisation", "subgroup-after-randomisation"
    elif variable.type not in ("number", "integer"):
        found = f"{name}: a {variable.type.replace('_', ' ')}"
        allowed = f"{WANTED} (a category is a subgroup)"
        yield PLAN, at, found, allowed, "moderator-unsuited"


def _values(study: Study, analysis: Analysis, i: int) -> Iterator[Finding]:
    """Find values of a moderator that are given twice, or that it cannot have."""
    at: Location = ("analyses", i, "moderator_at")
    for _, twice in repeated(f"{value:g}" for value in analysis.moderator_at):
        yield PLAN, at, f"{twice} twice", "each value once", "repeated-name"
    name = analysis.moderator or ""
    variable, score = study.variables.get(name), study.scores.get(name)
    possible = variable.range if variable else score.range if score else None
    is_age = any(v.age_name == name for v in study.config.variables)
    for j, value in enumerate(analysis.moderator_at):
        if possible and not possible.min <= value <= possible.max:
            allowed = f"a value that {name} can have, {possible.min:g} to {possible.max:g}"
            yield PLAN, (*at, j), f"{value:g}", allowed, "moderator-unsuited"
        elif is_age and value < 0:
            yield PLAN, (*at, j), f"{value:g}", "an age in months, 0 or more", "moderator-unsuited"
