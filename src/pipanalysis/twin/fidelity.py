"""How far the twin's means, SDs, shares and correlations are from the source's, in standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipanalysis.twin.copula import LEAST_PAIRS, pairwise_correlation
from pipanalysis.twin.model import Units
from pipanalysis.twin.source import Source

Difference = tuple[float, str]
"""a difference in standard errors, and where"""


def fidelity(source: Source, units: Units, min_cell: int) -> dict[str, Any]:
    """Return the differences of twin and source by kind of statistic: how many, root mean square, the largest.

    A standard error is that of the twin's statistic if the source's were true, so a good twin's differences have a
    root mean square near 1. Statistics of fewer than twice `min_cell` values are left out. No statistic itself is
    returned.
    """
    found: dict[str, list[Difference]] = {k: [] for k in ("means", "SDs", "proportions", "missingness", "correlations")}
    for j, variable in enumerate(source.variables):
        if variable.raw.type in ("text", "serial"):
            continue
        for arm in np.unique(source.arms):
            real, made = variable.values[source.arms == arm], units.values[units.arms == arm, j]
            where = f"{variable.name}" + (f", arm {arm}" if arm else "")
            _compare_missing(found["missingness"], np.isnan(real), np.isnan(made), where)
            real, made = real[~np.isnan(real)], made[~np.isnan(made)]
            if min(len(real), len(made)) < 2 * min_cell:
                continue
            if variable.raw.type in ("category", "label"):
                for level in np.unique(real):
                    p, q = float((real == level).mean()), float((made == level).mean())
                    if p * len(real) >= min_cell and (1 - p) * len(real) >= min_cell:
                        found["proportions"].append(((q - p) / np.sqrt(p * (1 - p) / len(made)), where))
            else:
                _compare_moments(found, real, made, where)
    found["correlations"] = _correlations(source, units)
    return {kind: _summary(differences) for kind, differences in found.items()}


def _compare_missing(into: list[Difference], real: np.ndarray, made: np.ndarray, where: str) -> None:
    p = float(real.mean())
    if 0 < p < 1:
        into.append(((float(made.mean()) - p) / np.sqrt(p * (1 - p) / len(made)), where))


def _compare_moments(found: dict[str, list[Difference]], real: np.ndarray, made: np.ndarray, where: str) -> None:
    sd = float(real.std(ddof=1))
    if sd == 0:
        return
    n = len(made)
    found["means"].append(((made.mean() - real.mean()) / (sd / np.sqrt(n)), where))
    # The variance of a log SD is (kurtosis - 1) / 4n; kurtosis is 3 for normal data.
    kurtosis = float((((real - real.mean()) / real.std()) ** 4).mean())
    error = np.sqrt(max(kurtosis - 1, 0.5) / (4 * n))
    found["SDs"].append((float(np.log(max(made.std(ddof=1), 1e-9) / sd) / error), where))


def _correlations(source: Source, units: Units) -> list[Difference]:
    """Return differences of Fisher's z, over all pairs of numbers within arms."""
    columns = [j for j, v in enumerate(source.variables) if v.raw.type in ("number", "date")]
    if len(columns) < 2:
        return []
    real, made = (
        pairwise_correlation(_within(values[:, columns], arms))
        for values, arms in (
            (np.column_stack([v.values for v in source.variables]), source.arms),
            (units.values, units.arms),
        )
    )
    upper = np.triu_indices(len(columns), 1)
    r, q = real[0][upper].clip(-0.999, 0.999), made[0][upper].clip(-0.999, 0.999)
    pairs = made[1][upper]
    use = np.isfinite(r) & np.isfinite(q) & (pairs >= LEAST_PAIRS)
    z = (np.arctanh(q[use]) - np.arctanh(r[use])) * np.sqrt(pairs[use] - 3)
    names = [source.variables[j].name for j in columns]
    first, second = upper[0][use], upper[1][use]
    return [(float(d), f"{names[i]} and {names[j]}") for d, i, j in zip(z, first, second, strict=True)]


def _within(values: np.ndarray, arms: np.ndarray) -> np.ndarray:
    made = values.copy()
    for arm in np.unique(arms):
        here = arms == arm
        seen = ~np.isnan(made[here])
        counts = seen.sum(axis=0)
        means = np.where(counts > 0, np.nansum(made[here], axis=0) / np.maximum(counts, 1), 0.0)
        made[here] -= means
    return made


def _summary(differences: list[Difference]) -> dict[str, Any]:
    if not differences:
        return {"compared": 0}
    sizes = np.array([d for d, _ in differences], dtype=float)
    largest = int(np.abs(sizes).argmax())
    return {
        "compared": len(sizes),
        "root_mean_square": round(float(np.sqrt((sizes**2).mean())), 2),
        "share_within_2": round(float((np.abs(sizes) <= 2).mean()), 3),
        "largest": round(float(sizes[largest]), 2),
        "largest_at": differences[largest][1],
    }
