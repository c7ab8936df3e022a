"""Imputation by conditional means: missing outcomes take what the model expects given the observed ones.

With the jackknife over units it gives an estimate without random draws, whose standard error is that of repeated
sampling, not the larger one of multiple imputation by Rubin's rules (Wolbers, Noci, Delmar, Gower-Page, Yiu and
Bartlett 2022, Standard and reference-based conditional mean imputation, Pharm Stat 21:1246-1257).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipanalysis.impute.comparison import Estimates, Imputed, least_squares
from pipanalysis.impute.incomplete import IncompleteTrial, completed, fit_imputation_model
from pipanalysis.impute.strategies import Strategy
from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.errors import MMRMError, NonConvergence


def conditional_mean_imputation(
    trial: IncompleteTrial,
    strategies: Sequence[Strategy],
    *,
    reml: bool = True,
    by_arm: bool = False,
) -> dict[Strategy, Imputed]:
    """Compare the arms at every visit after imputation under each strategy.

    Args:
        trial: the outcomes and columns.
        strategies: each in turn, from the same fits.
        reml: fit the imputation model by restricted maximum likelihood.
        by_arm: a covariance for each arm.

    Standard errors: jackknife, everything done again without each unit, the imputation model too. Degrees of freedom:
    the residual ones of the comparison.

    Raises:
        MMRMError: the imputation model cannot be fitted to all units, or not without some unit.
    """
    n = len(trial.y)
    everyone = np.arange(n)
    whole = fit_imputation_model(trial, everyone, reml=reml, by_arm=by_arm)
    compared_all = least_squares(trial, everyone)
    found = {strategy: compared_all.estimates(completed(trial, whole, strategy)) for strategy in strategies}
    left: dict[Strategy, list[FloatArray]] = {strategy: [] for strategy in strategies}
    failed: list[str] = []
    for units in _all_but_one(n):
        try:
            model = fit_imputation_model(trial, units, reml=reml, by_arm=by_arm, start=whole.theta)
        except MMRMError as error:
            failed.append(str(error))
            continue
        compared = least_squares(trial, units)
        for strategy in strategies:
            left[strategy].append(compared.estimates(completed(trial, model, strategy)[units]))
    if failed:
        raise NonConvergence(
            f"jackknife: not fitted without {len(failed)} of the {n} units, left out one at a time ({failed[0]})"
        )
    answers = {}
    for strategy in strategies:
        again = np.stack(left[strategy])
        se = np.sqrt((n - 1) / n * np.square(again - again.mean(axis=0)).sum(axis=0))
        answers[strategy] = Imputed.of(Estimates(found[strategy], se, np.full(se.shape, float(compared_all.df))))
    return answers


def _all_but_one(n: int) -> Iterator[IntArray]:
    everyone = np.arange(n)
    for unit in everyone:
        yield np.delete(everyone, unit)
