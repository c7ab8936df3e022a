"""Priors: mixtures of normal distributions for effects, scales for everything else, all on the standardised scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from scipy.stats import norm

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.errors import BayesInputError

N_COMPONENTS = 2
"""components that a compiled model has room for"""


@dataclass(frozen=True)
class EffectPrior:
    """A mixture of at most two normal distributions for an effect; positive is benefit, the unit a baseline SD.

    Raises:
        BayesInputError: weights that do not add up to one, a standard deviation that is not positive, other impossible
            values; every one of them.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        problems = []
        if not len(self.means) == len(self.sds) == len(self.weights) or not 1 <= len(self.means) <= N_COMPONENTS:
            problems.append(
                f"{len(self.means)} means, {len(self.sds)} standard deviations and {len(self.weights)} weights; needed "
                f"are as many of each, 1 to {N_COMPONENTS}"
            )
        problems += [f"mean {m} is not finite" for m in self.means if not isfinite(m)]
        problems += [f"standard deviation {s} is not positive" for s in self.sds if not (isfinite(s) and s > 0)]
        problems += [f"weight {w} is not between 0 and 1" for w in self.weights if not 0 < w <= 1]
        if not problems and abs(sum(self.weights) - 1) > 1e-9:
            problems.append(f"weights add up to {sum(self.weights):g}, not to 1")
        if problems:
            raise BayesInputError([f"prior of an effect: {problem}" for problem in problems])

    def density(self, at: FloatArray) -> FloatArray:
        """Return the density at standardised effects, in their shape."""
        parts = zip(self.weights, self.means, self.sds, strict=True)
        return np.asarray(sum(weight * norm.pdf(at, mean, sd) for weight, mean, sd in parts))

    def scaled(self, factor: float) -> EffectPrior:
        """Return the prior of the effect times a factor (another scale)."""
        return EffectPrior(
            tuple(m * factor for m in self.means), tuple(s * abs(factor) for s in self.sds), self.weights
        )


@dataclass(frozen=True)
class NuisancePriors:
    """Priors of what is not an effect, in baseline SDs; the same in every set of priors.

    Attributes:
        coefficient_sd: normal SD of visit means, baseline slopes and covariates (columns in SDs, outcome centred).
        residual_scale: scale of the half Student t with 3 degrees of freedom of the SD at each visit.
        lkj: shape of the LKJ distribution of the visits' correlation; 1 is uniform.
        group_scale: scale of the half normal distribution of the SD between groups (therapists).
    """

    coefficient_sd: float = 2.5
    residual_scale: float = 1.0
    lkj: float = 2.0
    group_scale: float = 0.3

    def __post_init__(self) -> None:
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        problems = [f"prior {name} {v} is not positive" for name, v in found.items() if not (isfinite(v) and v > 0)]
        if problems:
            raise BayesInputError(problems)


@dataclass(frozen=True)
class Priors:
    """A named set: a prior for each effect, and those of the rest."""

    name: str
    effects: Sequence[EffectPrior]
    nuisance: NuisancePriors = field(default_factory=NuisancePriors)


def mixture_arrays(effects: Sequence[EffectPrior], size: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return weights, means and SDs, each (size, N_COMPONENTS): a missing component repeats the first.

    Effects beyond those given are padding: they get a standard normal prior.
    """
    weights, means, sds = np.zeros((size, N_COMPONENTS)), np.zeros((size, N_COMPONENTS)), np.ones((size, N_COMPONENTS))
    weights[:] = 1 / N_COMPONENTS
    for i, effect in enumerate(effects):
        k = len(effect.means)
        if k == 1:
            means[i], sds[i] = effect.means[0], effect.sds[0]
        else:
            weights[i], means[i], sds[i] = effect.weights, effect.means, effect.sds
    return weights, means, sds
