"""Whether values of single units may stand in results: only of made-up units, or of people whose data are published.

What a study says of its data is not enough: each raw file has to have the checksum with which `simulate` wrote it, or
the one in the register of published data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.errors import DisclosureError, Problem
from pipanalysis.files import read_record
from pipanalysis.simulate.guard import simulated_checksums
from pipanalysis.study.plan import USUAL_IN_A_COURSE

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

RAW = "data/raw/"


def public_checksums(study: Study) -> dict[str, str]:
    """Return the SHA-256 that each raw file has to have for its units to be shown, by path in data/raw; {} for none."""
    if study.config.study.data == "synthetic":
        return simulated_checksums(study)
    return dict(study.published.files) if study.published else {}


def origin(study: Study) -> str:
    """Return what the raw files have to be for single units to be shown, as after "files that are not"."""
    if study.config.study.data == "synthetic":
        return "as `simulate` wrote them"
    return f"as published ({study.published.source})" if study.published else "made up or published"


def refuse_single_units(study: Study, family: str) -> None:
    """Refuse a family with values of single units, unless the files that they were read from are made up or published.

    By the records of the steps that read the files, so that no step opens the allocation for this, and a file that was
    exchanged since does not count.

    Raises:
        DisclosureError: each file that is another one.
        DataError: a record is missing or damaged.
    """
    asking = [analysis.name for analysis in study.family_analyses(family) if analysis.courses == "single"]
    if not asking:
        return
    read = {str(file["file"]): str(file["sha256"]) for file in read_record(study.layout.intake_record)["files"]}
    allocation = read_record(study.layout.allocation_record)
    if "sha256" in allocation:
        read[f"{RAW}{allocation['file']}"] = str(allocation["sha256"])
    known = public_checksums(study)
    hint = f"courses: single (analysis.yaml, {', '.join(asking)}) shows single {study.config.study.unit}s; of "
    hint += f"confidential data, courses: {USUAL_IN_A_COURSE}"
    problems = []
    for name, checksum in sorted(read.items()):
        expected = known.get(name.removeprefix(RAW))
        if checksum != expected:
            found = f"sha256 {checksum[:16]} when it was read"
            problems.append(Problem(name, found, f"{(expected or 'a file')[:16]}, {origin(study)}", hint))
    if problems:
        raise DisclosureError(problems)
