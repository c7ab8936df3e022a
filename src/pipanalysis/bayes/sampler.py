"""Sampling a model: by nutpie, its log density compiled once and fed with one outcome after the other, or by PyMC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit

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


@dataclass(frozen=True)
class Parameter:
    """A free parameter and what it is on the unconstrained scale: itself, its logarithm, or its logit."""

    name: str
    shape: tuple[int, ...]
    scale: Literal["identity", "log", "logit"] = "identity"

    def constrained(self, values: FloatArray) -> FloatArray:
        """Return unconstrained values as they are in the model."""
        if self.scale == "log":
            return np.exp(values)
        return np.asarray(expit(values), dtype=np.float64) if self.scale == "logit" else values


@dataclass(frozen=True)
class NativeDensity:
    """A log density that numba has compiled.

    Attributes:
        callback: name of the function in `densities`.
        parameters: in its order.
        pack: the model's data → the one array that it reads.
    """

    callback: str
    parameters: Sequence[Parameter]
    pack: Callable[[Mapping[str, FloatArray]], FloatArray]

    @cached_property
    def size(self) -> int:
        """Number of unconstrained values."""
        return sum(prod(each.shape) for each in self.parameters)

    def split(self, values: FloatArray) -> dict[str, FloatArray]:
        """Return unconstrained values (..., size) by parameter, as they are in the model."""
        found, at = {}, 0
        for each in self.parameters:
            part = values[..., at : at + prod(each.shape)].reshape((*values.shape[:-1], *each.shape))
            found[each.name] = np.ascontiguousarray(each.constrained(part), dtype=np.float64)
            at += prod(each.shape)
        return found


@dataclass(frozen=True)
class CompiledModel:
    """A model in the two forms that samplers take; data are swapped, never compiled in.

    Attributes:
        define: makes the PyMC model, the definition of what is sampled; its data are `pymc.Data`.
        native: the same log density for nutpie, compiled once and kept on disk.
    """

    define: Callable[[], pymc.Model]
    native: NativeDensity

    @cached_property
    def model(self) -> pymc.Model:
        """The PyMC model."""
        return self.define()

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
        from nutpie.compile_pymc import CompiledPyMCModel

        from pipanalysis.bayes import densities

        n = self.native.size
        model = CompiledPyMCModel(
            dims={},
            compiled_logp_func=getattr(densities, self.native.callback),
            compiled_expand_func=densities.identity_callback,
            initial_point_func=lambda seed: np.random.default_rng(seed).uniform(-1, 1, n),
            shared_data={},
            shared_var_keys={},
            user_data=self.native.pack(data),
            n_expanded=n,
            shape_info=(["x"], [slice(0, n)], [(n,)]),
            logp_func=None,
            expand_func=None,
            _n_dim=n,
            _shapes={"x": (n,)},
            _coords={},
        )
        tree = nutpie.sample(
            model,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=min(settings.cores, settings.chains),
            target_accept=settings.target_accept,
            seed=seed,
            progress_bar=False,
            save_warmup=False,
        )
        return _draws(tree, self.native.split(tree["posterior"]["x"].to_numpy()))

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
        names = [each.name for each in self.native.parameters]
        values = {name: np.ascontiguousarray(tree["posterior"][name].to_numpy(), dtype=np.float64) for name in names}
        return _draws(tree, values)


def _draws(tree: Any, values: dict[str, FloatArray]) -> Draws:
    stats = tree["sample_stats"]
    return Draws(
        values,
        stats["diverging"].to_numpy().astype(bool),
        stats["energy"].to_numpy().astype(np.float64),
        int(stats["n_steps"].sum()),
    )
