"""Tells raw files that `simulate` wrote from all others, and keeps it away from those."""

from __future__ import annotations

import json
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
    foreign = [path for path in _declared(study) if (study.layout.raw / path).exists() and not _simulated(study, path)]
    if foreign:
        allowed = (
            "files as `simulate` wrote them; for real data set study.data to real, for synthetic ones remove the file"
        )
        raise ConfigError(
            [Problem(f"data/raw/{path}", "a file that `simulate` did not write", allowed) for path in foreign]
        )


def is_simulated(study: Study) -> bool:
    """Return whether a study's data are of nobody: it is synthetic, and `simulate` wrote each raw file as it is now."""
    return study.config.study.data == "synthetic" and all(_simulated(study, path) for path in _declared(study))


def _declared(study: Study) -> list[str]:
    """Return the study's raw files, by their paths in data/raw."""
    return [*(file.path for file in study.config.files), study.allocation.path]


def _simulated(study: Study, path: str) -> bool:
    """Return whether `simulate` wrote a raw file, and as it is now."""
    truth, file = study.layout.truth, study.layout.raw / path
    if not (truth.is_file() and file.is_file()):
        return False
    written: dict[str, str] = json.loads(truth.read_text(encoding="utf-8"))["files"]
    return written.get(path) == sha256(file)
