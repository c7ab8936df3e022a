"""The covariance structures over visits: unstructured, and standard deviations around a correlation shape."""

from abc import abstractmethod
from functools import cached_property

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.covariance.base import (
    Coordinates,
    CovarianceStructure,
    Linearisation,
    SecondOrder,
    chain,
    standard_deviations_and_correlation,
)
from pipanalysis.mmrm.covariance.shapes import Jet, Shape


class Scaled(Linearisation):
    """sigma = D M D with D the standard deviations (given by their logarithms) and M a matrix of shape parameters.

    heterogeneous: a standard deviation for each visit, else one for all. fixed_scale: D = 1 and no parameters for it.
    """

    def __init__(self, sd: FloatArray, shape: FloatArray, shape_first: FloatArray, n_scales: int) -> None:
        self.outer = np.multiply.outer(sd, sd)
        self.sigma = shape * self.outer
        self.n_scales = n_scales
        t, m = sd.size, len(shape_first)
        first = np.zeros((n_scales + m, t, t))
        if n_scales == 1:
            first[0] = 2.0 * self.sigma
        elif n_scales:
            visit = np.arange(t)
            first[visit, visit] = self.sigma
            first[visit, :, visit] += self.sigma
        np.multiply(shape_first, self.outer, out=first[n_scales:])
        self._all = self.first = first

    @abstractmethod
    def shape_curvature(self, weights: FloatArray) -> FloatArray:
        """sum_jm weights[j, m] d2 M[j, m] for each pair of shape parameters."""

    def curvature(self, weights: FloatArray) -> FloatArray:
        """(k, k) contraction of the second derivatives with `weights`."""
        n, first = self.n_scales, self._all
        k = len(first)
        result = np.empty((k, k))
        if n == 1:
            result[0, 0] = 4.0 * np.vdot(weights, self.sigma)
            result[0, 1:] = result[1:, 0] = 2.0 * (first[1:] * weights).sum((1, 2))
        elif n:
            product = weights * self.sigma
            result[:n, :n] = 2.0 * product
            result[np.arange(n), np.arange(n)] += 2.0 * product.sum(1)
            cross = 2.0 * (first[n:] * weights).sum(2)
            result[n:, :n] = cross
            result[:n, n:] = cross.T
        result[n:, n:] = self.shape_curvature(weights * self.outer)
        return result


class _UnstructuredAt(Linearisation):
    """sigma = L D L' with L unit lower triangular and D the squares of exp(scores)."""

    def __init__(self, structure: "Unstructured", variances: FloatArray, factor: FloatArray) -> None:
        self.structure, self.variances, self.factor = structure, variances, factor
        t, m = structure.n_visits, structure.row.size
        weighted = (factor * variances).T
        self.sigma = weighted.T @ factor.T
        first = np.empty((t + m, t, t))
        np.multiply(2.0 * weighted[:, :, None], factor.T[:, None, :], out=first[:t])
        rows = np.zeros((m, t, t))
        rows[structure.below, structure.row] = weighted[structure.column]
        np.add(rows, rows.transpose(0, 2, 1), out=first[t:])
        self.first = first[structure.fixed :]

    def curvature(self, weights: FloatArray) -> FloatArray:
        structure = self.structure
        i, j, t = structure.row, structure.column, structure.n_visits
        product = weights @ self.factor * self.variances
        n = t + i.size
        result = np.zeros((n, n))
        result.reshape(-1)[: t * (n + 1) : n + 1] = 4.0 * (self.factor * product).sum(0)
        corner = result[t:, :t]
        corner[structure.below, j] = 4.0 * product[i, j]
        result[:t, t:] = corner.T
        result[t:, t:] = weights[structure.row_pairs] * structure.same_column * (2.0 * self.variances[j])
        return result[structure.fixed :, structure.fixed :]


