"""Cluster-robust covariance of least squares in few clusters: CR2, with Satterthwaite degrees of freedom.

The plain sandwich is too small in few clusters, and its t statistic has fewer degrees of freedom than clusters less
one. Bell and McCaffrey (2002, Survey Methodology 28:169-181) adjust the residuals so that the estimate is unbiased
where errors are independent with one variance, and match the degrees of freedom of each estimate to its variance
under that working model. Where clusters are levels of a factor of the model, the generalised inverse root of
Pustejovsky and Tipton (2018, Journal of Business & Economic Statistics 36:672-683) takes the inverse root's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

FEW_CLUSTERS = 20
"""clusters below which the reader is warned: the lower end of where Cameron and Miller (2015, Journal of Human
Resources 50:317-372) say that few ends, 20 to 50"""
FEW_DF = 4
"""degrees of freedom below which the t distribution is a poor approximation (Tipton 2015, Psychological Methods
20:375-393)"""
NULL = 1e-10
"""eigenvalue of a cluster's residual projection that is zero but for rounding"""


@dataclass(frozen=True)
class ClusterRobust:
    """Covariance of k weighted sums of coefficients, robust to correlation within clusters.

    Attributes:
        vcov: shape (k, k).
        df: Satterthwaite degrees of freedom of each sum, shape (k,); NaN where the clusters do not inform its
            variance.
        n_clusters: clusters.
    """

    vcov: FloatArray
    df: FloatArray
    n_clusters: int


def cluster_robust(
    X: FloatArray, residual: FloatArray, cluster: NDArray[np.intp], weights: FloatArray
) -> ClusterRobust:
    """Return the CR2 covariance of weighted sums of least-squares coefficients and their degrees of freedom.

    Args:
        X: design of full rank, shape (n, p).
        residual: residuals of the least-squares fit, shape (n,).
        cluster: code of the cluster of each row, shape (n,).
        weights: of the coefficients in each sum, shape (k, p).
    """
    bread = np.linalg.inv(X.T @ X) @ weights.T
    rows = [np.flatnonzero(cluster == code) for code in np.unique(cluster)]
    Q = np.linalg.qr(X)[0]
    scores = np.empty((len(rows), len(weights)))
    parts = np.empty((len(weights), len(rows), X.shape[0]))
    for g, own in enumerate(rows):
        adjusted = _inverse_root(np.eye(own.size) - Q[own] @ Q[own].T) @ X[own] @ bread  # rows by sums
        scores[g] = residual[own] @ adjusted
        # the cluster's part of each sum, as a combination of all independent errors: (I - H)' A X bread
        parts[:, g] = -(Q @ (Q[own].T @ adjusted)).T
        parts[:, g, own] += adjusted.T
    gram = parts @ parts.transpose(0, 2, 1)
    trace, squares = np.trace(gram, axis1=1, axis2=2), (gram**2).sum(axis=(1, 2))
    known = squares > 0
    df = np.where(known, trace**2 / np.where(known, squares, 1.0), np.nan)
    return ClusterRobust(scores.T @ scores, df, len(rows))


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """Symmetric inverse square root, generalised."""
    values, vectors = np.linalg.eigh(matrix)
    safe = np.where(values > NULL, values, 1.0)
    return np.asarray((vectors * np.where(values > NULL, safe**-0.5, 0.0)) @ vectors.T)
