"""Log-likelihoods against scipy's multivariate normal density, gradients against differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from pipanalysis.bayes import kernels, kernels_joint
from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.problem import pattern_products

STEP = 1e-6


def differences(f: Callable[[FloatArray], float], x: FloatArray) -> FloatArray:
    found = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = STEP
        found[at] = (f(x + step) - f(x - step)) / (2 * STEP)
    return found


def positive_definite(rng: np.random.Generator, size: int) -> FloatArray:
    root = rng.standard_normal((size, size))
    return root @ root.T + np.eye(size)


@pytest.mark.parametrize("t", [1, 2, 3, 5])
def test_pattern_likelihood_is_the_multivariate_normal_of_the_observed_visits(t: int) -> None:
    rng = np.random.default_rng(t)
    n, q = 25, 4
    seen = rng.random((n, t)) < 0.7
    seen[:, 0] |= ~seen.any(axis=1)
    z = rng.standard_normal((n, t, q + 1)) * seen[..., None]
    beta, covariance = rng.standard_normal(q), positive_definite(rng, t)
    made = pattern_products(z, seen)
    data = (made.products, made.counts, made.observed)
    value, by_beta, by_covariance = kernels.pattern_loglik(beta, covariance, *data)
    each = [
        multivariate_normal.logpdf(
            z[i, s, q] - z[i, s, :q] @ beta, np.zeros(s.sum()), covariance[np.ix_(s, s)], allow_singular=False
        )
        for i, s in enumerate(seen)
    ]
    assert value == pytest.approx(np.sum(each), rel=1e-10)
    by_unit = kernels.unit_logliks(beta[None], covariance[None], z, seen.astype(float), np.arange(n))
    np.testing.assert_allclose(by_unit[0], each, rtol=1e-9)
    expected = differences(lambda b: float(kernels.pattern_loglik(b, covariance, *data)[0]), beta)
    np.testing.assert_allclose(by_beta, expected, rtol=1e-5, atol=1e-6)

    def symmetric(matrix: FloatArray) -> float:
        return float(kernels.pattern_loglik(beta, (matrix + matrix.T) / 2, *data)[0])

    np.testing.assert_allclose(by_covariance, differences(symmetric, covariance), rtol=1e-5, atol=1e-6)


def test_a_covariance_that_is_not_positive_definite_has_no_likelihood() -> None:
    z, seen = np.ones((3, 2, 2)), np.ones((3, 2), dtype=bool)
    made = pattern_products(z, seen)
    broken = np.array([[1.0, 2.0], [2.0, 1.0]])
    value, by_beta, by_covariance = kernels.pattern_loglik(
        np.zeros(1), broken, made.products, made.counts, made.observed
    )
    assert value == -np.inf
    assert not by_beta.any()
    assert not by_covariance.any()


@pytest.mark.parametrize("t", [2, 3, 5])
def test_partial_correlations_make_correlation_matrices(t: int) -> None:
    rng = np.random.default_rng(t)
    partial = np.tanh(rng.standard_normal((4, t * (t - 1) // 2)))
    factor = kernels.correlation(partial)
    matrices = factor @ factor.transpose(0, 2, 1)
    np.testing.assert_allclose(np.diagonal(matrices, axis1=1, axis2=2), 1, rtol=1e-12)
    assert np.linalg.eigvalsh(matrices).min() > 0
    weight = np.tril(rng.standard_normal(factor.shape))
    found = kernels.correlation_gradient(partial, factor, weight)
    expected = differences(lambda z: float((kernels.correlation(z) * weight).sum()), partial)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_factor_likelihood_is_the_multivariate_normal_of_all_outcomes() -> None:
    rng = np.random.default_rng(1)
    K, n, t, q, D = 4, 9, 2, 3, 2
    domain = np.array([0.0, 0.0, 1.0, 1.0])
    seen = rng.random((K, n, t)) < 0.7
    seen[:, 0] = False  # a unit without any value
    z = rng.standard_normal((K, n, t, q + 1)) * seen[..., None]
    observed = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    pattern = np.full((K, n), -1.0)
    for p, row in enumerate(observed):
        pattern[(seen == (row > 0)).all(axis=-1)] = p
    beta, loading = rng.standard_normal((K, q)), rng.random((K, t)) + 0.2
    unique = np.stack([positive_definite(rng, t) for _ in range(K)])
    lower = np.linalg.cholesky(positive_definite(rng, D * t))
    parameters, data = (beta, loading, unique, lower), (z, observed, pattern, domain)

    own = np.zeros((K * t, D * t))
    for k in range(K):
        for j in range(t):
            own[k * t + j, int(domain[k]) * t + j] = loading[k, j]
    covariance = own @ lower @ lower.T @ own.T
    for k in range(K):
        covariance[k * t : (k + 1) * t, k * t : (k + 1) * t] += unique[k]
    each = np.zeros(n)
    for i in range(1, n):
        residual = (z[:, i, :, q] - np.einsum("kja,ka->kj", z[:, i, :, :q], beta)).ravel()
        s = seen[:, i].ravel()
        each[i] = multivariate_normal.logpdf(residual[s], np.zeros(s.sum()), covariance[np.ix_(s, s)])

    value, *gradients = kernels_joint.factor_loglik(*parameters, *data)
    assert value == pytest.approx(each.sum(), rel=1e-10)
    by_unit = kernels_joint.joint_unit_logliks(*(x[None] for x in parameters), *data)
    np.testing.assert_allclose(by_unit[0], each, rtol=1e-9, atol=1e-12)
    for position, gradient in enumerate(gradients):

        def f(x: FloatArray, position: int = position) -> float:
            changed = list(parameters)
            changed[position] = (x + x.transpose(0, 2, 1)) / 2 if position == 2 else x
            if position == 3:
                changed[position] = np.tril(x)
            return float(kernels_joint.factor_loglik(*changed, *data)[0])

        np.testing.assert_allclose(gradient, differences(f, parameters[position]), rtol=1e-5, atol=1e-6)
