"""Tail areas and quantiles of t and F, accurate far into the tail."""

from typing import Any

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray

type FloatLike = float | FloatArray


def t_two_sided(t: FloatLike, df: FloatLike) -> FloatArray:
    """P(|T| > |t|) for Student's t with `df` degrees of freedom (infinite: normal)."""
    from scipy.special import ndtr, stdtr

    finite = np.where(np.isinf(df), 1.0, df)
    return _array(np.where(np.isinf(df), 2.0 * ndtr(-np.abs(t)), 2.0 * stdtr(finite, -np.abs(t))))


def t_quantile(probability: FloatLike, df: FloatLike) -> FloatArray:
    """Quantile of Student's t."""
    from scipy.special import ndtri, stdtrit

    finite = np.where(np.isinf(df), 1.0, df)
    return _array(np.where(np.isinf(df), ndtri(probability), stdtrit(finite, probability)))


def f_upper(f: float, num_df: float, den_df: float) -> float:
    """P(F > f) with `num_df` and `den_df` degrees of freedom (infinite denominator: chi-square)."""
    from scipy.special import chdtrc, fdtrc

    if np.isinf(den_df):
        return float(chdtrc(num_df, f * num_df))
    return float(fdtrc(num_df, den_df, f))


def _array(values: Any) -> FloatArray:
    return np.asarray(values, dtype=float)
