"""From one raw file: who and which visit each row is, and the cleaned values of every declared column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.columns import Cleaned, as_column, clean, kind_of
from pipanalysis.intake.parse import Parser, code_parser, item_parser, missing_texts, variable_parser
from pipanalysis.intake.queries import Queries
from pipanalysis.intake.raw_table import RawTable

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile, Variable


@dataclass(frozen=True)
class Column:
    """A declared column of a raw file: where it stands and what it becomes."""

    source: str
    name: str
    parser: Parser
    kind: str
    level: str
    """participant, visit or event"""
    visit: str | None
    """the visit that this column holds, where the row does not say"""
    missing: frozenset[str]
    """what stands for a missing value"""
    required: bool = False


@dataclass
class Extract:
    """What one file holds.

    Attributes:
        file: its configuration.
        name: how messages call it.
        participants: unit, row and the participant-level variables (a row for each row of the file).
        visits: unit, visit, row and the visit-level variables and items.
        events: unit, row, visit and the variables of an event table.
        n_rows: rows read.
        set_aside: rows set aside, by rule.
        empty_visits: rows without any value for their visit.
        blank_rows: rows without any value at all.
    """

    file: RawFile
    name: str
    n_rows: int
    participants: pd.DataFrame | None = None
    visits: list[pd.DataFrame] = field(default_factory=list)
    events: pd.DataFrame | None = None
    set_aside: dict[str, int] = field(default_factory=dict)
    empty_visits: int = 0
    blank_rows: int = 0


def declared_columns(study: Study, file: RawFile) -> list[Column]:
    """Return the columns that the configuration names for a file, except the key and the visit."""
    own: dict[str, Variable] = {v.name: v for v in file.events.variables} if file.events else {}
    columns = []
    for spec in file.columns:
        variable = own.get(spec.variable) or study.variables[spec.variable]
        level = "event" if file.events else variable.level
        parser = variable_parser(variable, file, study.config.sites)
        kind = kind_of(variable.type)
        source = spec.column or spec.variable
        visit = spec.visit if level == "visit" else None
        codes = missing_texts(file.codes_of(spec))
        columns.append(Column(source, variable.name, parser, kind, level, visit, codes, variable.required))
    for given in file.instruments:
        instrument = study.instruments[given.instrument]
        codes = missing_texts(file.codes_of(given))
        for item in instrument.item_names():
            source = given.columns.format(item=item) if "{item" in given.columns else given.columns
            level = "event" if file.events else "visit"
            kind = kind_of(instrument.items.type if instrument.items.type != "category" else "text")
            parser = item_parser(instrument, item, file)
            columns.append(Column(source, instrument.item_variable(item), parser, kind, level, given.visit, codes))
    return columns


def expected_columns(study: Study, file: RawFile) -> list[str]:
    """Return every column name that a file must have."""
    visit = [file.visit_column] if file.visit_column else []
    return [file.key, *visit, *(column.source for column in declared_columns(study, file))]


def extract(
    study: Study, file: RawFile, table: RawTable, known: dict[str, str], queries: Queries, *, defines: bool
) -> Extract:
    """Clean a file's columns and sort them into participant-level, visit-level and event values.

    Args:
        study: the configuration.
        file: the file's configuration.
        table: the file as read.
        known: known units by their case-folded identifier.
        queries: collects the problems.
        defines: whether the file's units need not be known already.

    Raises:
        DataError: no row has the unit's identifier.
    """
    columns = declared_columns(study, file)
    _undeclared(file, table, columns, queries)
    result = Extract(file, table.name, len(table.rows))
    raw = [text if text is not None else "" for text in table.columns[file.key].to_pylist()]
    units, keep = _units(file, table, raw, _spellings(raw, known) if defines else known, queries, result)
    visits = _visits(study, file, table, units, keep, queries, result)
    randomised = study.variable_with_role("randomisation_date")
    rows, chosen = table.rows[keep], pa.array(np.flatnonzero(keep))
    unit_of, visit_of = units[keep], visits[keep] if visits is not None else None
    frames: dict[tuple[str, str | None], dict[str, pd.Series]] = {}

    def ask(rule: str, column: Column, row: int, allowed: str, found: str = "") -> None:
        visit = column.visit or (visit_of[row] if visit_of is not None else "")
        queries.add(
            rule,
            table.name,
            int(rows[row]),
            unit=unit_of[row],
            visit=str(visit or "") if column.level != "participant" else "",
            variable=column.name,
            found=found,
            allowed=allowed,
        )

    wanted: list[tuple[Column, pd.Series]] = []
    for column in columns:
        cleaned = clean(table.columns[column.source].take(chosen), column.parser, column.missing, column.kind)
        at = column.visit
        for row, found, broken in cleaned.issues:
            ask(str(broken.rule), column, row, broken.allowed, found)
        values = as_column(cleaned.values, column.kind)
        given = values.notna() | _broken(cleaned, len(values))
        if randomised is not None and column.name == randomised.name and column.level == "participant":
            # Missing rather than false, so that a row without the date does not contradict one with it.
            frames.setdefault((column.level, at), {})["randomised"] = given.astype(object).where(given)
        if column.required:
            wanted.append((column, given))
        frames.setdefault((column.level, at), {})[column.name] = values
    index = {"unit": pd.Series(unit_of, dtype="str"), "row": pd.Series(rows)}
    for (level, at), values_by_name in frames.items():
        frame = pd.DataFrame({**index, **values_by_name})
        if level == "participant":
            result.participants = frame
        elif level == "event":
            if visit_of is not None:
                frame.insert(1, "visit", pd.Series(visit_of, dtype="str"))
            result.events = frame
        else:
            frame.insert(1, "visit", at if at else pd.Series(visit_of, dtype="str"))
            filled = frame[list(values_by_name)].notna().any(axis=1)
            result.empty_visits += int((~filled).sum())
            result.visits.append(frame[filled].reset_index(drop=True))
            if len(frames) > 1:
                # The row is there for other values too, so an empty visit is one that was not made.
                wanted = [(c, given | ~filled if (c.level, c.visit) == (level, at) else given) for c, given in wanted]
    for column, given in wanted:
        if column.level == "participant":
            given = given.groupby(index["unit"]).transform("any") | index["unit"].duplicated()
        for row in np.flatnonzero(~given).tolist():
            ask("missing-required", column, row, "a value")
    return result


def _broken(cleaned: Cleaned, n: int) -> np.ndarray:
    """Return which rows have a query of their own already."""
    mask = np.zeros(n, dtype=bool)
    mask[[row for row, *_ in cleaned.issues]] = True
    return mask


def _undeclared(file: RawFile, table: RawTable, columns: list[Column], queries: Queries) -> None:
    used = {file.key, file.visit_column, *file.ignore, *(column.source for column in columns)}
    for column in table.columns:
        if column not in used:
            queries.add(
                "undeclared-column",
                table.name,
                None,
                variable=column,
                found="a column",
                allowed="columns that study.yaml names",
            )


def _spellings(raw: list[str], known: dict[str, str]) -> dict[str, str]:
    """Return the known units and the file's own, each in its most frequent spelling whatever the order of the rows."""
    counts = Counter(text.strip() for text in raw)
    rarest_first = sorted(sorted(counts, reverse=True), key=counts.__getitem__)
    return {plain.casefold(): plain for plain in rarest_first} | known


