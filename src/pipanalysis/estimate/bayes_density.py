"""Rows with the densities of an effect before and after the data, for displays that draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gaussian_kde

from pipanalysis.estimate.bayes_rows import STANDARDISED, Where, context_of

if TYPE_CHECKING:
    from pipanalysis.bayes.arrays import FloatArray
    from pipanalysis.estimate.analysis_results import Row, Scope

GRID = np.arange(-30, 31) / 20
"""standardised effects at which densities are given: every twentieth of an SD, 1.5 SD either way"""
LOG_ODDS_GRID = 2 * GRID
"""log odds ratios at which densities are given"""
LOG_ODDS_RATIO = "measure=log_odds_ratio"


def density_rows(
    scope: Scope,
    prior: str,
    draws: FloatArray,
    prior_density: FloatArray,
    where: Where,
    *,
    grid: FloatArray = GRID,
    measure: str = STANDARDISED,
) -> Iterator[Row]:
    """Yield the posterior's and the prior's density at the points of a grid, named in the context as `at=`.

    Args:
        scope: of the rows.
        prior: name of the set of priors.
        draws: of an effect that is positive where it is benefit, of any shape.
        prior_density: at the points of the grid.
        where: visit, contrast and warning.
        grid: points.
        measure: what they are values of, as a part of the context.

    The posterior's is a Gaussian kernel estimate with Scott's bandwidth.
    """
    posterior = gaussian_kde(draws.reshape(-1))(grid)
    for at, after, before in zip(grid, posterior, prior_density, strict=True):
        context = context_of(prior, measure, f"at={at:.2f}")
        yield scope.row("posterior_density", after, context=context, **where)
        yield scope.row("prior_density", before, context=context, **where)
