"""The PIP study with its reference results: every kind of display, without running the workflow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipanalysis.files import write_json
from pipanalysis.study.load import Study, load_study


def reference_study(root: Path, folder: Path, **displays: Any) -> Study:
    """Return the PIP study in a folder of its own, with the reference results and some of its displays changed."""
    shutil.copytree(root / "config", folder / "config")
    loaded = load_study(folder)
    loaded = replace(loaded, displays=loaded.displays.model_copy(update=displays))
    for path in (loaded.layout.estimates, loaded.layout.allocation_record):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "reference" / "estimates.parquet", loaded.layout.estimates)
    write_json(loaded.layout.allocation_record, {"allocation": "real"})
    return loaded
