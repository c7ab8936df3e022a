"""The log density of the joint model of all outcomes (`joint.build`), written out for numba.

Sizes: K outcomes, n units, t visits, D domains, q covariates of an outcome; their pairs are the partial correlations.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.density_terms import (
    correlation_back,
    half_t3,
    mixture,
    normal,
    one_normal,
    outer,
    partial_correlations,
    standard_normal,
    symmetric_beta,
    to_logits,
)
from pipanalysis.bayes.kernels import correlation, correlation_gradient, njit
from pipanalysis.bayes.kernels_joint import factor_loglik

OVERALL, OUTCOME_SD, VISIT_SD, OUTCOME = 0, 1, 2, 3
"""where the parameters stand that come first: overall effect, the SDs of outcomes' and visits' effects, outcomes"""


class Data(NamedTuple):
    """What the density reads: sizes, constants of the priors, and the outcomes' data as `factor_loglik` takes them."""

    K: int
    t: int
    D: int
    q: int
    coefficient_sd: FloatArray
    residual_scale: FloatArray
    spread_scale: float
    effect_weight: FloatArray
    effect_mean: FloatArray
    effect_sd: FloatArray
    communality: FloatArray
    visit_shape: FloatArray
    domain_shape: FloatArray
    domain: FloatArray
    observed: FloatArray
    pattern: FloatArray
    z: FloatArray


class Places(NamedTuple):
    """Where the parameters begin after `OUTCOME`; `domain` is their SD, then the domains, where there are several."""

    domain: int
    visit: int
    coefficient: int
    sd: int
    share: int
    own: int
    factor: int
    domains: int


class Covariances(NamedTuple):
    """Covariances of each outcome's visits: what the factors make, and what is the outcome's own.

    loading, own (K, t): SDs of the one part and of the other; unique (K, t, t): covariance of the latter; partial
    (K, pairs), factor (K, t, t): its partial correlations, and the Cholesky factor of its correlations.
    """

    loading: FloatArray
    own: FloatArray
    unique: FloatArray
    partial: FloatArray
    factor: FloatArray


@njit
def joint_density(x: FloatArray, packed: FloatArray, grad: FloatArray) -> float:
    """Write the gradient of the joint model's log density to `grad` and return its value."""
    data = _unpacked(packed)
    at = _places(data)
    grad[:] = 0.0
    total = _log_prior(x, data, at, grad)
    beta, made = _coefficients(x, data, at), _covariances(x, data, at)
    visit_partial, visit_factor = _correlations(x[at.factor : at.domains], 1, data.t)
    domain_partial, domain_factor = _correlations(x[at.domains :], 1, data.D)
    lower = _product(domain_factor[0], visit_factor[0])
    loglik, d_beta, d_loading, d_unique, d_lower = factor_loglik(
        beta, made.loading, made.unique, lower, data.z, data.observed, data.pattern, data.domain
    )
    _coefficients_back(x, data, at, d_beta, grad)
    _covariances_back(x, data, at, made, d_loading, d_unique, grad)
    d_domain, d_visit = _product_back(domain_factor[0], visit_factor[0], d_lower)
    if data.t > 1:
        d_partial = correlation_gradient(visit_partial, visit_factor, d_visit)
        to_logits(visit_partial[0], d_partial[0], grad[at.factor : at.domains])
    if data.D > 1:
        d_partial = correlation_gradient(domain_partial, domain_factor, d_domain)
        to_logits(domain_partial[0], d_partial[0], grad[at.domains :])
    return total + loglik.item()


