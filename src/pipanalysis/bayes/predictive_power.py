"""Predictive probability that a trial which is still running will succeed at its full size."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from pipanalysis.bayes.arrays import BoolArray, FloatArray
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.mmrm import MMRMPosterior

TRIALS = 500


def probability_of_success(
    posterior: MMRMPosterior, n_remaining: int, *, threshold: float, seed: int, trials: int = TRIALS
) -> FloatArray:
    """Return for each effect how likely the full trial ends with P(benefit) above a threshold: (e,).

    Args:
        posterior: of the units observed so far.
        n_remaining: units still to come, at least one.
        threshold: of the posterior probability of any benefit at the end.
        seed: of the simulated units.
        trials: trials drawn, each from one draw of the posterior.

    Each trial: a draw of all parameters; new units with the design, arm and pattern of observed visits of units drawn
    from those there are, and outcomes drawn from the model; then the posterior of the effects given the data of both,
    exact given the covariance of that draw (normal components of the prior, each updated). Spiegelhalter, Freedman and
    Blackburn 1986, Controlled Clinical Trials 7:8.

    Raises:
        BayesInputError: no unit is to come, or the threshold is no probability.
    """
    problems = [] if n_remaining > 0 else [f"{n_remaining} units to come; the trial has its full size"]
    problems += [] if 0 < threshold < 1 else [f"threshold {threshold} is not between 0 and 1"]
    if problems:
        raise BayesInputError(problems)
    z, seen = posterior.problem.padded
    rng = np.random.default_rng(seed)
    draws = rng.choice(len(posterior.sd), trials, replace=trials > len(posterior.sd))
    e = posterior.problem.effects.shape[1]
    succeeded = np.zeros(e)
    for s in draws:
        who = rng.integers(0, len(z), n_remaining)
        factor = np.linalg.cholesky(posterior.covariance[s])
        new = z[who].copy()
        noise = rng.standard_normal((n_remaining, factor.shape[0])) @ factor.T
        new[..., -1] = np.where(seen[who], new[..., :-1] @ posterior.coefficients[s] + noise, 0.0)
        whole, there = np.concatenate([z, new]), np.concatenate([seen, seen[who]])
        succeeded += _benefit(posterior, s, whole, there) > threshold
    return succeeded / trials


def _benefit(posterior: MMRMPosterior, s: int, z: FloatArray, seen: BoolArray) -> FloatArray:
    """Return P(benefit) of each effect given data and covariance; the other effects' priors as one normal each."""
    information, right = _normal_equations(posterior.covariance[s], z, seen)
    q, g, e = posterior.problem.X.shape[1], posterior.problem.n_groups, posterior.problem.effects.shape[1]
    variance = np.full(q + g + e, posterior.priors.nuisance.coefficient_sd**2)
    if g:
        variance[q : q + g] = float(posterior.draws.flat("group_sd")[s]) ** 2
    mean = np.zeros(q + g + e)
    for j, prior in enumerate(posterior.priors.effects):
        w, m, sd = (np.asarray(x) for x in (prior.weights, prior.means, prior.sds))
        mean[q + g + j] = w @ m
        variance[q + g + j] = w @ (sd**2 + m**2) - (w @ m) ** 2
    found = np.empty(e)
    for j, prior in enumerate(posterior.priors.effects):
        at = q + g + j
        precision = 1 / variance
        precision[at] = 0.0
        covariance = np.linalg.inv(information + np.diag(precision))
        estimate = float((covariance @ (right + precision * mean))[at])
        error = float(covariance[at, at])
        logs, below = [], []
        for weight, centre, spread in zip(prior.weights, prior.means, prior.sds, strict=True):
            logs.append(np.log(weight) + norm.logpdf(estimate, centre, np.sqrt(error + spread**2)))
            own = 1 / (1 / error + 1 / spread**2)
            below.append(norm.cdf(0, own * (estimate / error + centre / spread**2), np.sqrt(own)))
        share = np.exp(np.asarray(logs) - logsumexp(logs))
        found[j] = 1 - share @ np.asarray(below)
    return found


def _normal_equations(covariance: FloatArray, z: FloatArray, seen: BoolArray) -> tuple[FloatArray, FloatArray]:
    patterns, own = np.unique(seen, axis=0, return_inverse=True)
    total = np.zeros((z.shape[2], z.shape[2]))
    for p, visits in enumerate(patterns):
        rows = z[own.reshape(-1) == p][:, visits]
        weight = np.linalg.inv(covariance[np.ix_(visits, visits)])
        total += np.einsum("ija,jk,ikb->ab", rows, weight, rows)
    return total[:-1, :-1], total[:-1, -1]
