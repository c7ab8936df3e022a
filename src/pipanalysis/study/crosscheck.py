"""Checks of the configuration that no single file can answer: every name that one part uses exists in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pipanalysis.errors import Problem
from pipanalysis.study.instrument import Instrument, Score
from pipanalysis.study.yaml_file import Location, YamlFile

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

Finding = tuple[str, Location, str, str]
"""file, location, what was found, what is allowed"""


def crosscheck(study: Study, files: Mapping[str, YamlFile]) -> list[Problem]:
    """Return every contradiction between the parts of a study's configuration."""
    checks: list[Callable[[Study], Iterator[Finding]]] = [
        _unique_names,
        _study_parts,
        _raw_files,
        _allocation_alone,
        _instruments,
        _plan,
        _displays,
        _synthetic,
    ]
    from pipanalysis.study.load import nearest

    problems = []
    for check in checks:
        for file, location, found, allowed in check(study):
            name = found.strip("'")
            hint = nearest(name, [a.strip(" '") for a in allowed.removeprefix("one of: ").split(",")])
            problems.append(Problem(files[file].where(location), found, allowed, hint))
    return problems


def _one_of(names: Iterable[object]) -> str:
    """Return the allowed names as a sentence."""
    return "one of: " + (", ".join(str(name) for name in names) or "(none is defined)")


def _repeated(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield i, name


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
        ("displays.yaml", "tables", [t.name for t in study.displays.tables]),
    ]
    for file, key, names in lists:
        for i, name in _repeated(names):
            yield file, (key, i, "name"), repr(name), "a name that no other has"
    columns = [
        study.instruments[i].item_variable(item)
        for i in study.instruments
        for item in study.instruments[i].item_names()
    ]
    for name in set(columns) & set(study.variables):
        i = [v.name for v in config.variables].index(name)
        yield "study.yaml", ("variables", i, "name"), repr(name), "a name that is not an instrument's item"


def _study_parts(study: Study) -> Iterator[Finding]:
    config = study.config
    references = sum(arm.reference for arm in config.arms)
    if references != 1:
        yield "study.yaml", ("arms",), f"{references} arms with reference: true", "exactly one"
    baselines = [visit for visit in config.visits if visit.baseline]
    if len(baselines) > 1:
        yield "study.yaml", ("visits",), f"{len(baselines)} visits with baseline: true", "at most one"
    for i, months in _repeated(str(visit.months) for visit in config.visits):
        yield "study.yaml", ("visits", i, "months"), months, "a time that no other visit has"
    codes = [code for arm in config.arms for code in {arm.name, *arm.codes}]
    for _, code in _repeated(codes):
        yield "study.yaml", ("arms",), f"code {code!r} stands for two arms", "one arm a code"
    for i, stratum in enumerate(config.randomisation.strata):
        where: Location = ("randomisation", "strata", i)
        variable = study.variables.get(stratum)
        if variable is None:
            yield "study.yaml", where, repr(stratum), _one_of(study.variables)
        elif (
            variable.type != "category"
            or variable.level != "participant"
            or variable.measured != "before_randomisation"
        ):
            yield "study.yaml", where, repr(stratum), "a participant-level category measured before randomisation"
    for arm in set(config.randomisation.ratio) - set(study.arms):
        yield "study.yaml", ("randomisation", "ratio", arm), repr(arm), _one_of(study.arms)
    if config.recruitment:
        for site in set(config.recruitment.per_site) - {s.name for s in config.sites}:
            yield "study.yaml", ("recruitment", "per_site", site), repr(site), _one_of(s.name for s in config.sites)
    roles = [variable.role for variable in config.variables if variable.role]
    for i, role in _repeated(roles):
        yield (
            "study.yaml",
            ("variables",),
            f"{role} is the role of two variables ({i + 1} in all)",
            "one variable a role",
        )
    for i, variable in enumerate(config.variables):
        where = ("variables", i)
        if variable.type == "category" and not variable.levels and variable.role != "site":
            yield "study.yaml", where, f"category {variable.name!r} without levels", "levels: code → label"
        if variable.type == "date_of_birth" and not variable.age_name:
            yield (
                "study.yaml",
                where,
                f"date of birth {variable.name!r} without age_name",
                "the age that intake makes of it",
            )
        if variable.range and variable.range.min >= variable.range.max:
            yield "study.yaml", (*where, "range"), f"min {variable.range.min} >= max {variable.range.max}", "min < max"
    if config.sessions:
        tables = {f.events.name: f.events for f in config.files if f.events}
        if config.sessions.table not in tables:
            yield "study.yaml", ("sessions", "table"), repr(config.sessions.table), _one_of(tables)
        elif config.sessions.attended not in {v.name for v in tables[config.sessions.table].variables}:
            own = [v.name for v in tables[config.sessions.table].variables]
            yield "study.yaml", ("sessions", "attended"), repr(config.sessions.attended), _one_of(own)
        if config.sessions.arm not in study.arms:
            yield "study.yaml", ("sessions", "arm"), repr(config.sessions.arm), _one_of(study.arms)


