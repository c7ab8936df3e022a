"""Finds direct identifiers in raw files: they may not be there, and what was found is never repeated in a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipanalysis.errors import Problem

_NAMES: dict[str, str] = {
    r"(fore|first|given|middle|last|family|sur|full|maiden)_?names?": "a name",
    r"(mother|child|infant|baby|patient|participant|parent|carer)s?names?": "a name",
    r"names?|initials": "a name",
    r"nhs(_?(no|number|num|id))?": "an NHS number",
    r"(home_?)?post_?codes?|zip(_?code)?": "a postcode",
    r"((home|work)_?)?(tele)?phone(_?(no|number))?|mobile(_?(phone|no|number))?|tel(_?(no|number))?": "a phone number",
    r"e_?mail(_?address)?": "an e-mail address",
    r"((home|postal)_?)?address(_?(line)?_?\d)?|street": "an address",
    r"(national_?insurance|ni)_?(no|number)|hospital_?(no|number)|passport.*": "an official number",
}
_WHOSE = re.compile(
    r"((mother|father|child|infant|baby|patient|participant|parent|carer|partner|gp|contact|next_of_kin)s?_)+(?=.)"
)
_BIRTH = re.compile(r"(.*_)?(dob|date_?of_?birth|birth_?(date|day)|born)(_.*)?")

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(\.[\w-]+)+")
_POSTCODE = re.compile(r"\b([A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2})\b", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\d.])(\+44[\s-]?|0044[\s-]?|0)(\(0\)[\s-]?)?\d([\s-]?\d){8,9}(?![\d.])")
_NHS = re.compile(r"(?<![\d.])\d{3}[\s-]?\d{3}[\s-]?\d{4}(?![\d.])")


def identifier_columns(file: str, columns: Iterable[str], births_allowed: Iterable[str]) -> list[Problem]:
    """Return a problem for each column whose name says that it holds a direct identifier.

    Args:
        file: how messages call the file.
        columns: the file's columns.
        births_allowed: columns declared as a date of birth that an age is made from.
    """
    problems = []
    allowed = set(births_allowed)
    for column in columns:
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", column).lower()).strip("_")
        what = _WHOSE.sub("", plain, count=1) if _WHOSE.match(plain) else plain
        kind = next((kind for pattern, kind in _NAMES.items() if re.fullmatch(pattern, what)), None)
        if kind is None and _BIRTH.fullmatch(plain) and column not in allowed:
            kind = "a full date of birth"
        if kind:
            hint = "remove the column before the file comes here"
            if kind == "a full date of birth":
                hint = "declare it as type: date_of_birth with age_name in study.yaml, or remove it"
            problems.append(Problem(f"{file}, column {column!r}", f"a column for {kind}", "no direct identifier", hint))
    return problems


def identifier_kind(text: str) -> str | None:
    """Return what kind of direct identifier a text holds, or None."""
    if len(text) < 5:
        return None
    if _EMAIL.search(text):
        return "an e-mail address"
    if _POSTCODE.search(text):
        return "a postcode"
    if any(_valid_nhs_number(re.sub(r"\D", "", found.group())) for found in _NHS.finditer(text)):
        return "an NHS number"
    if _PHONE.search(text):
        return "a phone number"
    return None


def _valid_nhs_number(digits: str) -> bool:
    """Check the tenth digit: 11 minus the weighted sum (weights 10 to 2) modulo 11, where 11 stands for 0."""
    if len(set(digits)) == 1:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return int(digits[9]) == check % 11 and check != 10
