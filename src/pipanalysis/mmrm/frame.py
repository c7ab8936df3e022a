"""The model frame: which rows of the data enter the model, checked as a whole before anything is fitted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, CodeArray, FloatArray, compact
from pipanalysis.mmrm.columns import Categorical, Column, Numeric, label, read_column, read_identifier
from pipanalysis.mmrm.formula import ModelFormula
from pipanalysis.mmrm.problems import ModelDataError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5  # rows or subjects named in one message


@dataclass(frozen=True, slots=True)
class Roles:
    """Column names by their role in the model."""

    subject: str
    visit: str | None
    group: str | None = None
    weights: str | None = None
    member: str | None = None
    coords: tuple[str, ...] = ()

    def items(self) -> list[tuple[str, str]]:
        """Pairs of role and column name for the roles in use."""
        pairs = [("subject", self.subject), ("visit", self.visit), ("group", self.group), ("weights", self.weights)]
        pairs += [("member", self.member), *(("coordinate", c) for c in self.coords)]
        return [(role, name) for role, name in pairs if name is not None]


@dataclass(frozen=True, slots=True)
class ModelFrame:
    """Arrays of the rows in the model (n of them), coded and checked.

    columns: every variable of the formula at these rows. first_columns: the same at the first row of each subject of
    the data, complete or not (used for standardisation over all subjects). subject: codes 0..n_subjects-1. rows:
    positions in the data. n_dropped: rows with a missing value, per variable. notes: what was left out, in words.
    """

    roles: Roles
    columns: Mapping[str, Column]
    first_columns: Mapping[str, Column]
    response: FloatArray
    subject: CodeArray
    subject_values: Any
    visit: Categorical
    group: Categorical | None
    weights: FloatArray | None
    member: Categorical | None
    coordinates: FloatArray | None
    rows: CodeArray
    n_dropped: Mapping[str, int]
    n_rows_dropped: int
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of observations."""
        return int(self.response.size)

    @property
    def n_subjects(self) -> int:
        """Number of subjects with an observation."""
        return len(self.subject_values)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Identifiers of the subjects, in the order of their codes."""
        return tuple(label(v) for v in self.subject_values.tolist())

    @property
    def cell(self) -> CodeArray:
        """Row and column of each observation in the covariance matrix: visit, or member by visit."""
        if self.member is None:
            return self.visit.codes
        return self.member.codes.astype(np.intp) * len(self.visit.levels) + self.visit.codes

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the rows of the covariance matrix."""
        if self.member is None:
            return self.visit.levels
        return tuple(f"{m}:{v}" for m in self.member.levels for v in self.visit.levels)


def build_frame(formula: ModelFormula, data: "pd.DataFrame", roles: Roles) -> ModelFrame:
    """Read, check and select the rows of `data`.

    Rows without response or covariate are left out and counted. Raises ModelDataError, which lists every problem
    found: absent columns (with the nearest name), a response that is no number, infinite values, identifiers or
    weights that are missing, a subject seen twice at a visit, a group that changes within a subject, factors with
    one level, too few observations.
    """
    problems = _absent_columns(formula, data, roles)
    if problems:
        raise ModelDataError(problems)
    reader = _Reader(formula, data, roles)
    return reader.frame()


