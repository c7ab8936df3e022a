"""The data of a partially nested model as strata, within which the covariance is a number.

A unit in no cluster has the residual variance of its group. A cluster of m units with residual variance s² and cluster
variance u has the covariance s² I + u J, whose eigenvalues are s² (deviations from the cluster's mean) and s² + m u
(the mean). So the covariance of all observations has an eigenvalue a stratum, linear in the variances,

    λ_k = Σ_a c_ka θ_a,

its eigenspaces do not depend on θ (Nelder 1965, Proceedings of the Royal Society A 283:147-162), and every quantity of
the likelihood is a sum over strata of the cross-products of the data projected on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

type FloatArray = np.ndarray[Any, np.dtype[np.float64]]
type IntArray = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Strata:
    """Strata of the observations.

    Attributes:
        products: cross-products of [X, y] projected on each stratum, shape (strata, p + 1, p + 1).
        dimension: of each stratum, shape (strata,); they sum to the number of observations.
        group: residual variance of each stratum, shape (strata,).
        size: how often the cluster variance is in its eigenvalue (the cluster's size; 0 for none), shape (strata,).
    """

    products: FloatArray
    dimension: FloatArray
    group: IntArray
    size: FloatArray

    @cached_property
    def design_products(self) -> FloatArray:
        """Cross-products of X alone, as rows, shape (strata, p²)."""
        p = self.products.shape[1] - 1
        return np.ascontiguousarray(self.products[:, :p, :p]).reshape(len(self.products), p * p)

    @cached_property
    def member(self) -> FloatArray:
        """Whether a stratum has a residual variance, shape (strata, groups)."""
        return np.asarray(self.group[:, None] == np.arange(int(self.group.max()) + 1), dtype=np.float64)

    @property
    def coefficients(self) -> FloatArray:
        """c: each stratum's eigenvalue by (residual variances, cluster variance), shape (strata, groups + 1)."""
        return np.column_stack([self.member, self.size])


def make_strata(y: FloatArray, X: FloatArray, group: IntArray, cluster: IntArray) -> Strata:
    """Project the data on the strata.

    Args:
        y: response, shape (n,).
        X: design, shape (n, p).
        group: which residual variance each unit has, 0, 1, ..., shape (n,).
        cluster: which cluster it is in, 0, 1, ..., or -1 for none, shape (n,).
    """
    rows = np.column_stack([X, y])
    products, dimension, groups, sizes = [], [], [], []

    def add(part: FloatArray, dim: float, of_group: int, size: float) -> None:
        if dim > 0:
            products.append(part.T @ part)
            dimension.append(dim)
            groups.append(of_group)
            sizes.append(size)

    for g in range(int(group.max()) + 1):
        alone = rows[(group == g) & (cluster < 0)]
        add(alone, len(alone), g, 0.0)
        nested = (group == g) & (cluster >= 0)
        if not nested.any():
            continue
        code = np.unique(cluster[nested], return_inverse=True)[1]
        count = np.bincount(code).astype(np.float64)
        means = np.zeros((count.size, rows.shape[1]))
        np.add.at(means, code, rows[nested])
        means /= count[:, None]
        add(rows[nested] - means[code], float(count.sum() - count.size), g, 0.0)
        for m in np.unique(count):
            own = means[count == m]
            add(np.sqrt(m) * own, float(len(own)), g, float(m))
    return Strata(np.array(products), np.array(dimension), np.array(groups, dtype=np.intp), np.array(sizes))
