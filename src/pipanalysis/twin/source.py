"""The confidential data as the twin is modelled on: a row per unit, what is there, and how each file writes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.derive.allocation import read_allocation, real_arms
from pipanalysis.errors import ConfigError, PlanError, Problem
from pipanalysis.intake.extract import Column, Extract, declared_columns, extract
from pipanalysis.intake.queries import Queries
from pipanalysis.intake.step import defines_participants, read_files

if TYPE_CHECKING:
    from pipanalysis.intake.raw_table import RawTable
    from pipanalysis.study.instrument import Instrument, ItemName
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile

Block = tuple[str, str]
"""a file and a visit ("" for what belongs to the unit): there for a unit or not"""


@dataclass(frozen=True)
class Conventions:
    """How a column is written.

    Attributes:
        missing: what stands for a missing value → how often.
        spelling: code of the checked table → its most frequent text.
        decimals: most digits after the decimal mark.
        even: whether every number has so many.
    """

    missing: dict[str, int]
    spelling: dict[str, str]
    decimals: int
    even: bool


@dataclass
class RawColumn:
    """A declared column of a raw file, its type and its conventions.

    Attributes:
        column: what it becomes at intake.
        type: number, category, date, text (a constant stands for it), serial (numbered anew) or label (groups of rows).
        levels: category: codes of the checked table, in the configuration's order; label: texts.
        conventions: how it is written.
        low: least number allowed.
        high: greatest number allowed.
        grid: distance between allowed numbers (0: by the decimals written).
        dates: days allowed.
        instrument: name of the questionnaire ("" for a variable).
        scale: the questionnaire and the scores that an item enters.
    """

    column: Column
    type: str
    levels: list[str]
    conventions: Conventions
    low: float = -np.inf
    high: float = np.inf
    grid: float = 0.0
    dates: tuple[float, float] = (-np.inf, np.inf)
    instrument: str = ""
    scale: str = ""

    def numbers(self, values: pd.Series) -> np.ndarray:
        """Return checked values as numbers: places among the levels, days since 1970, or the numbers they are."""
        if self.type == "date":
            days = pd.to_datetime(values).to_numpy().astype("datetime64[D]")
            return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(float))
        if self.type in ("category", "label"):
            place = {code: float(i) for i, code in enumerate(self.levels)}
            return np.array([place.get(v, np.nan) if isinstance(v, str) else np.nan for v in values])
        if self.type == "number":
            return values.to_numpy(dtype=float)
        return np.where(values.notna(), 0.0, np.nan)


@dataclass
class SourceFile:
    """A raw file: its columns in order, and what intake makes of it."""

    file: RawFile
    header: list[str]
    filled: set[str]
    columns: dict[str, RawColumn]
    extract: Extract
    keys: list[str]


@dataclass
class WideVariable:
    """One variable at one visit, a value per unit.

    Attributes:
        name: file, column and visit, as the record names it.
        raw: its column.
        file: name of its file.
        block: the file and visit that must be there for it to be.
        group: variables whose correlations are shrunk together.
        values: (n,) numbers; dates as days since the anchor.
    """

    name: str
    raw: RawColumn
    file: str
    block: Block
    group: str
    values: np.ndarray


@dataclass
class Source:
    """Everything the twin is made from.

    Attributes:
        units: identifiers.
        arms: (n,) arm of each unit, "" where it has none.
        arm_texts: arm → how the allocation file writes it.
        files: by name.
        blocks: block → (n,) whether it is there.
        variables: of participants' and visits' files.
        anchor: (n,) the day from which a unit's other dates are counted; NaN where it is not known.
        anchored_on: variable whose days those are, None where the study has none.
        rows_without_place: rows that intake sets aside, or that repeat a unit's.
    """

    units: list[str]
    arms: np.ndarray
    arm_texts: dict[str, str]
    files: dict[str, SourceFile]
    blocks: dict[Block, np.ndarray] = field(default_factory=dict)
    variables: list[WideVariable] = field(default_factory=list)
    anchor: np.ndarray = field(default_factory=lambda: np.empty(0))
    anchored_on: str | None = None
    rows_without_place: int = 0

    def as_written(self, values: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        """Return values with dates as files have them: whole days since 1970 within the days allowed.

        Args:
            values: (n, p) the variables, dates counted from the anchor.
            anchor: (n,) days since 1970.
        """
        made = values.copy()
        for j, variable in enumerate(self.variables):
            if variable.raw.type == "date":
                start = 0.0 if variable.raw.column.name == self.anchored_on else anchor
                made[:, j] = np.clip(np.round(values[:, j] + start), *variable.raw.dates)
        return made


def read_source(study: Study) -> Source:
    """Read the raw files, closed ones and the allocation included.

    Raises:
        PlanError: the data are real and masked, or the plan is not locked: a twin shows differences between arms.
        DataError: every reason for which a file cannot be used.
    """
    _refuse_blinded(study)
    declared = [f for f in study.config.files if f.required or (study.layout.raw / f.path).exists()]
    tables = read_files(study, declared, progress=False)
    defining = [f for f in declared if defines_participants(study, f)] or [f for f in declared if not f.events]
    queries, known, files = Queries(), dict[str, str](), dict[str, SourceFile]()
    for file in sorted(declared, key=lambda f: f not in defining):
        found = extract(study, file, tables[file.name], known, queries, defines=file in defining)
        files[file.name] = _source_file(study, file, tables[file.name], found)
        if file in defining:
            known |= {unit.casefold(): unit for unit in _units_of(found)}
    units = sorted(known.values())
    source = Source(units, np.full(len(units), ""), {}, {f.name: files[f.name] for f in declared})
    if study.analysed:
        source.arms, source.arm_texts = _arms(study, units)
    _find_anchor(study, source)
    for one in source.files.values():
        if one.file.events is None:
            _widen(study, source, one)
    return source


def _refuse_blinded(study: Study) -> None:
    about = study.config.study
    if about.data != "real" or not study.analysed:
        return
    if study.masked:
        found, allowed = "blinding: masked", "a twin once the study is open: it shows the differences between arms"
        raise ConfigError(Problem("config/study.yaml, study.blinding", found, allowed))
    if study.lock is None and about.without_lock is None:
        allowed = "a plan locked before the real allocation is read (`pipanalysis lock`), or study.without_lock"
        raise PlanError(Problem("config/lock.json", "no such file", allowed))


def _units_of(found: Extract) -> list[str]:
    frames = [frame for frame in (found.participants, *found.visits) if frame is not None]
    return sorted({str(unit) for frame in frames for unit in frame["unit"].dropna()})


def _arms(study: Study, units: list[str]) -> tuple[np.ndarray, dict[str, str]]:
    """Return the arm of each unit that the allocation file names, and how it writes the arms."""
    path = study.layout.raw / study.allocation.path
    table = read_allocation(study, path)
    texts = dict(zip(table["unit"], table["arm"], strict=True))
    allocated = pd.Series([unit for unit in units if unit in texts], dtype="str")
    arms = dict(zip(allocated, real_arms(study, path, allocated), strict=True))
    written: dict[str, Counter[str]] = {}
    for unit, arm in arms.items():
        written.setdefault(arm, Counter())[texts[unit]] += 1
    spelling = {arm: counts.most_common(1)[0][0] for arm, counts in written.items()}
    return np.array([arms.get(unit, "") for unit in units], dtype=object), spelling


def _source_file(study: Study, file: RawFile, table: RawTable, found: Extract) -> SourceFile:
    texts = {name: [t or "" for t in values.to_pylist()] for name, values in table.columns.items()}
    filled = {name for name, column in texts.items() if any(t.strip() for t in column)}
    columns = {c.source: _raw_column(study, file, c, texts[c.source]) for c in declared_columns(study, file)}
    keys = [t.strip() for t in texts[file.key]]
    return SourceFile(file, list(table.columns), filled, columns, found, keys)


def _raw_column(study: Study, file: RawFile, column: Column, texts: list[str]) -> RawColumn:
    missing: Counter[str] = Counter()
    spelled: dict[str, Counter[str]] = {}
    decimals: set[int] = set()
    for text, n in Counter(t.strip() for t in texts).items():
        if text in column.missing:
            missing[text] += n
            continue
        parsed = column.parser(text)
        if parsed.value is None or parsed.rule is not None:
            continue
        if column.kind == "number":
            decimals.add(len(text.rpartition(file.decimal)[2]) if file.decimal in text else 0)
        elif column.kind == "text":
            spelled.setdefault(str(parsed.value), Counter())[text] += n
    spelling = {code: counts.most_common(1)[0][0] for code, counts in spelled.items()}
    conventions = Conventions(dict(missing), spelling, max(decimals, default=0), len(decimals) <= 1)
    return _typed(study, file, column, conventions)


def _typed(study: Study, file: RawFile, column: Column, conventions: Conventions) -> RawColumn:
    for given in file.instruments:
        instrument = study.instruments[given.instrument]
        for item in instrument.item_names():
            if instrument.item_variable(item) != column.name:
                continue
            named, scale = instrument.name, _scale(instrument, item)
            if instrument.items.type == "category":
                levels = list(instrument.items.levels)
                return RawColumn(column, "category", levels, conventions, instrument=named, scale=scale)
            limits = instrument.item_range(item)
            low, high = (limits.min, limits.max) if limits else (-np.inf, np.inf)
            grid = 1.0 if instrument.items.type == "integer" else instrument.items.step or 0.0
            made = RawColumn(column, "number", [], conventions, low, high, grid, instrument=named, scale=scale)
            return _with_grid(made)
    own = {v.name: v for v in file.events.variables} if file.events else {}
    variable = own.get(column.name) or study.variables[column.name]
    if variable.type == "category":
        sites = [site.name for site in study.config.sites] if variable.role == "site" else []
        return RawColumn(column, "category", sites or list(variable.levels), conventions)
    if variable.type in ("date", "date_of_birth"):
        days = [float(np.datetime64(day, "D").astype(np.int64)) for day in variable.dates or ()]
        return RawColumn(column, "date", [], conventions, dates=(days[0], days[1]) if days else (-np.inf, np.inf))
    if variable.type == "text":
        sessions = study.config.sessions
        if file.events and sessions and (file.events.name, variable.name) == (sessions.table, sessions.therapist):
            return RawColumn(column, "label", sorted(conventions.spelling), conventions)
        serial = bool(file.events) and variable.name in (file.events.unique if file.events else [])
        return RawColumn(column, "serial" if serial else "text", [], conventions)
    low, high = (variable.range.min, variable.range.max) if variable.range else (-np.inf, np.inf)
    return _with_grid(RawColumn(column, "number", [], conventions, low, high, float(variable.type == "integer")))


def _scale(instrument: Instrument, item: ItemName) -> str:
    """Return the questionnaire and those of its scores that are made of several items, this one among them."""
    many = [
        name
        for name, score in instrument.scores.items()
        if score.rule in ("sum", "mean", "count") and (score.items == "all" or item in score.items)
    ]
    return f"{instrument.name}: {', '.join(many) or item}"


def _with_grid(raw: RawColumn) -> RawColumn:
    raw.grid = raw.grid or 10.0**-raw.conventions.decimals
    return raw


def _frames(one: SourceFile) -> list[tuple[str, pd.DataFrame]]:
    """Return the first row of each unit of a file, by visit ("" for what belongs to the unit)."""
    frames = []
    if one.extract.participants is not None:
        frames.append(("", one.extract.participants.drop_duplicates("unit")))
    for frame in one.extract.visits:
        for visit, rows in frame.groupby("visit", sort=False):
            frames.append((str(visit), rows.drop_duplicates("unit")))
    return frames


def _find_anchor(study: Study, source: Source) -> None:
    """Take the date of randomisation, or where a study has none its first date, as the day that others count from."""
    role = study.variable_with_role("randomisation_date")
    dates = [v.name for v in study.config.variables if v.type == "date" and v.level == "participant" and not v.closed]
    names = [role.name] if role else dates[:1]
    source.anchor = np.full(len(source.units), np.nan)
    for one in source.files.values():
        frame = one.extract.participants
        for raw in one.columns.values():
            if frame is not None and raw.column.name in names and source.anchored_on is None:
                by_unit = frame.drop_duplicates("unit").set_index("unit")[raw.column.name].reindex(source.units)
                source.anchor, source.anchored_on = raw.numbers(by_unit), raw.column.name


def _widen(study: Study, source: Source, one: SourceFile) -> None:
    """Add a file's variables, a value per unit, and which of its visits are there."""
    frames, dated = _frames(one), study.variable_with_role("visit_date")
    source.rows_without_place += one.extract.n_rows - len({row for _, frame in frames for row in frame["row"]})
    for visit, frame in frames:
        block = (one.file.name, visit)
        indexed = frame.set_index("unit").reindex(source.units)
        source.blocks[block] = source.blocks.get(block, np.zeros(len(source.units), bool)) | np.isin(
            source.units, frame["unit"]
        )
        for name, raw in one.columns.items():
            if raw.column.name not in frame:
                continue
            if (raw.column.level == "participant") != (visit == "") or (raw.column.visit or visit) != visit:
                continue
            values = raw.numbers(indexed[raw.column.name])
            if raw.type == "date" and raw.column.name != source.anchored_on:
                values = values - source.anchor
                if dated and raw.column.name == dated.name and not study.visits[visit].baseline:
                    values[values < 0] = np.nan  # as intake does with a visit before randomisation
            label = f"{one.file.name}, {name}" + (f", {visit}" if visit else "")
            group = f"{raw.scale}, {visit}" if raw.instrument else label
            source.variables.append(WideVariable(label, raw, one.file.name, block, group, values))
