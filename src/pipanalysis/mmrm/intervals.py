"""Confidence intervals of variances and correlations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.covariance import SpatialStructure
from pipanalysis.mmrm.errors import UnavailableMethod
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

if TYPE_CHECKING:
    from pipanalysis.mmrm.engine import EngineFit


@dataclass(frozen=True)
class CovarianceIntervals:
    """Estimates and limits of one group: variances (t,) and correlations (t, t), 1 on the diagonal."""

    variance: FloatArray
    variance_lower: FloatArray
    variance_upper: FloatArray
    correlation: FloatArray
    correlation_lower: FloatArray
    correlation_upper: FloatArray


def covariance_intervals(fit: "EngineFit", level: float = 0.95) -> list[CovarianceIntervals]:
    """Normal limits by the delta method, for the logarithm of a variance and for Fisher's z of a correlation.

    One entry per group. Raises UnavailableMethod for a spatial structure, which has no visits.
    """
    from scipy.special import ndtri

    if isinstance(fit.structure, SpatialStructure):
        named = STRUCTURE_NAMES[fit.structure.name]
        raise UnavailableMethod(f"intervals by visit are not defined for {named} covariance")
    z = float(ndtri(0.5 + level / 2.0))
    k = fit.structure.n_theta
    results = []
    for g in range(fit.n_groups):
        own = slice(g * k, (g + 1) * k)
        at = fit.structure.linearise(fit.theta[own])
        vcov = fit.theta_vcov[own, own]
        variance = np.diagonal(at.sigma).copy()
        relative = np.diagonal(at.first, axis1=1, axis2=2) / variance  # of log variances, (k, t)
        half = z * np.sqrt(np.einsum("at,ab,bt->t", relative, vcov, relative))
        sd = np.sqrt(variance)
        correlation = at.sigma / np.multiply.outer(sd, sd)
        np.fill_diagonal(correlation, 1.0)
        slope = at.first / np.multiply.outer(sd, sd) - 0.5 * correlation * (relative[:, :, None] + relative[:, None, :])
        se = np.sqrt(np.maximum(np.einsum("ajm,ab,bjm->jm", slope, vcov, slope), 0.0))
        off = ~np.eye(len(sd), dtype=bool)
        lower, upper = np.eye(len(sd)), np.eye(len(sd))
        fisher, width = np.arctanh(correlation[off]), z * se[off] / (1.0 - correlation[off] ** 2)
        lower[off], upper[off] = np.tanh(fisher - width), np.tanh(fisher + width)
        results.append(
            CovarianceIntervals(variance, variance * np.exp(-half), variance * np.exp(half), correlation, lower, upper)
        )
    return results
