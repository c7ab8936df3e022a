"""Covariance that falls with the distance of real-valued coordinates, subject by subject."""

from dataclasses import dataclass

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.covariance.base import Coordinates


@dataclass(frozen=True)
class SpatialDerivatives:
    """Matrices for n subjects at once: sigma (n, m, m), first (2, n, m, m), second (2, 2, n, m, m)."""

    sigma: FloatArray
    first: FloatArray
    second: FloatArray


class SpatialStructure:
    """sigma = v rho^g(d): g(d) = d for sp_exp, d squared for sp_gau.

    Working parameters, which for sp_exp are R mmrm's: (log v, logit rho). SAS's: v and a range r with rho^d =
    exp(-d / r) or rho^(d^2) = exp(-d^2 / r^2).
    """

    n_theta = 2

    def __init__(self, name: str) -> None:
        self.name = name

    def lag(self, distance: FloatArray) -> FloatArray:
        """Power of rho at a distance."""
        return distance if self.name == "sp_exp" else distance**2

    def derivatives(self, theta: FloatArray, lag: FloatArray) -> SpatialDerivatives:
        """Derivatives by the working parameters for `lag` of shape (n, m, m)."""
        with np.errstate(over="ignore"):
            log_rho = -np.logaddexp(0.0, -theta[1])
            slope = 1.0 / (1.0 + np.exp(theta[1]))  # d log rho / d logit rho = 1 - rho
        curve = -slope * (1.0 - slope)
        return _assemble(np.exp(theta[0] + lag * log_rho), lag, 1.0, 1.0, slope, curve)

    def natural_derivatives(self, theta: FloatArray, lag: FloatArray) -> SpatialDerivatives:
        """Derivatives by SAS's parameters at the working parameters `theta`."""
        variance, log_rho = np.exp(theta[0]), -np.logaddexp(0.0, -theta[1])
        sigma = variance * np.exp(lag * log_rho)
        if self.name == "sp_exp":  # log rho = -1 / r
            r = -1.0 / log_rho
            slope, curve = 1.0 / r**2, -2.0 / r**3
        else:  # log rho = -1 / r^2
            r = np.sqrt(-1.0 / log_rho)
            slope, curve = 2.0 / r**3, -6.0 / r**4
        return _assemble(sigma, lag, 1.0 / variance, 0.0, slope, curve)

    def in_coordinates(self, theta: FloatArray, lag: FloatArray, coordinates: Coordinates) -> SpatialDerivatives:
        """Derivatives in the named parametrisation."""
        return self.natural_derivatives(theta, lag) if coordinates == "natural" else self.derivatives(theta, lag)

    def jacobian(self, theta: FloatArray, coordinates: Coordinates) -> FloatArray:
        """Derivatives of the named parameters by the working ones, (2,) as they correspond one to one."""
        if coordinates == "mmrm":
            return np.ones(2)
        log_rho = -np.logaddexp(0.0, -theta[1])
        slope = 1.0 / (1.0 + np.exp(theta[1]))
        rate = log_rho**2 if self.name == "sp_exp" else 2.0 * (-log_rho) ** 1.5
        return np.array([np.exp(theta[0]), slope / rate])

    def start(self, variance: float, typical_lag: float) -> FloatArray:
        """Working parameters of a variance and a correlation of one half at a typical lag."""
        log_rho = np.log(0.5) / typical_lag
        return np.array([np.log(variance), log_rho - np.log(-np.expm1(log_rho))])

    def rescaled(self, theta: FloatArray, log_scale: float) -> FloatArray:
        """Working parameters of the matrix times exp(2 log_scale): of data in other units."""
        return np.asarray(theta + np.array([2.0 * log_scale, 0.0]))

    def matrix(self, theta: FloatArray, distance: FloatArray) -> FloatArray:
        """Covariance matrix of observations at the given distances."""
        return np.asarray(np.exp(theta[0] - self.lag(distance) * np.logaddexp(0.0, -theta[1])))


def _assemble(
    sigma: FloatArray, lag: FloatArray, scale1: float, scale2: float, slope: float, curve: float
) -> SpatialDerivatives:
    """sigma = v exp(lag u): v' = scale1 v and v'' = scale2 v by the first, u' = slope and u'' = curve by the second."""
    by_lag = sigma * lag
    first = np.stack([scale1 * sigma, slope * by_lag])
    cross = scale1 * slope * by_lag
    second = np.stack([scale2 * sigma, cross, cross, slope**2 * by_lag * lag + curve * by_lag])
    return SpatialDerivatives(sigma, first, second.reshape(2, 2, *sigma.shape))
