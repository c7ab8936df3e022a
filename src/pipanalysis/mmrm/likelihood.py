"""The (restricted) likelihood of a repeated-measures model from cross-products, with exact derivatives.

Notation: sigma (t, t) covariance of the visits, W_p its inverse over the visits of pattern p, padded with zeros;
z = (x, y); A = sum_i x_i' W x_i; Phi its inverse; r = y - x gamma. All is minus twice the log-likelihood.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import lapack

from pipanalysis.mmrm.arrays import FloatArray, packing
from pipanalysis.mmrm.covariance.base import Coordinates, CovarianceStructure, Linearisation
from pipanalysis.mmrm.crossproducts import CrossProducts
from pipanalysis.mmrm.starts import pairwise_covariances

CHUNK = 1 << 22  # numbers held at once in the sum over patterns


@dataclass(frozen=True)
class Solution:
    """Generalised least squares at given covariance.

    gamma (p,) coefficients; root (p, p) with root' root = Phi; rss: weighted residual sum of squares;
    log_det: log determinant of A.
    """

    gamma: FloatArray
    root: FloatArray
    rss: float
    log_det: float

    @cached_property
    def phi(self) -> FloatArray:
        """Covariance matrix of the coefficients."""
        return self.root.T @ self.root

    @cached_property
    def residual(self) -> FloatArray:
        """(q,) combination of the columns of z that gives the residual."""
        combination = np.empty(self.gamma.size + 1)
        np.negative(self.gamma, out=combination[:-1])
        combination[-1] = 1.0
        return combination


def solve(cross: FloatArray) -> Solution | None:
    """Solve the normal equations in `cross` = sum z' W z, (q, q); None where they are singular."""
    p = len(cross) - 1
    factor, info = lapack.dpotrf(cross[:p, :p], lower=1, clean=1)
    if info:
        return None
    root, info = lapack.dtrtri(factor, lower=1)
    if info:
        return None
    half = root @ cross[:p, p]
    rss = float(cross[p, p] - half @ half)
    return Solution(root.T @ half, root, rss, 2.0 * float(np.log(factor.diagonal()).sum()))


class Derivatives(Protocol):
    """Gradient (k,), observed and expected information (k, k) of minus twice the log-likelihood."""

    @property
    def gradient(self) -> FloatArray:
        """First derivatives."""

    @property
    def hessian(self) -> FloatArray:
        """Observed information: the second derivatives."""

    @property
    def expected(self) -> FloatArray:
        """Expected information."""


class State(Protocol):
    """The likelihood at one value of the covariance parameters."""

    theta: FloatArray
    value: float
    solution: Solution


class Likelihood(Protocol):
    """What the optimiser and the inference need of a likelihood."""

    reml: bool
    n_theta: int

    def evaluate(self, theta: FloatArray) -> "State | None":
        """Value at `theta`, or None where there is none."""

    def differentiate(self, state: "State") -> Derivatives:
        """Derivatives by the working parameters."""

    def covariances(self, theta: FloatArray) -> list[FloatArray]:
        """Covariance matrix of each group."""

    def phi_derivatives(self, state: "State") -> FloatArray:
        """P_a = x' W (d sigma / d theta_a) W x summed over subjects, (k, p, p); d Phi / d theta_a = Phi P_a Phi."""

    def kenward_roger_q(self, state: "State", w: FloatArray) -> FloatArray:
        """sum_ab w_ab x' W sigma_a W sigma_b W x, (p, p)."""

    def kenward_roger_r(self, state: "State", w: FloatArray, coordinates: Coordinates) -> FloatArray:
        """sum_ab w_ab x' W sigma_ab W x with second derivatives in `coordinates`, (p, p); w in the working ones."""


@dataclass(slots=True)
class PatternState:
    """State of `PatternLikelihood`: W (P, t, t), linearisation by group, and U = W z of the subjects held as rows."""

    theta: FloatArray
    value: float
    solution: Solution
    at: list[Linearisation]
    W: FloatArray
    U: FloatArray | None
    moment_derivatives: FloatArray | None = None


