"""The verb `lock`: keeps what the plan, the instruments and the code are before the allocation is read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import PlanError, Problem
from pipanalysis.estimate.planning import check_whole_plan
from pipanalysis.files import read_record, write_json
from pipanalysis.reproduce.fingerprint import content_checksum
from pipanalysis.reproduce.manifest import code_checksums
from pipanalysis.study.plan_lock import lockable, read_lock

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

FORMAT = 1
WHERE = "config/lock.json"


def lock(study: Study, version: str, date: dt.date, *, amends: str = "") -> str:
    """Write ``config/lock.json``.

    Args:
        study: the study whose plan is locked.
        version: of the plan.
        date: on which it is locked.
        amends: why a lock that is there is replaced; the new one lists the old ones by checksum.

    Returns:
        What was done, in a line.

    Raises:
        PlanError: the plan cannot be carried out; there is a lock and no reason to replace it; the date is before the
            earlier lock's; or the real allocation of real data has been read already.
    """
    check_whole_plan(study)
    layout, earlier = study.layout, study.lock
    problems = []
    if _unblinded(study):
        found = "the real allocation has been joined to the data"
        problems.append(Problem("lock", found, "a plan is locked before the allocation is read"))
    if earlier and not amends:
        found = f"version {earlier.version} of {earlier.date} is locked"
        problems.append(Problem(WHERE, found, "--amend with the reason for a new version"))
    if earlier and date.isoformat() < earlier.date:
        problems.append(Problem("--date", date.isoformat(), f"{earlier.date}, the earlier lock's, or later"))
    if amends and not earlier:
        problems.append(Problem("--amend", "there is no lock", "an earlier lock, or no --amend"))
    if problems:
        raise PlanError(problems)
    history: list[dict[str, Any]] = []
    if earlier:
        old = {
            "version": earlier.version,
            "date": earlier.date,
            "sha256": earlier.sha256,
            "reason_for_the_next": amends,
        }
        history = [*earlier.content.get("earlier", []), old]
    config = lockable(study)
    checksums = {"study.yaml": config["study.yaml"], "analysis.yaml": config["analysis.yaml"]}
    checksums |= {f"instruments/{name}.yaml": content for name, content in config["instruments"].items()}
    content = {
        "format": FORMAT,
        "study": study.config.study.id,
        "version": version,
        "date": date.isoformat(),
        "earlier": history,
        "content_sha256": {f"config/{name}": content_checksum(part) for name, part in checksums.items()},
        "code": code_checksums(),
        "config": config,
    }
    write_json(layout.plan_lock, content)
    written = read_lock(layout.plan_lock)
    assert written is not None
    return f"version {version} of {date.isoformat()}, sha256 {written.sha256} ({WHERE})"


def _unblinded(study: Study) -> bool:
    if study.config.study.data in ("synthetic", "twin") or not study.layout.allocation_record.is_file():
        return False
    return read_record(study.layout.allocation_record).get("allocation") == "real"
