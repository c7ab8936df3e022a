"""Joint Bayesian model of several outcomes in domains: effects partially pooled, outcomes of one unit correlated.

Outcome k of domain d(k), unit i, visits j; y in baseline SDs, centred, positive where better:

    y_ik      = X_ik b_k + E_ik delta_k + a_k f_i,d(k) + e_ik            restricted to what is observed
    delta_kj  = overall + domain_d(k) + outcome_k + visit_kj             normal around zero with SDs of their own
    f_i       ~ N(0, R_domains (x) R_visits)                             one factor per domain and visit, unit variance
    e_ik      ~ N(0, diag(u_k) R_k diag(u_k))                            what is the outcome's own
    a_kj = s_kj sqrt(h_k),  u_kj = s_kj sqrt(1 - h_k)                    h_k: share of the variance that the domain has

The SDs of the effects are sampled with either sign (a normal prior is a half normal one of their size, and z is
symmetric): a chain passes through zero where on the scale of the logarithm it would wander far out.

Loadings are positive: benefit-aligned outcomes of one domain are taken not to be negatively correlated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from pipanalysis.bayes import kernels, kernels_joint
from pipanalysis.bayes.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.mmrm import lkj_shapes
from pipanalysis.bayes.priors import N_COMPONENTS, EffectPrior, NuisancePriors, mixture_arrays
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.bayes.sampler import CompiledModel, Draws, NativeDensity, Parameter, SamplerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pymc

COMMUNALITY = 2.0
"""both shapes of the Beta prior of h_k"""
HERMITE_POINTS = 21
"""of the integral over each SD's prior"""


@dataclass(frozen=True)
class JointOutcome:
    """One outcome of a joint model.

    Attributes:
        problem: its data; `unit` are codes of the trial's units, the same in every outcome.
        visits: position of each of its visits among the joint model's, (own visits,).
        effect_visits: position of the visit of each of its effects, (e,); at most one effect a visit.
        domain: code of its domain.
    """

    problem: RepeatedMeasures
    visits: IntArray
    effect_visits: IntArray
    domain: int


def with_units(problem: RepeatedMeasures, unit: IntArray) -> RepeatedMeasures:
    """Return the problem with other codes of its rows' units."""
    return replace(problem, unit=unit)


