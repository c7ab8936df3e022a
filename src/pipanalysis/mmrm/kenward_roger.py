"""Kenward and Roger (1997): adjusted covariance of the coefficients, and their scaled F test.

The adjustment is Phi + 2 Phi (sum_ab w_ab (Q_ab - P_a Phi P_b - R_ab / 4)) Phi with w the covariance matrix of the
covariance parameters. Its first two parts do not depend on how the covariance is parametrised; R, made of second
derivatives, does.
"""

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.covariance.base import Coordinates
from pipanalysis.mmrm.likelihood import Likelihood, State
from pipanalysis.mmrm.satterthwaite import independent_contrasts


def adjusted_covariance(
    likelihood: Likelihood, state: State, P: FloatArray, w: FloatArray, coordinates: Coordinates | None
) -> FloatArray:
    """Adjusted covariance of the coefficients gamma of `state`, (p, p).

    P (k, p, p): derivatives of the information; w (k, k): covariance of the working parameters. coordinates: those of
    the second derivatives, or None to drop them (the linear form).
    """
    phi = state.solution.phi
    inner = likelihood.kenward_roger_q(state, w) - _products(P, phi, w)
    if coordinates is not None:
        inner = inner - 0.25 * likelihood.kenward_roger_r(state, w, coordinates)
    adjusted = phi + 2.0 * phi @ inner @ phi
    return np.asarray(0.5 * (adjusted + adjusted.T))


def _products(P: FloatArray, phi: FloatArray, w: FloatArray) -> FloatArray:
    """sum_ab w_ab P_a phi P_b, (p, p)."""
    k, p = len(P), len(phi)
    mixed = np.tensordot(w, P, 1)  # sum_b w_ab P_b
    beside = np.empty((p, k, p))  # P_a phi side by side
    np.matmul(P, phi, out=beside.transpose(1, 0, 2))
    return np.asarray(beside.reshape(p, k * p) @ mixed.reshape(k * p, p))


def scaled_f(
    L: FloatArray, beta: FloatArray, phi: FloatArray, adjusted: FloatArray, P: FloatArray, w: FloatArray
) -> tuple[int, float, float, float]:
    """F test of L beta = 0: numerator df, denominator df, F (scaled) and the scale lambda.

    Equations of section 3 of the paper, with the moments of F matched to those of the exact cases.
    """
    contrasts, variances = independent_contrasts(L, phi)
    rank = len(contrasts)
    if rank == 0:
        return 0, np.nan, np.nan, 1.0
    half = contrasts @ phi / np.sqrt(variances)[:, None]
    inner = half @ P @ half.T  # Theta Phi P_a Phi in the basis of the contrasts, (k, rank, rank)
    traces = np.trace(inner, axis1=1, axis2=2)
    flat = inner.reshape(len(P), -1)
    a1 = float(traces @ w @ traces)
    a2 = float(np.sum((w @ flat) * flat))
    estimate = contrasts @ beta
    f = float(estimate @ np.linalg.solve(contrasts @ adjusted @ contrasts.T, estimate)) / rank
    den, scale = matched_moments(a1, a2, rank)
    return rank, den, scale * f, scale


def matched_moments(a1: float, a2: float, rank: int) -> tuple[float, float]:
    """Denominator df and scale from A1 and A2 (Kenward and Roger 1997, section 3)."""
    if a2 <= 0.0:
        return np.inf, 1.0
    if rank == 1:
        return 2.0 / a2, 1.0
    b = (a1 + 6.0 * a2) / (2.0 * rank)
    expectation = 1.0 / (1.0 - a2 / rank)
    g = ((rank + 1.0) * a1 - (rank + 4.0) * a2) / ((rank + 2.0) * a2)
    divisor = 3.0 * rank + 2.0 * (1.0 - g)
    c1, c2, c3 = g / divisor, (rank - g) / divisor, (rank + 2.0 - g) / divisor
    variance = 2.0 / rank * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
    rho = variance / (2.0 * expectation**2)
    den = 4.0 + (rank + 2.0) / (rank * rho - 1.0)
    return den, den / (expectation * (den - 2.0))
