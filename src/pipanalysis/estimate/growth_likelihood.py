"""Restricted likelihood of a linear mixed model with a random intercept and slope, from sums over units.

What a likelihood needs of the data is summed over each unit once, so that a value costs the inversion of 2 by 2
matrices. The maximum is found before MixedLM is asked, which takes a hundred times as long for a value and loses its
way where the random effects' covariance is singular. As in lme4, the likelihood is taken as a function of a factor of
that covariance relative to the residual variance, smooth where the covariance is singular, and the residual variance is
profiled out (Bates, Maechler, Bolker and Walker 2015, J Stat Softw 67(1), section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.newton import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

STARTS = (1.0, 0.2)
"""standard deviations of the random effects, in residual ones, to start from"""
FLAT = 1e-3
"""slope of minus twice the log-likelihood by the relative factor that counts as none"""
FREE = ((0, 0), (1, 0), (1, 1))
"""elements of the factor"""
NEAR = 1e-4
"""relative distance of the gradients whose difference is the Hessian"""


@dataclass(frozen=True)
class UnitSums:
    """Sums over units: Z'Z (units, 2, 2), Z'[X y] (units, 2, p + 1), and over all rows [X y]'[X y] (p + 1, p + 1)."""

    random: FloatArray
    mixed: FloatArray
    fixed: FloatArray
    n: int

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return len(self.fixed) - 1


def unit_sums(y: FloatArray, X: FloatArray, unit: NDArray[np.intp], Z: FloatArray) -> UnitSums:
    """Sum the cross-products of response (n,), design (n, p) and random effects' design (n, 2) over the units (n,)."""
    stacked = np.column_stack([X, y])

    def sums(rows: FloatArray) -> FloatArray:
        total = np.zeros((int(unit.max()) + 1, *rows.shape[1:]))
        np.add.at(total, unit, rows)
        return total

    random, mixed = sums(Z[:, :, None] * Z[:, None, :]), sums(Z[:, :, None] * stacked[:, None, :])
    return UnitSums(random, mixed, stacked.T @ stacked, len(y))


def least_squares_given(
    sums: UnitSums, factor: FloatArray, residual: float | None = None
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return coefficients, their covariance, residual variance, and minus twice the restricted log-likelihood.

    The covariance of the response is V = residual (I + Z F F' Z') within each unit; its inverse and determinant come
    from those of 2 by 2 matrices (Woodbury), for all units at once. The covariance of the coefficients is
    (X'V⁻¹X)⁻¹; a constant is left out of the log-likelihood.

    Args:
        sums: of the data.
        factor: F, shape (2, 2), any; lower triangular where it is to be unique.
        residual: residual variance; by default the one at which the likelihood is highest, given the factor.

    Raises:
        numpy.linalg.LinAlgError: the coefficients are not determined.
    """
    inner = np.eye(2) + factor.T @ sums.random @ factor
    mixed = factor.T @ sums.mixed
    cross = sums.fixed - np.tensordot(mixed, np.linalg.solve(inner, mixed), axes=((0, 1), (0, 1)))
    p, freedom = sums.p, sums.n - sums.p
    inverse = np.linalg.inv(cross[:p, :p])
    beta = inverse @ cross[:p, p]
    rss = float(cross[p, p] - beta @ cross[:p, p])
    if residual is None:
        residual = rss / freedom
    log_det = float(np.linalg.slogdet(inner)[1].sum() + np.linalg.slogdet(cross[:p, :p])[1])
    deviance = log_det + freedom * np.log(residual) + rss / residual
    return beta, residual * inverse, residual, float(deviance)


def gradient(sums: UnitSums, theta: FloatArray) -> FloatArray:
    """Return the derivatives of the profiled minus twice log-likelihood by the elements of the factor, shape (3,).

    With A = I + F'Z'ZF and M = F'Z'[X y] of a unit, C = [X y]'[X y] - sum M'A⁻¹M and v = (-beta, 1), they are
    sum tr(A⁻¹ dA) + tr((X'V⁻¹X)⁻¹ dC_xx) + (n - p) v'dC v / rss.

    Args:
        sums: of the data.
        theta: f11, f21 and f22 of the lower triangular F.

    Raises:
        numpy.linalg.LinAlgError: the coefficients are not determined.
    """
    factor, p = lower(theta), sums.p
    inner = np.eye(2) + factor.T @ sums.random @ factor
    mixed = factor.T @ sums.mixed
    solved = np.linalg.solve(inner, mixed)
    cross = sums.fixed - np.tensordot(mixed, solved, axes=((0, 1), (0, 1)))
    inverse = np.linalg.inv(cross[:p, :p])
    v = np.append(-inverse @ cross[:p, p], 1.0)
    rss = float(v @ cross @ v)
    found = np.empty(3)
    for a, (row, column) in enumerate(FREE):
        unit = np.zeros((2, 2))
        unit[row, column] = 1.0
        half = unit.T @ sums.random @ factor
        d_inner = half + np.swapaxes(half, 1, 2)
        d_mixed = unit.T @ sums.mixed
        part = np.tensordot(d_mixed, solved, axes=((0, 1), (0, 1)))
        d_cross = np.tensordot(solved, d_inner @ solved, axes=((0, 1), (0, 1))) - part - part.T
        found[a] = np.trace(np.linalg.solve(inner, d_inner), axis1=1, axis2=2).sum()
        found[a] += (inverse * d_cross[:p, :p]).sum() + (sums.n - p) * float(v @ d_cross @ v) / rss
    return found


def lower(theta: FloatArray) -> FloatArray:
    """Return the lower triangular factor (2, 2) of its elements f11, f21 and f22."""
    return np.array([[theta[0], 0.0], [theta[1], theta[2]]])


def highest(sums: UnitSums) -> FloatArray | None:
    """Return the factor (2, 2), lower triangular, at which the restricted likelihood is highest; None if not found."""
    from scipy.optimize import minimize

    def deviance(theta: FloatArray) -> tuple[float, FloatArray]:
        try:
            return least_squares_given(sums, lower(theta))[3], gradient(sums, theta)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros(3)

    with np.errstate(all="ignore"):
        ends = [minimize(deviance, [sd, 0.0, sd], jac=True, method="BFGS", options={"gtol": 1e-6}) for sd in STARTS]
    flat = [end for end in ends if np.abs(np.asarray(end.jac, dtype=np.float64)).max() < FLAT]
    if not flat:
        return None

    def slope(theta: FloatArray) -> FloatArray:
        return gradient(sums, theta)

    def curvature(theta: FloatArray) -> FloatArray:
        steps = np.diag(NEAR * np.maximum(np.abs(theta), NEAR))
        apart = np.array([slope(theta + step) - slope(theta - step) for step in steps])
        hessian = apart / (2 * np.diagonal(steps)[:, None])
        return (hessian + hessian.T) / 2

    return lower(settled(slope, curvature, min(flat, key=lambda end: end.fun).x))
