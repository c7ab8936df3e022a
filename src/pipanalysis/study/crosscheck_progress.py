"""Checks of progress.yaml against the rest of the study; above all, that nothing closed is named in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.event_tables import event_file
from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import Variable

FILE = "progress.yaml"


def check_progress(study: Study) -> Iterator[Finding]:
    """Find what progress.yaml names and the study does not have, or may not show to people who are blind to the arm."""
    yield from _variables(study)
    yield from _screening(study)
    yield from _activities(study)
    yield from _measures(study)


def _variables(study: Study) -> Iterator[Finding]:
    progress = study.progress
    people = {v.name: v for v in study.config.variables if v.level == "participant"}
    visits = {v.name: v for v in study.config.variables if v.level == "visit"}
    chosen: list[tuple[Location, str | None, dict[str, Variable], tuple[str, ...]]] = [
        (("group",), progress.group, people, ("category",)),
        (("enrolment",), progress.enrolment, people, ("date",)),
        (("assessor",), progress.assessor, visits, ("category", "text")),
    ]
    for i, name in enumerate(progress.listings.variables):
        chosen.append((("listings", "variables", i), name, people, ("number", "integer", "category", "date", "text")))
    for at, wanted, known, types in chosen:
        if wanted is not None:
            yield from _open(at, wanted, known, types)


def _open(at: Location, name: str, known: dict[str, Variable], types: tuple[str, ...]) -> Iterator[Finding]:
    """Find a variable that is not there, of another type, or closed."""
    suited = [v.name for v in known.values() if v.type in types and not v.closed]
    if name not in known:
        yield FILE, at, repr(name), one_of(suited)
    elif known[name].closed:
        yield FILE, at, f"{name!r} may reveal the arm", one_of(suited)
    elif known[name].type not in types:
        yield FILE, at, f"{name!r}, a {known[name].type}", f"a {' or '.join(types)}"


def _table(study: Study, at: Location, table: str) -> dict[str, Variable] | Finding:
    """Return the variables of an open event table, or what is wrong with it."""
    file = event_file(study, table)
    open_tables = [f.events.name for f in study.config.files if f.events and not f.closed]
    if file is None or file.events is None:
        return FILE, (*at, "table"), repr(table), one_of(open_tables)
    if file.closed:
        return FILE, (*at, "table"), f"{table!r} may reveal the arm", one_of(open_tables)
    own = {v.name: v for v in file.events.variables}
    return own | {c.variable: study.variables[c.variable] for c in file.columns if c.variable in study.variables}


def _screening(study: Study) -> Iterator[Finding]:
    log = study.progress.screening
    if log is None:
        return
    known = _table(study, ("screening",), log.table)
    if isinstance(known, tuple):
        yield known
        return
    wanted = (
        ("date", log.date, ("date",)),
        ("eligible", log.eligible, ("category",)),
        ("not_eligible_reason", log.not_eligible_reason, ("category",)),
        ("consented", log.consented, ("category",)),
        ("declined_reason", log.declined_reason, ("category",)),
    )
    for key, name, types in wanted:
        if name is not None:
            yield from _open(("screening", key), name, known, types)
    for key, name in (("eligible", log.eligible), ("consented", log.consented)):
        if name in known and known[name].levels and log.yes not in known[name].levels:
            yield FILE, ("screening", "yes"), f"{log.yes!r}, not a code of {key}", one_of(known[name].levels)


def _activities(study: Study) -> Iterator[Finding]:
    plan = study.progress.activities
    if plan is None:
        return
    known = _table(study, ("activities",), plan.table)
    if isinstance(known, tuple):
        yield known
        return
    yield from _open(("activities", "date"), plan.date, known, ("date",))
    yield from _open(("activities", "kind"), plan.kind, known, ("category",))
    kinds = known[plan.kind].levels if plan.kind in known else {}
    groups = group_levels(study)
    for i, target in enumerate(plan.targets):
        yield from _code(("activities", "targets", i, "group"), target.group, groups)
        yield from _code(("activities", "targets", i, "kind"), target.kind, kinds)
    if plan.together:
        yield from _code(("activities", "together", "kind"), plan.together.kind, kinds)
        at: Location = ("activities", "together", "identifier")
        yield from _open(at, plan.together.identifier, known, ("text", "category"))
    if plan.vouchers:
        yield from _open(("activities", "vouchers", "issued"), plan.vouchers.issued, known, ("category",))
        for i, group in enumerate(plan.vouchers.groups):
            yield from _code(("activities", "vouchers", "groups", i), group, groups)


def _code(at: Location, code: str, codes: Iterable[str]) -> Iterator[Finding]:
    if code not in set(codes):
        yield FILE, at, repr(code), one_of(codes)


def _measures(study: Study) -> Iterator[Finding]:
    progress = study.progress
    twice = {i.name: i for i in study.instruments.values() if i.double_coded}
    for i, coding in enumerate(progress.double_coding):
        at: Location = ("double_coding", i)
        if coding.instrument not in twice:
            yield FILE, (*at, "instrument"), repr(coding.instrument), one_of(twice)
        elif isinstance(found := _table(study, at, str(twice[coding.instrument].double_coded)), tuple):
            yield found
    for i, score in enumerate(progress.blinded_summaries.scores):
        if score not in study.scores:
            yield FILE, ("blinded_summaries", "scores", i), repr(score), one_of(study.scores)
    review = progress.sample_size
    if review is None:
        return
    if review.score not in study.scores:
        yield FILE, ("sample_size", "score"), repr(review.score), one_of(study.scores)
    if review.visit not in study.visits:
        yield FILE, ("sample_size", "visit"), repr(review.visit), one_of(study.visits)
    if len(study.config.arms) != 2:
        yield FILE, ("sample_size",), f"a study of {len(study.config.arms)} arms", "two arms, or no sample_size"


def group_levels(study: Study) -> dict[str, str]:
    """Return code → label of the groups that the page is filtered by: sites, or levels of another variable."""
    name = study.progress.group
    variable = study.variables.get(name) if name else study.variable_with_role("site")
    if variable is None:
        return {}
    if variable.role == "site":
        return {site.name: site.label for site in study.config.sites}
    return dict(variable.levels)
