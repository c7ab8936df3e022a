"""REML of the partially nested model, with the cluster variance allowed to be zero, and its inference."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipanalysis.partially_nested.likelihood import (
    Point,
    at,
    degrees_of_freedom,
    expected_information,
    kenward_roger,
)
from pipanalysis.partially_nested.strata import FloatArray, IntArray, Strata, make_strata

GRID = np.array([0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.99])
"""intraclass correlations that the maximum is looked for between"""
LARGEST = 0.999
"""intraclass correlation that counts as one"""
DECREMENT = 1e-9
"""squared decrement of minus twice the log-likelihood at which the residual variances have converged, but for a step"""
ROUNDING = 1e-12
"""relative change of the deviance that is rounding error"""
STEPS = 100
NO_VARIANCE = 1e-12
"""share of the total sum of squares below which a residual sum of squares is rounding error"""


class NotEstimableError(Exception):
    """Variances that these data say nothing about; the message says which."""


@dataclass(frozen=True)
class PartiallyNestedFit:
    """A fitted model.

    Attributes:
        beta: coefficients, shape (p,).
        variance_residual: residual variance of each group, shape (groups,).
        variance_cluster: variance between clusters; 0 where the likelihood is highest there.
        icc: intraclass correlation of units in a cluster.
        deviance: minus twice the restricted log-likelihood, with all constants.
        group: the group that has the clusters.
    """

    beta: FloatArray
    variance_residual: FloatArray
    variance_cluster: float
    icc: float
    deviance: float
    group: int
    _strata: Strata = field(repr=False)
    _point: Point = field(repr=False)
    _back: FloatArray = field(repr=False)
    _scale: float = field(repr=False)

    @cached_property
    def _vcov_variances(self) -> FloatArray:
        return np.linalg.inv(expected_information(self._strata, self._point))

    @cached_property
    def vcov(self) -> FloatArray:
        """Kenward and Roger's covariance of the coefficients, shape (p, p).

        The cluster variance counts as estimated where the estimate is zero too: that it is zero is not known.
        """
        own = kenward_roger(self._strata, self._point, self._vcov_variances)
        return np.asarray(self._back @ own @ self._back.T * self._scale**2)

    @cached_property
    def vcov_model(self) -> FloatArray:
        """Covariance of the coefficients at the estimated variances, (X'V⁻¹X)⁻¹, shape (p, p)."""
        return np.asarray(self._back @ self._point.phi @ self._back.T * self._scale**2)

    def df(self, contrast: FloatArray) -> float:
        """Return the degrees of freedom of a contrast of the coefficients, shape (p,)."""
        return degrees_of_freedom(self._strata, self._point, self._vcov_variances, self._back.T @ contrast)

    def icc_interval(self, level: float) -> tuple[float, float]:
        """Return profile likelihood limits of the intraclass correlation, within 0 and 1.

        The values that a likelihood ratio test does not reject by the chi-square distribution with one degree of
        freedom. It keeps to the range of a correlation and is asymmetric, as few clusters make it; at zero, where the
        distribution is a mixture with half its mass at 0 (Self and Liang 1987), it is conservative.
        """
        from scipy.optimize import brentq
        from scipy.stats import chi2

        least = _profile(self._strata, self.group, self.icc).deviance
        highest = least + float(chi2.ppf(level, 1))

        def excess(icc: float) -> float:
            return _profile(self._strata, self.group, icc).deviance - highest

        low = 0.0 if self.icc == 0 or excess(0.0) <= 0 else float(brentq(excess, 0.0, self.icc, xtol=1e-7))
        high = 1.0 if excess(LARGEST) <= 0 else float(brentq(excess, self.icc, LARGEST, xtol=1e-7))
        return low, high


def fit_partially_nested(y: FloatArray, X: FloatArray, group: IntArray, cluster: IntArray) -> PartiallyNestedFit:
    """Fit y = Xβ + cluster effect + residual by REML, the residual variance differing between groups.

    The heteroscedastic partially nested model of Candlish et al. (2018), BMC Medical Research Methodology 18:105,
    where the groups are the arms; one group for all gives the homoscedastic one.

    Args:
        y: response, shape (n,).
        X: design of full rank, shape (n, p).
        group: which residual variance a unit has, 0, 1, ..., shape (n,).
        cluster: which cluster a unit is in, -1 for none; all clustered units are of one group, shape (n,).

    Raises:
        NotEstimableError: a variance that the data say nothing about.
        ValueError: clusters in more than one group.
    """
    nested = cluster >= 0
    owners = np.unique(group[nested])
    if owners.size > 1:
        raise ValueError("clusters in more than one group")
    _check(y, X, group, cluster)
    own = int(owners[0])
    Q, R = np.linalg.qr(X)
    least_squares = Q.T @ y
    residual = y - Q @ least_squares
    scale = float(np.sqrt((residual @ residual) / (len(y) - X.shape[1])))
    # residuals in standard deviations, and orthonormal columns: a large mean or odd units then cost no digits
    strata = make_strata(residual / scale, Q, group, cluster)
    icc = _maximum(strata, own)
    point = _profile(strata, own, icc)
    back = np.linalg.inv(R)
    variance = _residual_variances(strata, own, icc, point)
    return PartiallyNestedFit(
        beta=back @ (least_squares + point.beta * scale),
        variance_residual=variance * scale**2,
        variance_cluster=float(variance[own] * icc / (1 - icc)) * scale**2,
        icc=icc,
        # in the units of y and X: the residuals' scale, and from Q to X in log|X'V⁻¹X|
        deviance=point.deviance
        + 2 * (len(y) - X.shape[1]) * float(np.log(scale))
        + 2 * float(np.log(np.abs(np.diag(R))).sum()),
        group=own,
        _strata=strata,
        _point=point,
        _back=back,
        _scale=scale,
    )


def _check(y: FloatArray, X: FloatArray, group: IntArray, cluster: IntArray) -> None:
    """Raise NotEstimableError where a residual variance or the cluster variance has no degrees of freedom."""
    nested = cluster >= 0
    sizes = np.unique(cluster[nested], return_counts=True)[1]
    if sizes.size < 2:
        raise NotEstimableError(f"a variance between clusters needs two clusters, found {sizes.size}")
    if sizes.max() < 2:
        raise NotEstimableError("no cluster has two units: its variance cannot be told from the residual one")
    if len(y) <= X.shape[1]:
        raise NotEstimableError(f"{len(y)} observations for {X.shape[1]} coefficients")
    total = float(((y - y.mean()) ** 2).sum())
    for g in range(int(group.max()) + 1):
        own = group == g
        n, rank = int(own.sum()), int(np.linalg.matrix_rank(X[own])) if own.any() else 0
        if n <= rank:
            raise NotEstimableError(f"{n} observations of a group for {rank} coefficients: no residual variance")
        residual = y[own] - X[own] @ np.linalg.lstsq(X[own], y[own], rcond=None)[0]
        if float(residual @ residual) <= NO_VARIANCE * total:
            raise NotEstimableError("a group without residual variance")


def _maximum(strata: Strata, own: int) -> float:
    """Return the intraclass correlation of the highest profile likelihood, 0 where it falls from there.

    Raises:
        NotEstimableError: the likelihood rises without end.
    """
    from scipy.optimize import brentq, minimize_scalar

    profile = [_profile(strata, own, icc) for icc in GRID]
    best = int(np.argmin([point.deviance for point in profile]))
    if best == 0 and _slope(strata, own, 0.0, profile[0]) >= 0:
        return 0.0

    def slope(icc: float) -> float:
        return _slope(strata, own, icc, _profile(strata, own, icc))

    low, high = float(GRID[max(best - 1, 0)]), float(GRID[best + 1]) if best + 1 < GRID.size else LARGEST
    if high == LARGEST and slope(high) <= 0:
        raise NotEstimableError("the likelihood has no maximum: next to no variation within clusters")
    if slope(low) < 0 < slope(high):
        return float(brentq(slope, low, high, xtol=1e-13))
    # more than one maximum between the neighbours of the highest point
    found = minimize_scalar(
        lambda icc: _profile(strata, own, icc).deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-9}
    )
    return float(found.x)


