"""Posterior draws as netCDF, to be read by ArviZ: no unit's values, and small enough to share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from pipanalysis.bayes.arrays import FloatArray
    from pipanalysis.bayes.sampler import Draws


@dataclass(frozen=True)
class OutcomeDraws:
    """Draws of the effects on one outcome under one set of priors.

    Attributes:
        outcome, prior: names.
        keys: (arm, visit) of each effect.
        effects: standardised, positive where it is benefit: (chains, draws, e).
        draws: of the whole model, for divergences and energy.
    """

    outcome: str
    prior: str
    keys: tuple[tuple[str, str], ...]
    effects: FloatArray
    draws: Draws


def write_draws(path: Path, kept: Sequence[OutcomeDraws], about: dict[str, str]) -> None:
    """Write the draws of an analysis: groups posterior and sample_stats, in single precision.

    Args:
        path: of the netCDF file.
        kept: of chains of the double length every second draw is written; where there is none, the file has no group.
        about: attributes of the file.

    The variable `effect` has the dimensions chain, draw, prior, outcome, arm and visit; what is not estimated is NaN.
    """
    import xarray as xr

    if not kept:
        _write(path, xr.DataTree(xr.Dataset(attrs=about)))
        return
    n_draws = min(each.draws.divergent.shape[1] for each in kept)
    thinned = {(each.prior, each.outcome): each.draws.divergent.shape[1] // n_draws for each in kept}
    names = {
        "prior": list(dict.fromkeys(each.prior for each in kept)),
        "outcome": list(dict.fromkeys(each.outcome for each in kept)),
        "arm": list(dict.fromkeys(arm for each in kept for arm, _ in each.keys)),
        "visit": list(dict.fromkeys(visit for each in kept for _, visit in each.keys)),
    }
    n_chains = kept[0].draws.divergent.shape[0]
    sizes = {name: len(values) for name, values in names.items()}
    effect = np.full((n_chains, n_draws, *sizes.values()), np.nan, dtype=np.float32)
    per_fit = (n_chains, n_draws, sizes["prior"], sizes["outcome"])
    energy = np.full(per_fit, np.nan, dtype=np.float32)
    diverging = np.zeros(per_fit, dtype=np.int8)
    for each in kept:
        step = thinned[each.prior, each.outcome]
        p, o = names["prior"].index(each.prior), names["outcome"].index(each.outcome)
        for j, (arm, visit) in enumerate(each.keys):
            a, v = names["arm"].index(arm), names["visit"].index(visit)
            effect[:, :, p, o, a, v] = each.effects[:, ::step, j][:, :n_draws]
        energy[:, :, p, o] = each.draws.energy[:, ::step][:, :n_draws]
        diverging[:, :, p, o] = each.draws.divergent[:, ::step][:, :n_draws]
    dims = ["chain", "draw", *names]
    coords = {"chain": np.arange(n_chains), "draw": np.arange(n_draws), **names}
    groups = {
        "posterior": xr.Dataset({"effect": (dims, effect)}, coords=coords),
        "sample_stats": xr.Dataset(
            {"energy": (dims[:4], energy), "diverging": (dims[:4], diverging)},
            coords={name: coords[name] for name in dims[:4]},
        ),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(about)
    _write(path, tree)


def _write(path: Path, tree: xr.DataTree) -> None:
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = {f"/{name}": dict.fromkeys(group.data_vars, packed) for name, group in tree.children.items()}
    with whole_file(path) as aside:
        tree.to_netcdf(aside, engine="h5netcdf", encoding=encoding)
