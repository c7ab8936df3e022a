"""The twin's units: a Gaussian copula over everything that is known of a unit, with margins for each arm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from pipanalysis.twin.copula import latent_correlation, shrunk_correlation
from pipanalysis.twin.margins import (
    Margin,
    common_values,
    discrete_margin,
    few_and_common,
    hermite_coefficients,
    smooth_margin,
)
from pipanalysis.twin.missingness import Missingness, find_missingness
from pipanalysis.twin.source import Block, RawColumn, Source

HERMITE_ORDER = 12
PRESENCE, THERE, ROWS = "pattern of visits", "there", "rows"


@dataclass
class Latent:
    """One column of the copula: a variable, the pattern of visits, whether something is there, or a number of rows.

    Attributes:
        name: as the record names it.
        group: columns whose correlations are shrunk together.
        values: (n,) the source's, rare ones put to common ones.
        margins: by arm.
    """

    name: str
    group: str
    values: np.ndarray
    margins: dict[str, Margin]


@dataclass
class Units:
    """Drawn units.

    Attributes:
        arms: (n,) arm.
        values: (n, p) the source's variables, NaN where missing.
        anchor: (n,) day from which a unit's dates are counted, whether it is written or not.
        there: block → (n,).
        rows: event table → (n,) rows of a unit.
    """

    arms: np.ndarray
    values: np.ndarray
    anchor: np.ndarray
    there: dict[Block, np.ndarray]
    rows: dict[str, np.ndarray]

    def only(self, which: np.ndarray) -> Units:
        """Return some of the units."""
        there = {block: column[which] for block, column in self.there.items()}
        rows = {table: n[which] for table, n in self.rows.items()}
        return Units(self.arms[which], self.values[which], self.anchor[which], there, rows)

    def replace(self, at: np.ndarray, others: Units) -> None:
        """Put other units in the place of some."""
        self.values[at], self.anchor[at] = others.values, others.anchor
        for name, column in others.there.items():
            self.there[name][at] = column
        for table, n in others.rows.items():
            self.rows[table][at] = n


@dataclass
class UnitModel:
    """What units are drawn from.

    Attributes:
        source: the confidential data.
        missingness: how values go missing.
        latents: columns of the copula; the source's variables first, in their order.
        root: (p, p) square root of the latent correlation matrix.
        shrinkage: intensity of the shrinkage of correlations to their block means.
        rare: variables with codes that fewer units have than the least cell, put to the commonest one.
    """

    source: Source
    missingness: Missingness
    latents: list[Latent] = field(default_factory=list)
    root: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    shrinkage: float = 0.0
    rare: list[str] = field(default_factory=list)

    def draw(self, arms: np.ndarray, generator: np.random.Generator) -> Units:
        """Draw a unit for each arm given."""
        n, variables = len(arms), self.source.variables
        u = ndtr(generator.standard_normal((n, len(self.latents))) @ self.root.T)
        x = np.full((n, len(self.latents)), np.nan)
        for arm in np.unique(arms):
            here = arms == arm
            for j, latent in enumerate(self.latents):
                x[here, j] = latent.margins[arm].quantile(u[here, j])
        values = x[:, : len(variables)]
        named = {latent.name: x[:, j] for j, latent in enumerate(self.latents)}
        there = self._blocks(named)
        anchor = np.full(n, np.nan)
        for j, variable in enumerate(variables):
            if variable.raw.column.name == self.source.anchored_on:
                anchor = values[:, j].copy()
        self._remove(arms, values, named, there, generator)
        rows = {
            name.partition(", ")[2]: np.maximum(n, 0).astype(int)
            for name, n in named.items()
            if name.startswith(f"{ROWS}, ")
        }
        return Units(arms, values, anchor, there, rows)

    def _blocks(self, named: dict[str, np.ndarray]) -> dict[Block, np.ndarray]:
        drawn = self.missingness.patterns[named[PRESENCE].astype(int)]
        return {block: drawn[:, i].copy() for i, block in enumerate(self.source.blocks)}

    def _remove(
        self,
        arms: np.ndarray,
        values: np.ndarray,
        named: dict[str, np.ndarray],
        there: dict[Block, np.ndarray],
        generator: np.random.Generator,
    ) -> None:
        """Make values missing: visits not made, what is missing together, forms, single values."""
        n, variables, found = len(values), self.source.variables, self.missingness
        lost = {key: generator.random(n) < rate for key, rate in found.forms.items()}
        for i, (members, _) in enumerate(found.together):
            values[np.ix_(named[f"{THERE}, {i}"] < 0.5, members)] = np.nan
        for j, variable in enumerate(variables):
            gone = ~there[variable.block] | (generator.random(n) < found.rates[j])
            if found.withheld[j]:
                gone[:] = True
            if (form := (variable.block, variable.raw.instrument)) in lost:
                gone |= lost[form]
            if variable.raw.column.name == self.source.anchored_on and (arms != "").any():
                gone = arms == ""  # whoever has an arm was randomised on some day
            values[gone, j] = np.nan


def fit_units(source: Source, min_cell: int) -> UnitModel:
    """Return the model of a source's units, whose arms each have at least `min_cell` of them."""
    model = UnitModel(source, find_missingness(source, min_cell))
    for j, variable in enumerate(source.variables):
        coded = variable.raw.type not in ("number", "date")
        if coded and not common_values(variable.values, min_cell):
            model.missingness.withheld[j] = True
        held = np.full(len(source.units), np.nan) if model.missingness.withheld[j] else variable.values
        limits = {"grid": 1.0} if variable.raw.type == "date" else _limits(variable.raw, held)
        model.latents.append(_latent(model, variable.name, variable.group, held, min_cell, limits, coded=coded))
    pattern = model.missingness.pattern_of.astype(float)
    model.latents.append(_latent(model, PRESENCE, PRESENCE, pattern, 1, {}))
    for i, (_, indicator) in enumerate(model.missingness.together):
        model.latents.append(_latent(model, f"{THERE}, {i}", f"{THERE}, {i}", indicator, 1, {}))
    for name, one in source.files.items():
        events = one.extract.events
        if one.file.events is not None and events is not None and "visit" not in events:
            counts = events["unit"].value_counts().reindex(source.units, fill_value=0).to_numpy(dtype=float)
            rows, limits = f"{ROWS}, {name}", {"low": 0.0, "grid": 1.0}
            model.latents.append(_latent(model, rows, rows, counts, min_cell, limits))
    x = np.column_stack([_standardised(latent.values, source.arms) for latent in model.latents])
    blocks = _numbered([latent.group for latent in model.latents])
    of_items = [variable.raw.column.name for variable in source.variables]
    items = _numbered([*of_items, *(latent.name for latent in model.latents[len(of_items) :])])
    wanted, model.shrinkage = shrunk_correlation(x, blocks, items)
    arms, sizes = np.unique(source.arms, return_counts=True)
    hermite = np.array(
        [
            np.average(
                [hermite_coefficients(latent.margins[arm], HERMITE_ORDER) for arm in arms], axis=0, weights=sizes
            )
            for latent in model.latents
        ]
    )
    values, vectors = np.linalg.eigh(latent_correlation(wanted, hermite))
    model.root = vectors * np.sqrt(np.maximum(values, 0))
    return model