def _shape(strata: Strata, own: int, icc: float) -> FloatArray:
    """Return each stratum's eigenvalue over the total variance of a clustered unit (over the residual elsewhere)."""
    return np.where(strata.group == own, 1 - icc + strata.size * icc, 1.0)


def _profile(strata: Strata, own: int, icc: float) -> Point:
    """Return the maximum of the likelihood over the groups' variances at an intraclass correlation.

    Scoring steps in the logarithms of the variances, halved where the likelihood does not rise.
    """
    shape, member = _shape(strata, own, icc), strata.member
    dimension = member.T @ strata.dimension
    p = strata.products.shape[1] - 1
    first = at(strata, shape)
    log = np.log((member.T @ (first.squares / shape)) / dimension)
    point = at(strata, shape * np.exp(member @ log))
    for _ in range(STEPS):
        weighted = (member / point.variances[:, None]).T @ strata.design_products
        shares = point.phi @ weighted.reshape(-1, p, p)
        flat = shares.reshape(len(shares), -1)
        information = np.diag(dimension - 2 * np.trace(shares, axis1=1, axis2=2))
        information += flat @ shares.transpose(0, 2, 1).reshape(len(shares), -1).T
        gradient = member.T @ (point.slope * point.variances)
        step = -np.linalg.solve(information, gradient)
        decrement = -float(step @ gradient)
        if decrement < DECREMENT:
            return at(strata, shape * np.exp(member @ (log + step)))
        for _ in range(STEPS):
            tried = at(strata, shape * np.exp(member @ (log + step)))
            if tried.deviance <= point.deviance + ROUNDING * abs(point.deviance):
                break
            step = step / 2
        log, point = log + step, tried
    raise NotEstimableError("the residual variances did not converge")


def _residual_variances(strata: Strata, own: int, icc: float, point: Point) -> FloatArray:
    """Return the residual variance of each group at a point of the profile, shape (groups,)."""
    unit = point.variances / _shape(strata, own, icc)
    found = np.array([unit[strata.group == g][0] for g in range(strata.member.shape[1])])
    found[own] *= 1 - icc
    return found


def _slope(strata: Strata, own: int, icc: float, point: Point) -> float:
    """Return the derivative of the profile deviance by the intraclass correlation (the others are at their maximum)."""
    total = point.variances / _shape(strata, own, icc)
    return float((point.slope * np.where(strata.group == own, total * (strata.size - 1), 0.0)).sum())
