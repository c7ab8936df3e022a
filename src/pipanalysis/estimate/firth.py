"""Firth's penalised likelihood for logistic regression: finite estimates where the data are separated.

The likelihood is multiplied by the root of the determinant of the information (Jeffreys' prior), which removes the
first-order bias of the estimates (Firth 1993, Biometrika 80:27-38) and keeps them finite under separation (Heinze and
Schemper 2002, Statistics in Medicine 21:2409-2419).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.model_result import NotFittedError

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray

MAX_ITERATIONS = 500
LONGEST_STEP = 5.0
"""on the scale of log odds"""
SHORTEST_STEP = 1e-9
HALVINGS = 40
WIDENINGS = 20


@dataclass(frozen=True)
class FirthFit:
    """A fit by penalised likelihood.

    Attributes:
        beta: log odds ratios, shape (p,).
        vcov: inverse of the information at beta, shape (p, p).
        loglik: penalised log-likelihood.
    """

    beta: FloatArray
    vcov: FloatArray
    loglik: float


@dataclass(frozen=True)
class _Point:
    """Penalised log-likelihood at some beta, its gradient, the information, and that of the augmented data."""

    loglik: float
    score: FloatArray
    information: FloatArray
    augmented: FloatArray


def firth(
    X: FloatArray, y: FloatArray, fixed: dict[int, float] | None = None, start: FloatArray | None = None
) -> FirthFit:
    """Maximise the penalised likelihood of a logistic regression.

    Args:
        X: design of full rank, shape (n, p).
        y: zeros and ones, shape (n,).
        fixed: column of X → value that its coefficient is held at; the penalty stays that of all columns.
        start: coefficients to begin from, shape (p,); zero by default.

    Firth's modified score is X'(y - π + h(1/2 - π)), h the leverages: the score of data to which each unit adds h/2 of
    an event and h/2 of none. Steps are by the information of those data, X'W(1 + h)X (with X'WX alone the steps do not
    shrink where a unit has leverage one), halved until the penalised likelihood rises.

    Raises:
        NotFittedError: it did not converge.
    """
    fixed = fixed or {}
    beta = np.zeros(X.shape[1]) if start is None else start.copy()
    beta[list(fixed)] = list(fixed.values())
    free = np.array([j for j in range(X.shape[1]) if j not in fixed], dtype=np.intp)
    here = _point(X, y, beta)
    for _ in range(MAX_ITERATIONS):
        step = np.zeros_like(beta)
        try:
            step[free] = np.linalg.solve(here.augmented[np.ix_(free, free)], here.score[free])
        except np.linalg.LinAlgError as error:
            raise NotFittedError(f"Firth's penalised likelihood: {error}") from None
        length = float(np.abs(step).max())
        if length < SHORTEST_STEP:
            return FirthFit(beta, np.linalg.inv(here.information), here.loglik)
        step *= min(1.0, LONGEST_STEP / length)
        for _ in range(HALVINGS):
            there = _point(X, y, beta + step)
            if there.loglik >= here.loglik - 1e-12 * abs(here.loglik):
                break
            step /= 2
        else:
            raise NotFittedError("Firth's penalised likelihood did not rise")
        beta, here = beta + step, there
    raise NotFittedError(f"Firth's penalised likelihood did not converge in {MAX_ITERATIONS} steps")


def _point(X: FloatArray, y: FloatArray, beta: FloatArray) -> _Point:
    from scipy.special import expit

    eta = X @ beta
    probability = expit(eta)
    weighted = X * np.sqrt(expit(eta) * expit(-eta))[:, None]
    Q, R = np.linalg.qr(weighted)
    leverage = (Q**2).sum(axis=1)
    with np.errstate(divide="ignore"):
        penalty = float(np.log(np.abs(np.diag(R))).sum())
    loglik = -float(np.logaddexp(0, (1 - 2 * y) * eta).sum())
    score = X.T @ (y - probability + leverage * (0.5 - probability))
    augmented = weighted.T @ (weighted * (1 + leverage)[:, None])
    return _Point(loglik + penalty, score, weighted.T @ weighted, augmented)


def profile_p_value(X: FloatArray, y: FloatArray, fit: FirthFit, column: int) -> float:
    """Return the P value of the penalised likelihood ratio test that a coefficient is zero."""
    from scipy.stats import chi2

    return float(chi2.sf(max(2 * (fit.loglik - firth(X, y, {column: 0.0}, fit.beta).loglik), 0.0), 1))


def profile_interval(
    X: FloatArray, y: FloatArray, fit: FirthFit, column: int, conf_level: float
) -> tuple[float, float]:
    """Return the profile penalised likelihood limits of a coefficient.

    The values at which twice the drop of the penalised log-likelihood, maximised over the other coefficients, is the
    quantile of chi-squared with one degree of freedom (Heinze and Schemper 2002, section 3). NaN for a limit that is
    not found.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2

    allowed = float(chi2.ppf(conf_level, 1))
    centre, width = float(fit.beta[column]), float(np.sqrt(fit.vcov[column, column]))

    def at(value: float, near: FirthFit) -> FirthFit:
        # from a point near by, so that the profile is followed and not lost to another mode
        return firth(X, y, {column: value}, near.beta)

    def excess(value: float, near: FirthFit) -> float:
        return 2 * (fit.loglik - at(value, near).loglik) - allowed

    def limit(direction: int) -> float:
        inner, outer, near = centre, centre + direction * width, fit
        for _ in range(WIDENINGS):
            if excess(outer, near) > 0:
                return float(brentq(excess, inner, outer, args=(near,), xtol=1e-10))
            inner, outer, near = outer, centre + 1.5 * (outer - centre), at(outer, near)
        return nan

    return limit(-1), limit(1)
