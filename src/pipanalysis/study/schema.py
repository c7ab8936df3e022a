"""JSON Schemas of the configuration files, so that editors complete and check the YAML while it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipanalysis.files import write_json
from pipanalysis.study.base import Model
from pipanalysis.study.displays import Displays
from pipanalysis.study.instrument import Instrument
from pipanalysis.study.plan import Plan
from pipanalysis.study.progress import Progress
from pipanalysis.study.simulation import Simulation
from pipanalysis.study.study import StudyConfig

MODELS: dict[str, type[Model]] = {
    "study": StudyConfig,
    "instrument": Instrument,
    "analysis": Plan,
    "displays": Displays,
    "progress": Progress,
    "simulation": Simulation,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (2020-12) of each configuration file by its name."""
    return {
        name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
        for name, model in MODELS.items()
    }


def write_schemas(folder: Path) -> None:
    """Write ``NAME.schema.json`` for each configuration file into ``folder``."""
    for name, schema in schemas().items():
        write_json(folder / f"{name}.schema.json", schema)
