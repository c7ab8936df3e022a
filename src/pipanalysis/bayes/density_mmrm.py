"""The log density of the mixed model of one outcome (`mmrm.build`), written out for numba."""

from __future__ import annotations

import math

import numpy as np

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.density_terms import (
    correlation_back,
    half_normal,
    half_t3,
    mixture,
    normal,
    outer,
    partial_correlations,
    standard_normal,
    symmetric_beta,
)
from pipanalysis.bayes.kernels import correlation, njit, pattern_loglik


@njit
def mmrm_density(x: FloatArray, data: FloatArray, grad: FloatArray) -> float:
    """Write the gradient of the mixed model's log density to `grad` and return its value."""
    t, q, g, e, n_patterns = int(data[1]), int(data[2]), int(data[3]), int(data[4]), int(data[5])
    c, pairs = q + g + e, t * (t - 1) // 2
    at = 6
    coefficient_sd, at = data[at : at + q], at + q
    residual_scale, at = data[at : at + t], at + t
    weight, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    mean, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    spread, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    shape, at = data[at : at + pairs], at + pairs
    group_scale, at = data[at], at + 1
    counts, at = data[at : at + n_patterns], at + n_patterns
    observed, at = data[at : at + n_patterns * t].reshape((n_patterns, t)), at + n_patterns * t
    products = data[at:].reshape((n_patterns, t, t, c + 1, c + 1))
    grad[:] = 0.0
    beta = np.empty(c)
    total = normal(x[:q], coefficient_sd, grad[:q])
    beta[:q] = x[:q]
    group, group_sd = q, 0.0
    at = q
    if g > 0:
        group_sd = math.exp(x[group])
        total += half_normal(x[group], group_scale, grad, group)
        total += standard_normal(x[group + 1 : group + 1 + g], grad[group + 1 : group + 1 + g])
        beta[q : q + g] = group_sd * x[group + 1 : group + 1 + g]
        at += 1 + g
    effect = at
    total += mixture(x[at : at + e], weight, mean, spread, grad[at : at + e])
    beta[q + g :] = x[at : at + e]
    first = at + e
    last = first + t
    total += half_t3(x[first:last], residual_scale, grad[first:last])
    total += symmetric_beta(x[last : last + pairs], shape, grad[last : last + pairs])
    sd = np.exp(x[first:last])
    factor = np.ones((1, 1, 1))
    partial = np.empty((1, pairs))
    if t > 1:
        partial[0] = partial_correlations(x[last : last + pairs])
        factor = correlation(partial)
    r = outer(factor[0])
    covariance = np.empty((t, t))
    for j in range(t):
        for k in range(t):
            covariance[j, k] = r[j, k] * sd[j] * sd[k]
    loglik, d_beta, d_covariance = pattern_loglik(beta, covariance, products, counts, observed)
    grad[:q] += d_beta[:q]
    for i in range(g):
        grad[group] += d_beta[q + i] * beta[q + i]
        grad[group + 1 + i] += d_beta[q + i] * group_sd
    grad[effect : effect + e] += d_beta[q + g :]
    d_r = np.empty((t, t))
    for j in range(t):
        for k in range(t):
            d_r[j, k] = d_covariance[j, k] * sd[j] * sd[k]
            grad[first + j] += 2.0 * d_covariance[j, k] * covariance[j, k]
    if t > 1:
        correlation_back(partial, factor, d_r, grad[last : last + pairs])
    return total + loglik.item()
