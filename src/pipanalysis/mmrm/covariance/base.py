"""What every covariance structure offers to the likelihood and to Kenward-Roger."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray

type Coordinates = Literal["natural", "mmrm"]
"""natural: SAS's parameters (variances and correlations, or the elements). mmrm: those of the R package mmrm."""


class Linearisation(ABC):
    """A covariance matrix at one value of the working parameters, with its derivatives.

    sigma: (t, t). first: (k, t, t), derivative by each parameter.
    """

    sigma: FloatArray
    first: FloatArray

    @abstractmethod
    def curvature(self, weights: FloatArray) -> FloatArray:
        """(k, k) matrix of sum_jm weights[j, m] d2 sigma[j, m] / d theta_a d theta_b; `weights` symmetric."""


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """Derivatives of the covariance in a given parametrisation.

    first: (k, t, t). second: (k, k, t, t), or None where the matrix is linear in the parameters.
    """

    first: FloatArray
    second: FloatArray | None


class CovarianceStructure(ABC):
    """A family of positive definite (t, t) matrices.

    The working parameters are unconstrained: every real vector gives a positive definite matrix. n_theta: their number.
    scales: positions of the working parameters that are logarithms of standard deviations: adding log(c) to these
    multiplies the matrix by c squared.
    """

    name: str
    n_visits: int
    n_theta: int
    scales: slice

    @abstractmethod
    def linearise(self, theta: FloatArray) -> Linearisation:
        """Matrix and derivatives at working parameters `theta`, shape (k,)."""

    @abstractmethod
    def start(self, moments: FloatArray) -> FloatArray:
        """Working parameters of a member of the family near the positive definite (t, t) matrix `moments`."""

    @abstractmethod
    def second_order(self, sigma: FloatArray, coordinates: Coordinates) -> SecondOrder:
        """Derivatives at the member `sigma` of the family, in the named parametrisation."""

    def sigma(self, theta: FloatArray) -> FloatArray:
        """(t, t) covariance matrix at working parameters `theta`."""
        return self.linearise(theta).sigma

    def rescaled(self, theta: FloatArray, log_scale: float) -> FloatArray:
        """Working parameters of the matrix times exp(2 log_scale): of data in other units."""
        result = theta.copy()
        result[self.scales] += log_scale
        return result

    @property
    def needs_all_visits(self) -> bool:
        """Whether a visit without observations leaves a parameter without information."""
        return True

    def factors(self, together: FloatArray) -> list[tuple[str, "CovarianceStructure", FloatArray]]:
        """What the structure is made of, and over what: itself, over visits.

        together (t, t): how many subjects are observed at two cells; each factor comes with its own such counts.
        """
        return [("visit", self, together)]


def standard_deviations_and_correlation(sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split a covariance matrix into standard deviations (t,) and correlation matrix (t, t)."""
    sd = np.sqrt(np.diagonal(sigma))
    return sd, sigma / np.multiply.outer(sd, sd)


def chain(first: FloatArray, second: FloatArray, d1: FloatArray, d2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivatives by x where parameter a is a function of x_a alone, with derivatives d1[a] and d2[a]."""
    new_first = first * d1[:, None, None]
    new_second = second * np.multiply.outer(d1, d1)[:, :, None, None]
    diagonal = np.arange(d1.size)
    new_second[diagonal, diagonal] += first * d2[:, None, None]
    return new_first, new_second
