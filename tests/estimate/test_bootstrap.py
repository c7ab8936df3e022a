"""Bootstrap limits: the batch against one fit at a time, BCa against scipy, and what the results say of them."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import bootstrap

from estimate.test_binary import arms_trial, measure
from estimate.trials import row
from pipanalysis.estimate import binary
from pipanalysis.estimate.bootstrap import _fit, accelerated, bootstrap_risks
from pipanalysis.estimate.firth import firth
from pipanalysis.estimate.separation import separation
from pipanalysis.estimate.step import family_results


def design(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    arm, site, severity = np.repeat([0.0, 1.0], n // 2), rng.integers(0, 3, n), rng.normal(size=n)
    X = np.column_stack([np.ones(n), severity, site == 1, site == 2, arm]).astype(float)
    return X, (rng.random(n) < expit(-0.4 + 0.8 * arm + 0.9 * severity)).astype(float)


def test_each_resample_is_fitted_as_it_would_be_alone() -> None:
    """Rows repeated as often as they were drawn, by statsmodels or, where they are separated, by Firth's likelihood."""
    X, y = design(3)
    y[X[:, 3] == 1] = 1.0  # a site with events only
    X = X[:, [0, 1, 3, 4]]
    weights = np.random.default_rng(4).multinomial(60, np.full(60, 1 / 60), size=40).astype(float)
    y2 = design(3)[1]
    for outcome in (y, y2):
        beta, penalised = _fit(X, outcome, weights)
        for b, w, was in zip(beta, weights, penalised, strict=True):
            drawn = np.arange(60).repeat(w.astype(int))
            apart = separation(X[drawn], outcome[drawn]) != "none"
            assert was == apart
            if apart:
                assert b == pytest.approx(firth(X[drawn], outcome[drawn]).beta, abs=1e-6)
            else:
                alone = binary.maximum_likelihood(X[drawn], outcome[drawn], [])
                assert alone is not None
                assert b == pytest.approx(alone[0], abs=1e-6)


def test_a_resample_without_a_stratum_is_that_of_the_smaller_model() -> None:
    X, y = design(5)
    weights = np.where(X[:, 2] == 1, 0.0, 1.0)
    kept = np.flatnonzero(weights)
    beta, penalised = _fit(X, y, weights[None])
    alone = binary.maximum_likelihood(X[kept][:, [0, 1, 3, 4]], y[kept], [])
    assert alone is not None
    assert not penalised[0]
    assert X[kept] @ beta[0] == pytest.approx(X[kept][:, [0, 1, 3, 4]] @ alone[0], abs=1e-6)


def test_limits_are_those_of_scipys_bca_in_one_sample() -> None:
    """The same resamples' quantiles: scipy's own draws from one generator, and ours of its distribution."""
    sample = np.random.default_rng(6).exponential(size=40)
    found = bootstrap((sample,), np.mean, n_resamples=4999, method="BCa", rng=np.random.default_rng(7))
    left_out = (sample.sum() - sample) / 39
    ours = accelerated(sample.mean(), left_out, found.bootstrap_distribution, np.zeros(40), 0.95)
    assert ours == pytest.approx((found.confidence_interval.low, found.confidence_interval.high), rel=1e-6)


def test_without_covariates_the_resampled_risks_are_proportions() -> None:
    """Limits one binomial standard error away, within 4 Monte Carlo errors of a quantile (0.023 SE)."""
    X = np.column_stack([np.ones(800), np.repeat([0.0, 1.0], 400)])
    y = np.concatenate([np.repeat([0.0, 1.0], [280, 120]), np.repeat([0.0, 1.0], [180, 220])])
    limits = bootstrap_risks(X, y, {"treated": 1}, 4_000, 0.6826894921370859, np.random.default_rng(8))["treated"]
    se = np.sqrt(0.3 * 0.7 / 400 + 0.55 * 0.45 / 400)
    assert limits.difference == pytest.approx((0.25 - se, 0.25 + se), abs=4 * 0.023 * se)
    assert limits.resamples == 4_000


def results(a: int, b: int, c: int, d: int, **options: int) -> pd.DataFrame:
    values = {"control": [1.0] * c + [0.0] * d, "treated": [1.0] * a + [0.0] * b}
    return family_results(arms_trial(values, **options), "binary")


def test_bootstrap_limits_stand_beside_those_of_the_delta_method() -> None:
    found = results(14, 21, 6, 30, bootstrap=1999)
    for name, null in (("risk_difference", 0.0), ("risk_ratio", 1.0)):
        one = measure(found, name)
        assert null < one["bootstrap_low"] + 0.1 < one["estimate"] < one["bootstrap_high"]
        assert one["n_resamples"] == 1999
        assert one["bootstrap_high"] - one["bootstrap_low"] == pytest.approx(
            one["conf_high"] - one["conf_low"], rel=0.25
        )
    assert "bootstrap_low" not in measure(found, "odds_ratio")
    limits = found[found["stat_name"].str.startswith("bootstrap")]
    assert (limits["conf_level"] == 0.95).all()


def test_off_by_default_and_the_same_from_the_same_seed() -> None:
    assert not results(14, 21, 6, 30)["stat_name"].str.startswith("bootstrap").any()
    one, other = results(14, 21, 6, 30, bootstrap=999), results(14, 21, 6, 30, bootstrap=999)
    pd.testing.assert_frame_equal(one, other)


def test_separated_resamples_are_counted() -> None:
    found = results(2, 18, 6, 14, bootstrap=999)
    assert "resamples are separated, and fitted by Firth's penalised likelihood" in row(found, "fit_status")["warning"]
    assert measure(found, "risk_difference")["n_resamples"] == 999


def test_without_a_model_there_is_no_bootstrap() -> None:
    found = results(0, 10, 0, 20, bootstrap=999)
    assert row(found, "fit_status")["method"] == binary.EXACT
    assert not found["stat_name"].str.startswith("bootstrap").any()


def test_limits_that_are_not_determined_are_missing() -> None:
    left_out, stratum = np.zeros(4), np.zeros(4)
    assert np.isnan(accelerated(0.5, left_out, np.array([np.nan] * 3 + [0.4] * 7), stratum, 0.95)).all()
    assert np.isnan(accelerated(0.5, left_out, np.full(10, 0.4), stratum, 0.95)).all()
