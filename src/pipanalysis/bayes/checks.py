"""Prior and posterior predictive checks: trials drawn from the model beside the one observed, by arm and visit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.logistic import BinaryOutcome, LogisticPosterior
from pipanalysis.bayes.mmrm import MMRMPosterior
from pipanalysis.bayes.priors import EffectPrior, Priors
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.bayes.sampler import Draws

MAX_REPLICATES = 1000


@dataclass(frozen=True)
class PredictiveCheck:
    """A statistic of the observed values of one arm at one visit beside its predictive distribution.

    Attributes:
        arm, visit: codes.
        statistic: mean or sd.
        observed: of the trial, in units of the outcome.
        low, high: limits of the central 95% of the replicates.
        p_value: share of replicates at or above the observed one (Gelman, Meng and Stern 1996).
    """

    arm: int
    visit: int
    statistic: str
    observed: float
    low: float
    high: float
    p_value: float


def replicates(posterior: MMRMPosterior, seed: int) -> FloatArray:
    """Return trials drawn from the posterior at the observed cells, in units of the outcome: (R, N)."""
    z, _ = posterior.problem.padded
    chosen = chosen_draws(len(posterior.sd))
    rng = np.random.default_rng(seed)
    factor = np.linalg.cholesky(posterior.covariance[chosen])
    noise = rng.standard_normal((len(chosen), len(z), factor.shape[1]))
    means = np.einsum("ija,sa->sij", z[..., :-1], posterior.coefficients[chosen])
    values = means + np.einsum("sjk,sik->sij", factor, noise)
    return in_outcome_units(posterior.problem, _observed_cells(posterior.problem, values))


def prior_replicates(problem: RepeatedMeasures, priors: Priors, seed: int, size: int = MAX_REPLICATES) -> FloatArray:
    """Return trials drawn from the priors at the observed cells, in units of the outcome: (size, N)."""
    z, _ = problem.padded
    t, q, g = problem.n_visits, problem.X.shape[1], problem.n_groups
    rng = np.random.default_rng(seed)
    nuisance = priors.nuisance
    coefficient = rng.normal(0.0, nuisance.coefficient_sd, (size, q))
    group_sd = np.abs(rng.normal(0.0, nuisance.group_scale, (size, 1)))
    group = group_sd * rng.standard_normal((size, g))
    effects = drawn_effects(priors.effects, size, rng)
    sd = half_t3(nuisance.residual_scale, (size, t), rng)
    factor = lkj_factors(nuisance.lkj, t, size, rng) * sd[:, :, None]
    noise = rng.standard_normal((size, len(z), t))
    beta = np.column_stack([coefficient, group, effects])
    values = np.einsum("ija,sa->sij", z[..., :-1], beta) + np.einsum("sjk,sik->sij", factor, noise)
    return in_outcome_units(problem, _observed_cells(problem, values))


def binary_replicates(posterior: LogisticPosterior, seed: int) -> FloatArray:
    """Return events drawn from the posterior for the units observed: (R, n)."""
    probability = posterior.probabilities[chosen_draws(posterior.draws.divergent.size)]
    return (np.random.default_rng(seed).random(probability.shape) < probability).astype(np.float64)


def binary_prior(problem: BinaryOutcome, priors: Priors, seed: int, size: int = MAX_REPLICATES) -> LogisticPosterior:
    """Return draws from the priors in the place of the posterior's."""
    rng = np.random.default_rng(seed)
    coefficient = priors.nuisance.coefficient_sd * rng.standard_normal((1, size, problem.X.shape[1]))
    values = {"coefficient": coefficient, "effect": drawn_effects(priors.effects, size, rng)[None]}
    return LogisticPosterior(problem, priors, Draws(values, np.zeros((1, size), dtype=bool), np.zeros((1, size))))


def drawn_effects(effects: Sequence[EffectPrior], size: int, rng: np.random.Generator) -> FloatArray:
    """Return draws from the priors of effects: (size, e)."""
    found = []
    for each in effects:
        pick = rng.choice(len(each.weights), size, p=each.weights)
        found.append(rng.normal(np.asarray(each.means)[pick], np.asarray(each.sds)[pick]))
    return np.column_stack(found)


def half_t3(scale: float, size: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Return draws of a half Student t with 3 degrees of freedom."""
    return np.asarray(scale * np.abs(rng.standard_t(3, size)))


def lkj_factors(lkj: float, t: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Return Cholesky factors of correlation matrices drawn from LKJ(lkj): (size, t, t)."""
    from pipanalysis.bayes import kernels
    from pipanalysis.bayes.mmrm import lkj_shapes

    if t == 1:
        return np.ones((size, 1, 1))
    shapes = lkj_shapes(lkj, t)
    return kernels.correlation(2 * rng.beta(shapes, shapes, (size, shapes.size)) - 1)


def in_outcome_units(problem: RepeatedMeasures, standardised: FloatArray) -> FloatArray:
    """Return standardised, benefit-aligned values in units of the outcome."""
    return problem.centre + problem.unit_of_effect * standardised


STATISTICS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "mean": lambda values: np.asarray(values.mean(axis=-1)),
    "sd": lambda values: np.asarray(values.std(axis=-1, ddof=1)),
}
BINARY_STATISTICS = ("mean",)
"""of a binary outcome: the share of events, which its SD follows from"""


def predictive_checks(
    y: FloatArray, visits: IntArray, arm: IntArray, simulated: FloatArray, statistics: Iterable[str] = STATISTICS
) -> list[PredictiveCheck]:
    """Compare statistics of each arm at each visit with those of replicates.

    Args:
        y: observed values, (N,).
        visits, arm: codes of the rows, (N,).
        simulated: replicates, (R, N).
        statistics: names of them.
    """
    found = []
    for visit in np.unique(visits):
        for code in np.unique(arm):
            own = (arm == code) & (visits == visit)
            if own.sum() < 2:
                continue
            for name in statistics:
                observed, drawn = STATISTICS[name](y[own]), STATISTICS[name](simulated[:, own])
                low, high = np.quantile(drawn, [0.025, 0.975])
                share = float((drawn >= observed).mean())
                found.append(
                    PredictiveCheck(int(code), int(visit), name, float(observed), float(low), float(high), share)
                )
    return found


def _observed_cells(problem: RepeatedMeasures, values: FloatArray) -> FloatArray:
    units = np.unique(problem.unit, return_inverse=True)[1]
    return values[:, units, problem.visit]


def chosen_draws(n: int) -> IntArray:
    """Return positions of the draws that replicates are made from, evenly among n."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_REPLICATES)).astype(np.intp))
