"""Tells raw files that `simulate` wrote from all others, and keeps it away from those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipanalysis.errors import ConfigError, Problem
from pipanalysis.files import sha256

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def refuse_foreign_raw_files(study: Study) -> None:
    """Refuse a synthetic study whose data/raw holds files that `simulate` did not write, or not as they are now.

    The workflow removes a step's outputs before it runs the step again, so real files under the names of a synthetic
    study's would be lost.

    Raises:
        ConfigError: naming each such file.
    """
    if study.config.study.data != "synthetic":
        return
    foreign = unlike(study, simulated_checksums(study), missing=False)
    if foreign:
        allowed = (
            "files as `simulate` wrote them; for real data set study.data to real, for synthetic ones remove the file"
        )
        raise ConfigError(
            [Problem(f"data/raw/{path}", "a file that `simulate` did not write", allowed) for path in foreign]
        )


def simulated_checksums(study: Study) -> dict[str, str]:
    """Return the checksums of the raw files that `simulate` wrote, by their paths in data/raw; none before it did."""
    truth = study.layout.truth
    if not truth.is_file():
        return {}
    written: dict[str, str] = json.loads(truth.read_text(encoding="utf-8"))["files"]
    return written


def unlike(study: Study, checksums: Mapping[str, str], *, missing: bool = True) -> list[str]:
    """Return which of the study's raw files do not have the checksums now, by their paths in data/raw.

    Args:
        study: the configuration.
        checksums: SHA-256 of each file, by its path in data/raw.
        missing: whether a file that is not there is one of them.
    """
    found = []
    for path in (*(file.path for file in study.config.files), study.allocation.path):
        file = study.layout.raw / path
        if (checksums.get(path) != sha256(file)) if file.is_file() else (missing or file.exists()):
            found.append(path)
    return found
