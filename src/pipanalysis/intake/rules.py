"""The rules that intake checks by, each with an id, a severity and what is done about a break."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A check of the raw data.

    Attributes:
        severity: error (a value or row was set aside), warning (read, but ask), info.
        action: set_missing, row_set_aside, value_kept or converted.
        meaning: what it says, in plain words.
    """

    severity: str
    action: str
    meaning: str


RULES: dict[str, Rule] = {
    "not-a-number": Rule("error", "set_missing", "text, or an infinite value, where a number belongs"),
    "not-an-integer": Rule("error", "set_missing", "a fraction where a whole number belongs"),
    "not-on-step": Rule("error", "set_missing", "a number between the values that the scale allows"),
    "out-of-range": Rule("error", "set_missing", "a number below the least or above the greatest allowed value"),
    "decimal-comma": Rule("warning", "converted", "the other decimal mark than the file's; read as meant"),
    "unknown-code": Rule("error", "set_missing", "a code that the variable does not have"),
    "code-spelling": Rule("warning", "converted", "a known code in other letters"),
    "bad-date": Rule("error", "set_missing", "not a date of the calendar in the file's way of writing dates"),
    "date-format": Rule("warning", "converted", "a date written year-month-day in a file that writes dates otherwise"),
    "date-serial": Rule("error", "set_missing", "a number where a date belongs, as spreadsheets make of dates"),
    "date-out-of-limits": Rule("error", "set_missing", "a date before the earliest or after the latest allowed one"),
    "visit-before-randomisation": Rule("error", "set_missing", "a follow-up visit dated before randomisation"),
    "visit-order": Rule("warning", "value_kept", "a visit dated before an earlier visit of the same unit"),
    "visit-out-of-window": Rule("info", "value_kept", "a visit outside its window"),
    "missing-required": Rule("warning", "value_kept", "a required value is missing"),
    "duplicate-row": Rule("warning", "row_set_aside", "a row that repeats another one exactly"),
    "conflicting-values": Rule("error", "set_missing", "two rows of one unit and visit that differ in this variable"),
    "repeated-key": Rule("warning", "value_kept", "two rows of an event table that should have one"),
    "repeated-header": Rule("warning", "row_set_aside", "the header again, as a row"),
    "no-unit": Rule("error", "row_set_aside", "a row with values and without the unit's identifier"),
    "id-spelling": Rule("warning", "converted", "a known identifier in other letters or with spaces around it"),
    "unknown-unit": Rule("error", "row_set_aside", "an identifier that the participants' file does not have"),
    "unknown-visit": Rule("error", "row_set_aside", "a visit that the study does not have"),
    "undeclared-column": Rule("warning", "value_kept", "a column that study.yaml does not name; it is not read"),
}
