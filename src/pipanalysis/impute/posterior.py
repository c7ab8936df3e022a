"""Draws of the imputation model's parameters from their posterior distribution, by data augmentation.

The prior is flat in the coefficients and Jeffreys' in the covariance, p(S) proportional to |S|^-((t + 1) / 2), as in
Stata's `mimix` and SAS PROC MI. In turn: missing values given parameters and observed values, coefficients given the
covariance and complete outcomes (normal), covariance given those (inverse Wishart). Schafer (1997), Analysis of
Incomplete Multivariate Data, section 5.4; here with covariates that differ between visits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipanalysis.impute.incomplete import ImputationModel, IncompleteTrial, completed, fit_imputation_model
from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.errors import SingularData

BURN_IN = 100
"""rounds before the first draw; they start from the estimates, and forget them as fast as information is missing"""
BETWEEN = 5
"""rounds from one draw to the next: the correlation of two is the fraction of missing information to that power"""


def posterior_draws(
    trial: IncompleteTrial, rng: np.random.Generator, *, by_arm: bool = False
) -> Iterator[ImputationModel]:
    """Yield draws of the parameters without end, from a chain that starts at the restricted maximum likelihood.

    Args:
        trial: the outcomes and columns.
        rng: what draws.
        by_arm: a covariance for each arm.

    Raises:
        MMRMError: the model cannot be fitted, or an arm (all arms together, with one covariance) has too few units for
            the posterior distribution of its covariance to exist.
    """
    model = fit_imputation_model(trial, np.arange(len(trial.y)), by_arm=by_arm)
    kept = [column for column in range(trial.X.shape[2]) if column not in model.aliased]
    t = trial.y.shape[1]
    groups = (
        [trial.arm == a for a in range(int(trial.arm.max()) + 1)] if by_arm else [np.ones(len(trial.y), dtype=bool)]
    )
    fewest = min(int(group.sum()) for group in groups)
    if fewest <= t + len(kept) / t / len(groups):
        raise SingularData(f"{fewest} units for a covariance of {t} visits and {len(kept)} coefficients")
    columns = [trial.X[group][:, :, kept] for group in groups]
    # Where all arms have one covariance, those who lack the same visits are imputed together.
    incomplete = trial if by_arm else replace(trial, arm=np.zeros_like(trial.arm))
    # Crossproducts of the columns at every pair of visits: a weighted sum of them is the information on coefficients.
    products = [np.einsum("ijp,ikq->jkpq", X, X).reshape(t * t, -1) for X in columns]
    for step in range(-BURN_IN, np.iinfo(np.int64).max):
        noise = rng.standard_normal(trial.y.size).reshape(trial.y.shape)
        y = completed(incomplete, model, "mar", noise)
        outcomes = [y[group] for group in groups]
        beta = _coefficients(columns, products, outcomes, model.covariance, rng)
        residuals = [own - X @ beta for own, X in zip(outcomes, columns, strict=True)]
        covariance = np.stack([inverse_wishart(own.T @ own, len(own), rng) for own in residuals])
        everything = np.zeros_like(model.beta)
        everything[kept] = beta
        model = replace(model, beta=everything, covariance=covariance)
        if step >= 0 and step % BETWEEN == 0:
            yield model


def _coefficients(
    columns: list[FloatArray],
    products: list[FloatArray],
    outcomes: list[FloatArray],
    covariances: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw the coefficients given the covariance and complete outcomes, both by group."""
    p = columns[0].shape[2]
    information, score = np.zeros((p, p)), np.zeros(p)
    for X, crossed, y, covariance in zip(columns, products, outcomes, covariances, strict=True):
        weight = np.linalg.inv(covariance)
        information += (weight.reshape(-1) @ crossed).reshape(p, p)
        score += (y @ weight).reshape(-1) @ X.reshape(-1, p)
    root = np.linalg.cholesky(information)
    noise: FloatArray = rng.standard_normal(p)
    drawn: FloatArray = np.linalg.solve(root.T, np.linalg.solve(root, score) + noise)
    return drawn


def inverse_wishart(scale: FloatArray, df: int, rng: np.random.Generator) -> FloatArray:
    """Draw from the inverse Wishart distribution, whose mean is scale / (df - t - 1), by Bartlett's decomposition.

    Args:
        scale: positive definite, (t, t).
        df: degrees of freedom, t or more.
        rng: what draws.
    """
    t = len(scale)
    factor = np.tril(rng.standard_normal((t, t)), -1)
    factor[np.diag_indices(t)] = np.sqrt(rng.chisquare(df - np.arange(t)))
    half = np.linalg.solve(factor, np.linalg.cholesky(scale).T)
    return half.T @ half
