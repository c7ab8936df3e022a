"""Terms of log densities on the unconstrained scale: each returns its value and adds its gradient to `grad`."""

from __future__ import annotations

import math

import numpy as np

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.kernels import correlation_gradient, njit

LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


@njit
def normal(x: FloatArray, sd: FloatArray, grad: FloatArray) -> float:
    """Normal with mean 0, each x with its own SD."""
    total = 0.0
    for i in range(x.size):
        total -= 0.5 * (x[i] / sd[i]) ** 2 + math.log(sd[i]) + LOG_ROOT_2PI
        grad[i] -= x[i] / sd[i] ** 2
    return total


@njit
def standard_normal(x: FloatArray, grad: FloatArray) -> float:
    """Normal with mean 0 and SD 1."""
    total = 0.0
    for i in range(x.size):
        total -= 0.5 * x[i] ** 2 + LOG_ROOT_2PI
        grad[i] -= x[i]
    return total


@njit
def one_normal(x: float, sd: float, grad: FloatArray, at: int) -> float:
    """Normal with mean 0 of one number, whose gradient stands at `at`."""
    grad[at] -= x / sd**2
    return -0.5 * (x / sd) ** 2 - math.log(sd) - LOG_ROOT_2PI


@njit
def half_normal(log_x: float, scale: float, grad: FloatArray, at: int) -> float:
    """Half normal of exp(log_x), by log_x, whose gradient stands at `at`."""
    ratio = (math.exp(log_x) / scale) ** 2
    grad[at] += 1.0 - ratio
    return math.log(2.0) - LOG_ROOT_2PI - math.log(scale) - 0.5 * ratio + log_x


@njit
def half_t3(log_x: FloatArray, scale: FloatArray, grad: FloatArray) -> float:
    """Half Student t with 3 degrees of freedom of exp(log_x), by log_x."""
    total = log_x.size * (math.log(2.0) + math.lgamma(2.0) - math.lgamma(1.5) - 0.5 * math.log(3.0 * math.pi))
    for i in range(log_x.size):
        ratio = math.exp(2.0 * log_x[i]) / (3.0 * scale[i] ** 2)
        total += log_x[i] - math.log(scale[i]) - 2.0 * math.log1p(ratio)
        grad[i] += 1.0 - 4.0 * ratio / (1.0 + ratio)
    return total


@njit
def symmetric_beta(logit: FloatArray, shape: FloatArray, grad: FloatArray) -> float:
    """Beta(shape, shape) of the probabilities, by their logits."""
    total = 0.0
    for i in range(logit.size):
        a, u = shape[i], logit[i]
        # log p + log(1 - p) = -|u| - 2 log(1 + exp(-|u|)), the Jacobian among it
        total += math.lgamma(2 * a) - 2 * math.lgamma(a) - a * (abs(u) + 2.0 * math.log1p(math.exp(-abs(u))))
        grad[i] -= a * math.tanh(0.5 * u)
    return total


@njit
def mixture(x: FloatArray, weight: FloatArray, mean: FloatArray, sd: FloatArray, grad: FloatArray) -> float:
    """Mixture of two normal components, for each x its own."""
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
def partial_correlations(logit: FloatArray) -> FloatArray:
    """Partial correlations (1, ...) of logits: 2 p - 1."""
    return np.tanh(0.5 * logit)


@njit
def to_logits(partial: FloatArray, d_partial: FloatArray, grad: FloatArray) -> None:
    """Add to logits' gradient, given that by the partial correlations."""
    for i in range(partial.size):
        grad[i] += d_partial[i] * 0.5 * (1.0 - partial[i] ** 2)


@njit
def outer(factor: FloatArray) -> FloatArray:
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
def correlation_back(partial: FloatArray, factor: FloatArray, d_r: FloatArray, grad: FloatArray) -> None:
    """Add to logits' gradient, given that by the correlation matrix R = L L' (symmetric)."""
    t = d_r.shape[0]
    d_factor = np.zeros((1, t, t))
    for j in range(t):
        for k in range(j + 1):
            for i in range(t):
                d_factor[0, j, k] += 2.0 * d_r[j, i] * factor[0, i, k]
    to_logits(partial[0], correlation_gradient(partial, factor, d_factor)[0], grad)
