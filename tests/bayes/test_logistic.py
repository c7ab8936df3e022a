"""Logistic regression: its posterior by quadrature, risks, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_expit
from scipy.stats import norm

from pipanalysis.bayes import logistic
from pipanalysis.bayes.diagnostics import mcse_mean
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.sampler import SamplerSettings

PRIORS = Priors("p", [EffectPrior((0.3,), (0.8,))], NuisancePriors(coefficient_sd=1.5))


def test_posterior_is_that_of_quadrature() -> None:
    """Intercept and one arm, 9 of 30 v 4 of 28 events that are bad: the posterior on a fine grid."""
    counts = ((9, 30), (4, 28))
    y = np.concatenate([np.repeat([1.0, 0.0], [x, n - x]) for x, n in counts])
    arm = np.repeat([0.0, 1.0], [n for _, n in counts])
    problem = logistic.BinaryOutcome(y, np.ones((58, 1)), arm[:, None], -1)
    size = (2, 1)  # one column of padding
    drawn = logistic.fit(logistic.build(*size), size, problem, PRIORS, SamplerSettings(draws=2000), seed=1)
    a, d = np.meshgrid(np.linspace(-5, 4, 600), np.linspace(-4, 5, 600), indexing="ij")
    log_density = norm.logpdf(a, 0, 1.5) + norm.logpdf(d, 0.3, 0.8)
    for (x, n), eta in zip(counts, (a, a - d), strict=True):
        log_density += x * log_expit(eta) + (n - x) * log_expit(-eta)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float((weight * d).sum())
    effect = drawn.effects[..., 0]
    assert abs(effect.mean() - mean) < 4 * mcse_mean(effect)
    assert effect.std() == pytest.approx(np.sqrt((weight * (d - mean) ** 2).sum()), rel=0.05)
    for k, eta in enumerate((a, a - d)):
        risk = drawn.risk(k)
        assert abs(risk.mean() - (weight * expit(eta)).sum()) < 4 * mcse_mean(risk)
    assert drawn.unit_logliks.shape == (4, 2000, 58)


@pytest.mark.parametrize(
    ("y", "treated", "message"),
    [
        (np.zeros(20), 10, "no variance: 0 events of 20"),
        (np.ones(20), 10, "no variance: 20 events of 20"),
        (np.arange(20) % 3, 10, "other than 0 and 1"),
        (np.arange(20) % 2, 3, "arm 2: 3 observed in it, 17 outside it; 4 needed"),
    ],
)
def test_bad_data_are_refused(y: np.ndarray, treated: int, message: str) -> None:
    arm = (np.arange(20) < treated).astype(float)
    with pytest.raises(BayesInputError, match=message):
        logistic.BinaryOutcome(y.astype(float), np.ones((20, 1)), arm[:, None], 1)
