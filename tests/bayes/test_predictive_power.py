"""The predictive probability of success: against normal theory, where it has a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.mmrm import MMRMPosterior
from pipanalysis.bayes.predictive_power import probability_of_success
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.bayes.sampler import Draws

N, REMAINING, PRIOR_SD, INTERCEPT_SD, THRESHOLD = 40, 36, 0.5, 100.0, 0.975


def information(n: float, treated: float) -> np.ndarray:
    """Posterior precision of intercept and effect, residual SD 1."""
    return np.array([[n, treated], [treated, treated]]) + np.diag([INTERCEPT_SD**-2, PRIOR_SD**-2])


def known_variance(difference: float, prior: EffectPrior, size: int = 4000) -> MMRMPosterior:
    """Draws of the exact posterior of a trial of 20 an arm at one visit, means so far apart, SD 1."""
    arm = np.repeat([0.0, 1.0], N // 2)
    noise = np.tile([-1.0, 1.0], N // 2)
    problem = RepeatedMeasures(
        y=difference * arm + noise,
        X=np.ones((N, 1)),
        effects=arm[:, None],
        unit=np.arange(N),
        visit=np.zeros(N, dtype=np.intp),
        n_visits=1,
        scale=1.0,
        location=0.0,
    )
    covariance = np.linalg.inv(information(N, N / 2))
    mean = covariance @ [problem.y.sum(), problem.y[arm == 1].sum()]
    drawn = np.random.default_rng(1).multivariate_normal(mean, covariance, size)
    values = {"coefficient": drawn[None, :, :1], "effect": drawn[None, :, 1:], "sd": np.ones((1, size, 1))}
    draws = Draws(values, np.zeros((1, size), dtype=bool), np.zeros((1, size)))
    return MMRMPosterior(problem, Priors("p", [prior], NuisancePriors(coefficient_sd=INTERCEPT_SD)), draws)


def closed_form(difference: float) -> float:
    """The mean at the end is N(mean, v - v_end) given the data; success where it is above z root v_end.

    Who comes is drawn from those there are, so the treated among them are binomial.
    """
    now = np.linalg.inv(information(N, N / 2))
    mean = (now @ [difference * N / 2, difference * N / 2])[1]
    total = 0.0
    for treated in range(REMAINING + 1):
        end = np.linalg.inv(information(N + REMAINING, N / 2 + treated))[1, 1]
        shortfall = norm.ppf(THRESHOLD) * np.sqrt(end) - mean
        total += binom.pmf(treated, REMAINING, 0.5) * norm.sf(shortfall / np.sqrt(now[1, 1] - end))
    return total


@pytest.mark.parametrize("difference", [-0.3, 0.2, 0.5, 0.9])
def test_with_known_variance_it_is_that_of_normal_theory(difference: float) -> None:
    """4000 simulated trials: four Monte Carlo standard errors, at most 0.032."""
    posterior = known_variance(difference, EffectPrior((0.0,), (PRIOR_SD,)))
    found = probability_of_success(posterior, REMAINING, threshold=THRESHOLD, seed=3, trials=4000)
    expected = closed_form(difference)
    assert found.shape == (1,)
    assert found[0] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4000))


def test_a_mixture_of_one_prior_twice_is_that_prior() -> None:
    one, two = (
        probability_of_success(known_variance(0.4, prior), REMAINING, threshold=THRESHOLD, seed=4)
        for prior in (EffectPrior((0.0,), (PRIOR_SD,)), EffectPrior((0.0, 0.0), (PRIOR_SD, PRIOR_SD), (0.3, 0.7)))
    )
    np.testing.assert_array_equal(one, two)


def test_a_full_trial_or_an_impossible_threshold_is_refused() -> None:
    posterior = known_variance(0.4, EffectPrior((0.0,), (PRIOR_SD,)), size=10)
    with pytest.raises(BayesInputError, match=r"0 units to come; the trial has its full size; threshold 1.2 is not"):
        probability_of_success(posterior, 0, threshold=1.2, seed=1)