@njit
def _unpacked(packed: FloatArray) -> Data:
    """Return the parts of the array, as `joint` packed them."""
    K, n, t, D, q = int(packed[1]), int(packed[2]), int(packed[3]), int(packed[4]), int(packed[5])
    n_patterns, pairs, domain_pairs = int(packed[6]), t * (t - 1) // 2, D * (D - 1) // 2
    at = 7
    coefficient_sd, at = packed[at : at + K * q], at + K * q
    residual_scale, at = packed[at : at + K * t], at + K * t
    spread_scale, at = packed[at], at + 1
    effect_weight, at = packed[at : at + 2].reshape((1, 2)), at + 2
    effect_mean, at = packed[at : at + 2].reshape((1, 2)), at + 2
    effect_sd, at = packed[at : at + 2].reshape((1, 2)), at + 2
    communality, at = packed[at : at + K], at + K
    visit_shape, at = packed[at : at + pairs], at + pairs
    domain_shape, at = packed[at : at + domain_pairs], at + domain_pairs
    domain, at = packed[at : at + K], at + K
    observed, at = packed[at : at + n_patterns * t].reshape((n_patterns, t)), at + n_patterns * t
    pattern, at = packed[at : at + K * n].reshape((K, n)), at + K * n
    z = packed[at:].reshape((K, n, t, q + t + 1))
    return Data(
        K,
        t,
        D,
        q,
        coefficient_sd,
        residual_scale,
        spread_scale,
        effect_weight,
        effect_mean,
        effect_sd,
        communality,
        visit_shape,
        domain_shape,
        domain,
        observed,
        pattern,
        z,
    )


@njit
def _places(data: Data) -> Places:
    domain = OUTCOME + data.K
    visit = domain + (1 + data.D if data.D > 1 else 0)
    coefficient = visit + data.K * data.t
    sd = coefficient + data.K * data.q
    share = sd + data.K * data.t
    own = share + data.K
    factor = own + data.K * data.visit_shape.size
    return Places(domain, visit, coefficient, sd, share, own, factor, factor + data.visit_shape.size)


@njit
def _log_prior(x: FloatArray, data: Data, at: Places, grad: FloatArray) -> float:
    """Return the log prior density of all parameters and add its gradient to `grad`."""
    scale = data.spread_scale
    total = mixture(x[:1], data.effect_weight, data.effect_mean, data.effect_sd, grad[:1])
    # SDs of effects, here and of domains, are of either sign
    total += one_normal(x[OUTCOME_SD], scale, grad, OUTCOME_SD) + one_normal(x[VISIT_SD], scale, grad, VISIT_SD)
    total += standard_normal(x[OUTCOME : at.domain], grad[OUTCOME : at.domain])
    if data.D > 1:
        total += one_normal(x[at.domain], scale, grad, at.domain)
        total += standard_normal(x[at.domain + 1 : at.visit], grad[at.domain + 1 : at.visit])
    total += standard_normal(x[at.visit : at.coefficient], grad[at.visit : at.coefficient])
    total += normal(x[at.coefficient : at.sd], data.coefficient_sd, grad[at.coefficient : at.sd])
    total += half_t3(x[at.sd : at.share], data.residual_scale, grad[at.sd : at.share])
    total += symmetric_beta(x[at.share : at.own], data.communality, grad[at.share : at.own])
    pairs, start = data.visit_shape.size, at.own
    for _ in range(data.K + 1):  # the outcomes' own, then the factor's
        total += symmetric_beta(x[start : start + pairs], data.visit_shape, grad[start : start + pairs])
        start += pairs
    total += symmetric_beta(x[at.domains :], data.domain_shape, grad[at.domains :])
    return total


@njit
def _correlations(logit: FloatArray, n: int, size: int) -> tuple[FloatArray, FloatArray]:
    """Return partial correlations (n, pairs) and Cholesky factors (n, size, size) of n correlation matrices."""
    pairs = size * (size - 1) // 2
    if size == 1:
        return np.empty((n, pairs)), np.ones((n, 1, 1))
    partial = partial_correlations(logit).reshape((n, pairs))
    return partial, correlation(partial)


@njit
def _coefficients(x: FloatArray, data: Data, at: Places) -> FloatArray:
    """Return each outcome's coefficients of covariates and effects at visits, (K, q + t)."""
    K, t, q = data.K, data.t, data.q
    beta = np.empty((K, q + t))
    for k in range(K):
        center = x[OVERALL] + x[OUTCOME_SD] * x[OUTCOME + k]
        if data.D > 1:
            center += x[at.domain] * x[at.domain + 1 + int(data.domain[k])]
        for a in range(q):
            beta[k, a] = x[at.coefficient + k * q + a]
        for j in range(t):
            beta[k, q + j] = center + x[VISIT_SD] * x[at.visit + k * t + j]
    return beta


