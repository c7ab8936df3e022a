"""Bootstrap intervals of standardised risk differences and ratios: all resamples fitted at once.

Units are drawn with replacement within each arm, whose sizes stay those of the trial, and the whole procedure of
`logistic` is carried out on each resample: maximum likelihood, Firth's penalised likelihood where that does not exist.
A resample is a weight for each unit, so that one product of matrices gives the information of all of them.

Limits are bias-corrected and accelerated (Efron 1987, JASA 82:171-185): unlike percentiles they correct for bias and
skewness to the second order, and unlike studentised limits they are the same on every scale, so that those of a ratio
and of its logarithm agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.linear_design import in_arm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

NEWTON_STEPS = 25
"""maximum likelihood that has not converged by then does not exist: where it does, the last steps are quadratic"""
FIRTH_STEPS = 300
SHORTEST_STEP = 1e-7
LONGEST_STEP = 5.0
"""on the scale of log odds"""
RIDGE = 1e-10
"""added to the information where a resample lacks a stratum; the score there is zero, and predictions stay the same"""
FEWEST = 0.9
"""share of the resamples that must have an estimate for limits to be given"""


@dataclass(frozen=True)
class BootstrapLimits:
    """Limits of one arm's risk difference and risk ratio to the reference.

    Attributes:
        difference: lower and upper limit.
        ratio: lower and upper limit.
        resamples: those that have an estimate.
        penalised: those of them that Firth's penalised likelihood was needed for.
    """

    difference: tuple[float, float]
    ratio: tuple[float, float]
    resamples: int
    penalised: int


def bootstrap_risks(
    X: FloatArray,
    y: FloatArray,
    column: Mapping[str, int],
    resamples: int,
    conf_level: float,
    rng: np.random.Generator,
) -> dict[str, BootstrapLimits]:
    """Return the bootstrap limits of each arm's risk difference and risk ratio to the reference arm.

    Args:
        X: design of full rank, shape (n, p).
        y: zeros and ones, shape (n,).
        column: arm other than the reference → its column of X.
        resamples: how many are drawn.
        conf_level: as 0.95.
        rng: what draws them.
    """
    stratum = X[:, list(column.values())] @ np.arange(1.0, len(column) + 1)
    n = len(y)
    weights = np.zeros((resamples, n))
    for at in (np.flatnonzero(stratum == value) for value in np.unique(stratum)):
        weights[:, at] = rng.multinomial(at.size, np.full(at.size, 1 / at.size), size=resamples)
    everyone = np.concatenate([np.ones((1, n)), 1 - np.eye(n), weights])
    beta, penalised = _fit(X, y, everyone)
    reference = _risk(in_arm(X, column, ""), beta, everyone)
    found = {}
    for arm in column:
        own = _risk(in_arm(X, column, arm), beta, everyone)
        with np.errstate(divide="ignore", invalid="ignore"):
            both = own - reference, np.log(own / reference)
        difference, log_ratio = (
            accelerated(float(values[0]), values[1 : n + 1], values[n + 1 :], stratum, conf_level) for values in both
        )
        drawn = np.isfinite(both[0][n + 1 :])
        ratio = float(np.exp(log_ratio[0])), float(np.exp(log_ratio[1]))
        found[arm] = BootstrapLimits(difference, ratio, int(drawn.sum()), int((penalised[n + 1 :] & drawn).sum()))
    return found


def accelerated(
    estimate: float, left_out: FloatArray, resampled: FloatArray, stratum: FloatArray, conf_level: float
) -> tuple[float, float]:
    """Return bias-corrected and accelerated limits; NaN where they are not determined.

    Args:
        estimate: of the data.
        left_out: without each unit in turn, shape (n,).
        resampled: of the resamples, NaN where there is none, shape (B,).
        stratum: within which the resamples were drawn, shape (n,).
        conf_level: as 0.95.

    The acceleration is that of several samples, from the jackknife within each (Davison and Hinkley 1997, Bootstrap
    Methods and their Application, section 5.3).
    """
    from scipy.stats import norm

    drawn = resampled[np.isfinite(resampled)]
    if drawn.size < FEWEST * resampled.size or not (np.isfinite(estimate) and np.isfinite(left_out).all()):
        return nan, nan
    below = float((drawn < estimate).mean() + (drawn == estimate).mean() / 2)
    if not 0 < below < 1:
        return nan, nan
    cubes, squares = 0.0, 0.0
    for value in np.unique(stratum):
        own = left_out[stratum == value]
        influence = (own.size - 1) * (own.mean() - own) / own.size
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    bias = float(norm.ppf(below))
    z = bias + np.asarray(norm.ppf([0.5 - conf_level / 2, 0.5 + conf_level / 2]), dtype=np.float64)
    limits = np.quantile(drawn, norm.cdf(bias + z / (1 - acceleration * z)))
    return float(limits[0]), float(limits[1])


def _risk(rows: FloatArray, beta: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the standardised risk of each resample, shape (B,)."""
    from scipy.special import expit

    return np.asarray((weights * expit(beta @ rows.T)).sum(axis=1) / weights.sum(axis=1), dtype=np.float64)


def _fit(X: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Fit a logistic regression to each row of weights.

    Returns:
        Coefficients, shape (B, p), NaN where neither likelihood converged; and which are penalised, shape (B,).
    """
    beta, done = _iterate(X, y, weights, NEWTON_STEPS, firth=False)
    again = ~done
    if again.any():
        beta[again], settled = _iterate(X, y, weights[again], FIRTH_STEPS, firth=True)
        beta[np.flatnonzero(again)[~settled]] = nan
    return beta, again


def _iterate(
    X: FloatArray, y: FloatArray, weights: FloatArray, steps: int, *, firth: bool
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return coefficients after Newton steps on the (penalised) likelihood, and where these have settled."""
    from scipy.special import expit

    p = X.shape[1]
    products = (X[:, :, None] * X[:, None, :]).reshape(len(X), p * p)
    beta, settled = np.zeros((len(weights), p)), np.zeros(len(weights), dtype=bool)
    for _ in range(steps):
        at = np.flatnonzero(~settled)
        if not at.size:
            break
        w, eta = weights[at], beta[at] @ X.T
        probability, variance = expit(eta), expit(eta) * expit(-eta)
        residual = y - probability
        information = ((w * variance) @ products).reshape(-1, p, p) + RIDGE * np.eye(p)
        if firth:
            leverage = variance * (np.linalg.inv(information).reshape(-1, p * p) @ products.T)
            residual = residual + leverage * (0.5 - probability)
            information = ((w * variance * (1 + leverage)) @ products).reshape(-1, p, p) + RIDGE * np.eye(p)
        step = np.linalg.solve(information, ((w * residual) @ X)[:, :, None])[:, :, 0]
        length = np.abs(step).max(axis=1)
        beta[at] += step * np.minimum(1.0, LONGEST_STEP / np.maximum(length, SHORTEST_STEP))[:, None]
        settled[at] = length < SHORTEST_STEP
    return beta, settled
