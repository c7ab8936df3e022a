"""Trials drawn from the joint model, under the posterior or the priors, for predictive checks."""

from __future__ import annotations

import numpy as np

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.checks import MAX_REPLICATES, chosen_draws, drawn_effects, half_t3, in_outcome_units
from pipanalysis.bayes.joint import COMMUNALITY, JointPosterior, JointPriors, JointProblem
from pipanalysis.bayes.mmrm import lkj_shapes
from pipanalysis.bayes.sampler import Draws


def joint_replicates(posterior: JointPosterior, seed: int) -> list[FloatArray]:
    """Return for each outcome values drawn at its observed cells, in its units: (R, rows)."""
    rng = np.random.default_rng(seed)
    chosen = chosen_draws(posterior.draws.divergent.size)
    beta, loading, unique, lower = (part[chosen] for part in posterior.parts)
    problem = posterior.problem
    size, t = len(chosen), problem.n_visits
    noise = rng.standard_normal((size, problem.n_units, lower.shape[1]))
    factors = np.einsum("sab,sib->sia", lower, noise).reshape(size, problem.n_units, problem.n_domains, t)
    own = np.linalg.cholesky(unique)
    z, _, _ = problem.arrays
    found = []
    for k, each in enumerate(problem.outcomes):
        rest = np.einsum("sjl,sil->sij", own[:, k], rng.standard_normal((size, problem.n_units, t)))
        values = np.einsum("ija,sa->sij", z[k][..., :-1], beta[:, k]) + loading[:, k, None] * factors[:, :, each.domain]
        rows = (values + rest)[:, each.problem.unit, each.visits[each.problem.visit]]
        found.append(in_outcome_units(each.problem, rows))
    return found


def joint_prior(problem: JointProblem, priors: JointPriors, seed: int, size: int = MAX_REPLICATES) -> JointPosterior:
    """Return draws from the priors in the place of the posterior's."""
    rng = np.random.default_rng(seed)
    K, t, D, q = problem.shape
    nuisance = priors.nuisance
    values = {
        "overall": drawn_effects([priors.overall], size, rng)[:, 0],
        "outcome_spread": priors.pooling_scale * rng.standard_normal(size),
        "visit_spread": priors.pooling_scale * rng.standard_normal(size),
        "outcome_z": rng.standard_normal((size, K)),
        "visit_z": rng.standard_normal((size, K, t)),
        "coefficient": nuisance.coefficient_sd * rng.standard_normal((size, K, q)),
        "sd": half_t3(nuisance.residual_scale, (size, K, t), rng),
        "communality": rng.beta(COMMUNALITY, COMMUNALITY, (size, K)),
    }
    if t > 1:
        a = lkj_shapes(nuisance.lkj, t)
        values["own_partial"] = rng.beta(a, a, (size, K, a.size))
        values["factor_partial"] = rng.beta(a, a, (size, 1, a.size))
    if D > 1:
        a = lkj_shapes(nuisance.lkj, D)
        values["domain_spread"] = priors.pooling_scale * rng.standard_normal(size)
        values["domain_z"] = rng.standard_normal((size, D))
        values["domain_partial"] = rng.beta(a, a, (size, 1, a.size))
    draws = Draws({name: value[None] for name, value in values.items()}, np.zeros((1, size), bool), np.zeros((1, size)))
    return JointPosterior(problem, priors, draws)
