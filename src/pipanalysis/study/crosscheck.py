"""Checks of the configuration that no single file can answer: every name that one part uses exists in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pipanalysis.errors import Problem
from pipanalysis.study.crosscheck_analyses import check_analyses
from pipanalysis.study.crosscheck_bayes import check_bayes
from pipanalysis.study.crosscheck_categorical import check_categorical
from pipanalysis.study.crosscheck_dyads import check_dyads
from pipanalysis.study.crosscheck_estimands import check_estimands
from pipanalysis.study.crosscheck_events import check_event_analyses
from pipanalysis.study.crosscheck_families import check_families
from pipanalysis.study.crosscheck_figures import check_figures
from pipanalysis.study.crosscheck_files import check_files
from pipanalysis.study.crosscheck_instruments import check_instruments
from pipanalysis.study.crosscheck_margins import check_margins
from pipanalysis.study.crosscheck_moderators import check_moderators
from pipanalysis.study.crosscheck_options import check_options
from pipanalysis.study.crosscheck_progress import check_progress
from pipanalysis.study.crosscheck_received import check_received
from pipanalysis.study.crosscheck_study import check_study
from pipanalysis.study.finding import ONE_OF, Finding, one_of, repeated, rule_of
from pipanalysis.study.validation import nearest
from pipanalysis.study.yaml_file import Location, YamlFile

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis


def crosscheck(study: Study, files: Mapping[str, YamlFile]) -> list[Problem]:
    """Return every contradiction between the parts of a study's configuration."""
    checks: list[Callable[[Study], Iterator[Finding]]] = [
        _unique_names,
        check_study,
        check_files,
        check_instruments,
        _plan,
        check_analyses,
        check_estimands,
        _subgroups,
        check_options,
        check_margins,
        check_categorical,
        check_bayes,
        check_families,
        check_event_analyses,
        check_received,
        check_moderators,
        check_dyads,
        check_figures,
        _displays,
        check_progress,
        _synthetic,
    ]
    problems = []
    for check in checks:
        for finding in check(study):
            file, location, found, allowed = finding[:4]
            name, names = found.strip("'"), allowed.removeprefix(ONE_OF)
            hint = nearest(name, [a.strip(" '") for a in names.split(",")]) if names != allowed else ""
            problems.append(Problem(files[file].where(location), found, allowed, hint, rule_of(finding)))
    return problems


def _unique_names(study: Study) -> Iterator[Finding]:
    config, plan = study.config, study.plan
    lists: list[tuple[str, str, list[str]]] = [
        ("study.yaml", "arms", [a.name for a in config.arms]),
        ("study.yaml", "visits", [v.name for v in config.visits]),
        ("study.yaml", "sites", [s.name for s in config.sites]),
        ("study.yaml", "variables", [v.name for v in config.variables]),
        ("study.yaml", "files", [f.name for f in config.files]),
        ("analysis.yaml", "domains", [d.name for d in plan.domains]),
        ("analysis.yaml", "outcomes", [o.name for o in plan.outcomes]),
        ("analysis.yaml", "analysis_sets", [s.name for s in plan.analysis_sets]),
        ("analysis.yaml", "estimands", [e.name for e in plan.estimands]),
        ("analysis.yaml", "analyses", [a.name for a in plan.analyses]),
        ("analysis.yaml", "families", [f.name for f in plan.families]),
        ("displays.yaml", "tables", [t.name for t in study.displays.tables]),
    ]
    for file, key, names in lists:
        for i, name in repeated(names):
            yield file, (key, i, "name"), repr(name), "a name that no other has", "repeated-name"
    yield from _unique_labels(study)
    columns = [
        study.instruments[i].item_variable(item)
        for i in study.instruments
        for item in study.instruments[i].item_names()
    ]
    for name in sorted(set(columns) & set(study.variables)):
        i = [v.name for v in config.variables].index(name)
        yield "study.yaml", ("variables", i, "name"), repr(name), "a name that is not an instrument's item"


