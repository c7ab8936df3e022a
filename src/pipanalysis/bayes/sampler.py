"""Sampling a PyMC model: compiled once by nutpie and fed with the data of one outcome after the other, or by PyMC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipanalysis.bayes.arrays import FloatArray

if TYPE_CHECKING:
    import pymc

Sampler = Literal["nutpie", "pymc"]


@dataclass(frozen=True)
class SamplerSettings:
    """How a model is sampled.

    Attributes:
        chains: independent chains.
        draws: kept of each.
        tune: warm-up draws of each, not kept.
        target_accept: acceptance that the step size is adapted to.
        sampler: nutpie, or PyMC's own.
        cores: chains at a time; the draws do not depend on it.
    """

    chains: int = 4
    draws: int = 1000
    tune: int = 600
    target_accept: float = 0.85
    sampler: Sampler = "nutpie"
    cores: int = 2


@dataclass(frozen=True)
class Draws:
    """What a sampler gives.

    Attributes:
        values: parameter → (chains, draws, ...).
        divergent: (chains, draws) whether the trajectory diverged.
        energy: (chains, draws) of the Hamiltonian.
        steps: leapfrog steps in all, the warm-up not counted.
    """

    values: dict[str, FloatArray]
    divergent: np.ndarray[Any, np.dtype[np.bool_]]
    energy: FloatArray
    steps: int = 0

    def flat(self, name: str) -> FloatArray:
        """Return the draws of all chains one after the other: (chains * draws, ...)."""
        value = self.values[name]
        return value.reshape(-1, *value.shape[2:])


@dataclass
class CompiledModel:
    """A PyMC model and, once it has been sampled with nutpie, its compiled form; data are swapped, never compiled in.

    Attributes:
        model: the PyMC model, the definition of what is sampled; its data are `pymc.Data`.
    """

    model: pymc.Model
    _nutpie: list[Any] = field(default_factory=list, repr=False)

    @cached_property
    def parameters(self) -> list[str]:
        """Names of the free parameters."""
        return [variable.name for variable in self.model.free_RVs]

    def build(self) -> None:
        """Compile the log-density for nutpie, where that has not been done."""
        import nutpie

        if not self._nutpie:
            self._nutpie.append(nutpie.compile_pymc_model(self.model))

    def sample(self, data: Mapping[str, FloatArray], settings: SamplerSettings, seed: int) -> Draws:
        """Sample the posterior given data.

        Args:
            data: values of the model's `pymc.Data`, by name.
            settings: chains and draws.
            seed: the same seed, data and settings give the same draws on the same machine.
        """
        return (
            self._sample_nutpie(data, settings, seed)
            if settings.sampler == "nutpie"
            else self._sample_pymc(data, settings, seed)
        )

    def _sample_nutpie(self, data: Mapping[str, FloatArray], settings: SamplerSettings, seed: int) -> Draws:
        import nutpie

        self.build()
        tree = nutpie.sample(
            self._nutpie[0].with_data(**data),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=min(settings.cores, settings.chains),
            target_accept=settings.target_accept,
            seed=seed,
            progress_bar=False,
            save_warmup=False,
        )
        return _draws(tree, self.parameters)

    def _sample_pymc(self, data: Mapping[str, FloatArray], settings: SamplerSettings, seed: int) -> Draws:
        import pymc

        with self.model:
            pymc.set_data(dict(data))
            tree = pymc.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=1,
                target_accept=settings.target_accept,
                random_seed=seed,
                nuts_sampler="pymc",
                progressbar=False,
                compute_convergence_checks=False,
            )
        return _draws(tree, self.parameters)


def _draws(tree: Any, parameters: list[str]) -> Draws:
    posterior, stats = tree["posterior"], tree["sample_stats"]
    return Draws(
        {name: np.ascontiguousarray(posterior[name].to_numpy(), dtype=np.float64) for name in parameters},
        stats["diverging"].to_numpy().astype(bool),
        stats["energy"].to_numpy().astype(np.float64),
        int(stats["n_steps"].sum()),
    )
