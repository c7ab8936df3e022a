"""The twin's raw files: its values as text cells, in the columns, codes and conventions of the real files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.simulate.sheets import Sheet
from pipanalysis.twin.events import EventRows
from pipanalysis.twin.identifiers import new_identifiers
from pipanalysis.twin.model import Units
from pipanalysis.twin.source import RawColumn, Source, SourceFile

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

PLACEHOLDER = "text"
"""what stands for free text, and in columns that the configuration does not name"""


def unit_sheet(
    study: Study, source: Source, one: SourceFile, units: Units, names: list[str], generator: np.random.Generator
) -> Sheet:
    """Return a file of participants or visits."""
    file = one.file
    blocks = [block for block in source.blocks if block[0] == file.name]
    visits = [visit for _, visit in blocks if visit] if file.visit_column else [""]
    rows, visit_of = [], []
    for i in range(len(names)):
        for visit in visits:
            there = units.there[(file.name, visit)][i] if visit else any(units.there[b][i] for b in blocks)
            if there:
                rows.append(i)
                visit_of.append(visit)
    at = np.array(rows, dtype=int)
    visit_at = np.array(visit_of, dtype=object)
    values: dict[str, np.ndarray] = {}
    written = source.as_written(units.values, units.anchor)
    for j, variable in enumerate(source.variables):
        if variable.file != file.name:
            continue
        column = written[at, j]
        name = variable.raw.column.source
        if file.visit_column and variable.block[1]:
            held = values.setdefault(name, np.full(len(at), np.nan))
            here = visit_at == variable.block[1]
            held[here] = column[here]
        else:
            values[name] = column
    keys = np.array(names, dtype=object)[at]
    return _sheet(study, one, keys, visit_at, values, generator)


def event_sheet(
    study: Study, one: SourceFile, rows: EventRows, names: list[str], generator: np.random.Generator
) -> Sheet:
    """Return an event table's file."""
    missing = next((t for t in one.file.missing_codes if t in one.keys), "")
    days = [rows.values[name] for name, raw in one.columns.items() if raw.type == "date"]
    order = np.lexsort([*days[:1], rows.unit])
    rows = EventRows(rows.unit[order], rows.visit[order], {n: column[order] for n, column in rows.values.items()})
    keys = np.array([names[i] if i >= 0 else missing for i in rows.unit], dtype=object)
    return _sheet(study, one, keys, rows.visit, rows.values, generator)


def _sheet(
    study: Study,
    one: SourceFile,
    keys: np.ndarray,
    visits: np.ndarray,
    values: dict[str, np.ndarray],
    generator: np.random.Generator,
) -> Sheet:
    file = one.file
    ending = file.format or file.path.rpartition(".")[2].lower()
    ending = {"txt": "csv", "tsv": "csv", "xlsm": "xlsx", "zsav": "sav"}.get(ending, ending)
    shown = file.date_format if file.date_format and ending == "csv" else "%Y-%m-%d"
    made = Sheet(file, ending, pd.DataFrame(), {}, {}, {}, {}, {}, set(), {}, visits)
    cells: dict[str, np.ndarray] = {}
    for name in one.header:
        if name == file.key:
            cells[name] = keys
            made.kinds[name] = "code" if all(t.isdigit() and t[0] != "0" for t in one.keys if t) else "text"
        elif name == file.visit_column:
            code = {visit: text for text, visit in reversed(file.visit_codes.items())}
            cells[name] = np.array([code.get(v, v) for v in visits], dtype=object)
            made.kinds[name] = "code"
        elif name in one.columns:
            raw = one.columns[name]
            cells[name] = _texts(raw, values.get(name, np.full(len(keys), np.nan)), file.decimal, shown, generator)
            kinds = {"number": "number", "category": "code", "date": "date"}
            made.kinds[name] = kinds.get(raw.type, "text")
            made.missing[name] = sorted(raw.column.missing & {*file.missing_codes, *_own_codes(one, name)})
            made.labels[name] = _labels(study, one, raw)
        else:
            cells[name] = np.full(len(keys), PLACEHOLDER if name in one.filled else "", dtype=object)
    made.cells = pd.DataFrame(cells)
    return made


def _own_codes(one: SourceFile, name: str) -> set[str]:
    return set(one.columns[name].conventions.missing)


def _labels(study: Study, one: SourceFile, raw: RawColumn) -> dict[str, str]:
    if raw.type != "category":
        return {}
    if raw.instrument:
        return study.instruments[raw.instrument].items.levels
    own = {v.name: v for v in one.file.events.variables} if one.file.events else {}
    variable = own.get(raw.column.name) or study.variables[raw.column.name]
    return variable.levels


def _texts(
    raw: RawColumn, values: np.ndarray, decimal: str, date_format: str, generator: np.random.Generator
) -> np.ndarray:
    """Return values as the column writes them; missing ones as often by each of its codes as there."""
    there = ~np.isnan(values)
    texts = np.empty(len(values), dtype=object)
    codes, counts = list(raw.conventions.missing) or [""], list(raw.conventions.missing.values()) or [1]
    texts[~there] = generator.choice(
        np.array(codes, dtype=object), int((~there).sum()), p=np.array(counts) / sum(counts)
    )
    texts[there] = _filled(raw, values[there], decimal, date_format, generator)
    return texts


def _filled(
    raw: RawColumn, values: np.ndarray, decimal: str, date_format: str, generator: np.random.Generator
) -> list[str]:
    if raw.type == "number":
        digits = len(np.format_float_positional(raw.grid, trim="-").partition(".")[2])
        texts = [f"{v:.{digits}f}" for v in values.tolist()]
        if digits and not raw.conventions.even:
            texts = [text.rstrip("0").rstrip(".") for text in texts]
        return ["0" if text == "-0" else text.replace(".", decimal) for text in texts]
    if raw.type == "date":
        start = dt.date(1970, 1, 1)
        return [(start + dt.timedelta(days=round(v))).strftime(date_format) for v in values.tolist()]
    if raw.type == "category":
        return [raw.conventions.spelling.get(raw.levels[int(v)], raw.levels[int(v)]) for v in values]
    if raw.type == "label":
        return [f"{raw.column.name}{int(v) + 1}" for v in values]
    if raw.type == "serial":
        return new_identifiers(raw.conventions.spelling, len(values), generator)
    return [PLACEHOLDER] * len(values)
