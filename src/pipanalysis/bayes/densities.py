"""The models' log densities on the unconstrained scale with their gradients, as nutpie calls them.

Each is the density of the PyMC model of the same name (`mmrm.build`, `joint.build`, `logistic.build`): the same free
parameters in the same order, standard deviations by their logarithm, what is between 0 and 1 by its logit. The tests
hold both against each other. They are written out since numba keeps these on disk: a model that goes from PyMC through
PyTensor to nutpie is compiled anew in every process, which took longer than to sample all outcomes.

Data come as one array: its length, sizes, then the arrays one after the other, as `packed` lays them out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba.np.numpy_support import carray

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.kernels import correlation, correlation_gradient, njit, pattern_loglik
from pipanalysis.bayes.kernels_joint import factor_loglik

LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
NOT_FINITE = 4
"""what tells nutpie that the trajectory diverged"""


def packed(sizes: Sequence[int], arrays: Sequence[FloatArray]) -> FloatArray:
    """Return sizes and arrays as one array that starts with its own length."""
    body = np.concatenate([np.asarray(sizes, dtype=np.float64), *(np.ravel(each) for each in arrays)])
    return np.concatenate([[len(body) + 1.0], body])


@njit
def _normal(x: FloatArray, sd: FloatArray, grad: FloatArray) -> float:
    total = 0.0
    for i in range(x.size):
        total -= 0.5 * (x[i] / sd[i]) ** 2 + math.log(sd[i]) + LOG_ROOT_2PI
        grad[i] -= x[i] / sd[i] ** 2
    return total


@njit
def _standard_normal(x: FloatArray, grad: FloatArray) -> float:
    total = 0.0
    for i in range(x.size):
        total -= 0.5 * x[i] ** 2 + LOG_ROOT_2PI
        grad[i] -= x[i]
    return total


@njit
def _one_normal(x: float, sd: float, grad: FloatArray, at: int) -> float:
    grad[at] -= x / sd**2
    return -0.5 * (x / sd) ** 2 - math.log(sd) - LOG_ROOT_2PI


@njit
def _half_normal(log_x: float, scale: float, grad: FloatArray, at: int) -> float:
    ratio = (math.exp(log_x) / scale) ** 2
    grad[at] += 1.0 - ratio
    return math.log(2.0) - LOG_ROOT_2PI - math.log(scale) - 0.5 * ratio + log_x


@njit
def _half_t3(log_x: FloatArray, scale: FloatArray, grad: FloatArray) -> float:
    """Half Student t with 3 degrees of freedom."""
    total = log_x.size * (math.log(2.0) + math.lgamma(2.0) - math.lgamma(1.5) - 0.5 * math.log(3.0 * math.pi))
    for i in range(log_x.size):
        ratio = math.exp(2.0 * log_x[i]) / (3.0 * scale[i] ** 2)
        total += log_x[i] - math.log(scale[i]) - 2.0 * math.log1p(ratio)
        grad[i] += 1.0 - 4.0 * ratio / (1.0 + ratio)
    return total


@njit
def _symmetric_beta(logit: FloatArray, shape: FloatArray, grad: FloatArray) -> float:
    total = 0.0
    for i in range(logit.size):
        a, u = shape[i], logit[i]
        # log p + log(1 - p) = -|u| - 2 log(1 + exp(-|u|)), the Jacobian among it
        total += math.lgamma(2 * a) - 2 * math.lgamma(a) - a * (abs(u) + 2.0 * math.log1p(math.exp(-abs(u))))
        grad[i] -= a * math.tanh(0.5 * u)
    return total


@njit
def _mixture(x: FloatArray, weight: FloatArray, mean: FloatArray, sd: FloatArray, grad: FloatArray) -> float:
    """Two normal components for each x."""
    total = 0.0
    for i in range(x.size):
        a = math.log(weight[i, 0]) - math.log(sd[i, 0]) - 0.5 * ((x[i] - mean[i, 0]) / sd[i, 0]) ** 2
        b = math.log(weight[i, 1]) - math.log(sd[i, 1]) - 0.5 * ((x[i] - mean[i, 1]) / sd[i, 1]) ** 2
        top = max(a, b)
        share = math.exp(a - top) + math.exp(b - top)
        total += top + math.log(share) - LOG_ROOT_2PI
        grad[i] -= math.exp(a - top) / share * (x[i] - mean[i, 0]) / sd[i, 0] ** 2
        grad[i] -= math.exp(b - top) / share * (x[i] - mean[i, 1]) / sd[i, 1] ** 2
    return total


@njit
def _partial(logit: FloatArray) -> FloatArray:
    """Partial correlations (1, ...) of logits: 2 p - 1."""
    return np.tanh(0.5 * logit)


@njit
def _to_logits(partial: FloatArray, d_partial: FloatArray, grad: FloatArray) -> None:
    for i in range(partial.size):
        grad[i] += d_partial[i] * 0.5 * (1.0 - partial[i] ** 2)


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
    total = _normal(x[:q], coefficient_sd, grad[:q])
    beta[:q] = x[:q]
    group, group_sd = q, 0.0
    at = q
    if g > 0:
        group_sd = math.exp(x[group])
        total += _half_normal(x[group], group_scale, grad, group)
        total += _standard_normal(x[group + 1 : group + 1 + g], grad[group + 1 : group + 1 + g])
        beta[q : q + g] = group_sd * x[group + 1 : group + 1 + g]
        at += 1 + g
    effect = at
    total += _mixture(x[at : at + e], weight, mean, spread, grad[at : at + e])
    beta[q + g :] = x[at : at + e]
    first = at + e
    last = first + t
    total += _half_t3(x[first:last], residual_scale, grad[first:last])
    total += _symmetric_beta(x[last : last + pairs], shape, grad[last : last + pairs])
    sd = np.exp(x[first:last])
    factor = np.ones((1, 1, 1))
    partial = np.empty((1, pairs))
    if t > 1:
        partial[0] = _partial(x[last : last + pairs])
        factor = correlation(partial)
    r = _outer(factor[0])
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
        _correlation_back(partial, factor, d_r, grad[last : last + pairs])
    return total + loglik.item()


@njit
def _outer(factor: FloatArray) -> FloatArray:
    """L L' of a lower triangle."""
    t = factor.shape[0]
    found = np.empty((t, t))
    for j in range(t):
        for k in range(j + 1):
            s = 0.0
            for i in range(k + 1):
                s += factor[j, i] * factor[k, i]
            found[j, k] = s
            found[k, j] = s
    return found


