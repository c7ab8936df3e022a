"""The log density of the joint model of all outcomes (`joint.build`), written out for numba."""

from __future__ import annotations

import math

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


@njit
def joint_density(x: FloatArray, data: FloatArray, grad: FloatArray) -> float:
    """Write the gradient of the joint model's log density to `grad` and return its value."""
    K, n, t, D, q, n_patterns = int(data[1]), int(data[2]), int(data[3]), int(data[4]), int(data[5]), int(data[6])
    pairs, domain_pairs, m = t * (t - 1) // 2, D * (D - 1) // 2, D * t
    at = 7
    coefficient_sd, at = data[at : at + K * q], at + K * q
    residual_scale, at = data[at : at + K * t], at + K * t
    scale, at = data[at], at + 1
    weight, at = data[at : at + 2].reshape((1, 2)), at + 2
    mean, at = data[at : at + 2].reshape((1, 2)), at + 2
    spread, at = data[at : at + 2].reshape((1, 2)), at + 2
    communality, at = data[at : at + K], at + K
    shape, at = data[at : at + pairs], at + pairs
    domain_shape, at = data[at : at + domain_pairs], at + domain_pairs
    domain, at = data[at : at + K], at + K
    observed, at = data[at : at + n_patterns * t].reshape((n_patterns, t)), at + n_patterns * t
    pattern, at = data[at : at + K * n].reshape((K, n)), at + K * n
    z = data[at:].reshape((K, n, t, q + t + 1))
    grad[:] = 0.0

    outcome_sd, visit_sd = x[1], x[2]  # of either sign
    total = mixture(x[:1], weight, mean, spread, grad[:1])
    total += one_normal(x[1], scale, grad, 1) + one_normal(x[2], scale, grad, 2)
    i_outcome = 3
    total += standard_normal(x[3 : 3 + K], grad[3 : 3 + K])
    i_domain = 3 + K  # SD, then the domains
    at = i_domain
    domain_sd = 0.0
    if D > 1:
        domain_sd = x[at]
        total += one_normal(x[at], scale, grad, at)
        total += standard_normal(x[at + 1 : at + 1 + D], grad[at + 1 : at + 1 + D])
        at += 1 + D
    i_visit = at
    total += standard_normal(x[at : at + K * t], grad[at : at + K * t])
    at += K * t
    i_coefficient = at
    total += normal(x[at : at + K * q], coefficient_sd, grad[at : at + K * q])
    at += K * q
    i_sd = at
    total += half_t3(x[at : at + K * t], residual_scale, grad[at : at + K * t])
    at += K * t
    i_share = at
    total += symmetric_beta(x[at : at + K], communality, grad[at : at + K])
    at += K
    i_own, i_factor = at, at + K * pairs
    for _ in range(K + 1):  # the outcomes' own, then the factor's
        total += symmetric_beta(x[at : at + pairs], shape, grad[at : at + pairs])
        at += pairs
    i_domains = at
    total += symmetric_beta(x[at : at + domain_pairs], domain_shape, grad[at : at + domain_pairs])

    beta = np.empty((K, q + t))
    loading, own = np.empty((K, t)), np.empty((K, t))
    unique = np.empty((K, t, t))
    partial, factor = np.empty((K, pairs)), np.ones((K, 1, 1))
    visit_partial, visit_factor = np.empty((1, pairs)), np.ones((1, 1, 1))
    if t > 1:
        partial = partial_correlations(x[i_own:i_factor]).reshape((K, pairs))
        factor = correlation(partial)
        visit_partial = partial_correlations(x[i_factor:i_domains]).reshape((1, pairs))
        visit_factor = correlation(visit_partial)
    domain_partial, domain_factor = np.empty((1, domain_pairs)), np.ones((1, 1, 1))
    if D > 1:
        domain_partial = partial_correlations(x[i_domains:]).reshape((1, domain_pairs))
        domain_factor = correlation(domain_partial)
    for k in range(K):
        share = 1.0 / (1.0 + math.exp(-x[i_share + k]))
        center = x[0] + outcome_sd * x[i_outcome + k]
        if D > 1:
            center += domain_sd * x[i_domain + 1 + int(domain[k])]
        for a in range(q):
            beta[k, a] = x[i_coefficient + k * q + a]
        for j in range(t):
            beta[k, q + j] = center + visit_sd * x[i_visit + k * t + j]
            sd = math.exp(x[i_sd + k * t + j])
            loading[k, j] = sd * math.sqrt(share)
            own[k, j] = sd * math.sqrt(1.0 - share)
        r = outer(factor[k])
        for j in range(t):
            for i in range(t):
                unique[k, j, i] = own[k, j] * own[k, i] * r[j, i]
    lower = np.empty((m, m))
    for a in range(D):
        for b in range(D):
            for j in range(t):
                for i in range(t):
                    lower[a * t + j, b * t + i] = domain_factor[0, a, b] * visit_factor[0, j, i]

    loglik, d_beta, d_loading, d_unique, d_lower = factor_loglik(
        beta, loading, unique, lower, z, observed, pattern, domain
    )
    d_r = np.empty((t, t))
    for k in range(K):
        share = 1.0 / (1.0 + math.exp(-x[i_share + k]))
        for a in range(q):
            grad[i_coefficient + k * q + a] += d_beta[k, a]
        d_center = 0.0
        for j in range(t):
            d = d_beta[k, q + j]
            d_center += d
            grad[2] += d * x[i_visit + k * t + j]
            grad[i_visit + k * t + j] += d * visit_sd
        grad[0] += d_center
        grad[1] += d_center * x[i_outcome + k]
        grad[i_outcome + k] += d_center * outcome_sd
        if D > 1:
            grad[i_domain] += d_center * x[i_domain + 1 + int(domain[k])]
            grad[i_domain + 1 + int(domain[k])] += d_center * domain_sd
        for j in range(t):
            by_own = 0.0
            for i in range(t):
                d_r[j, i] = d_unique[k, j, i] * own[k, j] * own[k, i]
                by_own += 2.0 * d_unique[k, j, i] * unique[k, j, i]
            by_loading = d_loading[k, j] * loading[k, j]
            grad[i_sd + k * t + j] += by_loading + by_own  # both are proportional to the SD
            grad[i_share + k] += 0.5 * (by_loading * (1.0 - share) - by_own * share)
        if t > 1:
            correlation_back(
                partial[k : k + 1], factor[k : k + 1], d_r, grad[i_own + k * pairs : i_own + (k + 1) * pairs]
            )
    d_visit, d_domain = np.zeros((1, t, t)), np.zeros((1, D, D))
    for a in range(D):
        for b in range(a + 1):
            for j in range(t):
                for i in range(j + 1):
                    d = d_lower[a * t + j, b * t + i]
                    d_visit[0, j, i] += d * domain_factor[0, a, b]
                    d_domain[0, a, b] += d * visit_factor[0, j, i]
    if t > 1:
        d_partial = correlation_gradient(visit_partial, visit_factor, d_visit)
        to_logits(visit_partial[0], d_partial[0], grad[i_factor:i_domains])
    if D > 1:
        d_partial = correlation_gradient(domain_partial, domain_factor, d_domain)
        to_logits(domain_partial[0], d_partial[0], grad[i_domains:])
    return total + loglik.item()