class _ScaledCholesky(Scaled):
    """sigma = D L L' D with L unit lower triangular: R mmrm's parameters of an unstructured matrix."""

    def __init__(self, structure: "Unstructured", sigma: FloatArray) -> None:
        self.structure = structure
        i, j = structure.row, structure.column
        factor = np.linalg.cholesky(sigma)
        sd = np.diagonal(factor)
        factor = factor / sd[:, None]
        columns = np.zeros((i.size, structure.n_visits, structure.n_visits))
        columns[np.arange(i.size), i] = factor[:, j].T
        super().__init__(sd, factor @ factor.T, columns + columns.transpose(0, 2, 1), structure.n_visits)
        self.first = self.first[structure.fixed :]

    def curvature(self, weights: FloatArray) -> FloatArray:
        fixed = self.structure.fixed
        return super().curvature(weights)[fixed:, fixed:]

    def shape_curvature(self, weights: FloatArray) -> FloatArray:
        i = self.structure.row
        return np.asarray(2.0 * weights[i[:, None], i] * self.structure.same_column)


class Unstructured(CovarianceStructure):
    """Any positive definite matrix, sigma = L D L' with L unit lower triangular.

    The working parameters are half the logarithms of D, the variances of each visit given the earlier ones, and the
    rows of L below the diagonal. Where a visit is nearly determined by the earlier ones, one element of D goes to zero
    and all else stays finite; in D L L' D, which R mmrm has, L would go to infinity. unit_first: the first element is
    fixed at 1 (the second factor of a direct product).
    """

    name = "us"

    def __init__(self, n_visits: int, *, unit_first: bool = False) -> None:
        self.n_visits = t = n_visits
        self.row, self.column = np.tril_indices(t, -1)
        self.unit = np.eye(t)
        self.below = np.arange(self.row.size)
        self.row_pairs = np.ix_(self.row, self.row)
        self.same_column = self.column[:, None] == self.column
        self.fixed = int(unit_first)
        self.n_theta = t - self.fixed + self.row.size
        self.scales = slice(0, t - self.fixed)

    def linearise(self, theta: FloatArray) -> Linearisation:
        """Matrix and derivatives."""
        return _UnstructuredAt(self, *self._decomposed(theta))

    def sigma(self, theta: FloatArray) -> FloatArray:
        """Matrix alone."""
        variances, factor = self._decomposed(theta)
        return (factor * variances) @ factor.T

    def _decomposed(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """D (t,) and L (t, t)."""
        t, fixed = self.n_visits, self.fixed
        variances = np.ones(t)
        np.exp(2.0 * theta[: t - fixed], out=variances[fixed:])
        factor = self.unit.copy()
        factor[self.row, self.column] = theta[t - fixed :]
        return variances, factor

    def start(self, moments: FloatArray) -> FloatArray:
        """Working parameters of `moments` itself (divided by its first element where that is fixed)."""
        factor = np.linalg.cholesky(moments / moments[0, 0] if self.fixed else moments)
        sd = np.diagonal(factor)
        return np.concatenate([np.log(sd[self.fixed :]), (factor / sd)[self.row, self.column]])

    @cached_property
    def elements(self) -> FloatArray:
        """Derivatives of the matrix by its own elements (the lower triangle, row by row)."""
        row, column = np.tril_indices(self.n_visits)
        basis = np.zeros((row.size, self.n_visits, self.n_visits))
        basis[np.arange(row.size), row, column] = basis[np.arange(row.size), column, row] = 1.0
        return basis[self.fixed :]

    def second_order(self, sigma: FloatArray, coordinates: Coordinates) -> SecondOrder:
        """Derivatives by the elements (natural), or by R mmrm's parameters."""
        if coordinates == "natural":
            return SecondOrder(self.elements, None)
        return _full_second_order(_ScaledCholesky(self, sigma))


def _full_second_order(at: Linearisation) -> SecondOrder:
    """First and second derivatives of a linearisation, the second ones read off element by element."""
    k, t = len(at.first), len(at.sigma)
    second = np.empty((k, k, t, t))
    unit = np.zeros((t, t))
    for i in range(t):
        for j in range(i + 1):
            unit[i, j] = unit[j, i] = 0.5 if i != j else 1.0
            second[:, :, i, j] = second[:, :, j, i] = at.curvature(unit)
            unit[i, j] = unit[j, i] = 0.0
    return SecondOrder(at.first, second)


class _ShapedAt(Scaled):
    def __init__(self, sd: FloatArray, jet: Jet, n_scales: int) -> None:
        super().__init__(sd, jet.value, jet.first, n_scales)
        self.jet = jet

    def shape_curvature(self, weights: FloatArray) -> FloatArray:
        return np.tensordot(self.jet.second, weights, 2)


class Shaped(CovarianceStructure):
    """Standard deviations around a correlation shape.

    heterogeneous: a standard deviation for each visit. linear: the matrix is linear in SAS's parameters (cs, toep).
    unit_scale: a correlation matrix, without standard deviations (the second factor of a direct product).
    """

    def __init__(
        self, name: str, shape: Shape, *, heterogeneous: bool, linear: bool = False, unit_scale: bool = False
    ) -> None:
        self.name = name
        self.shape = shape
        self.n_visits = shape.n_visits
        self.heterogeneous = heterogeneous
        self.linear = linear
        self.n_scales = 0 if unit_scale else self.n_visits if heterogeneous else 1
        self.n_theta = self.n_scales + shape.size
        self.scales = slice(0, self.n_scales)

    @property
    def needs_all_visits(self) -> bool:
        """Only parameters that belong to one visit need it observed."""
        return self.heterogeneous or self.shape.size > 1

    def _sd(self, log_sd: FloatArray) -> FloatArray:
        sd = np.ones(self.n_visits)
        sd[:] = np.exp(log_sd) if self.n_scales else 1.0
        return sd

    def linearise(self, theta: FloatArray) -> Scaled:
        """Matrix and derivatives."""
        n = self.n_scales
        return _ShapedAt(self._sd(theta[:n]), self.shape.free(theta[n:]), n)

    def start(self, moments: FloatArray) -> FloatArray:
        """Working parameters by averages of variances and correlations."""
        sd, correlation = standard_deviations_and_correlation(moments)
        scales = np.log(sd) if self.heterogeneous else np.array([0.5 * np.log(np.mean(sd**2))])
        return np.concatenate([scales[: self.n_scales], self.shape.to_free(self.shape.parameters(correlation))])

    def second_order(self, sigma: FloatArray, coordinates: Coordinates) -> SecondOrder:
        """Derivatives by variances and correlations (natural), or by R mmrm's parameters."""
        sd, correlation = standard_deviations_and_correlation(sigma)
        rho = self.shape.parameters(correlation)
        n = self.n_scales
        core = _ShapedAt(sd, self.shape.correlation(rho), n)
        first, second = core.first, _full_second(core)
        d1, d2 = np.ones(self.n_theta), np.zeros(self.n_theta)
        if coordinates == "natural":
            if self.linear:
                return SecondOrder(first, None)
            variances = sd[:n] ** 2  # log sd = log(variance) / 2
            d1[:n], d2[:n] = 0.5 / variances, -0.5 / variances**2
        else:
            inner = self.shape.bounded(self.shape.unbounded(rho))
            d1[n:], d2[n:] = inner.first, inner.second
        return SecondOrder(*chain(first, second, d1, d2))


def _full_second(core: _ShapedAt) -> FloatArray:
    """Second derivatives of D M D by log standard deviations and shape parameters, (k, k, t, t)."""
    k, t, n = len(core.first), len(core.sigma), core.n_scales
    second = np.zeros((k, k, t, t))
    membership = np.zeros((n, t, t))  # how often standard deviation a is a factor of element (i, j)
    if n == 1:
        membership[0] = 2.0
    elif n:
        visit = np.arange(t)
        membership[visit, visit] += 1.0
        membership[visit, :, visit] += 1.0
    second[:n, :n] = membership[:, None] * membership[None] * core.sigma
    second[:n, n:] = membership[:, None] * core.first[None, n:]
    second[n:, :n] = second[:n, n:].transpose(1, 0, 2, 3)
    second[n:, n:] = core.jet.second * core.outer
    return second
