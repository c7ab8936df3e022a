"""Plants the faults of real files, each at a place of its own, and keeps the key to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.intake.parse import missing_texts

if TYPE_CHECKING:
    from pipanalysis.simulate.sheets import Sheet
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import Simulation

KEY_COLUMNS = ["fault", "file", "row", "unit", "visit", "variable", "value", "rule"]


@dataclass
class Planted:
    """The key of the planted faults."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def frame(self) -> pd.DataFrame:
        """Return the key: fault, file, row, unit, visit, variable, value and the rule of intake that it breaks."""
        table = pd.DataFrame(self.rows, columns=KEY_COLUMNS)
        return table.assign(row=table["row"].astype("Int64"))


class Planter:
    """Plants faults in one sheet."""

    def __init__(
        self, study: Study, page: Sheet, people: pd.DataFrame, generator: np.random.Generator, key: Planted
    ) -> None:
        self.study, self.page, self.people, self.generator, self.key = study, page, people, generator, key
        self.untouched = list(generator.permutation(len(page.cells)))
        self.missing = {column: missing_texts(codes) for column, codes in page.missing.items()}
        self.key_column = page.file.key
        self.coded = page.format != "sav"
        self.units = page.cells[self.key_column].tolist()

    def columns(self, kind: str) -> list[str]:
        """Return the columns of a kind."""
        return [column for column, known in self.page.kinds.items() if known == kind]

    def note(self, fault: str, row: int | None, column: str, value: str, rule: str) -> None:
        """Write a fault into the key."""
        page = self.page
        variable = page.names.get(column, column)
        known = self.study.variables.get(variable)
        of_visit = row is not None and column not in ("", self.key_column, page.file.visit_column)
        if known is not None and known.level == "participant":
            of_visit = False
        self.key.rows.append(
            {
                "fault": fault,
                "file": f"data/raw/{page.file.path}",
                "row": None if row is None else row + page.first_row,
                "unit": "" if row is None else self.units[row],
                "visit": page.visits[row] if of_visit and row is not None else "",
                "variable": variable,
                "value": value,
                "rule": rule,
            }
        )

    def change(self, fault: str, rule: str, columns: list[str], new: Callable[[str, str], str | None]) -> bool:
        """Change one cell of an untouched row: ``new(column, text)`` gives the text to plant, or None to look on."""
        for place, row in enumerate(self.untouched):
            for column in self.generator.permutation(columns):
                text = str(self.page.cells[column].iloc[row])
                if text == "":
                    continue
                value = new(str(column), text)
                if (value is not None and value not in self.missing.get(str(column), set()) | {text}) or (
                    value == "" and fault == "required_blank"
                ):
                    self.page.cells.loc[self.page.cells.index[row], column] = value
                    self.note(fault, int(row), str(column), str(value), rule)
                    del self.untouched[place]
                    return True
        return False

    def append(self, fault: str, rule: str, edit: Callable[[dict[str, str]], str]) -> bool:
        """Append a copy of an untouched row after ``edit``, which returns the column that it is about."""
        if not self.untouched:
            return False
        source = int(self.untouched.pop())
        row = {str(k): str(v) for k, v in self.page.cells.iloc[source].items()}
        column = edit(row)
        self.page.cells = pd.concat([self.page.cells, pd.DataFrame([row])], ignore_index=True)
        self.units.append("" if rule in ("unknown-unit", "no-unit") else row[self.key_column])
        self.page.visits = np.append(self.page.visits, self.page.visits[source])
        self.note(fault, len(self.page.cells) - 1, column, row.get(column, ""), rule)
        return True


def plant(
    study: Study,
    simulation: Simulation,
    page: Sheet,
    people: pd.DataFrame,
    generator: np.random.Generator,
    key: Planted,
) -> None:
    """Plant each kind of fault that the configuration asks for and the file can carry; a row carries one at most."""
    planter = Planter(study, page, people, generator, key)
    for fault, count in simulation.faults.per_file.items():
        for _ in range(count):
            if not KINDS[fault](planter):
                break


def _numbers(planter: Planter) -> list[str]:
    return [column for column in planter.columns("number") if column in planter.page.limits]


def _out_of_range(planter: Planter) -> bool:
    def beyond(column: str, _: str) -> str:
        low, high = planter.page.limits[column]
        above = high + int(planter.generator.integers(2, 9))
        return f"{above:g}" if f"{above:g}" not in planter.missing[column] else f"{low - 3:g}"

    return planter.change("out_of_range", "out-of-range", _numbers(planter), beyond)


