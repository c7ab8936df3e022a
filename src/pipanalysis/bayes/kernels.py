"""Log-likelihoods with their gradients as plain loops over small matrices, compiled by numba.

Missing values are integrated out exactly: of each pattern of observed visits only the matching part of the covariance
enters. A covariance that is not positive definite gives -inf and gradients of zero.
"""

from __future__ import annotations

import numba
import numpy as np

from pipanalysis.bayes.arrays import FloatArray, IntArray

LOG_2PI = float(np.log(2 * np.pi))
njit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)


@njit
def cholesky(a: FloatArray) -> bool:
    """Overwrite the lower triangle of `a` by its Cholesky factor; False where `a` is not positive definite."""
    n = a.shape[0]
    for j in range(n):
        for i in range(j, n):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            if i == j:
                if not s > 0:
                    return False
                a[j, j] = np.sqrt(s)
            else:
                a[i, j] = s / a[j, j]
    return True


@njit
def invert_lower(a: FloatArray) -> None:
    """Overwrite a lower triangular matrix by its inverse."""
    n = a.shape[0]
    for j in range(n):
        a[j, j] = 1.0 / a[j, j]
        for i in range(j + 1, n):
            s = 0.0
            for k in range(j, i):
                s -= a[i, k] * a[k, j]
            a[i, j] = s / a[i, i]


@njit
def observed_precision(covariance: FloatArray, observed: FloatArray, work: FloatArray, out: FloatArray) -> float:
    """Write the inverse of the observed visits' covariance, zero elsewhere, to `out`; return its log determinant.

    covariance (t, t), observed (t,) of 0 and 1. Returns NaN where the covariance is not positive definite.
    """
    t = covariance.shape[0]
    for j in range(t):
        for k in range(j + 1):
            both = observed[j] * observed[k]
            work[j, k] = covariance[j, k] * both + (1.0 - both if j == k else 0.0)
    if not cholesky(work):
        return np.nan
    log_det = 0.0
    for j in range(t):
        log_det += 2.0 * np.log(work[j, j])
    invert_lower(work)
    for j in range(t):
        for k in range(j + 1):
            s = 0.0
            for i in range(j, t):
                s += work[i, j] * work[i, k]
            s *= observed[j] * observed[k]
            out[j, k] = s
            out[k, j] = s
    return log_det


@njit
def correlation(partial: FloatArray) -> FloatArray:
    """Return the Cholesky factors of correlation matrices: partial (m, t (t - 1) / 2) by rows → (m, t, t).

    Canonical partial correlations (Lewandowski, Kurowicka and Joe 2009, Journal of Multivariate Analysis 100:1989).
    """
    m, size = partial.shape
    t = int((1 + np.sqrt(1.0 + 8.0 * size)) / 2 + 0.5)
    factor = np.zeros((m, t, t))
    for g in range(m):
        at = 0
        for i in range(t):
            rest = 1.0
            for j in range(i):
                z = partial[g, at]
                at += 1
                factor[g, i, j] = z * np.sqrt(rest)
                rest *= 1.0 - z * z
            factor[g, i, i] = np.sqrt(rest)
    return factor


@njit
def correlation_gradient(partial: FloatArray, factor: FloatArray, d_factor: FloatArray) -> FloatArray:
    """Return the gradient by the partial correlations, given that by the factor's lower triangle; as `correlation`."""
    m, t, _ = factor.shape
    found = np.zeros_like(partial)
    for g in range(m):
        end = 0
        for i in range(t):
            end += i
            rest = factor[g, i, i] ** 2
            d_rest = 0.5 * d_factor[g, i, i] / max(factor[g, i, i], 1e-150)
            for j in range(i - 1, -1, -1):
                z = partial[g, end - i + j]
                shrunk = max(1.0 - z * z, 1e-300)
                before = rest / shrunk
                found[g, end - i + j] = d_factor[g, i, j] * np.sqrt(before) - 2.0 * z * before * d_rest
                d_rest = d_rest * shrunk + 0.5 * d_factor[g, i, j] * z / max(np.sqrt(before), 1e-150)
                rest = before
    return found


