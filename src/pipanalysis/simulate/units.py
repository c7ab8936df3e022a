"""Who is in the synthetic trial: sites, stratified block randomisation, dates, characteristics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import Characteristic, Simulation

DAYS_PER_MONTH = 30.4375


def randomised_units(study: Study, simulation: Simulation, n: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return a row per randomised unit, in order of randomisation: unit, arm, and the participant-level variables."""
    width = max(3, len(str(n)))
    units = pd.DataFrame({"unit": [f"{simulation.unit_prefix}{i:0{width}d}" for i in range(1, n + 1)]})
    _sites(study, units, generator)
    _dates(study, units, generator)
    for characteristic in simulation.characteristics:
        variable = study.variables[characteristic.variable]
        if variable.level == "participant" and variable.role != "withdrawal_reason":
            units[variable.name] = _draw(study, characteristic, units, generator)
    units["arm"] = block_randomisation(study, units, generator)
    return units


def _sites(study: Study, units: pd.DataFrame, generator: np.random.Generator) -> None:
    variable = study.variable_with_role("site")
    if variable and study.config.sites:
        names = np.array([site.name for site in study.config.sites], dtype=object)
        units[variable.name] = names[generator.integers(len(names), size=len(units))]


def _dates(study: Study, units: pd.DataFrame, generator: np.random.Generator) -> None:
    variable = study.variable_with_role("randomisation_date")
    target = study.config.recruitment
    if variable and target:
        days = np.sort(generator.integers((target.end - target.start).days + 1, size=len(units)))
        units[variable.name] = pd.Timestamp(target.start) + pd.to_timedelta(days, unit="D")


def _draw(
    study: Study, characteristic: Characteristic, units: pd.DataFrame, generator: np.random.Generator
) -> pd.Series:
    variable = study.variables[characteristic.variable]
    if characteristic.age_months is not None:
        randomised = study.variable_with_role("randomisation_date")
        youngest, oldest = (int(np.ceil(months * DAYS_PER_MONTH)) for months in characteristic.age_months)
        days = pd.to_timedelta(generator.integers(youngest, oldest, size=len(units)), unit="D")
        return units[randomised.name] - days if randomised else pd.Series(pd.NaT, index=units.index)
    if characteristic.probabilities:
        return pd.Series(draw_codes(characteristic.probabilities, len(units), generator), index=units.index)
    value = generator.normal(characteristic.mean or 0, characteristic.sd or 1, size=len(units))
    if variable.range:
        value = np.clip(value, variable.range.min, variable.range.max)
    return pd.Series(np.round(value) if variable.type == "integer" else np.round(value, 1), index=units.index)


def draw_codes(probabilities: dict[str, float], n: int, generator: np.random.Generator) -> np.ndarray:
    """Draw n codes with the given probabilities (scaled to sum to one)."""
    share = np.array(list(probabilities.values()))
    return generator.choice(np.array(list(probabilities), dtype=object), size=n, p=share / share.sum())


def block_randomisation(study: Study, units: pd.DataFrame, generator: np.random.Generator) -> pd.Series:
    """Return arms from permuted blocks within the strata."""
    design = study.config.randomisation
    parts = [arm for arm in study.arms for _ in range(design.ratio.get(arm, 1))]
    size = max(len(parts), design.block_size or len(parts))
    block = np.array(parts * (size // len(parts)), dtype=object)
    arms = pd.Series("", index=units.index, dtype="str")
    stratum = units.groupby(design.strata, sort=True).ngroup() if design.strata else pd.Series(0, index=units.index)
    for number in range(stratum.max() + 1):
        index = units.index[stratum == number]
        blocks = [generator.permutation(block) for _ in range(-(-len(index) // len(block)))]
        arms.loc[index] = np.concatenate(blocks)[: len(index)]
    return arms