@dataclass(frozen=True)
class JointProblem:
    """Outcomes that are modelled together.

    Raises:
        BayesInputError: fewer than two outcomes, groups (therapists), or two effects at a visit.
    """

    outcomes: Sequence[JointOutcome]
    n_units: int
    n_visits: int
    n_domains: int

    def __post_init__(self) -> None:
        problems = []
        if len(self.outcomes) < 2:
            problems.append(f"{len(self.outcomes)} outcome in a joint model; at least 2 needed")
        for k, each in enumerate(self.outcomes):
            if each.problem.group is not None:
                problems.append(f"outcome {k + 1}: groups are not part of the joint model")
            if len(set(each.effect_visits.tolist())) != each.problem.effects.shape[1]:
                problems.append(f"outcome {k + 1}: two effects at a visit; the joint model compares two arms")
        if problems:
            raise BayesInputError(problems)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Outcomes, visits, domains, and coefficients of the largest outcome."""
        q = max(each.problem.X.shape[1] for each in self.outcomes)
        return len(self.outcomes), self.n_visits, self.n_domains, q

    @cached_property
    def domain(self) -> IntArray:
        """Domain of each outcome, (K,)."""
        return np.array([each.domain for each in self.outcomes], dtype=np.intp)

    @cached_property
    def estimated(self) -> BoolArray:
        """Which outcomes have an effect at which visit, (K, t)."""
        found = np.zeros((len(self.outcomes), self.n_visits), dtype=bool)
        for k, each in enumerate(self.outcomes):
            found[k, each.effect_visits] = True
        return found

    def has_effect(self, domain: int, visit: int | None = None) -> bool:
        """Whether any outcome of a domain has an effect, at a visit or at any."""
        return bool(self._cells(domain, visit).any())

    def domain_weight(self, domain: int, visit: int | None = None) -> FloatArray:
        """Return the weights (K, t) of a domain's mean effect: each outcome counts the same, whatever its visits."""
        cells = self._cells(domain, visit)
        weight = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
        return np.asarray(weight / cells.any(axis=1).sum())

    def overall_weight(self, visit: int | None = None) -> FloatArray:
        """Return the weights (K, t) of the mean of the domains' effects: each domain counts the same."""
        there = [d for d in range(self.n_domains) if self.has_effect(d, visit)]
        return np.asarray(np.mean([self.domain_weight(d, visit) for d in there], axis=0))

    def _cells(self, domain: int, visit: int | None) -> BoolArray:
        cells = self.estimated & (self.domain == domain)[:, None]
        return cells if visit is None else np.asarray(cells & (np.arange(self.n_visits) == visit))

    @cached_property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What `kernels_joint.factor_loglik` takes: z (K, n, t, q + t + 1), observed (P, t), pattern (K, n)."""
        K, t, _, q = self.shape
        z = np.zeros((K, self.n_units, t, q + t + 1))
        seen = np.zeros((K, self.n_units, t), dtype=bool)
        for k, each in enumerate(self.outcomes):
            own = each.problem
            rows = each.visits[own.visit]
            z[k, own.unit, rows, : own.X.shape[1]] = own.X
            z[k, own.unit[:, None], rows[:, None], q + each.effect_visits[None, :]] = own.effects
            z[k, own.unit, rows, -1] = own.benefit * (own.y - own.centre) / own.scale
            seen[k, own.unit, rows] = True
        observed, pattern = np.unique(seen.reshape(-1, t), axis=0, return_inverse=True)
        kept = observed.any(axis=1)
        code = np.where(kept, np.cumsum(kept) - 1, -1)[pattern.reshape(-1)].reshape(K, self.n_units)
        return z, observed[kept].astype(np.float64), code.astype(np.float64)


@dataclass(frozen=True)
class JointPriors:
    """Priors of a joint model: of the overall effect, of the spread around it, and of the rest."""

    name: str
    overall: EffectPrior
    pooling_scale: float
    nuisance: NuisancePriors

    def __post_init__(self) -> None:
        if not (np.isfinite(self.pooling_scale) and self.pooling_scale > 0):
            raise BayesInputError([f"prior pooling_scale {self.pooling_scale} is not positive"])


@dataclass(frozen=True)
class JointPosterior:
    """The posterior of a joint model."""

    problem: JointProblem
    priors: JointPriors
    draws: Draws

    @cached_property
    def effects(self) -> FloatArray:
        """Differences between arms, standardised, benefit-aligned: (chains, draws, K, t)."""
        value = self.draws.values
        found = value["overall"][..., None, None]
        found = found + (value["outcome_spread"][..., None] * value["outcome_z"])[..., None]
        found = found + value["visit_spread"][..., None, None] * value["visit_z"]
        if "domain_z" in value:
            found = found + (value["domain_spread"][..., None] * value["domain_z"])[..., self.problem.domain, None]
        return found

    @cached_property
    def spreads(self) -> dict[str, FloatArray]:
        """SDs of the effects, of domains, outcomes and visits: each (chains, draws)."""
        levels = ("domain", "outcome", "visit")
        found = {level: self.draws.values.get(f"{level}_spread") for level in levels}
        return {f"{level}_sd": np.abs(value) for level, value in found.items() if value is not None}

    def domain_effect(self, domain: int, visit: int | None = None) -> FloatArray:
        """Return the mean effect over a domain's outcomes, at a visit or over all visits: (chains, draws)."""
        return np.asarray((self.effects * self.problem.domain_weight(domain, visit)).sum(axis=(2, 3)))

    def overall_effect(self, visit: int | None = None) -> FloatArray:
        """Return the mean over the domains of their effects, at a visit or over all visits: (chains, draws)."""
        return np.asarray((self.effects * self.problem.overall_weight(visit)).sum(axis=(2, 3)))

    @cached_property
    def parts(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """What `kernels_joint` takes, for the draws of all chains: beta, loading, unique covariance, lower factor."""
        K, t, D, _ = self.problem.shape
        sd, h = self.draws.flat("sd"), self.draws.flat("communality")
        S = len(sd)
        effects = self.effects.reshape(S, K, t)
        beta = np.concatenate([self.draws.flat("coefficient"), effects], axis=2)
        loading = sd * np.sqrt(h)[:, :, None]
        own = sd * np.sqrt(1 - h)[:, :, None]
        unique = own[..., :, None] * own[..., None, :]
        visits = np.ones((S, 1, 1))
        if t > 1:
            factor = kernels.correlation((2 * self.draws.flat("own_partial") - 1).reshape(S * K, -1))
            unique = unique * (factor @ factor.transpose(0, 2, 1)).reshape(S, K, t, t)
            visits = kernels.correlation(2 * self.draws.flat("factor_partial").reshape(S, -1) - 1)
        domains = self._domain_factor(S, D)
        lower = (domains[:, :, None, :, None] * visits[:, None, :, None, :]).reshape(S, D * t, D * t)
        return tuple(np.ascontiguousarray(x) for x in (beta, loading, unique, lower))  # type: ignore[return-value]

    def _domain_factor(self, S: int, D: int) -> FloatArray:
        if D == 1:
            return np.ones((S, 1, 1))
        return kernels.correlation(2 * self.draws.flat("domain_partial").reshape(S, -1) - 1)

    @cached_property
    def domain_correlation(self) -> FloatArray:
        """Correlation of the domains' factors within a unit: (draws of all chains, D, D)."""
        factor = self._domain_factor(len(self.draws.flat("sd")), self.problem.n_domains)
        return np.asarray(factor @ factor.transpose(0, 2, 1))

    @cached_property
    def unit_logliks(self) -> FloatArray:
        """Log-likelihood of each unit's observed values: (chains, draws, n)."""
        z, observed, pattern = self.problem.arrays
        domain = self.problem.domain.astype(np.float64)
        found = kernels_joint.joint_unit_logliks(*self.parts, z, observed, pattern, domain)
        chains, draws = self.draws.divergent.shape
        return found.reshape(chains, draws, -1)


def prior_density(problem: JointProblem, priors: JointPriors, weight: FloatArray, at: FloatArray) -> FloatArray:
    """Return the prior density of a weighted mean of effects.

    Args:
        problem: for the outcomes' domains.
        priors: of the overall effect and of the spread around it.
        weight: of each outcome and visit, adding up to 1: (K, t).
        at: standardised effects, (n,).

    Given the three SDs the mean is a mixture of normals; over their half normal priors it is integrated by the rule of
    Gauss and Hermite, exact to many digits, since only their squares enter.
    """
    domains = np.eye(problem.n_domains)[problem.domain]
    per_domain = np.square(domains.T @ weight.sum(axis=1)).sum() if problem.n_domains > 1 else 0.0
    shares = (per_domain, np.square(weight.sum(axis=1)).sum(), np.square(weight).sum())
    points, mass = np.polynomial.hermite_e.hermegauss(HERMITE_POINTS)
    squares = np.square(priors.pooling_scale * points)
    extra = shares[0] * squares[:, None, None] + shares[1] * squares[:, None] + shares[2] * squares
    each = np.einsum("i,j,k->ijk", mass, mass, mass) / mass.sum() ** 3
    found = np.zeros(len(at))
    for w, mean, sd in zip(priors.overall.weights, priors.overall.means, priors.overall.sds, strict=True):
        spread = np.sqrt(sd**2 + extra)[..., None]
        found += w * np.einsum("ijk,ijkn->n", each, norm.pdf(at, mean, spread))
    return found


def build(problem: JointProblem, lkj: float = 2.0) -> CompiledModel:
    """Return the joint model for problems of the same shape; its data are those of `model_data`."""
    K, t, D, q = problem.shape
    pairs, domain_pairs = t * (t - 1) // 2, D * (D - 1) // 2
    parameters = [Parameter("overall", ()), Parameter("outcome_spread", ()), Parameter("visit_spread", ())]
    parameters += [Parameter("outcome_z", (K,))]
    parameters += [Parameter("domain_spread", ()), Parameter("domain_z", (D,))] if D > 1 else []
    parameters += [Parameter("visit_z", (K, t)), Parameter("coefficient", (K, q)), Parameter("sd", (K, t), "log")]
    parameters += [Parameter("communality", (K,), "logit")]
    if pairs:
        parameters += [Parameter("own_partial", (K, pairs), "logit"), Parameter("factor_partial", (1, pairs), "logit")]
    parameters += [Parameter("domain_partial", (1, domain_pairs), "logit")] if D > 1 else []
    native = NativeDensity("joint_callback", parameters, partial(_packed, problem.shape, lkj))
    return CompiledModel(partial(_pymc_model, problem, lkj), native)


def _packed(shape: tuple[int, int, int, int], lkj: float, data: Mapping[str, FloatArray]) -> FloatArray:
    from pipanalysis.bayes.densities import packed

    K, t, D, q = shape
    sizes = (K, data["z"].shape[1], t, D, q, len(data["observed"]))
    first = ("coefficient_sd", "residual_scale", "pooling_scale", "effect_weight", "effect_mean", "effect_sd")
    shapes = [np.full(K, COMMUNALITY), lkj_shapes(lkj, t), lkj_shapes(lkj, D)]
    last = ("domain", "observed", "pattern", "z")
    return packed(sizes, [*(data[name] for name in first), *shapes, *(data[name] for name in last)])


def _pymc_model(problem: JointProblem, lkj: float) -> pymc.Model:
    import pymc as pm
    import pytensor.tensor as pt

    from pipanalysis.bayes.ops import CorrelationFactor, FactorLogLik

    K, t, D, q = problem.shape
    with pm.Model() as model:
        data = {name: pm.Data(name, value) for name, value in _empty(problem).items()}
        overall = pm.NormalMixture(
            "overall", w=data["effect_weight"][0], mu=data["effect_mean"][0], sigma=data["effect_sd"][0]
        )
        scale = data["pooling_scale"]
        outcome_spread, visit_spread = pm.Normal("outcome_spread", 0.0, scale), pm.Normal("visit_spread", 0.0, scale)
        center = overall + outcome_spread * pm.Normal("outcome_z", 0.0, 1.0, shape=K)
        if D > 1:
            domain_spread = pm.Normal("domain_spread", 0.0, scale)
            domain_effect = domain_spread * pm.Normal("domain_z", 0.0, 1.0, shape=D)
            center = center + pt.dot(data["membership"], domain_effect)
        effect = center[:, None] + visit_spread * pm.Normal("visit_z", 0.0, 1.0, shape=(K, t))
        coefficient = pm.Normal("coefficient", 0.0, data["coefficient_sd"], shape=(K, q))
        sd = pm.HalfStudentT("sd", nu=3, sigma=data["residual_scale"], shape=(K, t))
        h = pm.Beta("communality", COMMUNALITY, COMMUNALITY, shape=K)
        loading = sd * pt.sqrt(h)[:, None]
        own = sd * pt.sqrt(1 - h)[:, None]
        unique = own[:, :, None] * own[:, None, :]
        lower = pt.ones((1, 1))
        if t > 1:
            a = lkj_shapes(lkj, t)
            factor = CorrelationFactor()(2 * pm.Beta("own_partial", a, a, shape=(K, a.size)) - 1)
            unique = unique * (factor[:, :, None, :] * factor[:, None, :, :]).sum(axis=3)
            lower = CorrelationFactor()(2 * pm.Beta("factor_partial", a, a, shape=(1, a.size)) - 1)[0]
        if D > 1:
            a = lkj_shapes(lkj, D)
            domains = CorrelationFactor()(2 * pm.Beta("domain_partial", a, a, shape=(1, a.size)) - 1)[0]
            lower = (domains[:, None, :, None] * lower[None, :, None, :]).reshape((D * t, D * t))
        beta = pt.concatenate([coefficient, effect], axis=1)
        fixed = (data["z"], data["observed"], data["pattern"], data["domain"])
        pm.Potential("loglik", FactorLogLik()(beta, loading, unique, lower, *fixed)[0])
    return model


def _empty(problem: JointProblem) -> dict[str, FloatArray]:
    """Return data of the right shapes."""
    neutral = JointPriors("", EffectPrior((0.0,), (1.0,)), 1.0, NuisancePriors())
    return {name: np.ones_like(value) for name, value in model_data(problem, neutral).items()}


def model_data(problem: JointProblem, priors: JointPriors) -> dict[str, FloatArray]:
    """Return the data of the compiled model."""
    K, t, D, q = problem.shape
    z, observed, pattern = problem.arrays
    weights, means, sds = mixture_arrays([priors.overall], 1)
    assert weights.shape == (1, N_COMPONENTS)
    return {
        "z": z,
        "observed": observed,
        "pattern": pattern,
        "domain": problem.domain.astype(np.float64),
        "membership": np.eye(D)[problem.domain],
        "coefficient_sd": np.full((K, q), priors.nuisance.coefficient_sd),
        "residual_scale": np.full((K, t), priors.nuisance.residual_scale),
        "pooling_scale": np.array(priors.pooling_scale),
        "effect_weight": weights,
        "effect_mean": means,
        "effect_sd": sds,
    }


def resampled(posterior: JointPosterior, priors: JointPriors, chosen: IntArray) -> JointPosterior:
    """Return the posterior under other priors from draws that were chosen by their importance weights.

    Args:
        posterior: under the priors that it was sampled with.
        priors: the others.
        chosen: positions among the draws of all chains, as many as there are.
    """
    shape = posterior.draws.divergent.shape

    def take(values: FloatArray) -> FloatArray:
        return values.reshape(-1, *values.shape[2:])[chosen].reshape(values.shape)

    draws = Draws(
        {name: take(values) for name, values in posterior.draws.values.items()},
        posterior.draws.divergent.reshape(-1)[chosen].reshape(shape),
        take(posterior.draws.energy),
    )
    return JointPosterior(posterior.problem, priors, draws)


def fit(
    compiled: CompiledModel, problem: JointProblem, priors: JointPriors, settings: SamplerSettings, seed: int
) -> JointPosterior:
    """Sample the posterior of a problem with a model that `build` made for its shape."""
    return JointPosterior(problem, priors, compiled.sample(model_data(problem, priors), settings, seed))
