"""Log-likelihood of several outcomes at once, correlated by a factor per group of outcomes and visit; and its gradient.

For unit i, outcome k of domain d(k) and visits j:  r_ik = a_k f_i,d(k) + e_ik,  e_ik ~ N(0, S_k),  f_i ~ N(0, F).
Factors and missing values are integrated out exactly, by the identity of Woodbury: the matrices that are factorised
are as large as the factors (domains times visits), not as the outcomes.
"""

from __future__ import annotations

import numpy as np

from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.kernels import LOG_2PI, cholesky, invert_lower, njit, observed_precision


@njit
def _precisions(unique: FloatArray, observed: FloatArray, precision: FloatArray, log_det: FloatArray) -> bool:
    """Fill the observed visits' precision (K, P, t, t) and log determinant (K, P) of every outcome and pattern."""
    n_outcomes, t = unique.shape[0], unique.shape[1]
    work = np.empty((t, t))
    for k in range(n_outcomes):
        for p in range(observed.shape[0]):
            log_det[k, p] = observed_precision(unique[k], observed[p], work, precision[k, p])
            if np.isnan(log_det[k, p]):
                return False
    return True


@njit
def _factor_posterior(
    lower: FloatArray, g: FloatArray, b: FloatArray, h: FloatArray, c: FloatArray, mean: FloatArray
) -> tuple[float, float]:
    """Write covariance C = (F^-1 + G)^-1 and mean C b of the factors; return log |I + L'GL| and b'Cb, F = LL'.

    lower: L (m, m); g: G (m, m) symmetric; h: work (m, m). The first value is NaN where it cannot be done.
    """
    m = lower.shape[0]
    for i in range(m):  # c = G L, then h = I + L' c
        for j in range(m):
            s = 0.0
            for k in range(j, m):
                s += g[i, k] * lower[k, j]
            c[i, j] = s
    for i in range(m):
        for j in range(i + 1):
            s = 1.0 if i == j else 0.0
            for k in range(i, m):
                s += lower[k, i] * c[k, j]
            h[i, j] = s
    if not cholesky(h):
        return np.nan, np.nan
    log_det = 0.0
    for i in range(m):
        log_det += 2.0 * np.log(h[i, i])
    invert_lower(h)
    # rows of c: inverse factor times L', so that C = c'c
    for i in range(m):
        for j in range(m):
            s = 0.0
            for k in range(min(i, j) + 1):
                s += h[i, k] * lower[j, k]
            c[i, j] = s
    for i in range(m):
        for j in range(i + 1):
            s = 0.0
            for k in range(m):
                s += c[k, i] * c[k, j]
            h[i, j] = s
    for i in range(m):
        for j in range(i + 1):
            c[i, j] = h[i, j]
            c[j, i] = h[i, j]
    quadratic = 0.0
    for i in range(m):
        s = 0.0
        for j in range(m):
            s += c[i, j] * b[j]
        mean[i] = s
        quadratic += b[i] * s
    return log_det, quadratic


@njit
def _gather(
    i: int,
    beta: FloatArray,
    loading: FloatArray,
    precision: FloatArray,
    log_det: FloatArray,
    z: FloatArray,
    pattern: IntArray,
    observed: FloatArray,
    domain: IntArray,
    r: FloatArray,
    g: FloatArray,
    b: FloatArray,
) -> float:
    """Fill a unit's residuals r (K, t), and G and b of its factors; return its log-likelihood without the factors."""
    n_outcomes, t = r.shape
    q = beta.shape[1]
    g[:] = 0.0
    b[:] = 0.0
    value = 0.0
    for k in range(n_outcomes):
        p = pattern[k, i]
        if p < 0:
            continue
        w = precision[k, p]
        seen = 0.0
        for j in range(t):
            r[k, j] = 0.0
            if observed[p, j] > 0:
                seen += 1.0
                s = z[k, i, j, q]
                for a in range(q):
                    s -= z[k, i, j, a] * beta[k, a]
                r[k, j] = s
        base = domain[k] * t
        for j in range(t):
            wr = 0.0
            for u in range(t):
                wr += w[j, u] * r[k, u]
                g[base + j, base + u] += loading[k, j] * loading[k, u] * w[j, u]
            b[base + j] += loading[k, j] * wr
            value -= 0.5 * r[k, j] * wr
        value -= 0.5 * (seen * LOG_2PI + log_det[k, p])
    return value


@njit
def _factors_back(
    g: FloatArray, b: FloatArray, c: FloatArray, mean: FloatArray, v: FloatArray, gc: FloatArray, d_factor: FloatArray
) -> None:
    """Add a unit's gradient by F: -(G - G C G - v v') / 2 with v = b - G mean; v (m,) and gc (m, m) are work."""
    m = g.shape[0]
    for x in range(m):
        v[x] = b[x]
        for y in range(m):
            v[x] -= g[x, y] * mean[y]
            s = 0.0
            for u in range(m):
                s += g[x, u] * c[u, y]
            gc[x, y] = s
    for x in range(m):
        for y in range(m):
            s = g[x, y] - v[x] * v[y]
            for u in range(m):
                s -= gc[x, u] * g[u, y]
            d_factor[x, y] -= 0.5 * s


