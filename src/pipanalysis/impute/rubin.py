"""Rubin's rules: one estimate from those of several imputations.

Rubin (1987), Multiple Imputation for Nonresponse in Surveys; degrees of freedom of small samples: Barnard and Rubin
(1999, Biometrika 86:948-955).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipanalysis.impute.comparison import Estimates
from pipanalysis.mmrm.arrays import FloatArray


@dataclass(frozen=True)
class Pooled(Estimates):
    """Estimates pooled over imputations, with the variance within imputations and that between them.

    Attributes:
        mcse: Monte Carlo standard error of the estimate, by which another set of imputations would differ.
        missing_information: fraction of the information that is missing.
    """

    mcse: FloatArray
    missing_information: FloatArray


def pool(estimates: FloatArray, variances: FloatArray, df: float) -> Pooled:
    """Pool the estimates of M imputations.

    An estimate that is the same in all of them, since nothing was imputed, keeps its degrees of freedom.

    Args:
        estimates: shape (M, ...).
        variances: of each, of the same shape.
        df: degrees of freedom were nothing missing.

    Raises:
        ValueError: fewer than two imputations, or arrays of different shapes.
    """
    m = len(estimates)
    if m < 2 or estimates.shape != variances.shape:
        raise ValueError(f"pooling of arrays of shapes {estimates.shape} and {variances.shape}; two or more of one")
    within, between = variances.mean(axis=0), estimates.var(axis=0, ddof=1)
    # What rounding alone makes differ is the same in all imputations.
    between = np.where(np.ptp(estimates, axis=0) > 1e-12 * np.abs(estimates).max(axis=0), between, 0.0)
    added = (1 + 1 / m) * between
    total = within + added
    share = np.divide(added, total, out=np.zeros_like(total), where=total > 0)
    observed = (df + 1) / (df + 3) * df * (1 - share)
    pooled_df = np.where(share > 0, 1 / (share**2 / (m - 1) + 1 / np.maximum(observed, 1e-300)), df)
    missing = np.where(share > 0, share + (1 - share) * 2 / (pooled_df + 3), 0.0)
    return Pooled(estimates.mean(axis=0), np.sqrt(total), pooled_df, np.sqrt(between / m), missing)