class PatternLikelihood:
    """Likelihood by patterns of observed visits; the covariance parameters of the groups are stacked."""

    def __init__(
        self, data: CrossProducts, structure: CovarianceStructure, n_groups: int, *, reml: bool, constant: float
    ) -> None:
        self.data, self.structure, self.n_groups, self.reml = data, structure, n_groups, reml
        self.n_theta = structure.n_theta * n_groups
        self.constant = constant
        t, q = data.n_visits, data.n_columns
        self.pairs, self.triangle = packing(t), packing(q)
        self.unit = np.eye(t)
        self.both_observed = data.observed[:, :, None] & data.observed[:, None, :]
        self.counts = data.counts[:, None, None]
        bounds = np.searchsorted(data.group, np.arange(n_groups + 1))
        self.groups = [slice(int(a), int(b)) for a, b in itertools.pairwise(bounds)]
        self.large_of_group = [np.searchsorted(data.large, [g.start, g.stop]).tolist() for g in self.groups]
        self.all_large = data.large.size == len(data.counts)

    def split(self, theta: FloatArray) -> list[FloatArray]:
        """Parameters by group."""
        k = self.structure.n_theta
        return [theta[g * k : (g + 1) * k] for g in range(self.n_groups)]

    # ---- value

    def evaluate(self, theta: FloatArray) -> PatternState | None:
        """Value at `theta`, or None where the covariance is numerically singular."""
        data = self.data
        with np.errstate(over="ignore", invalid="ignore"):
            at = [self.structure.linearise(part) for part in self.split(theta)]
        sigma = at[0].sigma if self.n_groups == 1 else np.stack([a.sigma for a in at])[data.group]
        if not np.isfinite(sigma).all():
            return None
        try:
            factor = np.linalg.cholesky(np.where(self.both_observed, sigma, self.unit))
            inverse = np.linalg.inv(factor)
        except np.linalg.LinAlgError:
            return None
        log_det = 2.0 * float(data.counts @ np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1))
        W = np.where(self.both_observed, inverse.transpose(0, 2, 1) @ inverse, 0.0)
        U = None if data.rows is None else W[data.rows.pattern] @ data.rows.z
        solution = solve(self._contract(W, U))
        if solution is None or not solution.rss > 0.0:
            return None
        value = self.constant + log_det + solution.rss + (solution.log_det if self.reml else 0.0)
        return PatternState(theta, value, solution, at, W, U) if np.isfinite(value) else None

    def _contract(self, weights: FloatArray, weighted: FloatArray | None) -> FloatArray:
        """sum_i z_i' weights z_i, (q, q); `weighted` are weights z of the subjects held as rows."""
        data = self.data
        cross = np.zeros((data.n_columns, data.n_columns))
        if data.large.size:
            packed = data.pairs.pack(weights if self.all_large else weights[data.large])
            cross = self.triangle.unpack(packed @ data.products)
        if weighted is not None and data.rows is not None:
            q = data.n_columns
            cross = cross + data.rows.z.reshape(-1, q).T @ weighted.reshape(-1, q)
        return np.asarray(cross)

    def _sandwich(self, state: PatternState, middle: FloatArray) -> FloatArray:
        """sum_i z_i' W middle_p W z_i over all subjects, (q, q); middle (P, t, t)."""
        data = self.data
        cross = np.zeros((data.n_columns, data.n_columns))
        if data.large.size:
            W, inner = (state.W, middle) if self.all_large else (state.W[data.large], middle[data.large])
            cross = self.triangle.unpack(data.pairs.pack(symmetric(W @ inner @ W)) @ data.products)
        if state.U is not None and data.rows is not None:
            q = data.n_columns
            cross = cross + state.U.reshape(-1, q).T @ (middle[data.rows.pattern] @ state.U).reshape(-1, q)
        return symmetric(np.asarray(cross))

    # ---- derivatives

    def differentiate(self, state: PatternState) -> "PatternDerivatives":
        """Gradient, observed and expected information by the working parameters."""
        S_phi, S_res = self._quadratic(state)
        weighted = self.counts * state.W
        score = weighted - S_res
        if self.reml:
            score -= S_phi
        totals = [score[patterns].sum(0) for patterns in self.groups]
        parts = [
            at.first.reshape(len(at.first), -1) @ total.reshape(-1) for at, total in zip(state.at, totals, strict=True)
        ]
        gradient = parts[0] if self.n_groups == 1 else np.concatenate(parts)
        return PatternDerivatives(self, state, gradient, totals, weighted, S_phi, S_res)

    def _quadratic(self, state: PatternState) -> FloatArray:
        """sum_i (W x_i) Phi (W x_i)' and sum_i (W r_i)(W r_i)' by pattern, (2, P, t, t)."""
        data, solution = self.data, state.solution
        p, q, t = solution.gamma.size, data.n_columns, data.n_visits
        sandwich = None
        if data.large.size:
            forms = np.zeros((2, q, q))
            forms[0, :p, :p] = solution.phi
            np.multiply.outer(solution.residual, solution.residual, out=forms[1])
            packed = self.triangle.pack(forms) * self.triangle.multiplicity
            entries = packed @ data.products.T
            inner = np.zeros((2, data.large.size * t * t))
            inner[:, data.pairs.upper] = inner[:, data.pairs.lower] = entries
            W = state.W if self.all_large else state.W[data.large]
            sandwich = W @ inner.reshape(2, -1, t, t) @ W
            if self.all_large:
                return sandwich
        result = np.zeros((2, len(data.counts), t, t))
        if sandwich is not None:
            result[:, data.large] = sandwich
        if state.U is not None and data.rows is not None:
            x = state.U[:, :, :p] @ solution.root.T
            r = state.U @ solution.residual
            by_subject = np.stack([x @ x.transpose(0, 2, 1), r[:, :, None] * r[:, None, :]])
            result[:, data.rows.patterns] = np.add.reduceat(by_subject, data.rows.bounds, axis=1)
        return result

    def _row_moments(self, U: FloatArray) -> FloatArray:
        n, t, q = U.shape
        flat = U.reshape(n, t * q)
        blocks = (flat.T @ flat).reshape(t, q, t, q)[self.pairs.row, :, self.pairs.column, :]
        return self.triangle.pack(0.5 * (blocks + blocks.transpose(0, 2, 1)))

    def moment_derivatives(self, state: PatternState) -> FloatArray:
        """z' W sigma_a W z summed over subjects for each parameter, (k, q, q)."""
        if state.moment_derivatives is None:
            parts = [self._group_moments(state, g) for g in range(self.n_groups)]
            state.moment_derivatives = self.triangle.unpack(parts[0] if self.n_groups == 1 else np.concatenate(parts))
        return state.moment_derivatives

    def _group_moments(self, state: PatternState, g: int) -> FloatArray:
        """The same for the parameters of one group, packed: (k, q (q + 1) / 2)."""
        data, pairs, first = self.data, self.pairs, state.at[g].first
        k, t = len(first), data.n_visits
        low, high = self.large_of_group[g]
        size = max(1, CHUNK // (k * t * t))
        by_row = first.transpose(1, 0, 2).reshape(t, k * t)
        total = np.zeros((k, self.triangle.row.size))
        for begin in range(low, high, size):
            end = min(begin + size, high)
            n = end - begin
            W = state.W[begin:end] if self.all_large else state.W[data.large[begin:end]]
            # [p, j, a, m]: W_p sigma_a W_p
            middle = ((W @ by_row).reshape(n, t * k, t) @ W).reshape(n, t, k, t)
            at = slice(data.pairs.bounds[begin], data.pairs.bounds[end])
            weights = middle[data.pairs.pattern[at] - begin, data.pairs.row[at], :, data.pairs.column[at]]
            total += (weights * data.pairs.multiplicity[at, None]).T @ data.products[at]
        if state.U is not None and data.rows is not None:
            patterns = self.groups[g]
            low, high = np.searchsorted(data.rows.pattern, [patterns.start, patterns.stop])
            if high > low:
                total += (pairs.pack(first) * pairs.multiplicity) @ self._row_moments(state.U[low:high])
        return total

    # ---- pieces of the inference

    def phi_derivatives(self, state: PatternState) -> FloatArray:
        """P_a, (k, p, p)."""
        p = state.solution.gamma.size
        return self.moment_derivatives(state)[:, :p, :p]

    def kenward_roger_q(self, state: PatternState, w: FloatArray) -> FloatArray:
        """sum_ab w_ab x' W sigma_a W sigma_b W x, (p, p).

        sum_ab w_ab sigma_a W sigma_b is the covariance of the elements of sigma contracted with W: no loop over pairs.
        """
        t, k, p = self.data.n_visits, self.structure.n_theta, state.solution.gamma.size
        middle = np.empty_like(state.W)
        for g, patterns in enumerate(self.groups):
            own = slice(g * k, (g + 1) * k)
            flat = state.at[g].first.reshape(k, t * t)
            spread = (flat.T @ w[own, own] @ flat).reshape(t, t, t, t).transpose(1, 2, 0, 3).reshape(t * t, t * t)
            middle[patterns] = (state.W[patterns].reshape(-1, t * t) @ spread).reshape(-1, t, t)
        return self._sandwich(state, middle)[:p, :p]

    def kenward_roger_r(self, state: PatternState, w: FloatArray, coordinates: Coordinates) -> FloatArray:
        """sum_ab w_ab x' W sigma_ab W x, (p, p), with parameters of `coordinates`."""
        t, k, p = self.data.n_visits, self.structure.n_theta, state.solution.gamma.size
        middle = np.zeros_like(state.W)
        for g, patterns in enumerate(self.groups):
            at = state.at[g]
            order = self.structure.second_order(at.sigma, coordinates)
            if order.second is None:
                return np.zeros((p, p))
            jacobian = change_of_parameters(order.first.reshape(-1, t * t), at.first.reshape(k, t * t))
            own = slice(g * k, (g + 1) * k)
            middle[patterns] = np.tensordot(jacobian @ w[own, own] @ jacobian.T, order.second, 2)
        return self._sandwich(state, middle)[:p, :p]

    def covariances(self, theta: FloatArray) -> list[FloatArray]:
        """Covariance matrix of each group."""
        return [self.structure.sigma(part) for part in self.split(theta)]

    def starts(self) -> Iterator[FloatArray]:
        """Working parameters near the pairwise covariances, then near their variances alone."""
        moments = pairwise_covariances(self.data, self.groups, reml=self.reml)
        yield np.concatenate([self.structure.start(m) for m in moments])
        yield np.concatenate([self.structure.start(np.diag(np.diagonal(m))) for m in moments])


@dataclass
class PatternDerivatives:
    """Derivatives at a state; each information is worked out when it is asked for, as the optimiser needs one of them.

    totals: by group, the derivative (t, t) by the covariance matrix. weighted: W times the number of subjects; S_phi,
    S_res: see `_quadratic`, (P, t, t).
    """

    likelihood: PatternLikelihood
    state: PatternState
    gradient: FloatArray
    totals: list[FloatArray]
    weighted: FloatArray
    S_phi: FloatArray
    S_res: FloatArray

    @cached_property
    def hessian(self) -> FloatArray:
        """Observed information."""
        likelihood, solution = self.likelihood, self.state.solution
        middle = 2.0 * (self.S_res + self.S_phi if likelihood.reml else self.S_res) - self.weighted
        hessian = self._lead(middle)
        k = likelihood.structure.n_theta
        for g, (at, total) in enumerate(zip(self.state.at, self.totals, strict=True)):
            own = slice(g * k, (g + 1) * k)
            hessian[own, own] += at.curvature(total)
        P = likelihood.moment_derivatives(self.state)
        projected = P[:, :-1, :] @ solution.residual @ solution.root.T
        hessian -= 2.0 * projected @ projected.T
        if likelihood.reml:
            hessian -= self._gram
        return symmetric(hessian)

    @cached_property
    def expected(self) -> FloatArray:
        """Expected information."""
        if not self.likelihood.reml:
            return symmetric(self._lead(self.weighted))
        return symmetric(self._lead(self.weighted - 2.0 * self.S_phi) + self._gram)

    @cached_property
    def _gram(self) -> FloatArray:
        """tr(Phi P_a Phi P_b), (k, k)."""
        solution = self.state.solution
        p = solution.gamma.size
        P = self.likelihood.moment_derivatives(self.state)
        inner = (solution.root @ P[:, :p, :p] @ solution.root.T).reshape(-1, p * p)
        return np.asarray(inner @ inner.T)

    def _lead(self, middle: FloatArray) -> FloatArray:
        """sum_p tr(sigma_a W_p sigma_b middle_p), (k, k)."""
        likelihood = self.likelihood
        k, t = likelihood.structure.n_theta, likelihood.data.n_visits
        result = np.zeros((likelihood.n_theta, likelihood.n_theta))
        for g, (patterns, at) in enumerate(zip(likelihood.groups, self.state.at, strict=True)):
            flat = at.first.reshape(k, t * t)
            tensor = self.state.W[patterns].reshape(-1, t * t).T @ middle[patterns].reshape(-1, t * t)
            # [k, l] from W, [m, j] from the middle: reordered to [j, k], [l, m]
            tensor = tensor.reshape(t, t, t, t).transpose(3, 0, 1, 2).reshape(t * t, t * t)
            result[g * k : (g + 1) * k, g * k : (g + 1) * k] = flat @ tensor @ flat.T
        return result


def change_of_parameters(first_new: FloatArray, first_old: FloatArray) -> FloatArray:
    """Derivatives of the new parameters by the old, (k, k), from those of the matrix by each, (k, t t)."""
    return np.asarray(np.linalg.lstsq(first_new.T, first_old.T, rcond=None)[0])


def symmetric(matrices: FloatArray) -> FloatArray:
    """Mean of (..., n, n) matrices and their transposes."""
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))
