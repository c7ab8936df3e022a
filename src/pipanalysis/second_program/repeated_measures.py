"""Repeated measures with an unstructured covariance by the textbook: a dense matrix for each unit, REML, Kenward-Roger.

Plain on purpose: every unit's own rows, no sufficient statistics, no analytic Hessian, no transformed parameters.
Kenward and Roger 1997, Biometrics 53:983-997, for a covariance that is linear in its parameters (the matrix's own
elements), and the observed information of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from pipanalysis.second_program.design import Asked, Design, FloatArray


@dataclass(frozen=True)
class Estimate:
    """A difference between arms or an adjusted mean, its standard error and degrees of freedom."""

    estimate: float
    std_error: float
    df: float


@dataclass(frozen=True)
class _Pattern:
    """Units observed at the same visits: y (m, q), X (m, q, p), and which visits, as rows of the identity (q, t)."""

    y: FloatArray
    X: FloatArray
    seen: FloatArray


def unstructured(design: Design, visits: tuple[str, ...]) -> dict[Asked, Estimate]:
    """Fit by REML; return every difference of an arm from the reference at a visit, and every adjusted mean.

    Args:
        design: rows of continuous values.
        visits: those of the covariance matrix.

    Raises:
        ValueError: the search for the covariance does not settle.
    """
    patterns = _patterns(design, visits)
    pairs = list(combinations_with_replacement(range(len(visits)), 2))
    basis = np.array([_unit_matrix(len(visits), j, k) for j, k in pairs])
    theta = _settled(patterns, basis, _first_guess(design, visits))
    Phi, P, Q = _pieces(patterns, basis, theta)
    W = np.linalg.inv(_hessian(patterns, basis, theta) / 2)
    k = range(len(basis))
    # Kenward and Roger's adjusted covariance
    adjusted = Phi + 2 * Phi @ sum(W[i, j] * (Q[i, j] - P[i] @ Phi @ P[j]) for i in k for j in k) @ Phi
    beta = _generalised_least_squares(patterns, _inverses(patterns, basis, theta))[1]
    found = {}
    for asked, c in design.sums().items():
        slope = np.array([-c @ Phi @ P[i] @ Phi @ c for i in k])
        df = 2 * (c @ Phi @ c) ** 2 / (slope @ W @ slope)
        found[asked] = Estimate(float(c @ beta), float(np.sqrt(c @ adjusted @ c)), float(df))
    return found


def _patterns(design: Design, visits: tuple[str, ...]) -> list[_Pattern]:
    y = design.rows["value"].to_numpy(dtype=float)
    position = design.rows["visit"].astype(str).map({name: i for i, name in enumerate(visits)}).to_numpy(dtype=int)
    alike: dict[tuple[int, ...], list[Any]] = {}
    for rows in design.rows.groupby("unit", sort=True).indices.values():
        alike.setdefault(tuple(position[rows]), []).append(rows)
    return [
        _Pattern(y[np.array(units)], design.X[np.array(units)], np.eye(len(visits))[list(visits_seen)])
        for visits_seen, units in alike.items()
    ]


def _unit_matrix(t: int, j: int, k: int) -> FloatArray:
    found = np.zeros((t, t))
    found[j, k] = found[k, j] = 1.0
    return found


def _first_guess(design: Design, visits: tuple[str, ...]) -> FloatArray:
    """Return the residual variances of ordinary regression at the visits, without correlation, as parameters."""
    y = design.rows["value"].to_numpy(dtype=float)
    residual = y - design.X @ np.linalg.lstsq(design.X, y, rcond=None)[0]
    visit = design.rows["visit"].astype(str).to_numpy()
    variance = [float((residual[visit == name] ** 2).mean()) for name in visits]
    return np.array([variance[j] if j == k else 0.0 for j, k in combinations_with_replacement(range(len(visits)), 2)])


def _inverses(patterns: list[_Pattern], basis: FloatArray, theta: FloatArray) -> list[FloatArray]:
    """Return the inverse of V of each pattern."""
    whole = np.tensordot(theta, basis, axes=1)
    return [np.linalg.inv(one.seen @ whole @ one.seen.T) for one in patterns]


def _generalised_least_squares(patterns: list[_Pattern], inverse: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return (X'V'X)^-1 and the coefficients, V' the inverse of V."""
    both = list(zip(patterns, inverse, strict=True))
    information = sum(np.einsum("mip,ij,mjq->pq", one.X, v, one.X) for one, v in both)
    Phi = np.linalg.inv(np.asarray(information))
    return Phi, Phi @ sum(np.einsum("mip,ij,mj->p", one.X, v, one.y) for one, v in both)


