"""Covariance matrices from their definitions, in three parametrisations; they take complex parameters."""

from typing import Any

import numpy as np

type Array = np.ndarray[Any, Any]

DIMS = (2, 3)  # members and visits of the direct products


# ---- correlation matrices


def compound(rho: Array, t: int) -> Array:
    return np.where(np.eye(t) > 0, 1.0, rho[0])


def autoregressive(rho: Array, t: int) -> Array:
    return rho[0] ** np.abs(np.subtract.outer(np.arange(t), np.arange(t))).astype(float)


def toeplitz(rho: Array, t: int) -> Array:
    return np.append(1.0, rho)[np.abs(np.subtract.outer(np.arange(t), np.arange(t)))]


def antedependent(rho: Array, t: int) -> Array:
    return np.array([[np.prod(rho[min(i, j) : max(i, j)]) for j in range(t)] for i in range(t)])


CORRELATIONS = {"cs": compound, "ar1": autoregressive, "toep": toeplitz, "ad": antedependent}


def n_correlations(base: str, t: int) -> int:
    return 1 if base in ("cs", "ar1") else t - 1


def correlations(base: str, matrix: Array) -> Array:
    """Correlation parameters of a member of the family."""
    return {"cs": matrix[0, 1:2], "ar1": matrix[0, 1:2], "toep": matrix[0, 1:], "ad": np.diagonal(matrix, 1)}[base]


def to_correlations(base: str, x: Array, t: int) -> Array:
    """R mmrm's maps of real numbers to correlations."""
    if base == "cs":
        lower = -1.0 / (t - 1)
        return lower + (1.0 - lower) / (1.0 + np.exp(-x))
    return x / np.sqrt(1.0 + x * x)


def from_correlations(base: str, rho: Array, t: int) -> Array:
    if base == "cs":
        return np.log((rho + 1.0 / (t - 1)) / (1.0 - rho))
    return rho / np.sqrt(1.0 - rho * rho)


def durbin_levinson(partial: Array) -> Array:
    """Autocorrelations of partial autocorrelations, by solving the Yule-Walker equations order by order."""
    rho = np.zeros(0, dtype=partial.dtype)
    for k, pi in enumerate(partial):
        if k == 0:
            rho = np.array([pi])
            continue
        inner = toeplitz(rho[: k - 1], k) if k > 1 else np.ones((1, 1))
        weights = np.linalg.solve(inner.astype(partial.dtype), rho[:k])
        forward, backward = rho[:k], rho[:k][::-1]
        rho = np.append(rho, weights @ backward + pi * (1.0 - forward @ weights))
    return rho


# ---- covariance matrices in three parametrisations


def modified_cholesky(theta: Array, t: int, first_one: bool = False) -> Array:
    """L D L' with D the squares of exp(theta) and L unit lower triangular."""
    d = np.exp(2.0 * theta[: t - first_one])
    d = np.append(1.0, d) if first_one else d
    lower = unit_lower(theta[t - first_one :], t)
    return lower @ np.diag(d) @ lower.T


def scaled_cholesky(mu: Array, t: int, first_one: bool = False) -> Array:
    """D L L' D, R mmrm's unstructured matrix."""
    sd = np.exp(mu[: t - first_one])
    sd = np.append(1.0, sd) if first_one else sd
    lower = unit_lower(mu[t - first_one :], t)
    return scaled(sd, lower @ lower.T)


def unit_lower(elements: Array, t: int) -> Array:
    lower = np.eye(t, dtype=elements.dtype)
    lower[np.tril_indices(t, -1)] = elements
    return lower


def scaled(sd: Array, correlation: Array) -> Array:
    return sd[:, None] * correlation * sd


def working(name: str, theta: Array, t: int) -> Array:
    """By the engine's working parameters."""
    return free(name, theta, t, modified_cholesky, durbin_levinson)


def mmrm(name: str, mu: Array, t: int) -> Array:
    """By R mmrm's parameters."""
    return free(name, mu, t, scaled_cholesky, lambda rho: rho)


