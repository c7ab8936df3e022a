"""Treatment received, from the event table of sessions: each unit's therapist, and how many sessions it attended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.estimate.safety import is_one, not_read
from pipanalysis.files import read_parquet
from pipanalysis.schedule import target_dates
from pipanalysis.study.event_tables import event_path

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.study.study import Sessions

MASKED = not_read("sessions")


@dataclass(frozen=True)
class SessionRecords:
    """Sessions of the units of a trial in the arm that is offered them.

    Attributes:
        table: a row per session: unit, attended (bool), and therapist and date where the study has them.
        notes: what was not counted, in words.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Therapists:
    """Which therapist each unit had.

    Attributes:
        of: unit → therapist; units that attended no session are not in it.
        several: units that were seen by more than one.
        tied: units that were seen equally often by two or more.
    """

    of: dict[str, str]
    several: int
    tied: int


def read_sessions(trial: TrialData, declared: Sessions) -> SessionRecords | None:
    """Read the sessions; None while the allocation is masked, when a closed table is not opened.

    Sessions recorded for units of other arms are not counted, and sessions without a record of attendance count as
    not attended; the notes say how many.

    Raises:
        DataError: the event table is missing or damaged.
    """
    path = event_path(trial.study, declared.table)
    if path is None:
        return None
    people = trial.participants
    events = read_parquet(path)
    arm = events["unit"].map(dict(zip(people["unit"], people["arm"].astype(str), strict=True)))
    notes = []
    if other := int((arm.notna() & (arm != declared.arm)).sum()):
        notes.append(f"sessions of {trial.study.terms.units} of other arms, not counted: {other}")
    own = events[(arm == declared.arm).to_numpy()].reset_index(drop=True)
    if unknown := int(own[declared.attended].isna().sum()):
        notes.append(f"sessions without a record of attendance, counted as not attended: {unknown}")
    columns = {"unit": own["unit"].astype(str), "attended": is_one(own[declared.attended])}
    for key, name in (("therapist", declared.therapist), ("date", declared.date)):
        if name is not None:
            columns[key] = own[name]
    return SessionRecords(pd.DataFrame(columns), tuple(notes))


def therapists(records: SessionRecords) -> Therapists:
    """Return each unit's therapist: the one whose sessions it attended most often.

    Between therapists that saw a unit equally often, the one who offered it more sessions; then the first by name.
    """
    known = records.table[records.table["therapist"].notna()]
    counts = known.groupby(["unit", "therapist"])["attended"].agg(["sum", "size"]).reset_index()
    seen = counts[counts["sum"] > 0].sort_values(
        ["unit", "sum", "size", "therapist"], ascending=[True, False, False, True], kind="stable"
    )
    first = seen.drop_duplicates("unit")
    most = seen["unit"].map(dict(zip(first["unit"], first["sum"], strict=True)))
    return Therapists(
        of=dict(zip(first["unit"].astype(str), first["therapist"].astype(str), strict=True)),
        several=int((seen.groupby("unit").size() > 1).sum()),
        tied=int((seen[seen["sum"] == most].groupby("unit").size() > 1).sum()),
    )


def attended_by(trial: TrialData, records: SessionRecords, visit: str) -> tuple[FloatArray, list[str]]:
    """Return the sessions that each participant attended by a visit, shape (participants,), and what to say of it.

    By the visit's target date, which units that were not assessed have too. A session without a date counts, as does
    every one where the study has no dates of sessions.
    """
    study, people, notes = trial.study, trial.participants, []
    counted = records.table["attended"].to_numpy(dtype=bool).copy()
    randomised = study.variable_with_role("randomisation_date")
    if "date" in records.table and randomised is not None:
        due = target_dates(people[randomised.name].astype("datetime64[ns]"), study.visits[visit])
        limit = records.table["unit"].map(dict(zip(people["unit"], due, strict=True)))
        counted &= ~(records.table["date"] > limit).to_numpy(dtype=bool)
        if undated := int((records.table["attended"] & records.table["date"].isna()).sum()):
            notes.append(f"attended sessions without a date, counted: {undated}")
    number = people["unit"].map(records.table["unit"][counted].value_counts()).fillna(0)
    return np.asarray(number, dtype=np.float64), notes
