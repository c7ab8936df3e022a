"""The log density of the logistic model (`logistic.build`), written out for numba."""

from __future__ import annotations

import math

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.density_terms import mixture, normal
from pipanalysis.bayes.kernels import njit


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
    total = normal(x[:q], coefficient_sd, grad[:q])
    total += mixture(x[q:], weight, mean, spread, grad[q:])
    for i in range(n):
        eta = 0.0
        for a in range(q + e):
            eta += design[i, a] * x[a]
        total += y[i] * eta - max(eta, 0.0) - math.log1p(math.exp(-abs(eta)))
        residual = y[i] - 1.0 / (1.0 + math.exp(-eta))
        for a in range(q + e):
            grad[a] += design[i, a] * residual
    return total
