"""Checks of the raw files that study.yaml declares: what each holds, where, and what stands for a missing value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.published import PUBLISHED
from pipanalysis.study.study import Range
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def check_files(study: Study) -> Iterator[Finding]:
    """Find contradictions in the declarations of raw files."""
    yield from _raw_files(study)
    yield from _missing_codes(study)
    yield from _allocation_alone(study)
    yield from _published(study)


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
        if file.closed and not file.events:
            yield "study.yaml", (*where, "closed"), "closed, and no table of events", "events, which closed files hold"
        if file.visit and file.visit not in study.visits:
            yield "study.yaml", (*where, "visit"), repr(file.visit), one_of(study.visits)
        for code, visit in file.visit_codes.items():
            if visit not in study.visits:
                yield "study.yaml", (*where, "visit_codes", code), repr(visit), one_of(study.visits)
        own = {v.name: v for v in file.events.variables} if file.events else {}
        for c, column in enumerate(file.columns):
            at = (*where, "columns", c)
            variable = own.get(column.variable) or study.variables.get(column.variable)
            if variable is None:
                yield "study.yaml", (*at, "variable"), repr(column.variable), one_of([*own, *study.variables])
                continue
            if variable.type == "date_of_birth" and (file.events or variable.level == "visit"):
                found = f"date of birth {variable.name!r} in a table of events or visits"
                yield "study.yaml", at, found, "a participant's value, which leaves intake as an age"
            if variable.closed and not file.closed:
                yield "study.yaml", at, f"{variable.name!r} may reveal the arm", "a file with closed: true"
            if column.visit and column.visit not in study.visits:
                yield "study.yaml", (*at, "visit"), repr(column.visit), one_of(study.visits)
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
                yield "study.yaml", (*at, "instrument"), repr(instrument.instrument), one_of(study.instruments)
                continue
            given = instrument.visit or file.visit
            if instrument.visit and instrument.visit not in study.visits:
                yield "study.yaml", (*at, "visit"), repr(instrument.visit), one_of(study.visits)
            if given in study.visits and given not in study.instrument_visits(instrument.instrument):
                allowed = one_of(study.instrument_visits(instrument.instrument))
                yield "study.yaml", at, f"{instrument.instrument} at {given!r}", allowed
            if not (given or file.visit_column or file.events):
                yield "study.yaml", at, "no visit is given", "visit, or the file's visit or visit_column"
            if len(study.instruments[instrument.instrument].item_names()) > 1 and "{item" not in instrument.columns:
                yield "study.yaml", (*at, "columns"), repr(instrument.columns), "a column name with {item}"
        if file.events and file.events.unique:
            for name in set(file.events.unique) - set(own) - {c.variable for c in file.columns} - {"visit", "unit"}:
                yield "study.yaml", (*where, "events", "unique"), repr(name), one_of([*own, "visit", "unit"])
    yield from _held_twice(study)
    for v, planned in enumerate(study.config.visits):
        if planned.name not in held:
            yield "study.yaml", ("visits", v), f"no file holds visit {planned.name!r}", "a file with this visit"
    for _, path in repeated([file.path for file in study.config.files]):
        yield "study.yaml", ("files",), f"{path!r} is read twice", "each file once"


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
        own = {v.name: v for v in file.events.variables} if file.events else {}
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
