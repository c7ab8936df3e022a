"""Where the search for the maximum of a likelihood by patterns begins."""

from collections.abc import Sequence

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.crossproducts import CrossProducts


def pairwise_covariances(data: CrossProducts, groups: Sequence[slice], *, reml: bool) -> list[FloatArray]:
    """Covariances (t, t) of y between pairs of visits, made positive definite; a matrix for each group of patterns.

    Under REML with n / (n - p), which on complete data with a mean for each visit is the solution.
    """
    t = data.n_visits
    n, p = float(data.counts @ data.observed.sum(1)), data.n_columns - 1
    factor = n / (n - p) if reml else 1.0
    observed = data.observed.astype(float)
    sums = np.zeros((len(data.counts), t, t))
    if data.large.size:
        pairs = data.pairs
        own = data.large[pairs.pattern]
        # the last entry of the triangle is the square of the last column, y
        sums[own, pairs.row, pairs.column] = sums[own, pairs.column, pairs.row] = data.products[:, -1]
    if data.rows is not None:
        y = data.rows.z[:, :, -1]
        sums[data.rows.patterns] = np.add.reduceat(y[:, :, None] * y[:, None, :], data.rows.bounds, axis=0)
    return [factor * _positive_definite(sums[g].sum(0), (observed[g].T * data.counts[g]) @ observed[g]) for g in groups]


def _positive_definite(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """Mean cross-products, drawn towards a diagonal matrix until well inside the positive definite ones."""
    moments = sums / np.maximum(counts, 1.0)
    variances = np.diagonal(moments).copy()
    floor = 1e-4 * variances.max() if variances.max() > 0 else 1.0
    variances = np.where(variances > floor, variances, variances[variances > floor].mean() if floor < 1 else 1.0)
    sd = np.sqrt(variances)
    correlation = np.clip(moments / np.multiply.outer(sd, sd), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest < 0.05:
        shrink = 0.95 / (1.0 - smallest)
        correlation = shrink * correlation
        np.fill_diagonal(correlation, 1.0)
    return correlation * np.multiply.outer(sd, sd)
