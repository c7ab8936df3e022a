"""Restricted likelihood of a partially nested model, its derivatives, and the inference of its coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipanalysis.partially_nested.strata import FloatArray, Strata


@dataclass(frozen=True)
class Point:
    """The model at given variances.

    Attributes:
        variances: eigenvalue of each stratum, shape (strata,).
        beta: coefficients, shape (p,).
        phi: (X'V⁻¹X)⁻¹, shape (p, p).
        squares: sum of squared residuals of each stratum, shape (strata,).
        deviance: minus twice the restricted log-likelihood, with all constants.
        slope: its derivative by each stratum's eigenvalue, shape (strata,).
    """

    variances: FloatArray
    beta: FloatArray
    phi: FloatArray
    squares: FloatArray
    deviance: float
    slope: FloatArray


def at(strata: Strata, variances: FloatArray) -> Point:
    """Evaluate the model with these eigenvalues of the strata.

    Raises:
        LinAlgError: X'V⁻¹X is singular.
    """
    C, d = strata.products, strata.dimension
    p = C.shape[1] - 1
    weighted = ((1 / variances) @ C.reshape(len(C), -1)).reshape(p + 1, p + 1)
    phi = np.linalg.inv(weighted[:p, :p])
    beta = phi @ weighted[:p, p]
    contrast = np.append(-beta, 1.0)
    squares = (C @ contrast) @ contrast
    traces = strata.design_products @ phi.ravel()
    deviance = (
        (d.sum() - p) * np.log(2 * np.pi)
        + d @ np.log(variances)
        + np.linalg.slogdet(weighted[:p, :p])[1]
        + (squares / variances).sum()
    )
    slope = d / variances - (traces + squares) / variances**2
    return Point(variances, beta, phi, squares, float(deviance), slope)


def expected_information(strata: Strata, point: Point) -> FloatArray:
    """Return the expected information of the restricted log-likelihood about the variances, shape (a, a)."""
    P, Q = _derivatives(strata, point)
    c, phi = strata.coefficients, point.phi
    own = np.einsum("k,ka,kb->ab", strata.dimension / point.variances**2, c, c)
    moved = np.einsum("ij,ajk->aik", phi, P)
    return np.asarray(0.5 * (own - 2 * np.einsum("ij,abji->ab", phi, Q) + np.einsum("aij,bji->ab", moved, moved)))


def kenward_roger(strata: Strata, point: Point, vcov_variances: FloatArray) -> FloatArray:
    """Return Kenward and Roger's covariance of the coefficients, shape (p, p).

    Kenward and Roger (1997), Biometrics 53:983-997; the covariance is linear in the variances, so that its second
    derivatives vanish.
    """
    P, Q = _derivatives(strata, point)
    inner = np.einsum("ab,abij->ij", vcov_variances, Q - np.einsum("aij,jk,bkl->abil", P, point.phi, P))
    return np.asarray(point.phi + 2 * point.phi @ inner @ point.phi)


def degrees_of_freedom(strata: Strata, point: Point, vcov_variances: FloatArray, contrast: FloatArray) -> float:
    """Return the degrees of freedom of a contrast (p,): Satterthwaite's, which Kenward and Roger's are for one row."""
    P, _ = _derivatives(strata, point)
    spread = point.phi @ contrast
    slope = np.einsum("i,aij,j->a", spread, P, spread)
    return float(2 * (contrast @ spread) ** 2 / (slope @ vcov_variances @ slope))


def _derivatives(strata: Strata, point: Point) -> tuple[FloatArray, FloatArray]:
    """Return P_a = X'V⁻¹V_aV⁻¹X and Q_ab = X'V⁻¹V_aV⁻¹V_bV⁻¹X, V_a the derivative of V by variance a."""
    p = point.beta.size
    XX, c, v = strata.products[:, :p, :p], strata.coefficients, point.variances
    return np.einsum("k,ka,kij->aij", v**-2, c, XX), np.einsum("k,ka,kb,kij->abij", v**-3, c, c, XX)
