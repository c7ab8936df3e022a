"""Coefficients of reliability: internal consistency of items and agreement of two coders.

The limits are computed here, at the plan's confidence level: pingouin rounds alpha's to three decimals, those of the
intraclass correlation to two, and gives the latter at 95% only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.estimate.newton import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray


@dataclass(frozen=True)
class Coefficient:
    """A coefficient with its limits; NaN, and the reason in `error`, where there is none."""

    value: float
    low: float
    high: float
    error: str = ""


@dataclass(frozen=True)
class MeanSquares:
    """Two-way analysis of variance of targets by raters, one rating each: Shrout and Fleiss (1979), table 3.

    Attributes:
        targets: between targets (BMS).
        raters: between raters (JMS).
        residual: residual (EMS).
        within: within targets (WMS).
        n: targets.
        k: raters.
    """

    targets: float
    raters: float
    residual: float
    within: float
    n: int
    k: int


def cronbach_alpha(items: FloatArray, conf_level: float) -> Coefficient:
    """Return Cronbach's alpha of complete forms (pingouin) with Feldt's limits.

    Args:
        items: shape (forms, items), reversed where the key says so, without missing values.
        conf_level: as 0.95.

    Limits: 1 - (1 - alpha) F, F being the quantiles of the F distribution with n - 1 and (n - 1)(k - 1) degrees of
    freedom (Feldt 1965, Psychometrika 30:357, equation 17).
    """
    import pandas as pd
    import pingouin as pg
    from scipy.stats import f

    n, k = items.shape
    if k < 2:
        return Coefficient(nan, nan, nan, "one item has no internal consistency")
    if n < 2:
        return Coefficient(nan, nan, nan, f"too few complete forms ({n}; 2 needed)")
    if np.ptp(items.sum(axis=1)) == 0:
        return Coefficient(nan, nan, nan, f"no variation: the items of all {n} complete forms have the same sum")
    alpha = float(pg.cronbach_alpha(pd.DataFrame(items))[0])
    tail = (1 - conf_level) / 2
    df1, df2 = n - 1, (n - 1) * (k - 1)
    return Coefficient(
        alpha, 1 - (1 - alpha) * float(f.isf(tail, df1, df2)), 1 - (1 - alpha) * float(f.ppf(tail, df1, df2))
    )


def mcdonald_omega(items: FloatArray) -> Coefficient:
    """Return McDonald's omega of complete forms, without limits: the share of one common factor in the items' sum.

    Args:
        items: shape (forms, items), reversed where the key says so, without missing values.

    (sum of loadings)² over itself plus the unique variances, all in units of the items (McDonald 1999, Test Theory,
    equation 6.20). Loadings are those of one factor by least squares of the correlations off the diagonal (minres;
    Harman and Jones 1966, Psychometrika 31:351), which many items on few forms leave defined. Items without variation
    have no part in either.
    """
    n, k = items.shape
    spread = items.std(axis=0, ddof=1) if n > 1 else np.zeros(k)
    varied = items[:, spread > 0]
    if n < 3:
        return Coefficient(nan, nan, nan, f"too few complete forms ({n}; 3 needed)")
    if varied.shape[1] < 3:
        return Coefficient(nan, nan, nan, f"one factor needs 3 items that vary, not {varied.shape[1]}")
    loadings = one_factor(np.asarray(np.corrcoef(varied, rowvar=False)))
    if loadings is None:
        return Coefficient(nan, nan, nan, "no solution by one factor with all unique variances above zero")
    common = float(loadings @ spread[spread > 0]) ** 2
    unique = float((1 - loadings**2) @ spread[spread > 0] ** 2)
    return Coefficient(common / (common + unique), nan, nan)


def one_factor(correlation: FloatArray) -> FloatArray | None:
    """Return the loadings of one factor by minimum residuals, shape (k,), their sum not negative.

    None where a unique variance is not above zero (a Heywood case), or no minimum was found.
    """
    from scipy.optimize import minimize

    def loss(loadings: FloatArray) -> tuple[float, FloatArray]:
        rest = correlation - np.outer(loadings, loadings)
        np.fill_diagonal(rest, 0.0)
        return float((rest**2).sum()), -4 * rest @ loadings

    values, vectors = np.linalg.eigh(correlation)
    start = np.clip(vectors[:, -1] * np.sqrt(values[-1]), -0.95, 0.95)
    limits = [(-1.0, 1.0)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-12, "gtol": 1e-8})
    if (np.abs(found.x) > 1 - 1e-6).any():
        return None

    def curvature(loadings: FloatArray) -> FloatArray:
        hessian = -4 * (correlation - 2 * np.outer(loadings, loadings))
        np.fill_diagonal(hessian, 4 * (loadings @ loadings - loadings**2))
        return hessian

    loadings = settled(lambda at: loss(at)[1], curvature, np.asarray(found.x, dtype=np.float64))
    if np.abs(loss(loadings)[1]).max() > 1e-9 or (np.abs(loadings) > 1 - 1e-6).any():
        return None
    return loadings if loadings.sum() >= 0 else -loadings


def mean_squares(ratings: FloatArray) -> MeanSquares:
    """Return the mean squares of ratings, shape (targets, raters), at least two of each, none missing."""
    n, k = ratings.shape
    grand, by_target, by_rater = ratings.mean(), ratings.mean(axis=1), ratings.mean(axis=0)
    residuals = ratings - by_target[:, None] - by_rater[None, :] + grand
    return MeanSquares(
        targets=float(k * ((by_target - grand) ** 2).sum() / (n - 1)),
        raters=float(n * ((by_rater - grand) ** 2).sum() / (k - 1)),
        residual=float((residuals**2).sum() / ((n - 1) * (k - 1))),
        within=float(((ratings - by_target[:, None]) ** 2).sum() / (n * (k - 1))),
        n=n,
        k=k,
    )


def icc_agreement(ratings: FloatArray, conf_level: float) -> Coefficient:
    """Return ICC(A,1), the two-way random-effects intraclass correlation of single ratings, absolute agreement.

    Args:
        ratings: shape (targets, raters), one row a target, without missing values.
        conf_level: as 0.95.

    ICC(2,1) of Shrout and Fleiss (1979), Psychological Bulletin 86:420; limits of McGraw and Wong (1996),
    Psychological Methods 1:30, table 7, with numerator and denominator of the degrees of freedom multiplied by the
    squared residual mean square, so that they exist where raters differ by a constant alone.
    """
    from scipy.stats import f

    if len(ratings) < 2:
        return Coefficient(nan, nan, nan, f"too few forms coded twice ({len(ratings)}; 2 needed)")
    ms = mean_squares(ratings)
    if np.ptp(ratings) == 0:
        return Coefficient(nan, nan, nan, f"no variation: all {ratings.size} ratings are {ratings.flat[0]:g}")
    n, k, b, j, e = ms.n, ms.k, ms.targets, ms.raters, ms.residual
    icc = (b - e) / (b + (k - 1) * e + k * (j - e) / n)
    if np.array_equal(ratings, np.repeat(ratings[:, :1], k, axis=1)):
        return Coefficient(1.0, 1.0, 1.0)
    tail = (1 - conf_level) / 2
    c = n * (1 + (k - 1) * icc) - k * icc
    top = (n - 1) * (k - 1) * (k * icc * j + c * e) ** 2
    df = top / ((n - 1) * (k * icc * j) ** 2 + (c * e) ** 2)
    f_low, f_high = float(f.isf(tail, n - 1, df)), float(f.isf(tail, df, n - 1))
    spread = k * j + (k * n - k - n) * e
    low = n * (b - f_low * e) / (f_low * spread + n * b)
    high = n * (f_high * b - e) / (spread + n * f_high * b)
    return Coefficient(icc, low, high)


def cohens_kappa(
    first: NDArray[np.object_], second: NDArray[np.object_], levels: Sequence[Any], conf_level: float
) -> Coefficient:
    """Return Cohen's kappa, unweighted (statsmodels).

    Args:
        first: the first coder's levels, shape (forms,), none missing.
        second: the second coder's.
        levels: every possible level.
        conf_level: as 0.95.

    Cohen (1960), Educational and Psychological Measurement 20:37; limits by the large-sample standard error of Fleiss,
    Cohen and Everitt (1969), cut at 1.
    """
    from scipy.stats import norm
    from statsmodels.stats.inter_rater import cohens_kappa as kappa_of

    if not len(first):
        return Coefficient(nan, nan, nan, "no form coded twice")
    counts = np.array([[((first == a) & (second == b)).sum() for b in levels] for a in levels], dtype=np.float64)
    if (counts.sum(axis=0) * counts.sum(axis=1)).sum() == counts.sum() ** 2:
        return Coefficient(nan, nan, nan, f"no variation: all {len(first)} forms are at the same level twice")
    with np.errstate(invalid="ignore"):  # where coders agree throughout, the variance is 0 but for rounding
        found = kappa_of(counts)
    half = float(norm.ppf(0.5 + conf_level / 2)) * max(float(found.var_kappa), 0.0) ** 0.5
    kappa = float(found.kappa)
    return Coefficient(kappa, kappa - half, min(1.0, kappa + half))
