"""The lists behind the page: what to chase, every assessment, every query; the same rows as on the page, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pipanalysis.intake.rules import RULES
from pipanalysis.progress.activities import to_do
from pipanalysis.progress.chase import URGENCY, chase_list
from pipanalysis.progress.page_model import List, iso_dates
from pipanalysis.progress.query_log import OPEN, STATES
from pipanalysis.progress.visit_states import STATES as VISIT_STATES

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

SINCE = {"new": "New", "still": "Open since before", "resolved": "Resolved", "": ""}
TASKS = {"meet": "No activity since consent", "voucher": "Voucher not issued"}


def chase(data: ProgressData, groups: dict[str, str], group_label: str) -> List:
    """Return the assessments to chase, the most urgent first."""
    study, table = data.study, chase_list(data)
    soon = study.progress.follow_up.soon_days
    frame = pd.DataFrame(
        {
            "group": table["group"],
            "urgency": table["urgency"].map(URGENCY),
            "what": [_when(urgency, int(days)) for urgency, days in zip(table["urgency"], table["days"], strict=True)],
            "unit": table["unit"],
            "site": table["group"].map(lambda name: groups.get(name, "")),
            "visit": table["visit"].map(lambda name: study.visits[name].label),
            **{name: _iso(table[name]) for name in ("window_open", "target_date", "window_close")},
            "assessor": table["assessor"],
        }
    )
    columns = {"urgency": "Urgency", "what": "When", "unit": study.config.study.unit.capitalize(), "site": group_label}
    columns |= {
        "visit": "Visit",
        "window_open": "Window opens",
        "target_date": "Target",
        "window_close": "Window closes",
    }
    columns |= {"assessor": "Assessor last time"} if study.progress.assessor else {}
    views = {"all": ("Everything", "urgency", list(URGENCY.values()))}
    views |= {name: (label, "urgency", [label]) for name, label in URGENCY.items()}
    return List(
        name="chase",
        title="What to chase today",
        lead=[
            f"Assessments whose window is open, opens or closes within {soon} days, or has passed; most urgent first."
        ],
        columns={name: label for name, label in columns.items() if groups or name != "site"},
        frame=frame,
        views=views,
        filters=("assessor",) if "assessor" in columns else (),
        empty="Nothing to chase.",
    )


def _when(urgency: str, days: int) -> str:
    """Return how many days are left, in words."""
    many = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    if urgency == "overdue":
        return f"closed {many} ago"
    if days == 0:
        return "opens today" if urgency == "opening" else "closes today"
    return f"{'opens' if urgency == 'opening' else 'closes'} in {many}"


def _iso(dates: pd.Series) -> pd.Series:
    return iso_dates(dates.astype("datetime64[ns]"))


def tasks(data: ProgressData, groups: dict[str, str], group_label: str) -> List:
    """Return what is to be done in a study of interviews: people to meet, vouchers to issue."""
    study, table = data.study, to_do(data)
    frame = pd.DataFrame(
        {
            "group": table["group"],
            "task": table["what"].map(TASKS),
            "unit": table["unit"],
            "site": table["group"].map(lambda name: groups.get(name, "")),
            "since": _iso(table["since"]),
            "days": table["days"].astype("object").where(table["days"].notna(), ""),
        }
    )
    columns = {"task": "To do", "unit": study.config.study.unit.capitalize(), "site": group_label}
    return List(
        name="chase",
        title="What to do next",
        lead=[
            "People who consented and have not taken part yet, and vouchers not yet issued; the longest waiting first."
        ],
        columns=columns | {"since": "Since", "days": "Days"},
        frame=frame,
        views={"all": ("Everything", "task", list(TASKS.values())), **{n: (t, "task", [t]) for n, t in TASKS.items()}},
        empty="Nothing is waiting.",
    )


def queries(data: ProgressData, log: pd.DataFrame, groups: dict[str, str], group_label: str) -> List:
    """Return every data query; the open ones are shown first."""
    study = data.study
    frame = pd.DataFrame(
        {
            "group": log["group"],
            "severity": log["severity"].str.capitalize(),
            "unit": log["unit"],
            "site": log["group"].map(lambda name: groups.get(name, "") if name else ""),
            "visit": log["visit"].map(lambda name: study.visits[name].label if name in study.visits else name),
            "variable": log["variable"].map(
                lambda name: study.variables[name].label if name in study.variables else name
            ),
            "problem": log["rule"].map(lambda rule: RULES[rule].meaning if rule in RULES else ""),
            "days": log["age_days"].map(lambda days: days if days >= 0 else ""),
            "state": log["state"].map(STATES),
            "since": log["since_last"].map(SINCE),
            "found": log["found"],
            "allowed": log["allowed"],
            "file": log["file"],
            "row": log["row"],
            "first_seen": log["first_seen"],
            "answer": [_answer(row) for row in log.to_dict("records")],
            "query_id": log["query_id"],
        }
    )
    columns = {
        "severity": "Severity",
        "unit": study.config.study.unit.capitalize(),
        "site": group_label,
        "visit": "Visit",
    }
    columns |= {"variable": "About", "problem": "Problem", "found": "Found", "days": "Days open"}
    more = {"allowed": "Allowed", "file": "File", "row": "Row", "first_seen": "First seen"}
    more |= {"since": "Since last time", "state": "State", "answer": "Answer", "query_id": "Query number"}
    waiting = [STATES[name] for name in OPEN]
    return List(
        name="queries",
        title="List of data queries",
        lead=[
            f"To answer one, add a line with its number to data/raw/{study.progress.query_answers} (columns query_id, "
            "answer, by, date, note); answer is confirmed, corrected or cannot_resolve."
        ],
        columns={name: label for name, label in columns.items() if groups or name != "site"},
        frame=frame,
        more=more,
        views={
            "open": ("Open", "state", waiting),
            "new": ("New since last time", "since", [SINCE["new"]]),
            "resolved_now": ("Resolved since last time", "since", [SINCE["resolved"]]),
            "answered": (
                "Answered",
                "state",
                [STATES[name] for name in ("still_there", "confirmed", "cannot_resolve")],
            ),
            "all": ("All ever raised or answered", "state", list(STATES.values())),
        },
        empty="No query here.",
    )


def _answer(row: dict[object, object]) -> str:
    said = [str(row[name]) for name in ("answer", "answered_by", "answered_on", "note") if row[name]]
    return ", ".join(said)


def assessments(data: ProgressData, groups: dict[str, str]) -> pd.DataFrame:
    """Return every planned assessment with its dates and state, for the files."""
    table, study = data.visits, data.study
    if table.empty:
        return pd.DataFrame(columns=["group", study.config.study.unit, "site", "visit", "state"])
    return pd.DataFrame(
        {
            "group": table["group"],
            study.config.study.unit: table["unit"],
            "site": table["group"].map(lambda name: groups.get(name, "")),
            "visit": table["visit"].map(lambda name: study.visits[name].label),
            **{name: _iso(table[name]) for name in ("window_open", "target_date", "window_close", "visit_date")},
            "state": table["state"].map(VISIT_STATES),
            "assessor": table["assessor"],
        }
    )
