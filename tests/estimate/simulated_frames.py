"""Simulated trials at the size of this one, as the frame that a model is fitted to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from estimate.trials import ARMS
from pipanalysis.estimate.analysis_data import AnalysisFrame, Covariate

PER_ARM, DROPOUT = 38, 0.2
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
"""Gauss-Hermite: means over a standard normal covariate are sums with these weights"""


def people(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arm (0, 1), site (0, 1) and severity (standard normal) of the units of a trial."""
    n = 2 * PER_ARM
    return np.repeat([0, 1], PER_ARM), rng.integers(0, 2, n), rng.normal(size=n)


def lost(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """The values, some of them missing completely at random, shape (n, visits)."""
    return np.where(rng.random(values.shape) < DROPOUT, np.nan, values)


def frame(arm: np.ndarray, site: np.ndarray, severity: np.ndarray, values: np.ndarray) -> AnalysisFrame:
    """A frame adjusted for site and, as baseline, severity; values of shape (n, visits)."""
    n, k = values.shape
    visits = [f"visit{i + 1}" for i in range(k)]
    data = pd.DataFrame(
        {
            "unit": np.repeat([f"u{i:03}" for i in range(n)], k),
            "visit": pd.Categorical(np.tile(visits, n), categories=visits),
            "arm": pd.Categorical(np.repeat(np.array(ARMS)[arm], k), categories=list(ARMS)),
            "value": values.ravel(),
            "baseline": np.repeat(severity, k),
            "x1": pd.Categorical(np.repeat(site.astype(str), k), categories=["0", "1"]),
        }
    )
    return AnalysisFrame(data, ARMS, tuple(visits), True, (Covariate("x1", "site", True),), 1.0, {})
