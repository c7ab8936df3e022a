"""Bayesian mixed model for repeated measures: one outcome, unstructured covariance, missing values integrated out.

With y the outcome in baseline SDs, centred, positive where better, and t visits:

    y_i ~ N(X_i b + Z_i g + E_i d, S)        restricted to the visits that unit i is observed at
    d   ~ a mixture of normals, by effect    differences between arms at the visits
    b   ~ N(0, coefficient_sd)               visit means, baseline, covariates
    S   = diag(s) R diag(s),  s ~ half t(3, residual_scale),  R ~ LKJ(lkj)
    g   = tau u,  u ~ N(0, 1),  tau ~ half normal(group_scale)     groups (therapists), where there are any
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.bayes import kernels
from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.priors import N_COMPONENTS, Priors, mixture_arrays
from pipanalysis.bayes.problem import RepeatedMeasures, pattern_products
from pipanalysis.bayes.sampler import CompiledModel, Draws, NativeDensity, Parameter, SamplerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pymc


@dataclass(frozen=True)
class Shape:
    """Sizes of a compiled model: visits, coefficients, groups, effects; smaller problems are padded."""

    visits: int
    coefficients: int
    groups: int
    effects: int

    @staticmethod
    def of(problem: RepeatedMeasures) -> Shape:
        """Return the shape that a problem needs."""
        return Shape(problem.n_visits, problem.X.shape[1], problem.n_groups, problem.effects.shape[1])

    @staticmethod
    def covering(problems: Iterable[RepeatedMeasures]) -> Shape:
        """Return the smallest shape that has room for every problem."""
        shapes = [Shape.of(problem) for problem in problems]
        return Shape(
            max(s.visits for s in shapes),
            max(s.coefficients for s in shapes),
            max(s.groups for s in shapes),
            max(s.effects for s in shapes),
        )

    @property
    def columns(self) -> int:
        """Columns of the design."""
        return self.coefficients + self.groups + self.effects


@dataclass(frozen=True)
class MMRMPosterior:
    """The posterior of one outcome.

    Attributes:
        problem: the data.
        priors: the set of priors.
        draws: of the model's parameters, padding included.
    """

    problem: RepeatedMeasures
    priors: Priors
    draws: Draws

    @cached_property
    def effects(self) -> FloatArray:
        """Differences between arms, standardised and benefit-aligned: (chains, draws, e)."""
        return self.draws.values["effect"][..., : self.problem.effects.shape[1]]

    @cached_property
    def coefficients(self) -> FloatArray:
        """Coefficients of every column of the design, standardised: (draws of all chains, q + g + e)."""
        q, g = self.problem.X.shape[1], self.problem.n_groups
        parts = [self.draws.flat("coefficient")[:, :q]]
        if g:
            parts.append(self.draws.flat("group_sd")[:, None] * self.draws.flat("group_z")[:, :g])
        return np.column_stack([*parts, self.draws.flat("effect")[:, : self.problem.effects.shape[1]]])

    @cached_property
    def sd(self) -> FloatArray:
        """SD at each visit, standardised: (draws of all chains, t)."""
        return self.draws.flat("sd")[:, : self.problem.n_visits]

    @cached_property
    def correlation(self) -> FloatArray:
        """Correlation of the visits: (draws of all chains, t, t)."""
        t = self.problem.n_visits
        if "partial" not in self.draws.values:
            return np.ones((len(self.sd), 1, 1))
        factor = kernels.correlation(2 * self.draws.flat("partial") - 1)[:, :t, :t]
        return np.asarray(factor @ factor.transpose(0, 2, 1))

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of the visits, standardised: (draws of all chains, t, t)."""
        return self.correlation * self.sd[:, :, None] * self.sd[:, None, :]

    @cached_property
    def unit_logliks(self) -> FloatArray:
        """Log-likelihood of each unit's observed values: (chains, draws, n)."""
        z, seen = self.problem.padded
        observed, pattern = np.unique(seen, axis=0, return_inverse=True)
        covariance = np.ascontiguousarray(self.covariance)
        found = kernels.unit_logliks(
            self.coefficients, covariance, z, observed.astype(np.float64), pattern.reshape(-1).astype(np.intp)
        )
        chains, draws = self.draws.divergent.shape
        return found.reshape(chains, draws, -1)


def build(shape: Shape, lkj: float = 2.0) -> CompiledModel:
    """Return the model for a shape; its data are those of `model_data`.

    Args:
        shape: sizes.
        lkj: shape of the LKJ prior.
    """
    t, pairs = shape.visits, shape.visits * (shape.visits - 1) // 2
    parameters = [Parameter("coefficient", (shape.coefficients,))]
    if shape.groups:
        parameters += [Parameter("group_sd", (), "log"), Parameter("group_z", (shape.groups,))]
    parameters += [Parameter("effect", (shape.effects,)), Parameter("sd", (t,), "log")]
    parameters += [Parameter("partial", (pairs,), "logit")] if pairs else []
    native = NativeDensity("mmrm_callback", parameters, partial(_packed, shape, lkj))
    return CompiledModel(partial(_pymc_model, shape, lkj), native)


