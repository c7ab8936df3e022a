"""``config/simulation.yaml``: the truth and the faults of a synthetic trial (synthetic studies only)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipanalysis.study.base import Model


class Simulation(Model):
    """The whole of ``config/simulation.yaml``."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    """seed of the synthetic trial"""
    units: Annotated[int, Field(ge=4)]
    """units randomised"""