def _raw_files(study: Study) -> Iterator[Finding]:
    held: set[str] = set()
    for f, file in enumerate(study.config.files):
        where: Location = ("files", f)
        if not file.events:
            named = [c.visit for c in file.columns if c.visit] + [i.visit for i in file.instruments if i.visit]
            held |= {file.visit} if file.visit else set(file.visit_codes.values()) | set(named)
            held |= set(study.visits) if file.visit_column and not file.visit_codes else set()
        if file.visit and file.visit_column:
            yield "study.yaml", where, "both visit and visit_column", "one of them"
        if file.visit and file.visit not in study.visits:
            yield "study.yaml", (*where, "visit"), repr(file.visit), _one_of(study.visits)
        for code, visit in file.visit_codes.items():
            if visit not in study.visits:
                yield "study.yaml", (*where, "visit_codes", code), repr(visit), _one_of(study.visits)
        own = {v.name: v for v in file.events.variables} if file.events else {}
        for c, column in enumerate(file.columns):
            at = (*where, "columns", c)
            variable = own.get(column.variable) or study.variables.get(column.variable)
            if variable is None:
                yield "study.yaml", (*at, "variable"), repr(column.variable), _one_of([*own, *study.variables])
                continue
            if variable.closed and not file.closed:
                yield "study.yaml", at, f"{variable.name!r} may reveal the arm", "a file with closed: true"
            if column.visit and column.visit not in study.visits:
                yield "study.yaml", (*at, "visit"), repr(column.visit), _one_of(study.visits)
            has_visit = column.visit or file.visit or file.visit_column or file.events
            if variable.level == "visit" and not has_visit:
                yield (
                    "study.yaml",
                    at,
                    f"{variable.name!r} has a value a visit, and no visit is given",
                    "visit, or the file's visit or visit_column",
                )
        for c, instrument in enumerate(file.instruments):
            at = (*where, "instruments", c)
            if instrument.instrument not in study.instruments:
                yield "study.yaml", (*at, "instrument"), repr(instrument.instrument), _one_of(study.instruments)
                continue
            given = instrument.visit or file.visit
            if instrument.visit and instrument.visit not in study.visits:
                yield "study.yaml", (*at, "visit"), repr(instrument.visit), _one_of(study.visits)
            if given in study.visits and given not in study.instrument_visits(instrument.instrument):
                allowed = _one_of(study.instrument_visits(instrument.instrument))
                yield "study.yaml", at, f"{instrument.instrument} at {given!r}", allowed
            if not (given or file.visit_column or file.events):
                yield "study.yaml", at, "no visit is given", "visit, or the file's visit or visit_column"
            if len(study.instruments[instrument.instrument].item_names()) > 1 and "{item" not in instrument.columns:
                yield "study.yaml", (*at, "columns"), repr(instrument.columns), "a column name with {item}"
        if file.events and file.events.unique:
            for name in set(file.events.unique) - set(own) - {c.variable for c in file.columns} - {"visit", "unit"}:
                yield "study.yaml", (*where, "events", "unique"), repr(name), _one_of([*own, "visit", "unit"])
    yield from _held_twice(study)
    for v, planned in enumerate(study.config.visits):
        if planned.name not in held:
            yield "study.yaml", ("visits", v), f"no file holds visit {planned.name!r}", "a file with this visit"
    for _, path in _repeated([file.path for file in study.config.files]):
        yield "study.yaml", ("files",), f"{path!r} is read twice", "each file once"