def _unique_labels(study: Study) -> Iterator[Finding]:
    """Displays tell these apart by label, as readers do; analyses of one model in two roles may share theirs."""
    config, plan = study.config, study.plan
    lists: list[tuple[str, str, list[str]]] = [
        ("study.yaml", "arms", [arm.label for arm in config.arms]),
        ("study.yaml", "visits", [visit.label for visit in config.visits]),
        ("study.yaml", "sites", [site.label for site in config.sites]),
        ("analysis.yaml", "domains", [domain.label for domain in plan.domains]),
        ("analysis.yaml", "outcomes", [outcome.label for outcome in plan.outcomes]),
        ("analysis.yaml", "analysis_sets", [chosen.label for chosen in plan.analysis_sets]),
    ]
    for file, key, labels in lists:
        for i, label in repeated(labels):
            yield file, (key, i, "label"), repr(label), "a label that no other has", "repeated-label"
    for key, displays in (("tables", study.displays.tables), ("figures", study.displays.figures)):
        for i, number in repeated(display.number for display in displays):
            yield "displays.yaml", (key, i, "number"), repr(number), "a number that no other has", "repeated-label"


def _plan(study: Study) -> Iterator[Finding]:
    plan, file = study.plan, "analysis.yaml"
    domains = [domain.name for domain in plan.domains]
    for i, outcome in enumerate(plan.outcomes):
        at: Location = ("outcomes", i)
        if outcome.domain not in domains:
            yield file, (*at, "domain"), repr(outcome.domain), one_of(domains)
        if outcome.score not in study.scores:
            yield file, (*at, "score"), repr(outcome.score), one_of(study.scores)
            continue
        given = study.instrument_visits(outcome.score.partition(".")[0])
        for visit in outcome.visits if outcome.visits != "all" else ():
            if visit not in given:
                yield file, (*at, "visits"), repr(visit), one_of(given)
    for i, analysis_set in enumerate(plan.analysis_sets):
        at = ("analysis_sets", i)
        for name in sorted(set(analysis_set.any_outcome_after_baseline) - set(study.outcomes)):
            yield file, (*at, "any_outcome_after_baseline"), repr(name), one_of(study.outcomes)
        for visit in sorted(set(analysis_set.complete_visits) - set(study.visits)):
            yield file, (*at, "complete_visits"), repr(visit), one_of(study.visits)
        if analysis_set.min_sessions is not None and study.config.sessions is None:
            yield (
                file,
                (*at, "min_sessions"),
                str(analysis_set.min_sessions),
                "study.yaml must say where sessions are recorded",
                "source-missing",
            )
    for i, name in enumerate(plan.baseline_characteristics):
        if name not in study.variables and name not in study.scores and name not in _ages(study):
            yield (
                file,
                ("baseline_characteristics", i),
                repr(name),
                one_of([*study.variables, *_ages(study), *study.scores]),
            )
    sets = [analysis_set.name for analysis_set in plan.analysis_sets]
    estimands = [estimand.name for estimand in plan.estimands]
    for i, analysis in enumerate(plan.analyses):
        at = ("analyses", i)
        if analysis.analysis_set not in sets:
            yield file, (*at, "analysis_set"), repr(analysis.analysis_set), one_of(sets)
        if analysis.estimand and analysis.estimand not in estimands:
            yield file, (*at, "estimand"), repr(analysis.estimand), one_of(estimands)
        for name in analysis.outcomes if analysis.outcomes != "all" else ():
            if name not in study.outcomes:
                yield file, (*at, "outcomes"), repr(name), one_of(study.outcomes)
        for name in analysis.visits if analysis.visits != "all" else ():
            if name not in study.visits:
                yield file, (*at, "visits"), repr(name), one_of(study.visits)
        yield from _baseline_score(study, analysis, at)


