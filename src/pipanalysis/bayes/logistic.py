"""Bayesian logistic regression of a binary outcome, with risks standardised over the units.

y_i ~ Bernoulli(logit^-1(X_i b + benefit * E_i d))
d   ~ a mixture of normals, by effect: log odds ratios, positive where it is benefit
b   ~ N(0, coefficient_sd)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.priors import N_COMPONENTS, Priors, mixture_arrays
from pipanalysis.bayes.problem import MIN_UNITS
from pipanalysis.bayes.sampler import CompiledModel, Draws, NativeDensity, Parameter, SamplerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pymc


@dataclass(frozen=True)
class BinaryOutcome:
    """A binary outcome of one row per unit.

    Attributes:
        y: 1 for the event, else 0, (n,).
        X: design without the arms, (n, q), with an intercept.
        effects: indicator of each arm but the reference, (n, e).
        benefit: 1 where the event is good, -1 where it is bad.
        effect_names: what messages call the arms but the reference.

    Raises:
        BayesInputError: values other than 0 and 1, no or only events, too few units in an arm; all of it.
    """

    y: FloatArray
    X: FloatArray
    effects: FloatArray
    benefit: int
    effect_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        n = len(self.y)
        if not np.isin(self.y, (0, 1)).all():
            problems.append("values other than 0 and 1")
        elif n == 0 or self.y.min() == self.y.max():
            problems.append(f"no variance: {int(self.y.sum())} events of {n}")
        for j in range(self.effects.shape[1]):
            inside = int((self.effects[:, j] != 0).sum())
            if min(inside, n - inside) < MIN_UNITS:
                arm = self.effect_names[j] if self.effect_names else f"arm {j + 2}"
                problems.append(f"{arm}: {inside} observed in it, {n - inside} outside it; {MIN_UNITS} needed")
        if not np.isfinite(self.X).all():
            problems.append("covariates that are missing or infinite")
        if problems:
            raise BayesInputError(problems)


@dataclass(frozen=True)
class LogisticPosterior:
    """The posterior of a binary outcome; arm 0 is the reference."""

    problem: BinaryOutcome
    priors: Priors
    draws: Draws

    @cached_property
    def effects(self) -> FloatArray:
        """Log odds ratios, positive where it is benefit: (chains, draws, e)."""
        return self.draws.values["effect"][..., : self.problem.effects.shape[1]]

    @cached_property
    def _fixed(self) -> FloatArray:
        """Linear predictor of each unit in the reference arm: (draws of all chains, n)."""
        coefficient = self.draws.flat("coefficient")[:, : self.problem.X.shape[1]]
        return np.asarray(coefficient @ self.problem.X.T)

    def risk(self, arm: int) -> FloatArray:
        """Return the risk with every unit put in an arm: (chains, draws)."""
        eta = self._fixed
        if arm:
            eta = eta + self.problem.benefit * self.effects[..., arm - 1].reshape(-1, 1)
        risk = np.asarray(expit(eta), dtype=np.float64).mean(axis=1)
        return np.asarray(risk).reshape(self.draws.divergent.shape)

    @cached_property
    def _eta(self) -> FloatArray:
        """Linear predictor of each unit in its own arm: (draws of all chains, n)."""
        e = self.effects.shape[-1]
        return np.asarray(self._fixed + self.problem.benefit * self.effects.reshape(-1, e) @ self.problem.effects.T)

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each unit's event: (draws of all chains, n)."""
        return np.asarray(expit(self._eta), dtype=np.float64)

    @cached_property
    def unit_logliks(self) -> FloatArray:
        """Log-likelihood of each unit: (chains, draws, n)."""
        found = log_expit(np.where(self.problem.y == 1, self._eta, -self._eta))
        return np.asarray(found, dtype=np.float64).reshape(*self.draws.divergent.shape, -1)


def build(n_coefficients: int, n_effects: int) -> CompiledModel:
    """Return the model with room for so many coefficients and effects; its data are those of `model_data`."""
    parameters = [Parameter("coefficient", (n_coefficients,)), Parameter("effect", (n_effects,))]
    native = NativeDensity("logistic_callback", parameters, _packed)
    return CompiledModel(partial(_pymc_model, n_coefficients, n_effects), native)


def _packed(data: Mapping[str, FloatArray]) -> FloatArray:
    from pipanalysis.bayes.densities import packed

    sizes = (len(data["y"]), data["X"].shape[1], data["E"].shape[1])
    names = ("coefficient_sd", "effect_weight", "effect_mean", "effect_sd", "y")
    return packed(sizes, [*(data[name] for name in names), np.hstack([data["X"], data["E"]])])


def _pymc_model(n_coefficients: int, n_effects: int) -> pymc.Model:
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        y = pm.Data("y", np.zeros(2))
        X = pm.Data("X", np.zeros((2, n_coefficients)))
        E = pm.Data("E", np.zeros((2, n_effects)))
        weight = pm.Data("effect_weight", np.full((n_effects, N_COMPONENTS), 1 / N_COMPONENTS))
        mean = pm.Data("effect_mean", np.zeros((n_effects, N_COMPONENTS)))
        spread = pm.Data("effect_sd", np.ones((n_effects, N_COMPONENTS)))
        coefficient_sd = pm.Data("coefficient_sd", np.ones(n_coefficients))
        coefficient = pm.Normal("coefficient", 0.0, coefficient_sd, shape=n_coefficients)
        effect = pm.NormalMixture("effect", w=weight, mu=mean, sigma=spread, shape=n_effects)
        eta = pt.dot(X, coefficient) + pt.dot(E, effect)
        pm.Potential("loglik", (y * eta - pt.softplus(eta)).sum())
    return model


def model_data(problem: BinaryOutcome, priors: Priors, n_coefficients: int, n_effects: int) -> dict[str, FloatArray]:
    """Return the data of the compiled model; missing columns are padded by zeros."""
    weights, means, sds = mixture_arrays(priors.effects, n_effects)
    n = len(problem.y)
    X, E = np.zeros((n, n_coefficients)), np.zeros((n, n_effects))
    X[:, : problem.X.shape[1]] = problem.X
    E[:, : problem.effects.shape[1]] = problem.benefit * problem.effects
    return {
        "y": np.ascontiguousarray(problem.y, dtype=np.float64),
        "X": X,
        "E": E,
        "effect_weight": weights,
        "effect_mean": means,
        "effect_sd": sds,
        "coefficient_sd": np.full(n_coefficients, priors.nuisance.coefficient_sd),
    }


def fit(
    compiled: CompiledModel,
    size: tuple[int, int],
    problem: BinaryOutcome,
    priors: Priors,
    settings: SamplerSettings,
    seed: int,
) -> LogisticPosterior:
    """Sample the posterior under a set of priors with a model that `build` made for the size."""
    return LogisticPosterior(problem, priors, compiled.sample(model_data(problem, priors, *size), settings, seed))
