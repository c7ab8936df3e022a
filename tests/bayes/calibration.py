"""Simulation-based calibration: ranks of true values among posterior draws, and how far from uniform they are."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, chi2

from pipanalysis.bayes.arrays import FloatArray, IntArray

BINS = 10
THINNED = 99
"""draws of a posterior that a true value is ranked among"""


def rank(truth: FloatArray, draws: FloatArray, thinned: int = THINNED) -> IntArray:
    """Rank of each true value (m,) among `thinned` draws taken evenly from (S, m): 0 to thinned."""
    at = np.linspace(0, len(draws) - 1, thinned).astype(int)
    return np.asarray((draws[at] < truth).sum(axis=0))


def chi_square_p(ranks: IntArray, thinned: int = THINNED) -> float:
    """P value of the chi-square test that ranks are uniform on 0, ..., thinned."""
    counts = np.bincount(ranks * BINS // (thinned + 1), minlength=BINS)
    expected = len(ranks) / BINS
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1))


def ecdf_difference(ranks: IntArray, thinned: int = THINNED) -> tuple[float, float]:
    """Largest distance of the ranks' ECDF from uniform, and a 99.9% limit for it at any one point (binomial)."""
    points = (np.arange(thinned) + 1) / (thinned + 1)
    ecdf = (ranks[None, :] <= np.arange(thinned)[:, None]).mean(axis=1)
    limit = binom.ppf(0.9995, len(ranks), 0.5) / len(ranks) - 0.5
    return float(np.abs(ecdf - points).max()), float(limit)


def pointwise_limit(trials: int, thinned: int = THINNED) -> tuple[FloatArray, FloatArray]:
    """Limits that hold a uniform ECDF at any one point with probability 0.99 (binomial), (thinned,) each."""
    points = (np.arange(thinned) + 1) / (thinned + 1)
    low, high = (binom.ppf(q, trials, points) / trials for q in (0.005, 0.995))
    return np.asarray(low), np.asarray(high)


def table(title: str, names: list[str], ranks: IntArray) -> list[str]:
    """Lines of a Markdown table: a row per parameter; ranks (trials, parameters)."""
    lines = [
        f"### {title}: {len(ranks)} simulated trials",
        "",
        "| parameter | P, uniform ranks | largest ECDF difference |",
    ]
    lines.append("|---|---|---|")
    for j, name in enumerate(names):
        distance, _ = ecdf_difference(ranks[:, j])
        lines.append(f"| {name} | {chi_square_p(ranks[:, j]):.3f} | {distance:.3f} |")
    return [*lines, ""]
