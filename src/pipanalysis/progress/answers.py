"""What managers answered to data queries, in a file that they edit."""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from pipanalysis.errors import DataError, Problem

NEEDED = ("query_id", "answer")
ANSWERS = {
    "confirmed": "Confirmed as correct: the value is right as it stands",
    "corrected": "Corrected at the source: the next extract should be free of it",
    "cannot_resolve": "Cannot be resolved: the true value is not to be had",
}
"""answer → what it means"""
CLOSING = ("confirmed", "cannot_resolve")
"""answers after which a query is no longer open although its problem stays in the data"""


@dataclass(frozen=True)
class Answer:
    """A row of the file.

    Attributes:
        row: in the file, the header being row 1.
        query_id: the query that it answers.
        answer: one of ``ANSWERS``.
        by: who.
        on: when; None where not said.
        note: anything else.
    """

    row: int
    query_id: str
    answer: str
    by: str = ""
    on: dt.date | None = None
    note: str = ""


def read_answers(path: Path) -> list[Answer]:
    """Read the answers: columns query_id, answer, and, if wanted, by, date (YYYY-MM-DD) and note.

    Blank rows are passed over; a file that is not there has no answers.

    Raises:
        DataError: every row that cannot be understood.
    """
    if not path.exists():
        return []
    where = f"data/raw/{path.name}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(Problem(where, f"cannot be read: {error}", "a CSV file in UTF-8")) from None
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    if missing := [name for name in NEEDED if name not in header]:
        allowed = "columns query_id and answer, and by, date and note if wanted"
        raise DataError(Problem(f"{where} row 1", f"no column {', '.join(missing)}", allowed))
    answers: list[Answer] = []
    problems: list[Problem] = []
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        try:
            answers.append(_answer(number, values))
        except DataError as error:
            problems += [Problem(f"{where} row {number}", p.found, p.allowed) for p in error.problems]
    if problems:
        raise DataError(problems)
    return answers


def _answer(row: int, values: dict[str, str]) -> Answer:
    problems = []
    answer = values.get("answer", "").casefold().replace(" ", "_")
    if not values.get("query_id"):
        problems.append(Problem("", "no query_id", "the number of a query"))
    if answer not in ANSWERS:
        problems.append(Problem("", f"answer {values.get('answer', '')!r}", f"one of: {', '.join(ANSWERS)}"))
    on = None
    if values.get("date"):
        try:
            on = dt.date.fromisoformat(values["date"])
        except ValueError:
            problems.append(Problem("", f"date {values['date']!r}", "a date as YYYY-MM-DD, or nothing"))
    if problems:
        raise DataError(problems)
    return Answer(row, values["query_id"], answer, values.get("by", ""), on, values.get("note", ""))


def latest(answers: list[Answer], until: dt.date) -> dict[str, Answer]:
    """Return the answer that holds for each query on a day: the latest by date, of equal or no dates the lowest row."""
    known = [a for a in answers if a.on is None or a.on <= until]
    ordered = sorted(known, key=lambda a: (a.on or dt.date.min, a.row))
    return {answer.query_id: answer for answer in ordered}