@njit
def _correlation_back(partial: FloatArray, factor: FloatArray, d_r: FloatArray, grad: FloatArray) -> None:
    """Add to logits' gradient, given that by the correlation matrix R = L L' (symmetric)."""
    t = d_r.shape[0]
    d_factor = np.zeros((1, t, t))
    for j in range(t):
        for k in range(j + 1):
            for i in range(t):
                d_factor[0, j, k] += 2.0 * d_r[j, i] * factor[0, i, k]
    _to_logits(partial[0], correlation_gradient(partial, factor, d_factor)[0], grad)


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
    total = _mixture(x[:1], weight, mean, spread, grad[:1])
    total += _one_normal(x[1], scale, grad, 1) + _one_normal(x[2], scale, grad, 2)
    i_outcome = 3
    total += _standard_normal(x[3 : 3 + K], grad[3 : 3 + K])
    i_domain = 3 + K  # SD, then the domains
    at = i_domain
    domain_sd = 0.0
    if D > 1:
        domain_sd = x[at]
        total += _one_normal(x[at], scale, grad, at)
        total += _standard_normal(x[at + 1 : at + 1 + D], grad[at + 1 : at + 1 + D])
        at += 1 + D
    i_visit = at
    total += _standard_normal(x[at : at + K * t], grad[at : at + K * t])
    at += K * t
    i_coefficient = at
    total += _normal(x[at : at + K * q], coefficient_sd, grad[at : at + K * q])
    at += K * q
    i_sd = at
    total += _half_t3(x[at : at + K * t], residual_scale, grad[at : at + K * t])
    at += K * t
    i_share = at
    total += _symmetric_beta(x[at : at + K], communality, grad[at : at + K])
    at += K
    i_own, i_factor = at, at + K * pairs
    for _ in range(K + 1):  # the outcomes' own, then the factor's
        total += _symmetric_beta(x[at : at + pairs], shape, grad[at : at + pairs])
        at += pairs
    i_domains = at
    total += _symmetric_beta(x[at : at + domain_pairs], domain_shape, grad[at : at + domain_pairs])

    beta = np.empty((K, q + t))
    loading, own = np.empty((K, t)), np.empty((K, t))
    unique = np.empty((K, t, t))
    partial, factor = np.empty((K, pairs)), np.ones((K, 1, 1))
    visit_partial, visit_factor = np.empty((1, pairs)), np.ones((1, 1, 1))
    if t > 1:
        partial = _partial(x[i_own:i_factor]).reshape((K, pairs))
        factor = correlation(partial)
        visit_partial = _partial(x[i_factor:i_domains]).reshape((1, pairs))
        visit_factor = correlation(visit_partial)
    domain_partial, domain_factor = np.empty((1, domain_pairs)), np.ones((1, 1, 1))
    if D > 1:
        domain_partial = _partial(x[i_domains:]).reshape((1, domain_pairs))
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
        r = _outer(factor[k])
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
            _correlation_back(
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
        _to_logits(visit_partial[0], d_partial[0], grad[i_factor:i_domains])
    if D > 1:
        d_partial = correlation_gradient(domain_partial, domain_factor, d_domain)
        _to_logits(domain_partial[0], d_partial[0], grad[i_domains:])
    return total + loglik.item()


@njit
def logistic_density(x: FloatArray, data: FloatArray, grad: FloatArray) -> float:
    """Write the gradient of the logistic model's log density to `grad` and return its value."""
    n, q, e = int(data[1]), int(data[2]), int(data[3])
    at = 4
    coefficient_sd, at = data[at : at + q], at + q
    weight, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    mean, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    spread, at = data[at : at + 2 * e].reshape((e, 2)), at + 2 * e
    y, at = data[at : at + n], at + n
    design = data[at:].reshape((n, q + e))
    grad[:] = 0.0
    total = _normal(x[:q], coefficient_sd, grad[:q])
    total += _mixture(x[q:], weight, mean, spread, grad[q:])
    for i in range(n):
        eta = 0.0
        for a in range(q + e):
            eta += design[i, a] * x[a]
        total += y[i] * eta - max(eta, 0.0) - math.log1p(math.exp(-abs(eta)))
        residual = y[i] - 1.0 / (1.0 + math.exp(-eta))
        for a in range(q + e):
            grad[a] += design[i, a] * residual
    return total


_pointer = numba.types.CPointer(numba.types.float64)  # type: ignore[no-untyped-call]
_density = numba.cfunc(
    numba.types.int64(numba.types.uint64, _pointer, _pointer, _pointer, _pointer), cache=True, error_model="numpy"
)


@njit
def _status(value: float, grad: FloatArray) -> int:
    return 0 if np.isfinite(value) and np.isfinite(grad).all() else NOT_FINITE


@_density
def mmrm_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`mmrm_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = mmrm_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@_density
def joint_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`joint_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = joint_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@_density
def logistic_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`logistic_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = logistic_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@numba.cfunc(numba.types.int64(numba.types.uint64, numba.types.uint64, _pointer, _pointer, _pointer), cache=True)
def identity_callback(n: Any, n_out: Any, x_: Any, out_: Any, data_: Any) -> Any:
    """Hand the unconstrained parameters on: they are turned back when the draws are read."""
    out, x = carray(out_, (n,)), carray(x_, (n,))
    for i in range(n):
        out[i] = x[i]
    return 0
