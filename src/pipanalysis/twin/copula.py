"""A Gaussian copula of many variables from few units: correlations shrunk to their block means, and drawn from.

The latent correlations are those that give the variables, once drawn through their margins, the correlations asked for
(NORTA: Cario and Nelson 1997, Modeling and generating random vectors with arbitrary marginal distributions and
correlation matrix, Northwestern University).
"""

from __future__ import annotations

import numpy as np

LEAST_PAIRS = 10
"""with fewer units that have both variables their correlation is taken from its block"""
_LARGEST = 0.995
_SMALLEST_EIGENVALUE = 1e-4


def pairwise_correlation(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return correlations over the units that have both variables, and how many those are.

    Args:
        x: (n, p) with NaN where missing.

    Returns:
        (p, p) correlations, NaN where there are too few pairs or no variation; (p, p) counts.
    """
    seen = (~np.isnan(x)).astype(float)
    filled = np.nan_to_num(x)
    pairs = seen.T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = filled.T @ seen
        mean = sums / pairs
        square = (filled**2).T @ seen / pairs - mean**2
        cross = filled.T @ filled / pairs - mean * mean.T
        variances = square * square.T
        r = np.where((pairs >= LEAST_PAIRS) & (variances > 1e-20), cross / np.sqrt(variances), np.nan)
    r = np.clip(r, -1, 1)
    np.fill_diagonal(r, 1.0)
    return r, pairs


def block_means(r: np.ndarray, blocks: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return each correlation's mean over its block of variables, signs turned so that a block's variables agree.

    One item with itself in two blocks (at two visits) is put with the other such pairs of those blocks.

    Args:
        r: (p, p) correlations, NaN where unknown.
        blocks: (p,) number of each variable's block (the items of a questionnaire at a visit).
        items: (p,) number of each variable's item, the same at every visit.

    Returns:
        (p, p) with unit diagonal; a correlation without any known one in its block is 0.
    """
    same = items[:, None] == items[None, :]
    known = ~np.isnan(r)
    sign = np.ones(len(blocks))
    for block in np.unique(blocks):
        inside = np.flatnonzero(blocks == block)
        if len(inside) > 1:
            sub = np.where(known & ~same, r, 0.0)[np.ix_(inside, inside)]
            sign[inside] = np.where(np.linalg.eigh(sub)[1][:, -1] < 0, -1.0, 1.0)
    member = (blocks[:, None] == np.unique(blocks)[None, :]).astype(float)
    target = np.zeros_like(r)
    for chosen in (same, ~same):
        counts = member.T @ (known & chosen).astype(float) @ member
        turned = np.where(known & chosen, r, 0.0) * np.outer(sign, sign)
        means = np.where(counts > 0, member.T @ turned @ member / np.maximum(counts, 1), 0.0)
        target = np.where(chosen, member @ means @ member.T * np.outer(sign, sign), target)
    np.fill_diagonal(target, 1.0)
    return target


def shrunk_correlation(x: np.ndarray, blocks: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, float]:
    """Return pairwise correlations shrunk to their block means, and the intensity of the shrinkage.

    The intensity is Schäfer and Strimmer's (2005, Statistical Applications in Genetics and Molecular Biology 4:32): the
    summed variances of the correlations over their summed squared distances from the target, at most 1; the variance of
    a correlation is that of normal data, (1 - r²)² / (n - 1).

    Args:
        x: (n, p) with NaN where missing.
        blocks: (p,) number of each variable's block.
        items: (p,) number of each variable's item.
    """
    r, pairs = pairwise_correlation(x)
    target = block_means(r, blocks, items)
    known = ~np.isnan(r) & ~np.eye(len(blocks), dtype=bool)
    away = np.where(known, r - target, 0.0)
    counted = np.abs(away) > 1e-12
    variance = np.where(counted, (1 - np.nan_to_num(r) ** 2) ** 2 / np.maximum(pairs - 1, 1), 0.0)
    total = float((away**2).sum())
    intensity = min(1.0, float(variance.sum()) / total) if total > 0 else 0.0
    shrunk = np.where(known, intensity * target + (1 - intensity) * np.nan_to_num(r), target)
    np.fill_diagonal(shrunk, 1.0)
    return shrunk, intensity


def latent_correlation(wanted: np.ndarray, hermite: np.ndarray) -> np.ndarray:
    """Return the positive definite latent correlation that gives drawn variables the correlation wanted.

    Each Σ aₘ bₘ ρᵐ = r is solved by bisection; where no ρ reaches r the largest is taken. Eigenvalues below a small
    bound are raised to it.

    Args:
        wanted: (p, p) correlations of the variables.
        hermite: (p, order) coefficients of each variable's margin.
    """
    low, high = np.full_like(wanted, -_LARGEST), np.full_like(wanted, _LARGEST)
    products = [np.outer(column, column) for column in hermite.T]
    for _ in range(30):
        middle = (low + high) / 2
        reached = np.zeros_like(wanted)
        for product in reversed(products):
            reached = (reached + product) * middle
        below = reached < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    latent = np.where(hermite[:, :1] ** 2 * (hermite[:, :1] ** 2).T > 0, (low + high) / 2, 0.0)
    np.fill_diagonal(latent, 1.0)
    values, vectors = np.linalg.eigh((latent + latent.T) / 2)
    raised = (vectors * np.maximum(values, _SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(raised))
    return np.asarray(raised / np.outer(scale, scale))