def _packed(shape: Shape, lkj: float, data: Mapping[str, FloatArray]) -> FloatArray:
    from pipanalysis.bayes.densities import packed

    sizes = (shape.visits, shape.coefficients, shape.groups, shape.effects, len(data["counts"]))
    names = ("coefficient_sd", "residual_scale", "effect_weight", "effect_mean", "effect_sd")
    group_scale = data.get("group_scale", np.ones(()))
    rest = [lkj_shapes(lkj, shape.visits), group_scale, data["counts"], data["observed"], data["products"]]
    return packed(sizes, [*(data[name] for name in names), *rest])


def _pymc_model(shape: Shape, lkj: float) -> pymc.Model:
    import pymc as pm
    import pytensor.tensor as pt

    from pipanalysis.bayes.ops import CorrelationFactor, PatternLogLik

    t, e, g = shape.visits, shape.effects, shape.groups
    with pm.Model() as model:
        coefficient_sd = pm.Data("coefficient_sd", np.ones(shape.coefficients))
        residual_scale = pm.Data("residual_scale", np.ones(t))
        weight = pm.Data("effect_weight", np.full((e, N_COMPONENTS), 1 / N_COMPONENTS))
        mean = pm.Data("effect_mean", np.zeros((e, N_COMPONENTS)))
        spread = pm.Data("effect_sd", np.ones((e, N_COMPONENTS)))
        products = pm.Data("products", np.zeros((1, t, t, shape.columns + 1, shape.columns + 1)))
        counts = pm.Data("counts", np.zeros(1))
        observed = pm.Data("observed", np.ones((1, t)))

        parts = [pm.Normal("coefficient", 0.0, coefficient_sd, shape=shape.coefficients)]
        if g:
            group_scale = pm.Data("group_scale", np.array(1.0))
            group_sd = pm.HalfNormal("group_sd", group_scale)
            parts.append(group_sd * pm.Normal("group_z", 0.0, 1.0, shape=g))
        parts.append(pm.NormalMixture("effect", w=weight, mu=mean, sigma=spread, shape=e))
        sd = pm.HalfStudentT("sd", nu=3, sigma=residual_scale, shape=t)
        covariance = sd[:, None] * sd[None, :]
        if t > 1:
            a = lkj_shapes(lkj, t)
            correlations = 2 * pm.Beta("partial", a, a, shape=a.size) - 1
            factor = CorrelationFactor()(correlations[None, :])[0]
            covariance = covariance * (factor @ factor.T)
        beta = pt.concatenate(parts)
        pm.Potential("loglik", PatternLogLik()(beta, covariance, products, counts, observed)[0])
    return model


def lkj_shapes(lkj: float, t: int) -> FloatArray:
    """Return the Beta shapes of the canonical partial correlations, by rows, that make a t x t correlation LKJ(lkj).

    Lewandowski, Kurowicka and Joe 2009: column j (from 0) has Beta(lkj + (t - 2 - j) / 2) on (-1, 1).
    """
    return np.asarray(lkj + (t - 2 - np.tril_indices(t, -1)[1]) / 2, dtype=np.float64)


def model_data(problem: RepeatedMeasures, priors: Priors, shape: Shape) -> dict[str, FloatArray]:
    """Return the data of a compiled model; what a smaller problem lacks is padded by columns of zeros.

    Raises:
        BayesInputError: the priors are not as many as the effects.
    """
    e = problem.effects.shape[1]
    if len(priors.effects) != e:
        raise BayesInputError([f"{len(priors.effects)} priors for {e} effects"])
    z, seen = problem.padded
    own = Shape.of(problem)
    room = np.zeros((len(z), shape.visits, shape.columns + 1))
    q, g = own.coefficients, own.groups
    at = [
        *range(q),
        *range(shape.coefficients, shape.coefficients + g),
        *range(shape.coefficients + shape.groups, shape.coefficients + shape.groups + e),
        shape.columns,
    ]
    room[:, : own.visits, at] = z
    seen_there = np.zeros(room.shape[:2], dtype=bool)
    seen_there[:, : own.visits] = seen
    made = pattern_products(room, seen_there)
    weights, means, sds = mixture_arrays(priors.effects, shape.effects)
    nuisance = priors.nuisance
    data = {
        "coefficient_sd": np.full(shape.coefficients, nuisance.coefficient_sd),
        "residual_scale": np.full(shape.visits, nuisance.residual_scale),
        "effect_weight": weights,
        "effect_mean": means,
        "effect_sd": sds,
        "products": made.products,
        "counts": made.counts,
        "observed": made.observed,
    }
    if shape.groups:
        data["group_scale"] = np.array(nuisance.group_scale)
    return data


def fit(
    compiled: CompiledModel,
    shape: Shape,
    problem: RepeatedMeasures,
    priors: Priors,
    settings: SamplerSettings,
    seed: int,
) -> MMRMPosterior:
    """Sample the posterior of one outcome under a set of priors with a model that `build` made for the shape."""
    return MMRMPosterior(problem, priors, compiled.sample(model_data(problem, priors, shape), settings, seed))
