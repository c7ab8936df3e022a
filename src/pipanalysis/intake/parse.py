"""One text of a raw file made into a value, or into the rule that it breaks."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from pipanalysis.study.instrument import Instrument, ItemName
from pipanalysis.study.study import RawFile, Site, Variable

Value = float | str | dt.date | None


@dataclass(frozen=True)
class Parsed:
    """A value, and the rule that the text breaks (if any) with what is allowed."""

    value: Value
    rule: str | None = None
    allowed: str = ""


Parser = Callable[[str], Parsed]

_SERIAL = re.compile(r"^\d{5}(\.\d+)?$")
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}( 00:00:00)?$")


def missing_texts(codes: list[str]) -> frozenset[str]:
    """Return what stands for a missing value, with and without a decimal point (99, 99.0)."""
    texts = {*codes, ""}
    for code in codes:
        number = _number(code)
        if number is not None and math.isfinite(number):
            texts |= {repr(number), f"{number:g}"}
    return frozenset(texts)


def number_parser(
    file: RawFile, low: float | None, high: float | None, *, integer: bool, step: float | None = None
) -> Parser:
    """Return the parser of a number: range, whole numbers, steps of a scale, decimal commas."""
    allowed = "a whole number" if integer else "a number"
    if low is not None and high is not None:
        allowed += f" from {low:g} to {high:g}" + (f" in steps of {step:g}" if step else "")
    other = "," if file.decimal == "." else "."
    thousands = re.compile(rf"[+-]?[1-9]\d{{0,2}}(\{other}\d{{3}})+")

    def parse(text: str) -> Parsed:
        rule = None
        if thousands.fullmatch(text):
            return Parsed(None, "not-a-number", allowed + " without a mark between thousands")
        number = _number(text.replace(file.decimal, "."))
        if number is None or (file.decimal == "," and other in text):
            number = _number(text.replace(other, ".")) if text.count(other) == 1 else None
            rule = "decimal-comma"
        if number is None or not math.isfinite(number):
            return Parsed(None, "not-a-number", allowed)
        if (low is not None and number < low) or (high is not None and number > high):
            return Parsed(None, "out-of-range", allowed)
        if integer and number != math.floor(number):
            return Parsed(None, "not-an-integer", allowed)
        if step and low is not None and abs((number - low) / step - round((number - low) / step)) > 1e-9:
            return Parsed(None, "not-on-step", allowed)
        return Parsed(number, rule, allowed if rule else "")

    return parse


def _number(text: str) -> float | None:
    """Return a number written the plain way (no underscores, no words), or None."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|[+-]?inf", text, flags=re.IGNORECASE):
        return None
    return float(text)


def code_parser(codes: dict[str, str]) -> Parser:
    """Return the parser of a category: code in the file → code in the checked table."""
    folded = {code.casefold(): code for code in codes}
    allowed = "one of: " + ", ".join(codes)

    def parse(text: str) -> Parsed:
        if text in codes:
            return Parsed(codes[text])
        number = _number(text)
        if number is not None and f"{number:g}" in codes:
            return Parsed(codes[f"{number:g}"])
        if text.casefold() in folded:
            return Parsed(codes[folded[text.casefold()]], "code-spelling", allowed)
        return Parsed(None, "unknown-code", allowed)

    return parse


def date_parser(file: RawFile, limits: tuple[dt.date, dt.date] | None) -> Parser:
    """Return the parser of a date in the file's way of writing dates; year-month-day is always understood."""
    written = file.date_format or "%Y-%m-%d"
    shown = re.sub(r"%[a-zA-Z]", lambda part: _DATE_PARTS.get(part.group(), part.group()), written)
    allowed = f"a date as {shown}"
    if limits:
        allowed += f" from {limits[0]} to {limits[1]}"

    def parse(text: str) -> Parsed:
        rule = None
        try:
            date = dt.datetime.strptime(text, written).date()
        except ValueError:
            if _SERIAL.match(text):
                return Parsed(None, "date-serial", allowed)
            if not _ISO.match(text):
                return Parsed(None, "bad-date", allowed)
            try:
                date = dt.date.fromisoformat(text[:10])
            except ValueError:
                return Parsed(None, "bad-date", allowed)
            rule = "date-format" if file.date_format and _format(file) == "csv" else None
        if limits and not limits[0] <= date <= limits[1]:
            return Parsed(None, "date-out-of-limits", allowed)
        return Parsed(date, rule, allowed if rule else "")

    return parse


_DATE_PARTS = {"%d": "DD", "%m": "MM", "%Y": "YYYY", "%y": "YY", "%b": "Mon", "%H": "hh", "%M": "mm", "%S": "ss"}


def _format(file: RawFile) -> str:
    return file.format or file.path.rpartition(".")[2].lower()


def variable_parser(variable: Variable, file: RawFile, sites: list[Site]) -> Parser:
    """Return the parser of a variable of study.yaml."""
    if variable.type in ("number", "integer"):
        low, high = (variable.range.min, variable.range.max) if variable.range else (None, None)
        return number_parser(file, low, high, integer=variable.type == "integer")
    if variable.type in ("date", "date_of_birth"):
        return date_parser(file, variable.dates)
    if variable.type == "category":
        if variable.role == "site" and sites:
            return code_parser({code: site.name for site in sites for code in (site.name, *site.codes)})
        return code_parser({code: code for code in variable.levels})
    return Parsed


def item_parser(instrument: Instrument, item: ItemName, file: RawFile) -> Parser:
    """Return the parser of an item of an instrument."""
    if instrument.items.type == "category":
        return code_parser({code: code for code in instrument.items.levels})
    limits = instrument.item_range(item)
    low, high = (limits.min, limits.max) if limits else (None, None)
    return number_parser(file, low, high, integer=instrument.items.type == "integer", step=instrument.items.step)
