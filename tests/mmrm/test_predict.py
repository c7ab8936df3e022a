"""Predictions, residuals and simulated responses, against the definitions."""

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.problems import ModelDataError, OptionError

from .trials import FORMULA, trial

DATA = trial()


@pytest.fixture(scope="module")
def fit() -> MMRMFit:
    return MMRM(FORMULA, DATA, subject="id", visit="visit").fit()


def test_incomplete_rows_are_predicted_too_and_the_index_is_kept(fit: MMRMFit) -> None:
    table = fit.predict()
    assert table.index.equals(DATA.index)
    assert table["estimate"].notna().all()
    np.testing.assert_allclose(table["estimate"].iloc[fit.frame.rows], fit.fitted)


def test_standard_error_of_a_predicted_mean(fit: MMRMFit) -> None:
    row = fit.predict(DATA.iloc[[0]]).iloc[0]
    test = fit.test(fit.design.matrix(fit.frame.first_columns, fit.frame.n_subjects)[0])
    for name in ("estimate", "se", "df", "lower", "upper"):
        assert row[name] == pytest.approx(getattr(test, name), rel=1e-9)


def test_conditional_predictions_are_the_normal_conditional_means(fit: MMRMFit) -> None:
    sigma = fit.covariance.to_numpy()
    mean = fit.predict()["estimate"].to_numpy().reshape(-1, 3)
    given = fit.predict(conditional=True)["estimate"].to_numpy().reshape(-1, 3)
    y = DATA["y"].to_numpy().reshape(-1, 3)
    for m, g, observed in zip(mean, given, y, strict=True):
        o = ~np.isnan(observed)
        np.testing.assert_allclose(g[o], observed[o])
        expected = m[~o] + sigma[np.ix_(~o, o)] @ np.linalg.inv(sigma[np.ix_(o, o)]) @ (observed - m)[o]
        np.testing.assert_allclose(g[~o], expected, rtol=1e-9)


def test_prediction_intervals_add_the_residual_variance(fit: MMRMFit) -> None:
    mean, new = fit.predict(), fit.predict(interval="prediction")
    added = np.sqrt(new["se"] ** 2 - mean["se"] ** 2).to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(added[0], np.sqrt(np.diag(fit.covariance)), rtol=1e-9)


def test_weights_divide_the_residual_variance() -> None:
    data = DATA.assign(w=np.where(DATA["visit"] == "m06", 4.0, 1.0))
    fit = MMRM(FORMULA, data, subject="id", visit="visit", weights="w").fit()
    added = fit.predict(interval="prediction")["se"] ** 2 - fit.predict()["se"] ** 2
    np.testing.assert_allclose(added[:3], np.diag(fit.covariance) / [1, 4, 1], rtol=1e-9)


def test_rows_with_a_missing_covariate_have_no_prediction(fit: MMRMFit) -> None:
    new = DATA.iloc[:6].copy()
    new.loc[1, "base"] = np.nan
    new.loc[4, "site"] = None
    assert fit.predict(new)["estimate"].isna().tolist() == [False, True, False, False, True, False]


def test_unknown_levels_and_absent_columns_are_refused_together(fit: MMRMFit) -> None:
    with pytest.raises(ModelDataError) as caught:
        fit.predict(DATA.assign(arm="new", base="high"))
    assert len(caught.value.problems) == 2
    with pytest.raises(ModelDataError, match="'site'"):
        fit.predict(DATA.drop(columns="site"))
    with pytest.raises(ModelDataError, match="conditional prediction"):
        fit.predict(DATA.drop(columns="y"), conditional=True)
    with pytest.raises(OptionError, match="confidence, prediction"):
        fit.predict(interval="tolerance")  # type: ignore[arg-type]


def test_normalized_residuals_are_uncorrelated_with_unit_variance(fit: MMRMFit) -> None:
    big = trial(2000, 3, 0.2, seed=8)
    large = MMRM(FORMULA, big, subject="id", visit="visit").fit()
    observed = big.iloc[large.frame.rows].assign(r=large.residuals("normalized"))
    wide = observed.pivot(index="id", columns="visit", values="r")
    # 2,000 subjects: the standard error of a variance is 0.032-0.036, of a correlation 0.022-0.028
    np.testing.assert_allclose(wide.cov(), np.eye(3), atol=0.12)
    with pytest.raises(OptionError, match="response, pearson, normalized"):
        fit.residuals("raw")  # type: ignore[arg-type]


def test_simulated_responses_have_the_mean_and_covariance_of_the_fit(fit: MMRMFit) -> None:
    draws = fit.simulate(4000, seed=42)
    rows = np.flatnonzero(fit.frame.subject == fit.frame.subject[0])
    y = draws.to_numpy()[rows]
    sigma = fit.covariance.to_numpy()[np.ix_(fit.frame.cell[rows], fit.frame.cell[rows])]
    standard_error = np.sqrt(np.diag(sigma) / 4000)
    assert (np.abs(y.mean(axis=1) - fit.fitted[rows]) < 4 * standard_error).all()
    np.testing.assert_allclose(np.cov(y), sigma, atol=5 * sigma.max() * np.sqrt(2 / 4000))


def test_simulation_is_reproducible(fit: MMRMFit) -> None:
    pd.testing.assert_frame_equal(fit.simulate(3, seed=7), fit.simulate(3, seed=7))
    assert not fit.simulate(1, seed=7).equals(fit.simulate(1, seed=8))
    with pytest.raises(OptionError):
        fit.simulate(0, seed=1)


def test_new_rows_are_read_by_the_factors_of_the_fit() -> None:
    """A column that the formula makes a factor, C(site), is one in new data too, and has means by level."""
    number = DATA["site"].map({"N": 1, "S": 2, "W": 3})
    coded = MMRM(
        "y ~ base * visit + arm * visit + C(site)", DATA.assign(site=number), subject="id", visit="visit"
    ).fit()
    named = MMRM(FORMULA, DATA, subject="id", visit="visit").fit()
    new = coded.predict(DATA.assign(site=number.astype(float)).iloc[[7, 2]])
    np.testing.assert_allclose(new["estimate"], named.predict(DATA.iloc[[7, 2]])["estimate"], rtol=1e-9)
    means = coded.emmeans("site").table()
    assert list(means["site"]) == ["1", "2", "3"]
    np.testing.assert_allclose(means["estimate"], named.emmeans("site").table()["estimate"], rtol=1e-9)
