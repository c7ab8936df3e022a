"""The verb `allocate`: the one step that reads the allocation, or puts a seeded dummy in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.derive.intercurrent import with_intercurrent_events
from pipanalysis.errors import DataError, PlanError, Problem
from pipanalysis.files import read_parquet, sha256, write_json, write_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from pipanalysis.study.load import Study


def allocate(study: Study) -> str:
    """Join the arm to the randomised units, complete the analysis sets, find the visits after intercurrent events.

    Which allocation was used is recorded.

    A masked study never opens the allocation file nor a closed table: units get a dummy arm, and analysis sets with a
    condition on sessions keep their open part (the record says so).

    Returns:
        What was done, in a line.

    Raises:
        PlanError: the data are real, the plan is not locked, and study.yaml gives no reason for that.
        DataError: the allocation is missing, or does not name exactly one known arm for each randomised unit.
    """
    study.require_analysis()
    layout = study.layout
    participants = read_parquet(layout.participants)
    participants = participants.loc[participants["randomised"]].reset_index(drop=True)
    record: dict[str, Any]
    if study.masked:
        participants["arm"] = masked_arms(study, participants)
        record = {"allocation": "masked", "seed": study.config.study.seed}
        waiting = [chosen.name for chosen in study.plan.analysis_sets if chosen.min_sessions is not None]
        record["sets_without_their_condition_on_sessions"] = waiting
    else:
        _refuse_without_lock(study)
        path = layout.raw / study.allocation.path
        participants["arm"] = real_arms(study, path, participants["unit"])
        participants = _with_sessions(study, participants)
        record = {"allocation": "real", "file": study.allocation.path, "sha256": sha256(path)}
        record |= _lock_record(study)
    participants, record["intercurrent_events"] = with_intercurrent_events(
        study, participants, read_parquet(layout.assessments)
    )
    counts = participants["arm"].value_counts()
    record["units_by_arm"] = {arm: int(counts.get(arm, 0)) for arm in study.arms}
    record["units_by_set"] = {s.name: int(participants[f"in_{s.name}"].sum()) for s in study.plan.analysis_sets}
    write_parquet(layout.analysis_participants, participants)
    write_json(layout.allocation_record, record)
    by_arm = ", ".join(f"{n} {arm}" for arm, n in record["units_by_arm"].items())
    return f"{record['allocation']} allocation joined: {by_arm}"


def _refuse_without_lock(study: Study) -> None:
    about = study.config.study
    if about.data == "real" and study.lock is None and about.without_lock is None:
        allowed = (
            "a plan locked before the real allocation is read (`pipanalysis lock`); or in study.yaml, "
            "study.without_lock: the reason, which every display prints"
        )
        raise PlanError(Problem("config/lock.json", "no such file", allowed))


def _lock_record(study: Study) -> dict[str, Any]:
    """Return under which lock of the plan the allocation is read, or why under none."""
    if study.lock is not None:
        return {"lock": {"version": study.lock.version, "date": study.lock.date, "sha256": study.lock.sha256}}
    return {"lock": None, "without_lock": study.config.study.without_lock or "synthetic data need no lock"}


def masked_arms(study: Study, participants: pd.DataFrame) -> pd.Series:
    """Return a dummy arm for each unit: balanced by the study's ratio within strata, from the study's seed alone."""
    ratio = study.config.randomisation.ratio
    block = [arm for arm in study.arms for _ in range(ratio.get(arm, 1))]
    generator = np.random.default_rng(study.config.study.seed)
    arms = pd.Series("", index=participants.index, dtype="str")
    strata = [name for name in study.config.randomisation.strata if name in participants]
    stratum = participants.groupby(strata, dropna=False, sort=True).ngroup() if strata else pd.Series(0, arms.index)
    for number in range(stratum.max() + 1):
        index = participants.index[stratum == number]
        sequence = (block * (len(index) // len(block) + 1))[: len(index)]
        arms.loc[index] = generator.permutation(np.array(sequence, dtype=object))
    return arms


def real_arms(study: Study, path: Path, units: pd.Series) -> pd.Series:
    """Return the arm of each unit from the allocation file.

    Raises:
        DataError: every problem of the file: no such file or column, an unknown arm, a unit twice, a randomised unit
            that is not in it, a unit in it that is not randomised.
    """
    table = read_allocation(study, path)
    where = f"data/raw/{study.allocation.path}"
    codes = {code: arm.name for arm in study.config.arms for code in (arm.name, *arm.codes)}
    problems = []
    allowed = ", ".join(sorted(codes))
    known = set(units)
    for row, unit, code in zip(table.index + 2, table["unit"], table["arm"], strict=True):
        if code not in codes:
            problems.append(Problem(f"{where}, row {row}, unit {unit!r}", f"arm {code!r}", f"one of: {allowed}"))
    for unit, rows in table.groupby("unit").groups.items():
        if len(rows) > 1:
            found = f"unit {unit!r} in rows {', '.join(str(row + 2) for row in rows)}"
            problems.append(Problem(where, found, "each unit once"))
    problems += [
        Problem(where, f"no row for unit {unit!r}", "a row for every randomised unit")
        for unit in sorted(known - set(table["unit"]))
    ]
    problems += [
        Problem(f"{where}, row {row}", f"unit {unit!r}", "a randomised unit")
        for row, unit in zip(table.index + 2, table["unit"], strict=True)
        if unit not in known
    ]
    if problems:
        raise DataError(problems)
    return units.map(dict(zip(table["unit"], table["arm"].map(codes), strict=True))).astype("str")


def read_allocation(study: Study, path: Path) -> pd.DataFrame:
    """Return unit and arm as the allocation file writes them.

    Raises:
        DataError: no such file, not a csv file, no such column, no rows.
    """
    spec = study.allocation
    where = f"data/raw/{spec.path}"
    if not path.is_file():
        raise DataError(Problem(where, "no such file", "the allocation, or blinding: masked in study.yaml"))
    try:
        table = pd.read_csv(
            path, dtype="str", sep=spec.delimiter or ",", encoding=spec.encoding or "utf-8-sig", keep_default_na=False
        )
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(Problem(where, f"cannot be read: {error}", "a csv file")) from None
    missing = [column for column in (spec.key, spec.arm) if column not in table]
    if missing:
        found = f"columns {', '.join(map(str, table.columns))}"
        raise DataError([Problem(where, found, f"a column {column!r}") for column in missing])
    if table.empty:
        raise DataError(Problem(where, "no rows", "a row for every randomised unit"))
    return pd.DataFrame({"unit": table[spec.key].str.strip(), "arm": table[spec.arm].str.strip()})


def _with_sessions(study: Study, participants: pd.DataFrame) -> pd.DataFrame:
    """Apply the analysis sets' conditions on sessions attended, which bind the arm that is offered sessions."""
    wanted = [chosen for chosen in study.plan.analysis_sets if chosen.min_sessions is not None]
    offered = study.config.sessions
    if not wanted or offered is None:
        return participants
    sessions = read_parquet(study.layout.closed_events(offered.table), columns=["unit", offered.attended])
    attended = sessions[sessions[offered.attended].astype("str").isin(["1", "1.0"])].groupby("unit").size()
    n = participants["unit"].map(attended).fillna(0)
    exempt = participants["arm"] != offered.arm
    changes = {f"in_{s.name}": participants[f"in_{s.name}"] & (exempt | (n >= (s.min_sessions or 0))) for s in wanted}
    return participants.assign(**changes)
