"""Which therapist each unit of the arm that is offered sessions had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.files import read_parquet
from pipanalysis.study.event_tables import event_path

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import TrialData

UNREAD = "not estimated while the allocation is masked: who gave a session may reveal the arm"


def main_therapists(trial: TrialData) -> dict[str, int] | None:
    """Return unit → code of the therapist of most of its sessions (ties: the first in order of names).

    Units of other arms, and those without a session, have none. None where the closed table may not be read.

    Raises:
        DataError: the event table is missing or damaged.
    """
    sessions = trial.study.config.sessions
    path = event_path(trial.study, sessions.table) if sessions else None
    if sessions is None or sessions.therapist is None or path is None:
        return None
    people = trial.participants
    offered = set(people.loc[(people["arm"] == sessions.arm).to_numpy(), "unit"])
    table = read_parquet(path, ["unit", sessions.therapist])
    table = table[table["unit"].isin(offered) & table[sessions.therapist].notna()]
    names = table[sessions.therapist].astype(str)
    codes = {name: code for code, name in enumerate(sorted(set(names)))}
    found = {}
    for unit, own in names.groupby(table["unit"].astype(str).to_numpy()):
        sizes = own.value_counts()
        found[str(unit)] = codes[min(sizes[sizes == sizes.max()].index)]
    return found