def minus_twice_loglik(patterns: list[_Pattern], basis: FloatArray, theta: FloatArray) -> float:
    """Return minus twice the restricted log-likelihood but for a constant; infinite where V is no covariance."""
    if np.linalg.eigvalsh(np.tensordot(theta, basis, axes=1)).min() <= 0:
        return float("inf")
    inverse = _inverses(patterns, basis, theta)
    Phi, beta = _generalised_least_squares(patterns, inverse)
    value = -float(np.linalg.slogdet(Phi)[1])
    for one, v in zip(patterns, inverse, strict=True):
        r = one.y - one.X @ beta
        value += float(np.einsum("mi,ij,mj->", r, v, r)) - len(r) * float(np.linalg.slogdet(v)[1])
    return value


def gradient(patterns: list[_Pattern], basis: FloatArray, theta: FloatArray) -> FloatArray:
    """Return its derivatives by theta: tr(V'D) - tr(Phi X'V'DV'X) - r'V'DV'r, V' the inverse, D the unit matrix."""
    inverse = _inverses(patterns, basis, theta)
    Phi, beta = _generalised_least_squares(patterns, inverse)
    found = np.zeros(len(theta))
    for one, v in zip(patterns, inverse, strict=True):
        r = (one.y - one.X @ beta) @ v
        vx = v @ one.X
        for a, D in enumerate(basis):
            d = one.seen @ D @ one.seen.T
            own = np.einsum("mip,ij,mjq->pq", vx, d, vx)
            found[a] += len(r) * np.trace(v @ d) - np.trace(Phi @ own) - np.einsum("mi,ij,mj->", r, d, r)
    return found


def _hessian(patterns: list[_Pattern], basis: FloatArray, theta: FloatArray) -> FloatArray:
    """Return the second derivatives by central differences of the gradient, of fourth order in the step."""
    step = 5e-4 * np.abs(np.tensordot(theta, basis, axes=1).diagonal()).mean()
    columns: list[FloatArray] = []
    for a in range(len(theta)):
        moved = np.eye(len(theta))[a] * step
        near, far = (
            gradient(patterns, basis, theta + k * moved) - gradient(patterns, basis, theta - k * moved) for k in (1, 2)
        )
        columns.append((8 * near - far) / (12 * step))
    found = np.stack(columns)
    return np.asarray((found + found.T) / 2)


def _settled(patterns: list[_Pattern], basis: FloatArray, theta: FloatArray) -> FloatArray:
    """Return the parameters at which the restricted likelihood is greatest, by damped Newton steps."""
    value = minus_twice_loglik(patterns, basis, theta)
    for _ in range(100):
        slope, curve = gradient(patterns, basis, theta), _hessian(patterns, basis, theta)
        spread, turn = np.linalg.eigh(curve)
        floor = 1e-3 * np.abs(spread).max()
        step = turn @ ((turn.T @ slope) / np.maximum(np.abs(spread), floor if spread.min() <= 0 else 0.0))
        length = 1.0
        while (new := minus_twice_loglik(patterns, basis, theta - length * step)) > value + 1e-9 and length > 1e-8:
            length /= 2
        theta, value = theta - length * step, min(new, value)
        if abs(float(slope @ step)) < 1e-16 * max(1.0, abs(value)) or length <= 1e-8:
            break
    else:
        raise ValueError("the covariance did not settle in 100 Newton steps")
    if abs(float(slope @ step)) > 1e-8:
        raise ValueError("the covariance did not settle")
    return theta


def _pieces(
    patterns: list[_Pattern], basis: FloatArray, theta: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return Phi (p, p), P_i = -X'V'D_iV'X (k, p, p) and Q_ij = X'V'D_iV'D_jV'X (k, k, p, p), V' the inverse of V."""
    k, p = len(basis), patterns[0].X.shape[2]
    inverse = _inverses(patterns, basis, theta)
    P, Q = np.zeros((k, p, p)), np.zeros((k, k, p, p))
    for one, v in zip(patterns, inverse, strict=True):
        D = [one.seen @ each @ one.seen.T for each in basis]
        for i in range(k):
            P[i] -= np.einsum("mip,ij,mjq->pq", one.X, v @ D[i] @ v, one.X)
            for j in range(k):
                Q[i, j] += np.einsum("mip,ij,mjq->pq", one.X, v @ D[i] @ v @ D[j] @ v, one.X)
    return _generalised_least_squares(patterns, inverse)[0], P, Q
