"""Draws of the imputation model's parameters: their exact posterior distribution where that is known."""

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from impute.trials import incomplete_trial, simulated
from pipanalysis.impute.incomplete import IncompleteTrial
from pipanalysis.impute.posterior import inverse_wishart, posterior_draws
from pipanalysis.mmrm.errors import MMRMError


def test_inverse_wishart_has_its_mean_and_its_spread() -> None:
    """Mean S / (df - t - 1), and variance of an element from the closed form; 20,000 draws, within 5 errors."""
    rng = np.random.default_rng(1)
    scale, df, t, n = np.array([[4.0, 1, 0.5], [1, 3, -1], [0.5, -1, 2]]), 15, 3, 20_000
    draws = np.stack([inverse_wishart(scale, df, rng) for _ in range(n)])
    free = df - t
    variance = ((free + 1) * scale**2 + (free - 1) * np.outer(np.diag(scale), np.diag(scale))) / (
        free * (free - 1) ** 2 * (free - 3)
    )
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - scale / (df - t - 1)), 5 * np.sqrt(variance / n))
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.15)
    np.testing.assert_allclose(draws, np.swapaxes(draws, 1, 2), atol=1e-12)


def test_one_visit_has_the_posterior_distribution_of_least_squares() -> None:
    """t distribution of the effect, scaled inverse chi-squared variance; quantiles by Kolmogorov and Smirnov's test.

    With one visit missing values tell nothing, so rounds are independent. The prior |S|^-1 with a flat one for p
    coefficients gives n - p degrees of freedom to both.
    """
    rng = np.random.default_rng(8)
    arm, y = np.repeat([0, 1], [11, 9]), rng.normal(3, 2, (20, 1))
    y[[2, 13], 0] = np.nan
    X = np.stack([np.ones(20), arm], axis=1)[:, None, :].astype(np.float64)
    trial = IncompleteTrial(y, arm, X, X * [1.0, 0.0], X[:, 0], (1,))
    draws = list(islice(posterior_draws(trial, rng), 500))
    seen = np.isfinite(y[:, 0])
    own = [y[seen & (arm == a), 0] for a in (0, 1)]
    free = seen.sum() - 2
    squares = sum(((values - values.mean()) ** 2).sum() for values in own)
    se = np.sqrt(squares / free * sum(1 / len(values) for values in own))
    effect = np.array([draw.beta[1] for draw in draws])
    variance = np.array([draw.covariance[0, 0, 0] for draw in draws])
    assert stats.kstest((effect - (own[1].mean() - own[0].mean())) / se, stats.t(free).cdf).pvalue > 0.001
    assert stats.kstest(squares / variance, stats.chi2(free).cdf).pvalue > 0.001


def test_two_visits_with_dropout_have_the_posterior_distribution_of_the_two_regressions() -> None:
    """Monotone missing values factor: the regression of the second visit on the first has a posterior of its own.

    In it the slope is t with as many degrees of freedom as units seen twice, less the coefficients; Jeffreys' prior
    adds one degree to that variance (|S|^-(3/2) is a prior of v^-2 on the residual variance v given the first visit's).
    """
    rng = np.random.default_rng(12)
    n = 24
    first = rng.normal(0, 1, n)
    y = np.stack([first, 0.6 * first + rng.normal(0, 1, n)], axis=1)
    y[:7, 1] = np.nan
    X = np.zeros((n, 2, 2))
    X[:, 0, 0] = X[:, 1, 1] = 1
    trial = IncompleteTrial(y, np.repeat([0, 1], n // 2), X, X, np.ones((n, 1)), ())
    draws = list(islice(posterior_draws(trial, rng), 600))
    seen = np.isfinite(y[:, 1])
    fit = stats.linregress(y[seen, 0], y[seen, 1])
    spread = np.sum((y[seen, 0] - y[seen, 0].mean()) ** 2)
    residual = fit.stderr**2 * spread * (seen.sum() - 2)
    free = seen.sum() - 2 + 1
    slope = np.array([draw.covariance[0, 0, 1] / draw.covariance[0, 0, 0] for draw in draws])
    left = np.array([d.covariance[0, 1, 1] - d.covariance[0, 0, 1] ** 2 / d.covariance[0, 0, 0] for d in draws])
    assert stats.kstest((slope - fit.slope) / np.sqrt(residual / free / spread), stats.t(free).cdf).pvalue > 0.001
    assert stats.kstest(residual / left, stats.chi2(free).cdf).pvalue > 0.001


def test_columns_that_others_determine_stay_zero() -> None:
    y, arm, baseline = simulated()
    trial = incomplete_trial(y, arm, baseline)
    X = np.concatenate([trial.X, trial.X[:, :, :1]], axis=2)
    doubled = IncompleteTrial(y, arm, X, X, trial.Z, trial.effects)
    one, other = (next(posterior_draws(t, np.random.default_rng(1))) for t in (trial, doubled))
    assert other.beta[-1] == 0
    np.testing.assert_allclose(other.beta[:-1], one.beta)
    np.testing.assert_allclose(other.covariance, one.covariance)


def test_too_few_units_for_a_covariance_are_refused() -> None:
    y, arm, baseline = simulated(n=40, t=3)
    trial = incomplete_trial(y, arm, baseline)
    few = np.r_[0:6]
    small = IncompleteTrial(y[few], arm[few], trial.X[few], trial.X_reference[few], trial.Z[few], trial.effects)
    with pytest.raises(MMRMError):
        next(posterior_draws(small, np.random.default_rng(1)))
