"""Direct products: covariance of members (or endpoints) times covariance over visits."""

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.covariance.base import Coordinates, CovarianceStructure, Linearisation, SecondOrder
from pipanalysis.mmrm.covariance.structures import Shaped, Unstructured


class _DirectProductAt(Linearisation):
    def __init__(self, members: Linearisation, visits: Linearisation) -> None:
        self.members, self.visits = members, visits
        self.sigma = np.asarray(np.kron(members.sigma, visits.sigma), dtype=np.float64)
        self.first = np.concatenate(
            [_kron(members.first, visits.sigma[None])[:, 0], _kron(members.sigma[None], visits.first)[0]]
        )

    def curvature(self, weights: FloatArray) -> FloatArray:
        m, t = len(self.members.sigma), len(self.visits.sigma)
        blocks = weights.reshape(m, t, m, t)
        over_members = np.einsum("iajb,ab->ij", blocks, self.visits.sigma)
        over_visits = np.einsum("iajb,ij->ab", blocks, self.members.sigma)
        cross = np.einsum("iajb,kij,lab->kl", blocks, self.members.first, self.visits.first, optimize=True)
        return np.block(
            [
                [self.members.curvature(_symmetric(over_members)), cross],
                [cross.T, self.visits.curvature(_symmetric(over_visits))],
            ]
        )


class DirectProduct(CovarianceStructure):
    """Unstructured covariance of members, times a covariance over visits whose scale is fixed.

    The cells are ordered by member, then visit. The visits' factor has first element 1 (un) or is a correlation matrix
    (cs, ar1), as in SAS's UN@UN, UN@CS and UN@AR(1).
    """

    def __init__(self, name: str, members: Unstructured, visits: Unstructured | Shaped) -> None:
        self.name = name
        self.members, self.visits = members, visits
        self.n_visits = members.n_visits * visits.n_visits
        self.n_theta = members.n_theta + visits.n_theta
        self.scales = members.scales

    def _split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return theta[: self.members.n_theta], theta[self.members.n_theta :]

    def linearise(self, theta: FloatArray) -> Linearisation:
        """Matrix and derivatives."""
        a, b = self._split(theta)
        return _DirectProductAt(self.members.linearise(a), self.visits.linearise(b))

    def _factors(self, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Factors of the nearest product: the first of averaged blocks, the second scaled to first element 1."""
        m, t = self.members.n_visits, self.visits.n_visits
        blocks = sigma.reshape(m, t, m, t)
        visits = _symmetric(np.einsum("iaib->ab", blocks))
        visits = visits / visits[0, 0]
        inverse = np.linalg.inv(visits)
        members = _symmetric(np.einsum("iajb,ba->ij", blocks, inverse)) / t
        return members, visits

    def start(self, moments: FloatArray) -> FloatArray:
        """Working parameters of a product near `moments`."""
        members, visits = self._factors(moments)
        return np.concatenate([self.members.start(members), self.visits.start(visits)])

    def factors(self, together: FloatArray) -> list[tuple[str, CovarianceStructure, FloatArray]]:
        """The factor over members and that over visits: a cell without observations is covered by their product."""
        m, t = self.members.n_visits, self.visits.n_visits
        cells = together.reshape(m, t, m, t)
        return [("member", self.members, cells.sum((1, 3))), ("visit", self.visits, cells.sum((0, 2)))]

    def second_order(self, sigma: FloatArray, coordinates: Coordinates) -> SecondOrder:
        """Derivatives by the parameters of the factors: R mmrm has no such structure, but one for each factor."""
        members, visits = self._factors(sigma)
        a = self.members.second_order(members, coordinates)
        b = self.visits.second_order(visits, coordinates)
        ka, kb, n = len(a.first), len(b.first), self.n_visits
        second = np.zeros((ka + kb, ka + kb, n, n))
        second[:ka, ka:] = _kron(a.first, b.first)
        second[ka:, :ka] = second[:ka, ka:].transpose(1, 0, 2, 3)
        if a.second is not None:
            second[:ka, :ka] = _kron(a.second.reshape(-1, *members.shape), visits[None])[:, 0].reshape(ka, ka, n, n)
        if b.second is not None:
            second[ka:, ka:] = _kron(members[None], b.second.reshape(-1, *visits.shape))[0].reshape(kb, kb, n, n)
        first = np.concatenate([_kron(a.first, visits[None])[:, 0], _kron(members[None], b.first)[0]])
        return SecondOrder(first, second)


def _kron(a: FloatArray, b: FloatArray) -> FloatArray:
    """All Kronecker products of matrices (ka, m, m) and (kb, t, t): (ka, kb, m t, m t)."""
    product = np.einsum("kij,lab->kliajb", a, b)
    n = a.shape[1] * b.shape[1]
    return np.asarray(product.reshape(len(a), len(b), n, n))


def _symmetric(matrix: FloatArray) -> FloatArray:
    return 0.5 * (matrix + matrix.T)