def _units(
    file: RawFile, table: RawTable, raw: list[str], known: dict[str, str], queries: Queries, result: Extract
) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit of each row (None where there is none) and which rows are kept."""
    if not any(text.strip() for text in raw):
        raise DataError(Problem(f"{table.name}, column {file.key!r}", "no identifier in any row", "one in every row"))
    missing = missing_texts(file.missing_codes)
    keep = np.ones(len(raw), dtype=bool)
    units = np.empty(len(raw), dtype=object)
    required = file.events is None or file.events.key_required

    def set_aside(row: int, rule: str, found: str, allowed: str) -> None:
        queries.add(rule, table.name, int(table.rows[row]), found=found, allowed=allowed, variable=file.key)
        result.set_aside[rule] = result.set_aside.get(rule, 0) + 1
        keep[row] = False

    for row, text in enumerate(raw):
        plain = text.strip()
        if plain in missing:
            units[row] = None
            if required:
                if _has_values(table, row):
                    set_aside(row, "no-unit", "", "the unit's identifier")
                else:
                    result.blank_rows += 1
                    keep[row] = False
            continue
        if plain == file.key:
            set_aside(row, "repeated-header", plain, "a row of data")
            continue
        unit = known.get(plain.casefold())
        if unit is None:
            set_aside(row, "unknown-unit", text, "a unit of the participants' file")
            continue
        if unit != text:
            queries.add(
                "id-spelling", table.name, int(table.rows[row]), unit=unit, variable=file.key, found=text, allowed=unit
            )
        units[row] = unit
    return units, keep


def _has_values(table: RawTable, row: int) -> bool:
    return any((values[row].as_py() or "").strip() for values in table.columns.values())


def _visits(
    study: Study, file: RawFile, table: RawTable, units: np.ndarray, keep: np.ndarray, queries: Queries, result: Extract
) -> np.ndarray | None:
    """Return the visit of each row (None where the file's rows have none); rows of no known visit are set aside."""
    if file.visit:
        return np.full(len(table.rows), file.visit, dtype=object)
    if not file.visit_column:
        return None
    codes = {name: name for name in study.visits} | dict(file.visit_codes)
    parser = code_parser(codes)
    cleaned = clean(table.columns[file.visit_column], parser, frozenset({""}), "text")
    for row, found, broken in cleaned.issues:
        if keep[row] and broken.rule == "code-spelling":
            queries.add(
                "code-spelling",
                table.name,
                int(table.rows[row]),
                unit=units[row],
                variable=file.visit_column,
                found=found,
                allowed=broken.allowed,
            )
    for row in np.flatnonzero(pd.isna(cleaned.values) & keep).tolist():
        found = table.columns[file.visit_column][int(row)].as_py() or ""
        allowed = "one of: " + ", ".join(codes)
        number = int(table.rows[row])
        queries.add(
            "unknown-visit",
            table.name,
            number,
            unit=units[row],
            variable=file.visit_column,
            found=found,
            allowed=allowed,
        )
        result.set_aside["unknown-visit"] = result.set_aside.get("unknown-visit", 0) + 1
        keep[row] = False
    return cleaned.values
