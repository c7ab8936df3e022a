"""Checks of study.yaml within itself: arms, visits, randomisation, variables, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def check_study(study: Study) -> Iterator[Finding]:
    """Find contradictions within study.yaml, but for those of its raw files."""
    yield from _what_an_analysis_needs(study) if study.analysed else _what_is_of_an_analysis(study)
    yield from _arms_and_visits(study)
    yield from _randomisation(study)
    yield from _variables(study)
    yield from _sessions(study)


def _what_an_analysis_needs(study: Study) -> Iterator[Finding]:
    config = study.config
    for key, found, needed in (
        ("arms", len(config.arms), 2),
        ("visits", len(config.visits), 1),
        ("allocation", int(config.allocation is not None), 1),
    ):
        if found < needed:
            yield "study.yaml", (), f"{found} of `{key}`", f"at least {needed}, in a study with an analysis"


def _what_is_of_an_analysis(study: Study) -> Iterator[Finding]:
    config = study.config
    for key, there in (("arms", config.arms), ("allocation", config.allocation), ("sessions", config.sessions)):
        if there:
            yield "study.yaml", (key,), "given, and study.analysis is false", f"no {key}, or study.analysis: true"


def _arms_and_visits(study: Study) -> Iterator[Finding]:
    config = study.config
    references = sum(arm.reference for arm in config.arms)
    if references != 1 and study.analysed:
        yield "study.yaml", ("arms",), f"{references} arms with reference: true", "exactly one"
    baselines = [visit for visit in config.visits if visit.baseline]
    if len(baselines) > 1:
        yield "study.yaml", ("visits",), f"{len(baselines)} visits with baseline: true", "at most one"
    for i, months in repeated(str(visit.months) for visit in config.visits):
        yield "study.yaml", ("visits", i, "months"), months, "a time that no other visit has"
    codes = [code for arm in config.arms for code in dict.fromkeys((arm.name, *arm.codes))]
    for _, code in repeated(codes):
        yield "study.yaml", ("arms",), f"code {code!r} stands for two arms", "one arm a code"


def _randomisation(study: Study) -> Iterator[Finding]:
    """Find strata that are none, and arms and sites that the study has not."""
    config = study.config
    for i, stratum in enumerate(config.randomisation.strata):
        where: Location = ("randomisation", "strata", i)
        variable = study.variables.get(stratum)
        if variable is None:
            yield "study.yaml", where, repr(stratum), one_of(study.variables)
        elif (variable.type, variable.level, variable.measured) != ("category", "participant", "before_randomisation"):
            yield "study.yaml", where, repr(stratum), "a participant-level category measured before randomisation"
    for arm in sorted(set(config.randomisation.ratio) - set(study.arms)):
        yield "study.yaml", ("randomisation", "ratio", arm), repr(arm), one_of(study.arms)
    sites = [site.name for site in config.sites]
    for site in sorted(set(config.recruitment.per_site) - set(sites)) if config.recruitment else ():
        yield "study.yaml", ("recruitment", "per_site", site), repr(site), one_of(sites)


def _variables(study: Study) -> Iterator[Finding]:
    variables, file = study.config.variables, "study.yaml"
    for i, role in repeated(variable.role for variable in variables if variable.role):
        yield file, ("variables",), f"{role} is the role of two variables ({i + 1} in all)", "one variable a role"
    for i, variable in enumerate(variables):
        where: Location = ("variables", i)
        if variable.type == "category" and not variable.levels and variable.role != "site":
            yield file, where, f"category {variable.name!r} without levels", "levels: code → label"
        if variable.type == "date_of_birth" and not variable.age_name:
            yield file, where, f"date of birth {variable.name!r} without age_name", "the age that intake makes of it"
        if variable.range and variable.range.min >= variable.range.max:
            yield file, (*where, "range"), f"min {variable.range.min} >= max {variable.range.max}", "min < max"


def _sessions(study: Study) -> Iterator[Finding]:
    sessions = study.config.sessions
    if sessions is None:
        return
    tables = {f.events.name: f.events for f in study.config.files if f.events}
    if sessions.table not in tables:
        yield "study.yaml", ("sessions", "table"), repr(sessions.table), one_of(tables)
    else:
        own = [variable.name for variable in tables[sessions.table].variables]
        if sessions.attended not in own:
            yield "study.yaml", ("sessions", "attended"), repr(sessions.attended), one_of(own)
        if sessions.therapist and sessions.therapist not in own:
            yield "study.yaml", ("sessions", "therapist"), repr(sessions.therapist), one_of(own)
    if sessions.arm not in study.arms:
        yield "study.yaml", ("sessions", "arm"), repr(sessions.arm), one_of(study.arms)
