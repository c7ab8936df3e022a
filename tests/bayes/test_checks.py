"""Trials drawn for predictive checks have the distribution of the model that they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from bayes.conftest import simulated
from pipanalysis.bayes import joint, logistic
from pipanalysis.bayes.checks import binary_prior, binary_replicates, predictive_checks
from pipanalysis.bayes.checks_joint import joint_prior, joint_replicates
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.sampler import Draws

SIZE = 1000


def two_outcomes(missing: float = 0.0) -> joint.JointProblem:
    rng, at = np.random.default_rng(1), np.arange(2)
    outcomes = [joint.JointOutcome(simulated(rng, n=60, missing=missing), at, at, 0) for _ in range(2)]
    return joint.JointProblem(outcomes, 60, 2, 1)


def fixed(problem: joint.JointProblem) -> joint.JointPosterior:
    """A posterior that is one point: SDs 2, communalities 0.64 and 0.36, correlations of visits 0.6 (own) and 0.2."""
    values = {
        "overall": np.array(0.5),
        "outcome_spread": np.array(0.0),
        "visit_spread": np.array(0.0),
        "outcome_z": np.zeros(2),
        "visit_z": np.zeros((2, 2)),
        "coefficient": np.zeros((2, 3)),
        "sd": np.full((2, 2), 2.0),
        "communality": np.array([0.64, 0.36]),
        "own_partial": np.full((2, 1), 0.8),
        "factor_partial": np.full((1, 1), 0.6),
    }
    repeated = {name: np.broadcast_to(value, (1, SIZE, *value.shape)) for name, value in values.items()}
    priors = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NuisancePriors())
    return joint.JointPosterior(problem, priors, Draws(repeated, np.zeros((1, SIZE), bool), np.zeros((1, SIZE))))


def test_replicates_of_the_joint_model_have_its_means_and_correlations() -> None:
    """60,000 values a cell: Monte Carlo errors below 0.01."""
    problem = two_outcomes()
    drawn = joint_replicates(fixed(problem), seed=2)
    residuals = {}
    for k, (each, values) in enumerate(zip(problem.outcomes, drawn, strict=True)):
        own = each.problem
        centred = (values - own.centre) / own.scale - 0.5 * own.effects.sum(axis=1)
        for v in (0, 1):
            order = np.argsort(own.unit[own.visit == v])
            residuals[k, v] = centred[:, own.visit == v][:, order].ravel()
    for values in residuals.values():
        assert values.mean() == pytest.approx(0, abs=0.04)
        assert values.std() == pytest.approx(2, abs=0.03)

    def correlation(a: tuple[int, int], b: tuple[int, int]) -> float:
        return float(np.corrcoef(residuals[a], residuals[b])[0, 1])

    assert correlation((0, 0), (1, 0)) == pytest.approx(0.8 * 0.6, abs=0.02)
    assert correlation((0, 0), (1, 1)) == pytest.approx(0.8 * 0.6 * 0.2, abs=0.02)
    assert correlation((0, 0), (0, 1)) == pytest.approx(0.64 * 0.2 + 0.36 * 0.6, abs=0.02)
    assert correlation((1, 0), (1, 1)) == pytest.approx(0.36 * 0.2 + 0.64 * 0.6, abs=0.02)


def test_replicates_are_of_the_cells_observed() -> None:
    problem = two_outcomes(missing=0.3)
    drawn = joint_replicates(fixed(problem), seed=2)
    assert [each.shape for each in drawn] == [(SIZE, len(each.problem.y)) for each in problem.outcomes]
    assert all(np.isfinite(each).all() for each in drawn)


def test_draws_from_the_joint_priors_have_their_moments() -> None:
    """Var of an effect: 0.5^2, and 0.3^2 of outcomes and of visits (one domain); 40,000 draws."""
    priors = joint.JointPriors("p", EffectPrior((0.2,), (0.5,)), 0.3, NuisancePriors(lkj=2))
    drawn = joint_prior(two_outcomes(), priors, seed=3, size=40_000)
    effect = drawn.effects[0, :, 0, 0]
    assert effect.mean() == pytest.approx(0.2, abs=0.02)
    assert effect.var() == pytest.approx(0.25 + 2 * 0.09, rel=0.05)
    assert drawn.draws.flat("communality").var() == pytest.approx(0.05, rel=0.05)  # Beta(2, 2)
    correlation = 2 * drawn.draws.flat("factor_partial") - 1
    assert correlation.var() == pytest.approx(0.2, rel=0.05)  # LKJ(2) of two visits


def binary() -> logistic.BinaryOutcome:
    arm = np.repeat([0.0, 1.0], 40)[:, None]
    return logistic.BinaryOutcome(np.tile([0.0, 0.0, 0.0, 1.0], 20), np.ones((80, 1)), arm, benefit=-1)


def test_replicates_of_a_binary_outcome_have_its_risks() -> None:
    """Log odds -1 in the reference arm, a benefit of 1 where the event is bad: 40,000 events an arm."""
    problem = binary()
    values = {"coefficient": np.full((1, SIZE, 1), -1.0), "effect": np.full((1, SIZE, 1), 1.0)}
    priors = Priors("p", [EffectPrior((0.0,), (1.0,))])
    draws = Draws(values, np.zeros((1, SIZE), bool), np.zeros((1, SIZE)))
    drawn = binary_replicates(logistic.LogisticPosterior(problem, priors, draws), seed=4)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn[:, :40].mean() == pytest.approx(1 / (1 + np.exp(1)), abs=0.01)
    assert drawn[:, 40:].mean() == pytest.approx(1 / (1 + np.exp(2)), abs=0.01)
    checks = predictive_checks(problem.y, np.zeros(80, int), np.repeat([0, 1], 40), drawn, ["mean"])
    assert [(each.arm, each.observed) for each in checks] == [(0, 0.25), (1, 0.25)]
    assert checks[0].low < 0.25 < checks[0].high
    assert checks[1].p_value < 0.05  # a risk of 0.12 seldom gives a quarter


def test_draws_from_the_priors_of_a_binary_outcome_have_their_moments() -> None:
    priors = Priors("p", [EffectPrior((0.3,), (0.6,))], NuisancePriors(coefficient_sd=1.5))
    drawn = binary_prior(binary(), priors, seed=5, size=40_000)
    assert drawn.effects.mean() == pytest.approx(0.3, abs=0.02)
    assert drawn.effects.std() == pytest.approx(0.6, rel=0.03)
    assert drawn.draws.flat("coefficient").std() == pytest.approx(1.5, rel=0.03)
