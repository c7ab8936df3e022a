"""The (restricted) likelihood of a repeated-measures model from cross-products, with exact derivatives.

Notation: sigma (t, t) covariance of the visits, W_p its inverse over the visits of pattern p, padded with zeros;
z = (x, y); A = sum_i x_i' W x_i; Phi its inverse; r = y - x gamma. All is minus twice the log-likelihood.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import lapack

from pipanalysis.mmrm.arrays import FloatArray, packing
from pipanalysis.mmrm.covariance.base import Coordinates, CovarianceStructure, Linearisation
from pipanalysis.mmrm.crossproducts import CrossProducts


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
        return np.append(-self.gamma, 1.0)


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


@dataclass(frozen=True)
class Derivatives:
    """Gradient (k,), observed and expected information (k, k) of minus twice the log-likelihood."""

    gradient: FloatArray
    hessian: FloatArray
    expected: FloatArray


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


@dataclass
class PatternState:
    """State of `PatternLikelihood`: W (P, t, t), linearisation by group, and U = W z of the subjects held as rows."""

    theta: FloatArray
    value: float
    solution: Solution
    at: list[Linearisation]
    W: FloatArray
    U: FloatArray | None
    moments: FloatArray | None = None


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
        self.unobserved = np.where(data.observed, 0.0, 1.0)[:, :, None] * np.eye(t)
        self.mask = (data.observed[:, :, None] & data.observed[:, None, :]).astype(float)
        bounds = np.searchsorted(data.group, np.arange(n_groups + 1))
        self.groups = [slice(int(a), int(b)) for a, b in itertools.pairwise(bounds)]
        self.flat = data.products.reshape(-1, self.triangle.row.size)
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
            factor = np.linalg.cholesky(sigma * self.mask + self.unobserved)
            inverse = np.linalg.inv(factor)
        except np.linalg.LinAlgError:
            return None
        log_det = 2.0 * float(data.counts @ np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1))
        W = inverse.transpose(0, 2, 1) @ inverse - self.unobserved
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
            packed = self.pairs.pack(weights if self.all_large else weights[data.large]) * self.pairs.multiplicity
            cross = self.triangle.unpack(packed.reshape(-1) @ self.flat)
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
            packed = self.pairs.pack(symmetric(W @ inner @ W)) * self.pairs.multiplicity
            cross = self.triangle.unpack(packed.reshape(-1) @ self.flat)
        if state.U is not None and data.rows is not None:
            q = data.n_columns
            cross = cross + state.U.reshape(-1, q).T @ (middle[data.rows.pattern] @ state.U).reshape(-1, q)
        return symmetric(np.asarray(cross))

    # ---- derivatives

    def differentiate(self, state: PatternState) -> Derivatives:
        """Gradient, observed and expected information by the working parameters."""
        data, t, solution = self.data, self.data.n_visits, state.solution
        S_phi, S_res = self._quadratic(state)
        W = state.W
        nW = data.counts[:, None, None] * W
        if self.reml:
            score, observed, expected = nW - S_res - S_phi, 2.0 * (S_res + S_phi) - nW, nW - 2.0 * S_phi
        else:
            score, observed, expected = nW - S_res, 2.0 * S_res - nW, nW
        k = self.structure.n_theta
        gradient = np.empty(self.n_theta)
        hessian, information = np.zeros((self.n_theta, self.n_theta)), np.zeros((self.n_theta, self.n_theta))
        for g, patterns in enumerate(self.groups):
            own = slice(g * k, (g + 1) * k)
            at = state.at[g]
            flat = at.first.reshape(k, t * t)
            total = score[patterns].sum(0)
            gradient[own] = flat @ total.reshape(-1)
            n = patterns.stop - patterns.start
            both = np.concatenate([observed[patterns].reshape(n, t * t), expected[patterns].reshape(n, t * t)], axis=1)
            # [k, l] from W, [m, j] from the weights: reordered to [j, k], [l, m]
            tensor = (W[patterns].reshape(n, t * t).T @ both).reshape(t, t, 2, t, t).transpose(2, 4, 0, 1, 3)
            lead = flat @ tensor.reshape(2, t * t, t * t) @ flat.T
            hessian[own, own] = lead[0] + at.curvature(total)
            information[own, own] = lead[1]
        P = self._moment_derivatives(state)
        p = solution.gamma.size
        projected = P[:, :p, :] @ solution.residual @ solution.root.T
        cross = projected @ projected.T
        hessian -= 2.0 * cross
        if self.reml:
            inner = (solution.root @ P[:, :p, :p] @ solution.root.T).reshape(self.n_theta, p * p)
            gram = inner @ inner.T
            hessian -= gram
            information += gram
        return Derivatives(gradient, symmetric(hessian), symmetric(information))

    def _quadratic(self, state: PatternState) -> FloatArray:
        """sum_i (W x_i) Phi (W x_i)' and sum_i (W r_i)(W r_i)' by pattern, (2, P, t, t)."""
        data, solution = self.data, state.solution
        p, q, t = solution.gamma.size, data.n_columns, data.n_visits
        result = np.zeros((2, len(data.counts), t, t))
        if data.large.size:
            forms = np.zeros((2, q, q))
            forms[0, :p, :p] = solution.phi
            forms[1] = np.multiply.outer(solution.residual, solution.residual)
            packed = self.triangle.pack(forms) * self.triangle.multiplicity
            inner = (packed @ self.flat.T).reshape(2, data.large.size, -1)
            W = state.W if self.all_large else state.W[data.large]
            sandwich = W @ self.pairs.unpack(inner) @ W
            if self.all_large:
                return sandwich
            result[:, data.large] = sandwich
        if state.U is not None and data.rows is not None:
            x = state.U[:, :, :p] @ solution.root.T
            r = state.U @ solution.residual
            by_subject = np.stack([x @ x.transpose(0, 2, 1), r[:, :, None] * r[:, None, :]])
            result[:, data.rows.patterns] = np.add.reduceat(by_subject, data.rows.bounds, axis=1)
        return result

    def _moments(self, state: PatternState) -> FloatArray:
        """sum_i (W z_i)_j (W z_i)_k' by group, symmetric in j and k: (groups, t (t + 1) / 2, q (q + 1) / 2)."""
        if state.moments is not None:
            return state.moments
        data, pairs = self.data, self.pairs
        h = pairs.row.size
        result = np.zeros((self.n_groups, h, self.triangle.row.size))
        j, k = pairs.row[:, None], pairs.column[:, None]
        group = data.group[data.large]
        step = max(1, (1 << 22) // (h * h))
        for g in range(self.n_groups):
            low, high = np.searchsorted(group, [g, g + 1])
            for begin in range(low, high, step):
                end = min(begin + step, high)
                W = state.W[data.large[begin:end]]
                # (W (x) W) restricted to symmetric matrices
                kernel = W[:, j, pairs.row] * W[:, k, pairs.column]
                kernel += W[:, j, pairs.column] * W[:, k, pairs.row]
                kernel *= 0.5 * pairs.multiplicity
                n = end - begin
                result[g] += kernel.transpose(1, 0, 2).reshape(h, n * h) @ self.flat[begin * h : end * h]
        if state.U is not None and data.rows is not None:
            for g, patterns in enumerate(self.groups):
                low, high = np.searchsorted(data.rows.pattern, [patterns.start, patterns.stop])
                if high > low:
                    result[g] += self._row_moments(state.U[low:high])
        state.moments = result
        return result

    def _row_moments(self, U: FloatArray) -> FloatArray:
        n, t, q = U.shape
        flat = U.reshape(n, t * q)
        blocks = (flat.T @ flat).reshape(t, q, t, q)[self.pairs.row, :, self.pairs.column, :]
        return self.triangle.pack(0.5 * (blocks + blocks.transpose(0, 2, 1)))

    def _moment_derivatives(self, state: PatternState) -> FloatArray:
        """z' W sigma_a W z summed over subjects for each parameter, (k, q, q)."""
        moments = self._moments(state)
        parts = [
            (self.pairs.pack(at.first) * self.pairs.multiplicity) @ own
            for at, own in zip(state.at, moments, strict=True)
        ]
        return self.triangle.unpack(parts[0] if self.n_groups == 1 else np.concatenate(parts))

    # ---- pieces of the inference

    def phi_derivatives(self, state: PatternState) -> FloatArray:
        """P_a, (k, p, p)."""
        p = state.solution.gamma.size
        return self._moment_derivatives(state)[:, :p, :p]

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

    def starts(self) -> list[FloatArray]:
        """Working parameters near the pairwise covariances, then near their variances alone."""
        moments = self._moment_matrices()
        return [
            np.concatenate([self.structure.start(m) for m in moments]),
            np.concatenate([self.structure.start(np.diag(np.diagonal(m))) for m in moments]),
        ]

    def _moment_matrices(self) -> list[FloatArray]:
        """Pairwise covariances of y by group, made positive definite.

        Under REML with n / (n - p), which on complete data with a mean for each visit is the solution.
        """
        data, t = self.data, self.data.n_visits
        n, p = float(data.counts @ data.observed.sum(1)), data.n_columns - 1
        factor = n / (n - p) if self.reml else 1.0
        sums, counts = np.zeros((len(data.counts), t, t)), data.counts[:, None, None] * self.mask
        if data.large.size:
            last = self.triangle.full[-1, -1]
            sums[data.large] = self.pairs.unpack(data.products[:, :, last])
        if data.rows is not None:
            y = data.rows.z[:, :, -1]
            sums[data.rows.patterns] = np.add.reduceat(y[:, :, None] * y[:, None, :], data.rows.bounds, axis=0)
        return [factor * _positive_definite(sums[g].sum(0), counts[g].sum(0)) for g in self.groups]


def change_of_parameters(first_new: FloatArray, first_old: FloatArray) -> FloatArray:
    """Derivatives of the new parameters by the old, (k, k), from those of the matrix by each, (k, t t)."""
    return np.asarray(np.linalg.lstsq(first_new.T, first_old.T, rcond=None)[0])


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


def symmetric(matrices: FloatArray) -> FloatArray:
    """Mean of (..., n, n) matrices and their transposes."""
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))