def _typing_slip(planter: Planter) -> bool:
    slips = {"0": "O", "1": "l", "5": "S"}

    def slip(_: str, text: str) -> str | None:
        return text + "o" if not set(text) & set(slips) else "".join(slips.get(c, c) for c in text)

    return planter.coded and planter.change("typing_slip", "not-a-number", _numbers(planter), slip)


def _fraction(planter: Planter) -> bool:
    def half(column: str, text: str) -> str | None:
        value = float(text) + 0.5
        return f"{value:g}" if value < planter.page.limits[column][1] else f"{float(text) - 0.5:g}"

    whole = [column for column in _numbers(planter) if planter.page.steps.get(column) == 1]
    return planter.change("fraction", "not-an-integer", whole, half)


def _off_step(planter: Planter) -> bool:
    def off(column: str, text: str) -> str | None:
        value = float(text) + 0.3
        return f"{value:g}" if value < planter.page.limits[column][1] else f"{float(text) - 0.3:g}"

    stepped = [column for column in _numbers(planter) if planter.page.steps.get(column, 1) != 1]
    return planter.change("off_step", "not-on-step", stepped, off)


def _decimal_comma(planter: Planter) -> bool:
    def comma(_: str, text: str) -> str:
        return text.replace(".", ",") if "." in text else text + ",0"

    return planter.coded and planter.change("decimal_comma", "decimal-comma", _numbers(planter), comma)


def _unknown_code(planter: Planter) -> bool:
    def unknown(column: str, _: str) -> str | None:
        numeric = all(code.lstrip("-").isdigit() for code in planter.page.labels[column])
        return next(code for code in ("8", "88") if code not in planter.page.labels[column]) if numeric else "X"

    return planter.change("unknown_code", "unknown-code", planter.columns("code"), unknown)


def _code_spelling(planter: Planter) -> bool:
    def other(_: str, text: str) -> str | None:
        return text.lower() if text.lower() != text else None

    return planter.change("code_spelling", "code-spelling", planter.columns("code"), other)


def _bad_date(planter: Planter) -> bool:
    def impossible(_: str, text: str) -> str:
        return "31/02/" + text[-4:] if "/" in text else text[:4] + "-02-31"

    return planter.coded and planter.change("bad_date", "bad-date", planter.columns("date"), impossible)


def _other_date_format(planter: Planter) -> bool:
    written = planter.page.file.date_format
    if planter.page.format != "csv" or not written:
        return False

    def iso(_: str, text: str) -> str:
        return str(pd.to_datetime(text, format=written).date())

    return planter.change("other_date_format", "date-format", planter.columns("date"), iso)


def _date_serial(planter: Planter) -> bool:
    return planter.coded and planter.change("date_serial", "date-serial", planter.columns("date"), lambda *_: "39083")


def _date_out_of_limits(planter: Planter) -> bool:
    def century(_: str, text: str) -> str:
        return text[:-4] + "1907" if "/" in text else "1907" + text[4:]

    return planter.change("date_out_of_limits", "date-out-of-limits", planter.columns("date"), century)


def _visit_before_randomisation(planter: Planter) -> bool:
    return _move_visit(planter, "visit_before_randomisation", "visit-before-randomisation")


def _visit_out_of_window(planter: Planter) -> bool:
    return _move_visit(planter, "visit_out_of_window", "visit-out-of-window")


def _move_visit(planter: Planter, fault: str, rule: str) -> bool:
    """Move the date of a visit before randomisation, or some days beyond its window."""
    study, page = planter.study, planter.page
    dated, randomised = study.variable_with_role("visit_date"), study.variable_with_role("randomisation_date")
    visit = study.visits.get(page.file.visit or "")
    columns = [column for column, name in page.names.items() if dated and name == dated.name]
    if not (columns and randomised and visit and visit.window):
        return False
    early = rule == "visit-before-randomisation"
    if early and visit.baseline:
        return False
    column, window, written = columns[0], visit.window, page.file.date_format or "%Y-%m-%d"
    started = planter.people.set_index("unit")[randomised.name]
    disturbed = {noted["unit"] for noted in planter.key.rows if noted["variable"] == randomised.name}
    for place, row in enumerate(planter.untouched):
        if planter.units[row] in disturbed:
            continue
        start = pd.Timestamp(started[page.cells[planter.key_column].iloc[row]])
        if early:
            moved = start - pd.Timedelta(days=1)
        elif visit.baseline:
            moved = start - pd.Timedelta(days=window.before + int(planter.generator.integers(1, 10)))
        else:
            target = start + pd.DateOffset(months=int(visit.months))
            moved = target + pd.Timedelta(days=window.after + int(planter.generator.integers(1, 10)))
        limits = dated.dates if dated else None
        if page.cells[column].iloc[row] == "" or (limits and not limits[0] <= moved.date() <= limits[1]):
            continue
        shown = moved.strftime(written if page.format == "csv" else "%Y-%m-%d")
        page.cells.loc[page.cells.index[row], column] = shown
        planter.note(fault, int(row), column, shown, rule)
        del planter.untouched[place]
        return True
    return False


