"""Satterthwaite's degrees of freedom, for one contrast and (Fai and Cornelius 1996) for several."""

from collections.abc import Callable

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray

EQUAL = 1.5e-8  # square root of the machine precision: differences of degrees of freedom that do not count


def contrast_df(L: FloatArray, phi: FloatArray, phi_derivatives: FloatArray, w: FloatArray) -> FloatArray:
    """Degrees of freedom 2 v^2 / (g' w g) of each row l of L, with v = l' phi l and g its gradient.

    L (m, p); phi (p, p); phi_derivatives (k, p, p): P_a with d phi / d theta_a = phi P_a phi; w (k, k): covariance
    matrix of the parameters theta. Kenward and Roger's df of a single contrast are the same number.
    """
    half = L @ phi
    variance = np.einsum("mi,mi->m", half, L)
    gradient = np.einsum("kmj,mj->mk", half @ phi_derivatives, half)
    spread = np.einsum("mk,kl,ml->m", gradient, w, gradient)
    return _ratio(2.0 * variance**2, spread)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0.0, numerator / denominator, np.inf)


def independent_contrasts(L: FloatArray, vcov: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Uncorrelated contrasts that span the rows of L, and their variances, largest first; rank(L) of them."""
    variances, vectors = np.linalg.eigh(L @ vcov @ L.T)
    keep = np.flatnonzero(variances > EQUAL * max(variances[-1], 0.0))[::-1]
    return vectors[:, keep].T @ L, variances[keep]


def fai_cornelius(
    L: FloatArray, beta: FloatArray, vcov: FloatArray, df: Callable[[FloatArray], FloatArray]
) -> tuple[int, float, float, float]:
    """F test of L beta = 0: numerator df, denominator df, F and scale 1.

    Splits L into uncorrelated contrasts, each with its own df nu, and matches E = sum nu / (nu - 2).
    """
    contrasts, variances = independent_contrasts(L, vcov)
    rank = len(contrasts)
    if rank == 0:
        return 0, np.nan, np.nan, 1.0
    f = float(np.sum((contrasts @ beta) ** 2 / variances)) / rank
    nu = df(contrasts)
    if rank == 1:
        den = float(nu[0])
    elif np.isinf(nu).all():
        den = np.inf
    elif np.all(np.abs(np.diff(nu)) < EQUAL):
        den = float(nu.mean())
    elif np.any(nu <= 2.0):
        den = 2.0
    else:
        expectation = float(np.sum(1.0 / (1.0 - 2.0 / nu)))
        den = 2.0 * expectation / (expectation - rank)
    return rank, den, f, 1.0