def _numbered(names: list[str]) -> np.ndarray:
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names])


def _latent(
    model: UnitModel,
    name: str,
    group: str,
    values: np.ndarray,
    min_cell: int,
    limits: dict[str, float],
    *,
    coded: bool = False,
) -> Latent:
    """Return a column of the copula with its margins; an arm with too few values has those of all arms."""
    arms = np.unique(model.source.arms)
    if np.isnan(values).all():
        return Latent(name, group, values, dict.fromkeys(arms, Margin(np.ones(1), np.zeros(1), discrete=True)))
    if coded:
        common = common_values(values, min_cell)
        if any(v != stands for v, stands in common.items()):
            model.rare.append(name)
        values = np.array([common.get(v, np.nan) for v in values.tolist()])
    discrete = coded or few_and_common(values, min_cell)
    margins: dict[str, Margin] = {}
    for arm in arms:
        own = values[model.source.arms == arm]
        if (~np.isnan(own)).sum() < 2 * min_cell:
            own = values
        margins[arm] = discrete_margin(own) if discrete else smooth_margin(own, min_cell, **limits)
    return Latent(name, group, values, margins)


def _limits(raw: RawColumn, values: np.ndarray) -> dict[str, float]:
    """Return what numbers a column may hold; one without declared limits and below zero nowhere stays so."""
    low = 0.0 if raw.low == -np.inf and (values >= 0).any() and not (values < 0).any() else raw.low
    return {"low": low, "high": raw.high, "grid": raw.grid, "origin": raw.low if raw.low > -np.inf else 0.0}


def _standardised(values: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Return values less their arm's mean, by their arm's SD; NaN where an arm's do not vary."""
    made = np.full(len(values), np.nan)
    for arm in np.unique(arms):
        here = (arms == arm) & ~np.isnan(values)
        if here.sum() > 1 and (sd := values[here].std()) > 0:
            made[here] = (values[here] - values[here].mean()) / sd
    return made
