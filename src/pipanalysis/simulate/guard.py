"""Keeps a simulation away from raw files that it did not write."""

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
    layout = study.layout
    declared = [*(file.path for file in study.config.files), study.allocation.path]
    present = [path for path in declared if (layout.raw / path).exists()]
    written = json.loads(layout.truth.read_text(encoding="utf-8"))["files"] if layout.truth.is_file() else {}
    foreign = [path for path in present if written.get(path) != sha256(layout.raw / path)]
    if foreign:
        allowed = (
            "files as `simulate` wrote them; for real data set study.data to real, for synthetic ones remove the file"
        )
        raise ConfigError(
            [Problem(f"data/raw/{path}", "a file that `simulate` did not write", allowed) for path in foreign]
        )
