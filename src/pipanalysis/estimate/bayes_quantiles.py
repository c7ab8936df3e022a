"""Quantiles of priors and posteriors: what their pictures are drawn from.

Equal steps of probability, so that each of the quantiles stands for the same share of a distribution: drawn as dots
they can be counted (Kay, Kola, Hullman and Munson 2016, CHI '16, doi:10.1145/2858036.2858558).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.analysis_results import Row, Scope

if TYPE_CHECKING:
    from pipanalysis.bayes.arrays import FloatArray
    from pipanalysis.bayes.priors import EffectPrior

PROBABILITIES = tuple(round((i + 0.5) / 20, 3) for i in range(20))
FAR = 10.0
"""standard deviations from the outermost component within which every quantile lies"""


def posterior_quantile_rows(scope: Scope, values: FloatArray, context: str, visit: str, contrast: str) -> Iterator[Row]:
    """Yield the quantiles of draws, of any shape."""
    for p, quantile in zip(PROBABILITIES, np.quantile(values, PROBABILITIES), strict=True):
        where = f"{context}, probability={p:g}"
        yield scope.row("posterior_quantile", float(quantile), visit=visit, contrast=contrast, context=where)


def prior_quantile_rows(scope: Scope, prior: EffectPrior, unit: float, context: str, contrast: str) -> Iterator[Row]:
    """Yield the quantiles of the prior of an effect, which is the same at every visit.

    Args:
        scope: the analysis and outcome.
        prior: of the standardised effect.
        unit: what a standardised effect of 1 is in units of the outcome, negative where lower is better.
        context: of the set of priors.
        contrast: the difference between arms.
    """
    quantiles = sorted(unit * prior_quantile(prior, p) for p in PROBABILITIES)
    for p, quantile in zip(PROBABILITIES, quantiles, strict=True):
        yield scope.row("prior_quantile", quantile, contrast=contrast, context=f"{context}, probability={p:g}")


def prior_quantile(prior: EffectPrior, probability: float) -> float:
    """Return the quantile of a mixture of normal distributions, where its distribution function is the probability."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    means, sds, weights = np.array(prior.means), np.array(prior.sds), np.array(prior.weights)

    def beyond(at: float) -> float:
        return float(weights @ norm.cdf((at - means) / sds)) - probability

    low, high = (means - FAR * sds).min(), (means + FAR * sds).max()
    return float(brentq(beyond, low, high, xtol=1e-12))