def free(name: str, x: Array, t: int, unstructured: Any, autocorrelations: Any) -> Array:
    """By real-valued parameters; the two sets differ in the unstructured and the Toeplitz matrix."""
    if name == "us":
        return unstructured(x, t)
    if "@" in name:
        m, v = DIMS
        k, second = m * (m + 1) // 2, name.removeprefix("un@")
        if second == "un":
            return np.kron(unstructured(x[:k], m), unstructured(x[k:], v, first_one=True))
        return np.kron(unstructured(x[:k], m), CORRELATIONS[second](to_correlations(second, x[k:], v), v))
    base, n = name.removesuffix("h"), t if name.endswith("h") else 1
    rho = to_correlations(base, x[n:], t)
    return scaled(np.exp(x[:n]) * np.ones(t), CORRELATIONS[base](autocorrelations(rho) if base == "toep" else rho, t))


def natural(name: str, nu: Array, t: int) -> Array:
    """By SAS's parameters: elements (us), variance and covariances (cs, toep), or variances and correlations."""
    if name == "us":
        return symmetric(nu, t)
    if "@" in name:
        m, v = DIMS
        k = m * (m + 1) // 2
        rest = nu[k:]
        second = (
            symmetric(np.append(1.0, rest), v) if name == "un@un" else CORRELATIONS[name.removeprefix("un@")](rest, v)
        )
        return np.kron(symmetric(nu[:k], m), second)
    base, n = name.removesuffix("h"), t if name.endswith("h") else 1
    if name == "cs":
        return np.where(np.eye(t) > 0, nu[0], nu[1])
    if name == "toep":
        return nu[np.abs(np.subtract.outer(np.arange(t), np.arange(t)))]
    return scaled(np.sqrt(nu[:n]) * np.ones(t), CORRELATIONS[base](nu[n:], t))


def natural_values(name: str, sigma: Array) -> Array:
    t = len(sigma)
    if name == "us":
        return sigma[np.tril_indices(t)]
    if "@" in name:
        m, v = DIMS
        second = sigma[:v, :v] / sigma[0, 0]
        first = sigma[::v, ::v]
        rest = second[np.tril_indices(v)][1:] if name == "un@un" else second[0, 1:2]
        return np.concatenate([first[np.tril_indices(m)], rest])
    if name in ("cs", "toep"):
        return sigma[0, :2] if name == "cs" else sigma[0]
    sd = np.sqrt(np.diagonal(sigma))
    base, n = name.removesuffix("h"), t if name.endswith("h") else 1
    return np.concatenate([sd[:n] ** 2, correlations(base, sigma / np.outer(sd, sd))])


def mmrm_values(name: str, sigma: Array, theta: Array) -> Array:
    if name == "us":
        return scaled_cholesky_values(sigma)
    if "@" in name:
        v = DIMS[1]
        rest = scaled_cholesky_values(sigma[:v, :v] / sigma[0, 0])[1:] if name == "un@un" else theta[3:]
        return np.concatenate([scaled_cholesky_values(sigma[::v, ::v]), rest])
    if not name.startswith("toep"):
        return theta
    sd = np.sqrt(np.diagonal(sigma))
    n = len(sigma) if name.endswith("h") else 1
    rho = correlations("toep", sigma / np.outer(sd, sd))
    return np.concatenate([np.log(sd[:n]), from_correlations("toep", rho, len(sigma))])


def scaled_cholesky_values(sigma: Array) -> Array:
    lower = np.linalg.cholesky(sigma)
    sd = np.diagonal(lower)
    return np.concatenate([np.log(sd), (lower / sd[:, None])[np.tril_indices(len(sigma), -1)]])


def symmetric(elements: Array, t: int) -> Array:
    matrix = np.zeros((t, t), dtype=elements.dtype)
    row, column = np.tril_indices(t)
    matrix[row, column] = matrix[column, row] = elements
    return matrix


def spatial_working(name: str, theta: Array, distance: Array) -> Array:
    power = distance if name == "sp_exp" else distance**2
    return np.exp(theta[0]) * np.exp(-power * np.log(1.0 + np.exp(-theta[1])))


def spatial_natural(name: str, nu: Array, distance: Array) -> Array:
    return nu[0] * np.exp(-((distance / nu[1]) ** (1 if name == "sp_exp" else 2)))


def spatial_natural_values(name: str, theta: Array) -> Array:
    rate = np.log(1.0 + np.exp(-theta[1]))
    return np.array([np.exp(theta[0]), 1.0 / rate if name == "sp_exp" else rate**-0.5])