def _held_twice(study: Study) -> Iterator[Finding]:
    """Find a value that two files (or two columns of one) would give."""
    seen: dict[tuple[str, str | None], str] = {}
    for f, file in enumerate(study.config.files):
        if file.events:
            continue
        given: list[tuple[Location, str, str | None]] = []
        for c, column in enumerate(file.columns):
            variable = study.variables.get(column.variable)
            visit = None if variable is None or variable.level == "participant" else column.visit or file.visit
            given.append((("files", f, "columns", c), column.variable, visit))
        for c, instrument in enumerate(file.instruments):
            given.append((("files", f, "instruments", c), instrument.instrument, instrument.visit or file.visit))
        for location, name, visit in given:
            if (name, visit) in seen:
                again = (
                    f"{name!r}" + (f" at {visit}" if visit else "") + f", which file {seen[name, visit]!r} gives too"
                )
                yield "study.yaml", location, again, "each value from one place"
            seen[name, visit] = file.name


def _allocation_alone(study: Study) -> Iterator[Finding]:
    path = study.config.allocation.path
    if path in {file.path for file in study.config.files}:
        yield "study.yaml", ("allocation", "path"), repr(path), "a file of its own, so that blinded steps never open it"


def _instruments(study: Study) -> Iterator[Finding]:
    for instrument in study.instruments.values():
        file = f"instruments/{instrument.name}.yaml"
        items = instrument.items
        if bool(items.count) == bool(items.names):
            yield (
                file,
                ("items",),
                "count and names" if items.count else "neither count nor names",
                "one of count and names",
            )
            continue
        known = set(instrument.item_names())
        listed: list[tuple[Location, Iterable[object]]] = [
            (("items", "reversed"), items.reversed),
            (("items", "ranges"), items.ranges),
        ]
        for name, score in instrument.scores.items():
            if score.items != "all":
                listed.append((("scores", name, "items"), score.items))
        for location, chosen in listed:
            for item in chosen:
                if item not in known:
                    yield file, location, f"item {item!r}", _one_of(instrument.item_names())
        if items.type == "category":
            if not items.levels:
                yield file, ("items",), "category items without levels", "levels: code → label"
        elif any(instrument.item_range(item) is None for item in known):
            yield file, ("items",), "items without a range", "range, or ranges for each item"
        for visit in instrument.visits if instrument.visits != "all" else ():
            if visit not in study.visits:
                yield file, ("visits",), repr(visit), _one_of(study.visits)
        tables = [f.events.name for f in study.config.files if f.events]
        if instrument.double_coded and instrument.double_coded not in tables:
            yield file, ("double_coded",), repr(instrument.double_coded), _one_of(tables)
        for name, score in instrument.scores.items():
            yield from _score(instrument, name, score, file)


_NEEDS: dict[str, tuple[str, ...]] = {
    "count": ("at_least",),
    "sum_of": ("scores",),
    "mean_of": ("scores",),
    "ratio": ("numerator", "denominator"),
    "category": ("codes",),
    "threshold": ("scores",),
}


def _score(instrument: Instrument, name: str, score: Score, file: str) -> Iterator[Finding]:
    at: Location = ("scores", name)
    for key in _NEEDS.get(score.rule, ()):
        if getattr(score, key) in (None, []):
            yield file, at, f"rule {score.rule} without {key}", f"{key} must be given"
    if score.rule == "threshold" and (score.at_least is None) == (score.at_most is None):
        yield file, at, "rule threshold", "one of at_least and at_most"
    if score.rule in ("item", "category") and (score.items == "all" and len(instrument.item_names()) > 1):
        yield file, at, f"rule {score.rule} without its item", "items: [the one item]"
    if score.rule in ("sum", "mean", "count") and instrument.items.type == "category":
        yield file, (*at, "rule"), score.rule, "category or item, for category items"
    for code in score.codes:
        if code not in instrument.items.levels:
            yield file, (*at, "codes"), repr(code), _one_of(instrument.items.levels)
    earlier = list(instrument.scores)[: list(instrument.scores).index(name)]
    used = [*score.scores, *([score.numerator] if score.numerator not in (None, "item_sum") else []), score.denominator]
    for other in used:
        if other is not None and other not in earlier:
            yield file, at, f"score {other!r}", _one_of(earlier) + " (scores defined above this one)"
    for limit in sorted({score.missing.max_missing, score.max_missing_in_form or 0}):
        if limit > len(instrument.item_names()):
            yield file, (*at, "missing"), f"{limit} missing items", f"at most {len(instrument.item_names())}"