@njit
def _outcomes_back(
    i: int,
    loading: FloatArray,
    precision: FloatArray,
    z: FloatArray,
    pattern: IntArray,
    observed: FloatArray,
    domain: IntArray,
    r: FloatArray,
    c: FloatArray,
    mean: FloatArray,
    e: FloatArray,
    we: FloatArray,
    wa: FloatArray,
    d_beta: FloatArray,
    d_loading: FloatArray,
    d_unique: FloatArray,
) -> None:
    """Add a unit's gradient by coefficients, loadings and own covariances; e, we (t,) and wa (t, t) are work.

    With W the precision of what is an outcome's own, A = diag(loading) and e the residual less the factor's mean: the
    gradients are z'We, (We) mean - diag(W A C), and -(W - We e'W - W A C A W) / 2.
    """
    n_outcomes, t = r.shape
    q = d_beta.shape[1]
    for k in range(n_outcomes):
        p = pattern[k, i]
        if p < 0:
            continue
        w, base = precision[k, p], domain[k] * t
        for j in range(t):
            e[j] = (r[k, j] - loading[k, j] * mean[base + j]) * observed[p, j]
        for j in range(t):
            s = 0.0
            for u in range(t):
                s += w[j, u] * e[u]
            we[j] = s
            for a in range(q):
                d_beta[k, a] += z[k, i, j, a] * s
        for j in range(t):
            for u in range(t):
                s = 0.0
                for x in range(t):
                    s += w[j, x] * loading[k, x] * c[base + x, base + u]
                wa[j, u] = s
            d_loading[k, j] += we[j] * mean[base + j] - wa[j, j]
        for j in range(t):
            for u in range(t):
                s = w[j, u] - we[j] * we[u]
                for x in range(t):
                    s -= wa[j, x] * loading[k, x] * w[x, u]
                d_unique[k, j, u] -= 0.5 * s


@njit
def _root_back(lower: FloatArray, d_factor: FloatArray) -> FloatArray:
    """Return the gradient by L, given that by F = LL' (symmetric)."""
    m = lower.shape[0]
    d_lower = np.zeros((m, m))
    for x in range(m):
        for y in range(x + 1):
            for u in range(y, m):
                d_lower[x, y] += 2.0 * d_factor[x, u] * lower[u, y]
    return d_lower


@njit
def factor_loglik(
    beta: FloatArray,
    loading: FloatArray,
    unique: FloatArray,
    lower: FloatArray,
    z: FloatArray,
    observed: FloatArray,
    pattern: FloatArray,
    domain: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the log-likelihood and its gradients.

    beta (K, q) coefficients; loading (K, t); unique (K, t, t) covariance of what is an outcome's own; lower (m, m)
    Cholesky factor of the factors' covariance, ordered by domain and visit, m = D t; z (K, n, t, q + 1) = (x, y), zero
    where unobserved; observed (P, t) of 0 and 1; pattern (K, n) row of `observed`, -1 for none; domain (K,) codes.

    Returns the log-likelihood (0-dimensional) and its gradients by the first four.
    """
    n_outcomes, n, t, columns = z.shape
    q, m = columns - 1, lower.shape[0]
    patterns, domains = pattern.astype(np.intp), domain.astype(np.intp)
    precision, log_det = np.empty((n_outcomes, observed.shape[0], t, t)), np.empty((n_outcomes, observed.shape[0]))
    d_beta, d_loading = np.zeros((n_outcomes, q)), np.zeros((n_outcomes, t))
    d_unique, d_factor = np.zeros((n_outcomes, t, t)), np.zeros((m, m))
    total = 0.0
    ok = _precisions(unique, observed, precision, log_det)
    r, g, b = np.zeros((n_outcomes, t)), np.zeros((m, m)), np.zeros(m)
    h, c, mean, v, gc = np.empty((m, m)), np.empty((m, m)), np.empty(m), np.empty(m), np.empty((m, m))
    we, e, wa = np.empty(t), np.empty(t), np.empty((t, t))
    for i in range(n):
        if not ok:
            break
        total += _gather(i, beta, loading, precision, log_det, z, patterns, observed, domains, r, g, b)
        log_h, quadratic = _factor_posterior(lower, g, b, h, c, mean)
        if np.isnan(log_h):
            ok = False
            break
        total -= 0.5 * (log_h - quadratic)
        _factors_back(g, b, c, mean, v, gc, d_factor)
        _outcomes_back(
            i, loading, precision, z, patterns, observed, domains, r, c, mean, e, we, wa, d_beta, d_loading, d_unique
        )
    if not ok:
        return (
            np.full((), -np.inf),
            np.zeros((n_outcomes, q)),
            np.zeros((n_outcomes, t)),
            np.zeros((n_outcomes, t, t)),
            np.zeros((m, m)),
        )
    return np.full((), total), d_beta, d_loading, d_unique, _root_back(lower, d_factor)


@njit
def joint_unit_logliks(
    beta: FloatArray,
    loading: FloatArray,
    unique: FloatArray,
    lower: FloatArray,
    z: FloatArray,
    observed: FloatArray,
    pattern: FloatArray,
    domain: FloatArray,
) -> FloatArray:
    """Return each unit's log-likelihood under each draw, (S, n); parameters as in `factor_loglik`, first axis draws."""
    n_outcomes, n, t, _ = z.shape
    n_draws, m = beta.shape[0], lower.shape[1]
    patterns, domains = pattern.astype(np.intp), domain.astype(np.intp)
    precision, log_det = np.empty((n_outcomes, observed.shape[0], t, t)), np.empty((n_outcomes, observed.shape[0]))
    r, g, b = np.zeros((n_outcomes, t)), np.zeros((m, m)), np.zeros(m)
    h, c, mean = np.empty((m, m)), np.empty((m, m)), np.empty(m)
    found = np.empty((n_draws, n))
    for s in range(n_draws):
        if not _precisions(unique[s], observed, precision, log_det):
            found[s] = np.nan
            continue
        for i in range(n):
            value = _gather(i, beta[s], loading[s], precision, log_det, z, patterns, observed, domains, r, g, b)
            log_h, quadratic = _factor_posterior(lower[s], g, b, h, c, mean)
            found[s, i] = value - 0.5 * (log_h - quadratic)
    return found
