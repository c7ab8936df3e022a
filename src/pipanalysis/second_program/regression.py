"""Ordinary regression by the normal equations, with model-based or heteroscedasticity-consistent standard errors."""

from __future__ import annotations

import numpy as np

from pipanalysis.second_program.design import Asked, Design
from pipanalysis.second_program.repeated_measures import Estimate


def least_squares(design: Design, *, robust: bool) -> dict[Asked, Estimate]:
    """Return every difference of an arm from the reference, and every adjusted mean, at the one visit of the design.

    Args:
        design: rows of continuous values at one visit.
        robust: not sigma^2 (X'X)^-1 but MacKinnon and White's HC3 (1985, Journal of Econometrics 29:305-325).
    """
    y, X = design.rows["value"].to_numpy(dtype=float), design.X
    n, p = X.shape
    inverse = np.linalg.inv(X.T @ X)
    residual = y - X @ inverse @ X.T @ y
    if not robust:
        vcov = inverse * (residual @ residual) / (n - p)
    else:
        leverage = np.array([x @ inverse @ x for x in X])
        scaled = X * (residual / (1 - leverage))[:, None]
        vcov = inverse @ (scaled.T @ scaled) @ inverse
    beta = inverse @ X.T @ y
    return {
        asked: Estimate(float(c @ beta), float(np.sqrt(c @ vcov @ c)), float(n - p))
        for asked, c in design.sums().items()
    }
