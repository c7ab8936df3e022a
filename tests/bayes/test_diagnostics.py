"""Gates, the rule for a second try, energy, and power scaling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.diagnostics import (
    Gates,
    diagnose,
    energy_fraction,
    importance_weights,
    leave_one_unit_out,
    log_prior,
    power_scaling,
    refitted_by_rule,
)
from pipanalysis.bayes.priors import EffectPrior
from pipanalysis.bayes.sampler import Draws, SamplerSettings


def draws(values: FloatArray) -> Draws:
    chains, size = values.shape[:2]
    rng = np.random.default_rng(0)
    return Draws({"x": values}, np.zeros((chains, size), dtype=bool), rng.standard_normal((chains, size)))


def independent(seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((4, 1000, 2))


def test_independent_draws_pass() -> None:
    found = diagnose({"x": independent()}, draws(independent()), Gates())
    assert found.passed
    assert found.r_hat < 1.005
    assert 3000 < found.ess_bulk < 5500


@pytest.mark.parametrize(
    ("values", "gate"),
    [
        (independent() + np.arange(4)[:, None, None], "R-hat"),
        (np.cumsum(independent(), axis=1), "bulk effective sample size"),
        (np.ones((4, 1000, 1)), "R-hat nan"),
    ],
)
def test_each_gate_stops_what_it_is_for(values: FloatArray, gate: str) -> None:
    found = diagnose({"x": values}, draws(values), Gates())
    assert any(failure.startswith(gate) for failure in found.failures), found.failures


def test_divergences_and_energy_are_gates() -> None:
    values = independent()
    diverged = np.zeros((4, 1000), dtype=bool)
    diverged[0, 0] = True
    stuck = np.cumsum(np.random.default_rng(2).standard_normal((4, 1000)), axis=1)
    found = diagnose({"x": values}, replace(draws(values), divergent=diverged, energy=stuck), Gates())
    assert found.failures[0] == "1 divergent trajectory, 0 allowed"
    assert [failure.split(" ")[0] for failure in found.failures[1:]] == ["Bayesian"]


def test_energy_fraction_of_independent_energies_is_two() -> None:
    """E (E_i - E_{i-1})^2 = 2 Var E for independent energies (Betancourt 2016)."""
    assert energy_fraction(np.random.default_rng(3).standard_normal((2, 200_000))) == pytest.approx(2, rel=0.01)


def test_a_model_that_fails_is_sampled_once_more_and_no_further() -> None:
    tries: list[SamplerSettings] = []

    def sample(settings: SamplerSettings) -> FloatArray:
        tries.append(settings)
        return np.cumsum(independent(), axis=1)

    settings = SamplerSettings(draws=1000, tune=500, target_accept=0.8)
    _, found, said = refitted_by_rule(
        sample, lambda x: diagnose({"x": x}, draws(x), Gates()), settings, target_accept=0.99, longer=3
    )
    assert [(each.draws, each.tune, each.target_accept) for each in tries] == [(1000, 500, 0.8), (3000, 1500, 0.99)]
    assert not found.passed
    assert "sampled again with target acceptance 0.99" in said


def test_a_model_that_passes_is_sampled_once() -> None:
    _, found, said = refitted_by_rule(
        lambda settings: independent(),
        lambda x: diagnose({"x": x}, draws(x), Gates()),
        SamplerSettings(),
        target_accept=0.99,
        longer=2,
    )
    assert found.passed
    assert said == ""


def test_log_prior_of_a_mixture() -> None:
    from scipy.stats import norm

    effects = np.linspace(-1, 1, 5)[:, None]
    mixture = 0.7 * norm.pdf(effects[:, 0], 0.25, 0.16) + 0.3 * norm.pdf(effects[:, 0], 0, 1)
    found = log_prior(effects, [EffectPrior((0.25, 0.0), (0.16, 1.0), (0.7, 0.3))])
    np.testing.assert_allclose(found, np.log(mixture), rtol=1e-12)


def test_power_scaling_tells_a_strong_prior_from_a_weak_one() -> None:
    """One normal mean, likelihood N(2, 1): prior N(0, 1) disagrees and is as strong; N(0, 100) says nothing."""
    rng = np.random.default_rng(4)
    found = []
    for sd in (1.0, 100.0):
        variance = 1 / (1 + 1 / sd**2)
        x = rng.normal(2 * variance, np.sqrt(variance), (4, 2000, 1))
        likelihood = -0.5 * (x[..., 0] - 2) ** 2
        found.append(power_scaling(x, likelihood, log_prior(x, [EffectPrior((0.0,), (sd,))]))[0])
    strong, weak = found
    assert strong.finding == "prior and data disagree"
    assert weak.prior < 0.001
    assert weak.finding == ""


def test_leave_one_out_of_a_normal_mean() -> None:
    """Known variance 1, flat prior: leaving i out, y_i ~ N(mean of the rest, 1 + 1 / (n - 1))."""
    from scipy.stats import norm

    rng = np.random.default_rng(5)
    n = 30
    y = rng.standard_normal(n)
    mean = rng.normal(y.mean(), 1 / np.sqrt(n), (4, 5000))
    found = leave_one_unit_out(norm.logpdf(y, mean[..., None], 1))
    rest = (y.sum() - y) / (n - 1)
    assert found.elpd == pytest.approx(norm.logpdf(y, rest, np.sqrt(1 + 1 / (n - 1))).sum(), abs=0.05)
    assert found.max_pareto_k < 0.5
    assert found.n_high_k == 0


def test_weighted_draws_are_those_of_the_other_prior() -> None:
    """Likelihood N(0.5, 0.3): from the posterior under N(0, 1) to that under N(0, 0.2), both normal."""

    def law(sd: float) -> tuple[float, float]:
        variance = 1 / (1 / 0.3**2 + 1 / sd**2)
        return variance * 0.5 / 0.3**2, variance**0.5

    x = np.random.default_rng(6).normal(*law(1.0), (4, 2000, 1))
    wide, narrow = (log_prior(x, [EffectPrior((0.0,), (sd,))]) for sd in (1.0, 0.2))
    found = importance_weights(narrow - wide)
    mean, sd = law(0.2)
    assert found.weights.sum() == pytest.approx(1)
    assert found.pareto_k < 0.7
    error = sd / np.sqrt(found.efficiency * x.size)
    assert abs(found.weights @ x.reshape(-1) - mean) < 4 * error
    again = x.reshape(-1)[found.resample(1)]
    assert abs(again.mean() - mean) < 4 * error
    assert again.std() == pytest.approx(sd, rel=0.06)
    assert importance_weights(np.zeros((2, 50))).efficiency == pytest.approx(1)
