"""Multiple imputation under a strategy, pooled by Rubin's rules.

Parameters are drawn from their posterior distribution, missing values from theirs given what is observed of the unit,
those parameters and the strategy; the arms are compared in each completed trial, and the answers pooled (Carpenter,
Roger and Kenward 2013, J Biopharm Stat 23:1352-1371).

The standard error holds the information lost by missing data alike under every strategy (Cro, Carpenter and Kenward
2019, J R Stat Soc A 182:623-645): larger than that of repeated sampling where a reference is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from pipanalysis.impute.comparison import Imputed, least_squares
from pipanalysis.impute.incomplete import IncompleteTrial, completed
from pipanalysis.impute.posterior import posterior_draws
from pipanalysis.impute.rubin import pool
from pipanalysis.impute.strategies import Strategy
from pipanalysis.mmrm.arrays import FloatArray


def multiple_imputation(
    trial: IncompleteTrial,
    strategies: Sequence[Strategy],
    *,
    imputations: int,
    rng: np.random.Generator,
    by_arm: bool = False,
) -> dict[Strategy, Imputed]:
    """Compare the arms at every visit after multiple imputation under each strategy.

    All strategies share the draws, so that they differ by what they assume and not by chance. Estimates are `Pooled`.

    Args:
        trial: the outcomes and columns.
        strategies: each in turn.
        imputations: how many, 2 or more.
        rng: what draws parameters and missing values.
        by_arm: a covariance for each arm.

    Raises:
        MMRMError: the imputation model cannot be fitted, or its posterior distribution does not exist.
        ValueError: fewer than two imputations.
    """
    compared = least_squares(trial, np.arange(len(trial.y)))
    estimates: dict[Strategy, list[FloatArray]] = {strategy: [] for strategy in strategies}
    variances: dict[Strategy, list[FloatArray]] = {strategy: [] for strategy in strategies}
    for model in islice(posterior_draws(trial, rng, by_arm=by_arm), imputations):
        noise = rng.standard_normal(trial.y.size).reshape(trial.y.shape)
        for strategy in strategies:
            filled = completed(trial, model, strategy, noise)
            estimates[strategy].append(compared.estimates(filled))
            variances[strategy].append(compared.variances(filled))
    return {
        strategy: Imputed.of(pool(np.stack(estimates[strategy]), np.stack(variances[strategy]), compared.df))
        for strategy in strategies
    }
