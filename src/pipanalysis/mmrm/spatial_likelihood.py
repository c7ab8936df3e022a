"""The (restricted) likelihood subject by subject, for covariances of real-valued coordinates.

There are no patterns of visits to share, so all subjects are carried as one batch, padded to the longest. Notation as
in `likelihood`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.covariance.base import Coordinates
from pipanalysis.mmrm.covariance.spatial import SpatialDerivatives, SpatialStructure
from pipanalysis.mmrm.crossproducts import Layout, Source
from pipanalysis.mmrm.errors import SingularData
from pipanalysis.mmrm.likelihood import Solution, solve, symmetric
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES


@dataclass(slots=True)
class SpatialState:
    """State of `SpatialLikelihood`: derivatives of the covariances, W (n, m, m) and U = W z (n, m, q)."""

    theta: FloatArray
    value: float
    solution: Solution
    at: list[SpatialDerivatives]
    W: FloatArray
    U: FloatArray


@dataclass(frozen=True, slots=True)
class BatchDerivatives:
    """Gradient (k,), observed and expected information (k, k) of minus twice the log-likelihood."""

    gradient: FloatArray
    hessian: FloatArray
    expected: FloatArray


class SpatialLikelihood:
    """Likelihood of a spatial structure; the parameters of the groups are stacked."""

    def __init__(
        self,
        layout: Layout,
        source: Source,
        times: FloatArray,
        structure: SpatialStructure,
        n_groups: int,
        *,
        reml: bool,
        constant: float,
    ) -> None:
        self.structure, self.n_groups, self.reml, self.constant = structure, n_groups, reml, constant
        self.n_theta = structure.n_theta * n_groups
        sizes = np.diff(layout.starts)
        n, m = layout.n_subjects, int(sizes.max())
        owner = np.repeat(np.arange(n), sizes)
        within = np.arange(sizes.sum()) - layout.starts[owner]
        rows = np.arange(sizes.sum()) if layout.order is None else layout.order
        self.z = np.zeros((n, m, source.n_columns))
        self.z[owner, within] = source.z(rows)
        observed = np.arange(m) < sizes[:, None]
        self.mask = (observed[:, :, None] & observed[:, None, :]).astype(float)
        self.unobserved = np.where(observed, 0.0, 1.0)[:, :, None] * np.eye(m)
        coordinates = np.zeros((n, m, times.shape[1]))
        coordinates[owner, within] = times[rows]
        distance = distances(coordinates)
        self._refuse_ties(distance, layout)
        self.lag = structure.lag(distance) * self.mask
        group = layout.group[layout.pattern]
        self.members: list[IntArray] = [np.flatnonzero(group == g) for g in range(n_groups)]

    def _refuse_ties(self, distance: FloatArray, layout: Layout) -> None:
        tied = np.flatnonzero(((distance + np.eye(distance.shape[1]) == 0.0) & (self.mask > 0.0)).any((1, 2)))
        if tied.size:
            who = ", ".join(str(layout.subjects[i]) for i in tied[:5])
            raise SingularData(
                f"two observations at the same coordinates in {tied.size} of {layout.n_subjects} subjects "
                f"(codes {who}): {STRUCTURE_NAMES[self.structure.name]} covariance would make them equal"
            )

    def split(self, theta: FloatArray) -> list[FloatArray]:
        """Parameters by group."""
        return [theta[2 * g : 2 * g + 2] for g in range(self.n_groups)]

    def starts(self) -> Iterator[FloatArray]:
        """Working parameters to start from: the variance 1 of the engine's units, and correlations of one half."""
        lags = self.lag[self.lag > 0.0]
        middle = float(np.median(lags)) if lags.size else 1.0
        for lag in (middle, 0.1 * middle, 10.0 * middle):
            yield np.tile(self.structure.start(1.0, lag), self.n_groups)

    def covariances(self, theta: FloatArray) -> list[FloatArray]:
        """Covariance matrix of two observations at distance 1, by group."""
        distance = np.array([[0.0, 1.0], [1.0, 0.0]])
        return [self.structure.matrix(part, distance) for part in self.split(theta)]

    def evaluate(self, theta: FloatArray) -> SpatialState | None:
        """Value at `theta`, or None where a covariance is numerically singular."""
        with np.errstate(over="ignore", invalid="ignore"):
            at = [
                self.structure.derivatives(part, self.lag[own])
                for part, own in zip(self.split(theta), self.members, strict=True)
            ]
        sigma = self._gather([a.sigma for a in at]) * self.mask + self.unobserved
        if not np.isfinite(sigma).all():
            return None
        try:
            factor = np.linalg.cholesky(sigma)
            inverse = np.linalg.inv(factor)
        except np.linalg.LinAlgError:
            return None
        W = inverse.transpose(0, 2, 1) @ inverse - self.unobserved
        U = W @ self.z
        q = self.z.shape[2]
        solution = solve(self.z.reshape(-1, q).T @ U.reshape(-1, q))
        if solution is None or not solution.rss > 0.0:
            return None
        log_det = 2.0 * float(np.log(np.diagonal(factor, axis1=1, axis2=2)).sum())
        value = self.constant + log_det + solution.rss + (solution.log_det if self.reml else 0.0)
        return SpatialState(theta, value, solution, at, W, U) if np.isfinite(value) else None

    def _gather(self, parts: list[FloatArray]) -> FloatArray:
        """Arrays by group put back into the order of the subjects (first axis)."""
        if self.n_groups == 1:
            return parts[0]
        result: FloatArray = np.empty_like(self.lag)
        for part, own in zip(parts, self.members, strict=True):
            result[own] = part
        return result

    def differentiate(self, state: SpatialState) -> BatchDerivatives:
        """Gradient, observed and expected information by the working parameters."""
        solution = state.solution
        p = solution.gamma.size
        x = state.U[:, :, :p] @ solution.root.T
        r = state.U @ solution.residual
        S_phi, S_res = x @ x.transpose(0, 2, 1), r[:, :, None] * r[:, None, :]
        phi_part = S_phi if self.reml else np.zeros_like(S_phi)
        k = self.n_theta
        gradient, hessian, expected = np.empty(k), np.zeros((k, k)), np.zeros((k, k))
        for g, (at, own) in enumerate(zip(state.at, self.members, strict=True)):
            block = slice(2 * g, 2 * g + 2)
            first = at.first * self.mask[own]
            W = state.W[own]
            score = W - S_res[own] - phi_part[own]
            gradient[block] = np.tensordot(first, score, 3)
            left = first @ W
            observed = first @ (2.0 * (S_res[own] + phi_part[own]) - W)
            information = first @ (W - 2.0 * phi_part[own])
            hessian[block, block] = np.einsum("anij,bnji->ab", left, observed)
            hessian[block, block] += np.tensordot(at.second * self.mask[own], score, 3)
            expected[block, block] = np.einsum("anij,bnji->ab", left, information)
        P = self._moment_derivatives(state)
        projected = P[:, :p, :] @ solution.residual @ solution.root.T
        hessian -= 2.0 * projected @ projected.T
        if self.reml:
            inner = (solution.root @ P[:, :p, :p] @ solution.root.T).reshape(k, p * p)
            hessian -= inner @ inner.T
            expected += inner @ inner.T
        return BatchDerivatives(gradient, symmetric(hessian), symmetric(expected))

    def _moment_derivatives(self, state: SpatialState) -> FloatArray:
        """z' W sigma_a W z summed over subjects for each parameter, (k, q, q)."""
        q = self.z.shape[2]
        result = np.empty((self.n_theta, q, q))
        for g, (at, own) in enumerate(zip(state.at, self.members, strict=True)):
            U = state.U[own]
            for a in range(2):
                result[2 * g + a] = U.reshape(-1, q).T @ ((at.first[a] * self.mask[own]) @ U).reshape(-1, q)
        return result

    def phi_derivatives(self, state: SpatialState) -> FloatArray:
        """P_a, (k, p, p)."""
        p = state.solution.gamma.size
        return self._moment_derivatives(state)[:, :p, :p]

    def _sandwich(self, state: SpatialState, middle: FloatArray) -> FloatArray:
        q, p = self.z.shape[2], state.solution.gamma.size
        return symmetric(state.U.reshape(-1, q).T @ (middle @ state.U).reshape(-1, q))[:p, :p]

    def kenward_roger_q(self, state: SpatialState, w: FloatArray) -> FloatArray:
        """sum_ab w_ab x' W sigma_a W sigma_b W x, (p, p)."""
        parts = []
        for g, (at, own) in enumerate(zip(state.at, self.members, strict=True)):
            block = slice(2 * g, 2 * g + 2)
            first = at.first * self.mask[own]
            mixed = np.tensordot(w[block, block], first, 1)
            parts.append((first @ state.W[own] @ mixed).sum(0))
        return self._sandwich(state, self._gather(parts))

    def kenward_roger_r(self, state: SpatialState, w: FloatArray, coordinates: Coordinates) -> FloatArray:
        """sum_ab w_ab x' W sigma_ab W x, (p, p), with parameters of `coordinates`."""
        parts = []
        for g, (part, own) in enumerate(zip(self.split(state.theta), self.members, strict=True)):
            at = self.structure.in_coordinates(part, self.lag[own], coordinates)
            jacobian = self.structure.jacobian(part, coordinates)
            block = slice(2 * g, 2 * g + 2)
            spread = w[block, block] * np.multiply.outer(jacobian, jacobian)
            parts.append(np.tensordot(spread, at.second, 2) * self.mask[own])
        return self._sandwich(state, self._gather(parts))


def distances(times: FloatArray) -> FloatArray:
    """Euclidean distances between the rows of (..., m, d) coordinates."""
    gaps = times[..., :, None, :] - times[..., None, :, :]
    return np.asarray(np.sqrt((gaps * gaps).sum(-1)))