@njit
def _coefficients_back(x: FloatArray, data: Data, at: Places, d_beta: FloatArray, grad: FloatArray) -> None:
    """Add to the parameters' gradient, given that by the coefficients."""
    t, q = data.t, data.q
    for k in range(data.K):
        for a in range(q):
            grad[at.coefficient + k * q + a] += d_beta[k, a]
        d_center = 0.0
        for j in range(t):
            d = d_beta[k, q + j]
            d_center += d
            grad[VISIT_SD] += d * x[at.visit + k * t + j]
            grad[at.visit + k * t + j] += d * x[VISIT_SD]
        grad[OVERALL] += d_center
        grad[OUTCOME_SD] += d_center * x[OUTCOME + k]
        grad[OUTCOME + k] += d_center * x[OUTCOME_SD]
        if data.D > 1:
            own_domain = at.domain + 1 + int(data.domain[k])
            grad[at.domain] += d_center * x[own_domain]
            grad[own_domain] += d_center * x[at.domain]


@njit
def _covariances(x: FloatArray, data: Data, at: Places) -> Covariances:
    K, t = data.K, data.t
    partial, factor = _correlations(x[at.own : at.factor], K, t)
    loading, own, unique = np.empty((K, t)), np.empty((K, t)), np.empty((K, t, t))
    for k in range(K):
        share = 1.0 / (1.0 + math.exp(-x[at.share + k]))
        for j in range(t):
            sd = math.exp(x[at.sd + k * t + j])
            loading[k, j] = sd * math.sqrt(share)
            own[k, j] = sd * math.sqrt(1.0 - share)
        r = outer(factor[k])
        for j in range(t):
            for i in range(t):
                unique[k, j, i] = own[k, j] * own[k, i] * r[j, i]
    return Covariances(loading, own, unique, partial, factor)


@njit
def _covariances_back(
    x: FloatArray,
    data: Data,
    at: Places,
    made: Covariances,
    d_loading: FloatArray,
    d_unique: FloatArray,
    grad: FloatArray,
) -> None:
    """Add to the parameters' gradient, given that by loadings and covariances."""
    t, pairs = data.t, data.visit_shape.size
    loading, own, unique, partial, factor = made.loading, made.own, made.unique, made.partial, made.factor
    d_r = np.empty((t, t))
    for k in range(data.K):
        share = 1.0 / (1.0 + math.exp(-x[at.share + k]))
        for j in range(t):
            by_own = 0.0
            for i in range(t):
                d_r[j, i] = d_unique[k, j, i] * own[k, j] * own[k, i]
                by_own += 2.0 * d_unique[k, j, i] * unique[k, j, i]
            by_loading = d_loading[k, j] * loading[k, j]
            grad[at.sd + k * t + j] += by_loading + by_own  # both are proportional to the SD
            grad[at.share + k] += 0.5 * (by_loading * (1.0 - share) - by_own * share)
        if t > 1:
            start = at.own + k * pairs
            correlation_back(partial[k : k + 1], factor[k : k + 1], d_r, grad[start : start + pairs])


@njit
def _product(domain_factor: FloatArray, visit_factor: FloatArray) -> FloatArray:
    """Return the direct product of the factors of the domains' and of the visits' correlations, (D t, D t)."""
    D, t = domain_factor.shape[0], visit_factor.shape[0]
    lower = np.empty((D * t, D * t))
    for a in range(D):
        for b in range(D):
            for j in range(t):
                for i in range(t):
                    lower[a * t + j, b * t + i] = domain_factor[a, b] * visit_factor[j, i]
    return lower


@njit
def _product_back(
    domain_factor: FloatArray, visit_factor: FloatArray, d_lower: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the gradients by both factors, (1, D, D) and (1, t, t), given that by their product."""
    D, t = domain_factor.shape[0], visit_factor.shape[0]
    d_domain, d_visit = np.zeros((1, D, D)), np.zeros((1, t, t))
    for a in range(D):
        for b in range(a + 1):
            for j in range(t):
                for i in range(j + 1):
                    d = d_lower[a * t + j, b * t + i]
                    d_visit[0, j, i] += d * domain_factor[a, b]
                    d_domain[0, a, b] += d * visit_factor[j, i]
    return d_domain, d_visit