def _subgroups(study: Study) -> Iterator[Finding]:
    """Find subgroups that are not by a category known before randomisation, and tables that cannot show them."""
    allowed = "a participant-level category measured before randomisation"
    categories = {v.name: v for v in study.config.variables if v.type == "category" and v.level == "participant"}
    suited = {name: v for name, v in categories.items() if v.measured == "before_randomisation" and not v.closed}
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "subgroup")
        if analysis.subgroup is None:
            continue
        if analysis.method != "mmrm":
            yield (
                "analysis.yaml",
                at,
                f"subgroup of method {analysis.method}",
                "method: mmrm, or no subgroup",
                "subgroup-unsuited",
            )
        if analysis.subgroup not in study.variables:
            yield "analysis.yaml", at, repr(analysis.subgroup), one_of(suited)
        elif analysis.subgroup not in suited:
            yield "analysis.yaml", at, repr(analysis.subgroup), allowed, "subgroup-after-randomisation"
        else:
            variable = suited[analysis.subgroup]
            sites = [site.label for site in study.config.sites] if variable.role == "site" else []
            for _, label in repeated(sites or list(variable.levels.values())):
                found = f"two levels of {variable.name} labelled {label!r}"
                yield "analysis.yaml", at, found, "a label for each level", "subgroup-unsuited"
    by_name = {analysis.name: analysis for analysis in study.plan.analyses}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses:
            if name not in by_name or table.kind not in ("effects", "subgroups"):
                continue
            if (by_name[name].subgroup is None) == (table.kind == "subgroups"):
                found = f"{name} in a table of {table.kind}"
                needed = "analyses with subgroup" if table.kind == "subgroups" else "analyses without subgroup"
                yield "displays.yaml", ("tables", t, "analyses"), found, needed, "display-unsuited"


def _baseline_score(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    name, baseline = analysis.baseline_score, study.baseline_visit
    if name is None:
        return
    file, where = "analysis.yaml", (*at, "baseline_score")
    given = [
        score
        for score, definition in study.scores.items()
        if definition.type != "nominal" and baseline and baseline.name in study.instrument_visits(score.split(".")[0])
    ]
    methods = ("logistic", "gee", "bayes_logistic")
    if analysis.method not in methods:
        allowed = f"an analysis by {' or '.join(methods)}"
        yield file, where, f"{name}, in an analysis by {analysis.method}", allowed, "option-unsuited"
    elif not analysis.baseline:
        yield file, where, f"{name}, with baseline: false", "baseline: true", "option-unsuited"
    elif name not in given:
        yield file, where, repr(name), one_of(given)


def _ages(study: Study) -> list[str]:
    return [variable.age_name for variable in study.config.variables if variable.age_name]


def _displays(study: Study) -> Iterator[Finding]:
    analyses = [analysis.name for analysis in study.plan.analyses]
    for i, name in enumerate(study.displays.disclosure.except_analyses):
        if name not in analyses:
            yield "displays.yaml", ("disclosure", "except_analyses", i), repr(name), one_of(analyses)
    locked = [name for name, status in study.statuses.items() if status.status == "dropped"]
    for i, deviation in enumerate(study.plan.deviations):
        if deviation.analysis not in (*analyses, *locked):
            yield "analysis.yaml", ("deviations", i, "analysis"), repr(deviation.analysis), one_of((*analyses, *locked))
    for score in study.displays.digits.scores:
        if score not in study.scores:
            yield "displays.yaml", ("digits", "scores", score), repr(score), one_of(study.scores)
    for i, table in enumerate(study.displays.tables):
        at: Location = ("tables", i)
        for name in table.analyses:
            if name not in analyses:
                yield "displays.yaml", (*at, "analyses"), repr(name), one_of(analyses)
        for name in table.outcomes if table.outcomes != "all" else ():
            if name not in study.outcomes:
                yield "displays.yaml", (*at, "outcomes"), repr(name), one_of(study.outcomes)
        for name in table.visits if table.visits != "all" else ():
            if name not in study.visits:
                yield "displays.yaml", (*at, "visits"), repr(name), one_of(study.visits)


def _synthetic(study: Study) -> Iterator[Finding]:
    synthetic = study.config.study.data == "synthetic"
    if synthetic and study.simulation is None:
        yield "study.yaml", ("study", "data"), "synthetic, and there is no config/simulation.yaml", "a simulation.yaml"
    if not synthetic and study.simulation is not None:
        yield (
            "simulation.yaml",
            (),
            f"a simulation of a study whose data are {study.config.study.data}",
            "no such file, or data: synthetic",
        )