def _plan(study: Study) -> Iterator[Finding]:
    plan, file = study.plan, "analysis.yaml"
    domains = [domain.name for domain in plan.domains]
    for i, outcome in enumerate(plan.outcomes):
        at: Location = ("outcomes", i)
        if outcome.domain not in domains:
            yield file, (*at, "domain"), repr(outcome.domain), _one_of(domains)
        if outcome.score not in study.scores:
            yield file, (*at, "score"), repr(outcome.score), _one_of(study.scores)
            continue
        given = study.instrument_visits(outcome.score.partition(".")[0])
        for visit in outcome.visits if outcome.visits != "all" else ():
            if visit not in given:
                yield file, (*at, "visits"), repr(visit), _one_of(given)
    for i, analysis_set in enumerate(plan.analysis_sets):
        at = ("analysis_sets", i)
        for name in set(analysis_set.any_outcome_after_baseline) - set(study.outcomes):
            yield file, (*at, "any_outcome_after_baseline"), repr(name), _one_of(study.outcomes)
        for visit in set(analysis_set.complete_visits) - set(study.visits):
            yield file, (*at, "complete_visits"), repr(visit), _one_of(study.visits)
        if analysis_set.min_sessions is not None and study.config.sessions is None:
            yield (
                file,
                (*at, "min_sessions"),
                str(analysis_set.min_sessions),
                "study.yaml must say where sessions are recorded",
            )
    for i, name in enumerate(plan.baseline_characteristics):
        if name not in study.variables and name not in study.scores and name not in _ages(study):
            yield (
                file,
                ("baseline_characteristics", i),
                repr(name),
                _one_of([*study.variables, *_ages(study), *study.scores]),
            )
    sets = [analysis_set.name for analysis_set in plan.analysis_sets]
    estimands = [estimand.name for estimand in plan.estimands]
    for i, analysis in enumerate(plan.analyses):
        at = ("analyses", i)
        if analysis.analysis_set not in sets:
            yield file, (*at, "analysis_set"), repr(analysis.analysis_set), _one_of(sets)
        if analysis.estimand and analysis.estimand not in estimands:
            yield file, (*at, "estimand"), repr(analysis.estimand), _one_of(estimands)
        for name in analysis.outcomes if analysis.outcomes != "all" else ():
            if name not in study.outcomes:
                yield file, (*at, "outcomes"), repr(name), _one_of(study.outcomes)
        for name in analysis.visits if analysis.visits != "all" else ():
            if name not in study.visits:
                yield file, (*at, "visits"), repr(name), _one_of(study.visits)
        for name in analysis.covariates:
            variable = study.variables.get(name)
            if variable is None and name not in _ages(study):
                yield file, (*at, "covariates"), repr(name), _one_of([*study.variables, *_ages(study)])
            elif variable and (
                variable.measured != "before_randomisation" or variable.level != "participant" or variable.closed
            ):
                yield (
                    file,
                    (*at, "covariates"),
                    repr(name),
                    "a participant-level variable measured before randomisation",
                )


def _ages(study: Study) -> list[str]:
    return [variable.age_name for variable in study.config.variables if variable.age_name]


def _displays(study: Study) -> Iterator[Finding]:
    analyses = [analysis.name for analysis in study.plan.analyses]
    for i, table in enumerate(study.displays.tables):
        at: Location = ("tables", i)
        for name in table.analyses:
            if name not in analyses:
                yield "displays.yaml", (*at, "analyses"), repr(name), _one_of(analyses)
        for name in table.outcomes if table.outcomes != "all" else ():
            if name not in study.outcomes:
                yield "displays.yaml", (*at, "outcomes"), repr(name), _one_of(study.outcomes)
        for name in table.visits if table.visits != "all" else ():
            if name not in study.visits:
                yield "displays.yaml", (*at, "visits"), repr(name), _one_of(study.visits)


def _synthetic(study: Study) -> Iterator[Finding]:
    synthetic = study.config.study.data == "synthetic"
    if synthetic and study.simulation is None:
        yield "study.yaml", ("study", "data"), "synthetic, and there is no config/simulation.yaml", "a simulation.yaml"
    if not synthetic and study.simulation is not None:
        yield "simulation.yaml", (), "a simulation of a study whose data are real", "no such file, or data: synthetic"
