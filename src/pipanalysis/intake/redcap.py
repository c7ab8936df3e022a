"""Holds a REDCap data dictionary against the study's configuration."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.extract import declared_columns
from pipanalysis.study.validation import nearest

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile, Variable

_FIELD, _TYPE = "Variable / Field Name", "Field Type"
_CHOICES = "Choices, Calculations, OR Slider Labels"
_LOW, _HIGH = "Text Validation Min", "Text Validation Max"
_IDENTIFIER = "Identifier?"


def dictionary_problems(study: Study, file: RawFile) -> list[Problem]:
    """Return each contradiction between a REDCap data dictionary and the configuration of a file.

    Checked: every declared column is a field; no declared field is marked as an identifier (but a date of birth that an
    age is made from); the choices of a field are codes of the category or values in the allowed range, or stand for a
    missing value; validation limits are not wider than the allowed range.

    Raises:
        DataError: the dictionary cannot be read.
    """
    name = f"data/raw/{file.redcap_dictionary}"
    path = study.layout.raw / str(file.redcap_dictionary)
    if not path.is_file():
        raise DataError(Problem(name, "no such file", "the REDCap data dictionary that study.yaml names"))
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        held = list(reader) if _FIELD in (reader.fieldnames or ()) else []
    except (UnicodeDecodeError, csv.Error):
        held = []
    if not held:
        raise DataError(Problem(name, "not a REDCap data dictionary", f"a csv file with a column {_FIELD!r}")) from None
    variables = study.variables | {v.name: v for v in (file.events.variables if file.events else [])}
    fields = {row[_FIELD] or "": row for row in held}
    births = {v.name for v in study.config.variables if v.type == "date_of_birth"}
    problems = []
    for column in declared_columns(study, file):
        base = re.sub(r"___.*$", "", column.source)
        field = fields.get(column.source) or fields.get(base)
        where = f"{name}, field {column.source!r}"
        if field is None:
            problems.append(
                Problem(where, "not in the dictionary", "every declared column", nearest(column.source, fields))
            )
            continue
        if (field.get(_IDENTIFIER) or "").strip().lower() == "y" and column.name not in births:
            problems.append(Problem(where, "marked as an identifier", "no direct identifier"))
        codes = _codes(study, variables, column.name)
        low, high = _limits(study, variables, column.name)
        if field.get(_TYPE) in ("radio", "dropdown", "yesno") and (codes or low is not None):
            listed = (field.get(_CHOICES) or "").split("|")
            choices = {choice.partition(",")[0].strip() for choice in listed if choice.strip()} - column.missing
            allowed = "the codes of study.yaml: " + ", ".join(sorted(codes)) if codes else f"{low:g} to {high:g}"
            if odd := sorted(choices - codes if codes else (c for c in choices if not _within(c, low, high))):
                problems.append(Problem(where, f"choices {', '.join(odd)}", allowed))
        for key, limit, wider in ((_LOW, low, -1), (_HIGH, high, 1)):
            text = (field.get(key) or "").strip()
            if limit is not None and re.fullmatch(r"-?\d+(\.\d+)?", text) and (float(text) - limit) * wider > 0:
                problems.append(Problem(where, f"{key} {text}", f"{limit:g}, the limit in the configuration"))
    return problems


def _within(code: str, low: float | None, high: float | None) -> bool:
    is_number = re.fullmatch(r"-?\d+(\.\d+)?", code) is not None
    return is_number and (low is None or low <= float(code)) and (high is None or float(code) <= high)


def _codes(study: Study, variables: dict[str, Variable], name: str) -> set[str]:
    if name in variables:
        variable = variables[name]
        if variable.role == "site":
            return {code for site in study.config.sites for code in (site.name, *site.codes)}
        return set(variable.levels)
    for instrument in study.instruments.values():
        if name in {instrument.item_variable(item) for item in instrument.item_names()}:
            return set(instrument.items.levels)
    return set()


def _limits(study: Study, variables: dict[str, Variable], name: str) -> tuple[float | None, float | None]:
    if name in variables:
        limits = variables[name].range
        return (limits.min, limits.max) if limits else (None, None)
    for instrument in study.instruments.values():
        for item in instrument.item_names():
            if instrument.item_variable(item) == name and (found := instrument.item_range(item)):
                return found.min, found.max
    return None, None