@njit
def pattern_loglik(
    beta: FloatArray, covariance: FloatArray, products: FloatArray, counts: FloatArray, observed: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log-likelihood of repeated measures from their cross-products, and its gradients.

    beta (q,) coefficients; covariance (t, t) of the visits; products (P, t, t, q + 1, q + 1) with
    C[p, j, k] = sum over the units of pattern p of z_ij z_ik', z = (x, y), zero where unobserved; counts (P,) units of
    each pattern; observed (P, t) of 0 and 1.

    Returns the log-likelihood (0-dimensional), its gradient by beta (q,) and by the covariance (t, t), symmetric.
    """
    n_patterns, t = observed.shape
    q = beta.shape[0]
    b = np.empty(q + 1)
    b[:q] = -beta
    b[q] = 1.0
    total, ok = 0.0, True
    d_b = np.zeros(q + 1)
    d_covariance = np.zeros((t, t))
    work, w, s, half = np.empty((t, t)), np.empty((t, t)), np.empty((t, t)), np.empty((t, t))
    for p in range(n_patterns):
        if counts[p] == 0:
            continue
        log_det = observed_precision(covariance, observed[p], work, w)
        if np.isnan(log_det):
            ok = False
            break
        n_seen = 0.0
        quadratic = 0.0
        for j in range(t):
            n_seen += observed[p, j]
            for k in range(j + 1):
                s[j, k] = 0.0
                s[k, j] = 0.0
                if observed[p, j] * observed[p, k] == 0:
                    continue
                twice = w[j, k] if j == k else 2.0 * w[j, k]
                value = 0.0
                for a in range(q + 1):
                    left, right = 0.0, 0.0
                    for c in range(q + 1):
                        left += products[p, j, k, a, c] * b[c]
                        right += products[p, j, k, c, a] * b[c]
                    value += b[a] * left
                    d_b[a] += 0.5 * twice * (left + right)
                s[j, k] = value
                s[k, j] = value
                quadratic += twice * value
        total -= 0.5 * (counts[p] * (log_det + n_seen * LOG_2PI) + quadratic)
        for j in range(t):
            for k in range(t):
                half[j, k] = 0.0
                for i in range(t):
                    half[j, k] += w[j, i] * s[i, k]
        for j in range(t):
            for k in range(t):
                inner = 0.0
                for i in range(t):
                    inner += half[j, i] * w[i, k]
                d_covariance[j, k] -= 0.5 * (counts[p] * w[j, k] - inner)
    if not ok:
        return np.full((), -np.inf), np.zeros(q), np.zeros((t, t))
    return np.full((), total), d_b[:q].copy(), d_covariance


@njit
def unit_logliks(
    beta: FloatArray, covariance: FloatArray, z: FloatArray, observed: FloatArray, pattern: IntArray
) -> FloatArray:
    """Return each unit's log-likelihood under each draw: (S, n).

    beta (S, q), covariance (S, t, t), z (n, t, q + 1) zero where unobserved, observed (P, t) of 0 and 1, pattern (n,)
    row of `observed`.
    """
    n_draws, q = beta.shape
    n, t, _ = z.shape
    n_patterns = observed.shape[0]
    found = np.empty((n_draws, n))
    work, r = np.empty((t, t)), np.empty(t)
    w, constant = np.empty((n_patterns, t, t)), np.empty(n_patterns)
    for s in range(n_draws):
        for p in range(n_patterns):
            constant[p] = observed_precision(covariance[s], observed[p], work, w[p]) + observed[p].sum() * LOG_2PI
        for i in range(n):
            for j in range(t):
                r[j] = z[i, j, q]
                for a in range(q):
                    r[j] -= z[i, j, a] * beta[s, a]
            quadratic = 0.0
            for j in range(t):
                for k in range(t):
                    quadratic += w[pattern[i], j, k] * r[j] * r[k]
            found[s, i] = -0.5 * (constant[pattern[i]] + quadratic)
    return found
