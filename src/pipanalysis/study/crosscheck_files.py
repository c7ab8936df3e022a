"""Checks of the raw files that study.yaml declares: what each holds, where, and what stands for a missing value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.published import PUBLISHED
from pipanalysis.study.study import Range, Variable
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import InstrumentColumns, RawFile, VariableColumn


def check_files(study: Study) -> Iterator[Finding]:
    """Find contradictions in the declarations of raw files."""
    for f, file in enumerate(study.config.files):
        where: Location = ("files", f)
        yield from _file(study, file, where)
        for c, column in enumerate(file.columns):
            yield from _column(study, file, column, (*where, "columns", c))
        for c, instrument in enumerate(file.instruments):
            yield from _instrument(study, file, instrument, (*where, "instruments", c))
        yield from _unique_events(file, where)
    yield from _held_twice(study)
    yield from _visits_without_file(study)
    for _, path in repeated([file.path for file in study.config.files]):
        yield "study.yaml", ("files",), f"{path!r} is read twice", "each file once"
    yield from _missing_codes(study)
    yield from _allocation_alone(study)
    yield from _published(study)


def _file(study: Study, file: RawFile, where: Location) -> Iterator[Finding]:
    if file.visit and file.visit_column:
        yield "study.yaml", where, "both visit and visit_column", "one of them"
    if file.closed and not file.events:
        yield "study.yaml", (*where, "closed"), "closed, and no table of events", "events, which closed files hold"
    if file.visit and file.visit not in study.visits:
        yield "study.yaml", (*where, "visit"), repr(file.visit), one_of(study.visits)
    for code, visit in file.visit_codes.items():
        if visit not in study.visits:
            yield "study.yaml", (*where, "visit_codes", code), repr(visit), one_of(study.visits)


def _column(study: Study, file: RawFile, column: VariableColumn, where: Location) -> Iterator[Finding]:
    own = _own_variables(file)
    variable = own.get(column.variable) or study.variables.get(column.variable)
    if variable is None:
        yield "study.yaml", (*where, "variable"), repr(column.variable), one_of([*own, *study.variables])
        return
    if variable.type == "date_of_birth" and (file.events or variable.level == "visit"):
        found = f"date of birth {variable.name!r} in a table of events or visits"
        yield "study.yaml", where, found, "a participant's value, which leaves intake as an age"
    if variable.closed and not file.closed:
        yield "study.yaml", where, f"{variable.name!r} may reveal the arm", "a file with closed: true"
    if column.visit and column.visit not in study.visits:
        yield "study.yaml", (*where, "visit"), repr(column.visit), one_of(study.visits)
    if variable.level == "visit" and not (column.visit or file.visit or file.visit_column or file.events):
        found = f"{variable.name!r} has a value a visit, and no visit is given"
        yield "study.yaml", where, found, "visit, or the file's visit or visit_column"


def _instrument(study: Study, file: RawFile, held: InstrumentColumns, where: Location) -> Iterator[Finding]:
    name, visit = held.instrument, held.visit or file.visit
    if name not in study.instruments:
        yield "study.yaml", (*where, "instrument"), repr(name), one_of(study.instruments)
        return
    if held.visit and held.visit not in study.visits:
        yield "study.yaml", (*where, "visit"), repr(held.visit), one_of(study.visits)
    if visit in study.visits and visit not in study.instrument_visits(name):
        yield "study.yaml", where, f"{name} at {visit!r}", one_of(study.instrument_visits(name))
    if not (visit or file.visit_column or file.events):
        yield "study.yaml", where, "no visit is given", "visit, or the file's visit or visit_column"
    if len(study.instruments[name].item_names()) > 1 and "{item" not in held.columns:
        yield "study.yaml", (*where, "columns"), repr(held.columns), "a column name with {item}"


def _unique_events(file: RawFile, where: Location) -> Iterator[Finding]:
    """Find columns that are to tell the events of a table apart, and that it has not."""
    if file.events:
        own = [*_own_variables(file), "visit", "unit"]
        for name in sorted(set(file.events.unique) - set(own) - {column.variable for column in file.columns}):
            yield "study.yaml", (*where, "events", "unique"), repr(name), one_of(own)


def _own_variables(file: RawFile) -> dict[str, Variable]:
    """Return the variables of a file's own table of events by name."""
    return {variable.name: variable for variable in file.events.variables} if file.events else {}


def _visits_without_file(study: Study) -> Iterator[Finding]:
    held: set[str | None] = set()
    for file in study.config.files:
        if not file.events:
            held |= {file.visit, *file.visit_codes.values()}
            held |= {column.visit for column in file.columns} | {given.visit for given in file.instruments}
            held |= study.visits.keys() if file.visit_column and not file.visit_codes else set()
    for v, planned in enumerate(study.config.visits):
        if planned.name not in held:
            yield "study.yaml", ("visits", v), f"no file holds visit {planned.name!r}", "a file with this visit"


def _held_twice(study: Study) -> Iterator[Finding]:
    """Find a value that two files (or two columns of one) would give; of a long file, intake compares the values."""
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


def _missing_codes(study: Study) -> Iterator[Finding]:
    """Find missing codes that are allowed values too: each would take a real value away."""
    for f, file in enumerate(study.config.files):
        own = _own_variables(file)
        held: list[tuple[Location, str, list[str], Sequence[Range | None]]] = []
        for c, column in enumerate(file.columns):
            variable = own.get(column.variable) or study.variables.get(column.variable)
            limits: list[Range | None] = [variable.range] if variable else []
            held.append((("files", f, "columns", c), column.variable, file.codes_of(column), limits))
        for c, given in enumerate(file.instruments):
            instrument = study.instruments.get(given.instrument)
            ranges = [instrument.item_range(item) for item in instrument.item_names()] if instrument else []
            held.append((("files", f, "instruments", c), given.instrument, file.codes_of(given), ranges))
        for location, name, codes, spans in held:
            for code in codes:
                number = None
                with contextlib.suppress(ValueError):
                    number = float(code)
                if number is not None and any(span and span.min <= number <= span.max for span in spans):
                    found = f"missing code {code!r} is an allowed value of {name!r}"
                    yield "study.yaml", location, found, "missing_codes of its own, without this one"


def _allocation_alone(study: Study) -> Iterator[Finding]:
    if study.config.allocation is None:
        return
    path = study.config.allocation.path
    if path in {file.path for file in study.config.files}:
        yield "study.yaml", ("allocation", "path"), repr(path), "a file of its own, so that blinded steps never open it"


def _published(study: Study) -> Iterator[Finding]:
    """Find data that cannot be the published ones that study.yaml names; `estimate` compares the bytes."""
    config = study.config
    named = config.study.published
    if named is None:
        return
    at: Location = ("study", "published")
    if config.study.data != "real":
        yield "study.yaml", at, f"{named}, and the data are {config.study.data}", "data: real, or no published"
    if study.published is None:
        yield "study.yaml", at, repr(named), one_of(PUBLISHED)
        return
    paths: list[tuple[Location, str]] = [(("files", f, "path"), file.path) for f, file in enumerate(config.files)]
    paths += [(("allocation", "path"), config.allocation.path)] if config.allocation else []
    for where, path in paths:
        if path not in study.published.files:
            yield "study.yaml", where, repr(path), f"a file of {named}: {', '.join(study.published.files)}"
