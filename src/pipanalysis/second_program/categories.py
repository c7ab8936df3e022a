"""Categorical outcomes by a general maximiser: the multinomial logistic likelihood, plain or with Jeffreys' penalty.

Two levels are the binary case, and Jeffreys' penalty is then Firth's. Standard errors of what is made of the
coefficients come from numerical derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipanalysis.second_program.design import FloatArray

STEP = 1e-3
"""of differences of fourth order, in units in which what is differentiated turns slowly"""
SCORING_STEPS = 50
"""from where the general maximiser ends"""


@dataclass(frozen=True)
class Fit:
    """Coefficients of the levels after the first, shape (K - 1, p), and the covariance of them row after row."""

    beta: FloatArray
    vcov: FloatArray


def shares(X: FloatArray, beta: FloatArray) -> FloatArray:
    """Return the probability of each level for each row of X, shape (n, K)."""
    weight = np.exp(np.column_stack([np.zeros(len(X)), X @ beta.T]))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def information(X: FloatArray, beta: FloatArray) -> FloatArray:
    """Return the information of beta, row after row: a sum over units of covariance of levels times x x'."""
    p = shares(X, beta)[:, 1:]
    covariance = p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :]
    found = np.einsum("nab,ni,nj->aibj", covariance, X, X, optimize=True)
    return np.asarray(found.reshape(beta.size, beta.size))


def maximise(X: FloatArray, level: FloatArray, *, penalty: bool) -> Fit:
    """Fit by maximum likelihood, or by that times the root of the information's determinant.

    Args:
        X: design, shape (n, p).
        level: 0 to K - 1, every level taken, shape (n,).
        penalty: with Jeffreys' penalty.

    Raises:
        ValueError: no maximum was found.
    """
    level = level.astype(int)
    k, p = int(level.max()), X.shape[1]
    scale = np.maximum(np.abs(X).max(axis=0), 1e-12)
    Z = X / scale

    def loss(theta: FloatArray) -> float:
        beta = theta.reshape(k, p)
        value = float(np.log(shares(Z, beta)[np.arange(len(Z)), level]).sum())
        if penalty:
            value += float(np.linalg.slogdet(information(Z, beta))[1]) / 2
        return -value

    def slope(theta: FloatArray) -> FloatArray:
        return derivatives(loss, theta, np.full(theta.size, STEP))

    def rough(theta: FloatArray) -> FloatArray:
        moved = np.eye(theta.size) * 1e-5
        return np.array([(loss(theta + m) - loss(theta - m)) / 2e-5 for m in moved])

    from scipy.optimize import minimize

    with np.errstate(all="ignore"):
        theta = minimize(loss, np.zeros(k * p), jac=rough, method="BFGS", options={"gtol": 1e-5}).x
    if not np.isfinite(loss(theta)) or np.abs(slope(theta)).max() > 1e-4:
        raise ValueError("no maximum of the likelihood was found")
    for _ in range(SCORING_STEPS):
        step = np.linalg.solve(information(Z, theta.reshape(k, p)), slope(theta))
        theta = theta - step
        if np.abs(step).max() < 1e-11:
            break
    unscale = np.tile(1 / scale, k)
    vcov = np.linalg.inv(information(Z, theta.reshape(k, p))) * np.outer(unscale, unscale)
    return Fit(theta.reshape(k, p) / scale, vcov)


def derivatives(quantity: Callable[[FloatArray], float], at: FloatArray, steps: FloatArray) -> FloatArray:
    """Return the derivatives of a function of numbers (k,) by each of them, by differences of fourth order."""
    found = []
    for move in np.diag(steps):
        near, far = (quantity(at + m * move) - quantity(at - m * move) for m in (1, 2))
        found.append((8 * near - far) / (12 * move.sum()))
    return np.array(found)


def standardised(X: FloatArray, arms: dict[str, int], beta: FloatArray) -> dict[str, FloatArray]:
    """Return the mean probability of each level had all rows been in an arm; "" is the reference.

    Args:
        X: design, shape (n, p).
        arms: arm other than the reference → its column of X.
        beta: coefficients, shape (K - 1, p).
    """
    found = {}
    for arm in ("", *arms):
        rows = X.copy()
        for other, column in arms.items():
            rows[:, column] = float(other == arm)
        found[arm] = shares(rows, beta).mean(axis=0)
    return found


def with_error(fit: Fit, quantity: Callable[[FloatArray], float]) -> tuple[float, float]:
    """Return a function of the coefficients and its standard error by the delta method, derivatives by differences.

    Args:
        fit: the coefficients and their covariance.
        quantity: takes coefficients of shape (K - 1, p), gives a number.
    """
    shape = fit.beta.shape
    steps = STEP * np.sqrt(fit.vcov.diagonal())
    slope = derivatives(lambda beta: quantity(beta.reshape(shape)), fit.beta.ravel(), steps)
    return float(quantity(fit.beta)), float(np.sqrt(slope @ fit.vcov @ slope))


def separated(X: FloatArray, level: FloatArray) -> bool:
    """Tell whether some direction of the coefficients never lowers the likelihood, so that it has no maximum.

    Args:
        X: design, shape (n, p).
        level: 0 to K - 1, every level taken, shape (n,).

    A linear programme: the direction that raises the sum of the units' own linear predictors over the others most,
    lowering none, within a box; there is one exactly where the optimum is above zero.
    """
    level = level.astype(int)
    k, p = int(level.max()), X.shape[1]
    rows = []
    for x, own in zip(X, level, strict=True):
        for other in range(k + 1):
            if other != own:
                ahead = np.zeros((k + 1, p))
                ahead[own] += x
                ahead[other] -= x
                rows.append(ahead[1:].ravel())
    A = np.array(rows)
    from scipy.optimize import linprog

    found = linprog(-A.sum(axis=0), A_ub=-A, b_ub=np.zeros(len(A)), bounds=(-1, 1))
    return bool(np.sum(A @ found.x) > 1e-8)