def _missing_code(planter: Planter) -> bool:
    usable: dict[str, list[str]] = {}
    for column in _numbers(planter):
        codes = [
            code for code in planter.page.missing[column] if code.lstrip("-").isdigit() or (code and planter.coded)
        ]
        if codes and column not in planter.page.required:
            usable[column] = codes
    if not usable:
        return False
    for place, row in enumerate(planter.untouched):
        column = str(planter.generator.choice(list(usable)))
        if planter.page.cells[column].iloc[row] != "":
            code = str(planter.generator.choice(usable[column]))
            planter.page.cells.loc[planter.page.cells.index[row], column] = code
            planter.note("missing_code", int(row), column, code, "")
            del planter.untouched[place]
            return True
    return False


def _required_blank(planter: Planter) -> bool:
    columns = sorted(planter.page.required)
    return bool(columns) and planter.change("required_blank", "missing-required", columns, lambda *_: "")


def _duplicate_row(planter: Planter) -> bool:
    return planter.append("duplicate_row", "duplicate-row", lambda _: "")


def _conflicting_row(planter: Planter) -> bool:
    numbers = _numbers(planter)
    if planter.page.file.events or not numbers:
        return False

    def differ(row: dict[str, str]) -> str:
        column = next(c for c in planter.generator.permutation(numbers) if row[str(c)] not in planter.missing[str(c)])
        low, _ = planter.page.limits[str(column)]
        step = planter.page.steps.get(str(column), 1.0)
        row[str(column)] = f"{low if float(row[str(column)]) != low else low + step:g}"
        return str(column)

    return planter.append("conflicting_row", "conflicting-values", differ)


def _unknown_unit(planter: Planter) -> bool:
    if not (planter.page.file.visit or planter.page.file.events):
        return False

    def stranger(row: dict[str, str]) -> str:
        row[planter.key_column] = "Z999"
        return planter.key_column

    return planter.append("unknown_unit", "unknown-unit", stranger)


def _id_spelling(planter: Planter) -> bool:
    if not (planter.page.file.visit or planter.page.file.events):
        return False
    return planter.change("id_spelling", "id-spelling", [planter.key_column], lambda _, text: text.lower())


def _no_unit(planter: Planter) -> bool:
    events = planter.page.file.events
    if events and not events.key_required:
        return False

    def nameless(row: dict[str, str]) -> str:
        row[planter.key_column] = ""
        return planter.key_column

    return planter.append("no_unit", "no-unit", nameless)


def _unknown_visit(planter: Planter) -> bool:
    column = planter.page.file.visit_column
    return bool(column) and planter.change("unknown_visit", "unknown-visit", [str(column)], lambda *_: "18")


def _undeclared_column(planter: Planter) -> bool:
    planter.page.cells["comment_2"] = ""
    planter.note("undeclared_column", None, "comment_2", "", "undeclared-column")
    return True


KINDS: dict[str, Callable[[Planter], bool]] = {
    "out_of_range": _out_of_range,
    "typing_slip": _typing_slip,
    "fraction": _fraction,
    "off_step": _off_step,
    "decimal_comma": _decimal_comma,
    "unknown_code": _unknown_code,
    "code_spelling": _code_spelling,
    "bad_date": _bad_date,
    "other_date_format": _other_date_format,
    "date_serial": _date_serial,
    "date_out_of_limits": _date_out_of_limits,
    "visit_before_randomisation": _visit_before_randomisation,
    "visit_out_of_window": _visit_out_of_window,
    "missing_code": _missing_code,
    "required_blank": _required_blank,
    "duplicate_row": _duplicate_row,
    "conflicting_row": _conflicting_row,
    "unknown_unit": _unknown_unit,
    "id_spelling": _id_spelling,
    "no_unit": _no_unit,
    "unknown_visit": _unknown_visit,
    "undeclared_column": _undeclared_column,
}
