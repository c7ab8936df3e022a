"""Holds a REDCap data dictionary against the study's configuration."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from pipanalysis.errors import DataError, Problem
from pipanalysis.intake.extract import declared_columns
from pipanalysis.study.load import nearest

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile

_FIELD, _TYPE = "Variable / Field Name", "Field Type"
_CHOICES = "Choices, Calculations, OR Slider Labels"
_LOW, _HIGH = "Text Validation Min", "Text Validation Max"
_IDENTIFIER = "Identifier?"


def dictionary_problems(study: Study, file: RawFile) -> list[Problem]:
    """Return each contradiction between a REDCap data dictionary and the configuration of a file.

    Checked: every declared column is a field; no declared field is marked as an identifier (but a date of birth that an
    age is made from); the choices of a field are the codes of the category; validation limits are not wider than the
    allowed range.

    Raises:
        DataError: the dictionary cannot be read.
    """
    name = f"data/raw/{file.redcap_dictionary}"
    path = study.layout.raw / str(file.redcap_dictionary)
    if not path.is_file():
        raise DataError(Problem(name, "no such file", "the REDCap data dictionary that study.yaml names"))
    try:
        fields = {row[_FIELD]: row for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))}
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise DataError(Problem(name, "not a REDCap data dictionary", f"a csv file with a column {_FIELD!r}")) from None
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
        codes = _codes(study, column.name)
        choices = [
            choice.partition(",")[0].strip() for choice in (field.get(_CHOICES) or "").split("|") if choice.strip()
        ]
        if (
            codes
            and choices
            and field.get(_TYPE) in ("radio", "dropdown", "yesno")
            and (odd := sorted(set(choices) - codes))
        ):
            problems.append(
                Problem(where, f"choices {', '.join(odd)}", "the codes of study.yaml: " + ", ".join(sorted(codes)))
            )
        low, high = _limits(study, column.name)
        for key, limit, wider in ((_LOW, low, -1), (_HIGH, high, 1)):
            text = (field.get(key) or "").strip()
            if limit is not None and re.fullmatch(r"-?\d+(\.\d+)?", text) and (float(text) - limit) * wider > 0:
                problems.append(Problem(where, f"{key} {text}", f"{limit:g}, the limit in the configuration"))
    return problems


def _codes(study: Study, name: str) -> set[str]:
    if name in study.variables:
        variable = study.variables[name]
        if variable.role == "site":
            return {code for site in study.config.sites for code in (site.name, *site.codes)}
        return set(variable.levels)
    for instrument in study.instruments.values():
        if name in {instrument.item_variable(item) for item in instrument.item_names()}:
            return set(instrument.items.levels)
    return set()


def _limits(study: Study, name: str) -> tuple[float | None, float | None]:
    if name in study.variables:
        limits = study.variables[name].range
        return (limits.min, limits.max) if limits else (None, None)
    for instrument in study.instruments.values():
        for item in instrument.item_names():
            if instrument.item_variable(item) == name and (found := instrument.item_range(item)):
                return found.min, found.max
    return None, None