def _absent_columns(formula: ModelFormula, data: "pd.DataFrame", roles: Roles) -> list[str]:
    wanted = [("response", v) for v in formula.response.variables]
    wanted += [("formula", v) for v in formula.variables] + roles.items()
    names = [str(c) for c in data.columns]
    problems: dict[str, None] = {}
    for role, name in wanted:
        count = names.count(name)
        if count == 0:
            near = get_close_matches(name, names, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"the columns are {_listing(names, 12)}"
            problems[f"column {name!r} ({role}) is not in the data; {hint}"] = None
        elif count > 1:
            problems[f"column {name!r} ({role}) occurs {count} times in the data"] = None
    if len(data) == 0:
        problems["the data have no rows"] = None
    return list(problems)


class _Reader:
    """Reads the columns of one data frame and collects what is wrong with them."""

    def __init__(self, formula: ModelFormula, data: "pd.DataFrame", roles: Roles) -> None:
        self.formula = formula
        self.data = data
        self.roles = roles
        self.problems: list[str] = []
        self.notes: list[str] = []
        # A visit is a factor wherever it occurs, also when its labels are numbers (SAS: the CLASS statement).
        # So is what the formula has inside C().
        by_role = {roles.visit, roles.member}
        factors = by_role | formula.declared_factors
        variables = dict.fromkeys((*formula.response.variables, *formula.variables))
        self.columns = {v: read_column(data[v], factor=v in factors) for v in variables}
        for name in sorted((formula.declared_factors & formula.plain_variables) - by_role):
            if isinstance(read_column(data[name]), Numeric):
                self.problems.append(
                    f"column {name!r} is numeric and stands in the formula as a factor, C({name}), and as a number: "
                    f"give one of them a column of its own"
                )
        self.subject, self.subject_values = read_identifier(data[roles.subject])
        self.visit = self._identifier(roles.visit)
        self.group = self._identifier(roles.group)
        self.member = self._identifier(roles.member)

    def _identifier(self, name: str | None) -> Categorical | None:
        if name is None:
            return None
        column = self.columns.get(name)
        if isinstance(column, Categorical):
            return column
        column = read_column(self.data[name], factor=True)
        assert isinstance(column, Categorical)
        return column

    def _number(self, name: str, role: str) -> FloatArray:
        column = self.columns.get(name) or read_column(self.data[name])
        if isinstance(column, Categorical):
            self.problems.append(f"{role} {name!r} must be numeric, found {_listing(map(repr, column.levels), 3)}")
            return np.ones(len(self.data))
        return column.values

    def frame(self) -> ModelFrame:
        numbers = {v: self._number(v, "response") for v in self.formula.response.variables}
        weights = self._number(self.roles.weights, "weights") if self.roles.weights else None
        coordinates = [self._number(c, "coordinate") for c in self.roles.coords]
        self._raise()
        n_dropped, complete = self._complete_rows()
        self._check_infinite(complete, weights, coordinates)
        self._check_identifiers(complete, weights, coordinates)
        self._raise()
        rows = compact(np.flatnonzero(complete), complete.size)
        if rows.size == 0:
            named = ", ".join(f"{v} missing in {k}" for v, k in n_dropped.items() if k)
            raise ModelDataError([f"no row is complete: of {len(self.data)} rows, {named}"])
        return self._select(rows, numbers, n_dropped, weights, coordinates)

    def _select(
        self,
        rows: CodeArray,
        numbers: Mapping[str, FloatArray],
        n_dropped: Mapping[str, int],
        weights: FloatArray | None,
        coordinates: Sequence[FloatArray],
    ) -> ModelFrame:
        everything = rows.size == len(self.data)

        def at_rows(column: Categorical, role: str) -> Categorical:
            taken = column if everything else column.take(rows)
            used = taken.drop_unused()
            self._note_unused(column, used, role)
            return used

        columns: dict[str, Column] = {}
        for name in self.formula.variables:
            column = self.columns[name]
            if isinstance(column, Numeric):
                columns[name] = column if everything else column.take(rows)
            else:
                columns[name] = at_rows(column, "visit" if name == self.roles.visit else f"level of {name}")
        subject, subject_values = self._observed_subjects(rows)
        visit = self._at_role(self.roles.visit, self.visit, columns, at_rows, "visit")
        group = self._at_role(self.roles.group, self.group, columns, at_rows, "group")
        member = self._at_role(self.roles.member, self.member, columns, at_rows, "member")
        chosen = numbers if everything else {k: v[rows] for k, v in numbers.items()}
        response = self.formula.response.evaluate(chosen, {})
        frame = ModelFrame(
            roles=self.roles,
            columns=columns,
            first_columns=self._first_columns(),
            response=response,
            subject=subject,
            subject_values=subject_values,
            visit=visit or Categorical(np.zeros(rows.size, dtype=np.int8), ("1",)),
            group=group,
            weights=None if weights is None else weights[rows],
            member=member,
            coordinates=np.column_stack(coordinates)[rows] if coordinates else None,
            rows=rows,
            n_dropped=n_dropped,
            n_rows_dropped=len(self.data) - rows.size,
            notes=tuple(self.notes),
        )
        self._check_frame(frame)
        self._raise()
        return frame

    def _first_columns(self) -> dict[str, Column]:
        first = np.full(len(self.subject_values) + 1, -1)  # the last is where a missing identifier, -1, leads
        first[self.subject[::-1]] = np.arange(self.subject.size)[::-1]
        rows = first[:-1][first[:-1] >= 0]
        return {v: self.columns[v].take(rows) for v in self.formula.variables}

    def _observed_subjects(self, rows: CodeArray) -> tuple[CodeArray, Any]:
        codes = self.subject if rows.size == self.subject.size else self.subject[rows]
        counts = np.bincount(codes, minlength=len(self.subject_values))
        if counts.all():
            return codes, self.subject_values
        observed = np.flatnonzero(counts)
        remap = np.empty(counts.size, dtype=np.intp)
        remap[observed] = np.arange(observed.size)
        return compact(remap, observed.size)[codes], self.subject_values[observed]

    def _at_role(
        self,
        name: str | None,
        column: Categorical | None,
        columns: Mapping[str, Column],
        at_rows: Any,
        role: str,
    ) -> Categorical | None:
        if name is None or column is None:
            return None
        done = columns.get(name)
        if isinstance(done, Categorical):
            return done
        selected: Categorical = at_rows(column, role)
        return selected

    def _note_unused(self, column: Categorical, used: Categorical, role: str) -> None:
        gone = [v for v in column.levels if v not in used.levels] if used.levels != column.levels else []
        for level in gone:
            note = f"{role} {level} has no observation and is left out"
            if note not in self.notes:
                self.notes.append(note)

    def _raise(self) -> None:
        if self.problems:
            raise ModelDataError(list(dict.fromkeys(self.problems)))

    def _complete_rows(self) -> tuple[dict[str, int], BoolArray]:
        complete = np.ones(len(self.data), dtype=bool)
        dropped: dict[str, int] = {}
        for name, column in self.columns.items():
            if name in (self.roles.visit, self.roles.member, self.roles.group):
                continue
            missing = column.missing
            dropped[name] = int(np.count_nonzero(missing))
            if dropped[name]:
                complete &= ~missing
        return dropped, complete

    def _check_infinite(
        self, complete: BoolArray, weights: FloatArray | None, coordinates: Sequence[FloatArray]
    ) -> None:
        numeric = {n: c.values for n, c in self.columns.items() if isinstance(c, Numeric)}
        numeric |= dict(zip(self.roles.coords, coordinates, strict=True))
        if weights is not None and self.roles.weights:
            numeric[self.roles.weights] = weights
        for name, values in numeric.items():
            if not np.isfinite(values.sum()):  # NaN or infinite somewhere: look closer
                self._at(np.isinf(values), f"{name} is infinite")
        response = self.formula.response
        if response.node is not None and not self.problems:
            transformed = response.evaluate({v: numeric[v][complete] for v in response.variables}, {})
            bad = np.zeros(complete.size, dtype=bool)
            bad[np.flatnonzero(complete)[~np.isfinite(transformed)]] = True
            self._at(bad, f"{response.source} is not finite")

    def _check_identifiers(
        self, complete: BoolArray, weights: FloatArray | None, coordinates: Sequence[FloatArray]
    ) -> None:
        self._at(complete & (self.subject < 0), f"{self.roles.subject} is missing")
        for name, column in (
            (self.roles.visit, self.visit),
            (self.roles.group, self.group),
            (self.roles.member, self.member),
        ):
            if column is not None and column.codes.min() < 0:
                self._at(complete & column.missing, f"{name} is missing")
        for name, values in zip(self.roles.coords, coordinates, strict=True):
            self._at(complete & np.isnan(values), f"{name} is missing")
        if weights is not None:
            self._at(complete & np.isnan(weights), f"weight {self.roles.weights} is missing")
            self._at(complete & (weights <= 0), f"weight {self.roles.weights} is not positive")

    def _at(self, rows: BoolArray, what: str) -> None:
        """Record one problem for all the rows it concerns, naming the first few by subject, visit and row."""
        positions = np.flatnonzero(rows)
        if positions.size:
            places = [self._place(int(i)) for i in positions[:_SHOWN]]
            self.problems.append(f"{what} at {_listing(places, _SHOWN, positions.size)}")

    def _place(self, row: int) -> str:
        parts = []
        if self.subject[row] >= 0:
            parts.append(f"{self.roles.subject} {label(self.subject_values[self.subject[row]])}")
        if self.visit is not None and self.visit.codes[row] >= 0:
            parts.append(f"{self.roles.visit} {self.visit.levels[self.visit.codes[row]]}")
        return ", ".join([*parts, f"row {row + 1}"])

    def _check_frame(self, frame: ModelFrame) -> None:
        self._check_duplicates(frame)
        if frame.group is not None:
            first = np.empty(frame.n_subjects, dtype=np.intp)
            first[frame.subject[::-1]] = frame.group.codes[::-1]
            changed = np.unique(frame.subject[first[frame.subject] != frame.group.codes])
            if changed.size:
                named = _listing([label(frame.subject_values[i]) for i in changed[:_SHOWN]], _SHOWN, changed.size)
                self.problems.append(f"group {self.roles.group} is not constant within {self.roles.subject} {named}")
        for name, column in frame.columns.items():
            if isinstance(column, Categorical) and len(column.levels) < 2:
                self.problems.append(f"factor {name} has one level only ({label(column.levels[0])}): remove it")
        if frame.n_subjects < 2:
            self.problems.append(f"the complete rows are of one {self.roles.subject} only; at least two are needed")

    def _check_duplicates(self, frame: ModelFrame) -> None:
        if frame.coordinates is not None:
            _, cell = np.unique(frame.coordinates, axis=0, return_inverse=True)
            cell = cell.reshape(-1)
            what = "coordinates " + ", ".join(self.roles.coords)
        else:
            cell = frame.cell
            what = " and ".join(n for n in (self.roles.member, self.roles.visit) if n)
        key = frame.subject.astype(np.intp) * (int(cell.max()) + 1) + cell
        counts = np.bincount(key) if key.max() < 8 * key.size + 1024 else None
        if counts is not None and counts.max() <= 1:
            return
        unique, inverse, number = np.unique(key, return_inverse=True, return_counts=True)
        if unique.size == key.size:
            return
        repeated = np.flatnonzero(number > 1)
        places = []
        for r in repeated[:_SHOWN]:
            rows = np.flatnonzero(inverse == r)
            subject = label(frame.subject_values[frame.subject[rows[0]]])
            where = "" if frame.coordinates is not None else f", {what} {frame.cells[cell[rows[0]]]}"
            lines = ", ".join(str(int(i) + 1) for i in frame.rows[rows])
            places.append(f"{self.roles.subject} {subject}{where} (rows {lines})")
        self.problems.append(
            f"more than one observation at the same {what}: {_listing(places, _SHOWN, repeated.size, '; ')}"
        )


def _listing(values: Iterable[str], shown: int, total: int | None = None, separator: str = ", ") -> str:
    listed = list(values)
    total = len(listed) if total is None else total
    text = separator.join(listed[:shown])
    return text if total <= shown else f"{text} and {total - shown} more"
