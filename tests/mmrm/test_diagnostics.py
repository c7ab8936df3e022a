"""Influence, sandwich estimators, intervals of the covariance and likelihood ratio tests, against their definitions."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.engine import Control
from pipanalysis.mmrm.errors import UnavailableMethod
from pipanalysis.mmrm.influence import deletion, influence
from pipanalysis.mmrm.intervals import covariance_intervals
from pipanalysis.mmrm.problems import ComparisonError, OptionError

from . import dense, matrices
from .trials import FORMULA, trial

CASES = [("us", False), ("us", True), ("ar1h", True), ("un@cs", False), ("sp_exp", True)]


def mmrm(data: pd.DataFrame, formula: str = FORMULA, **options: Any) -> MMRMFit:
    return MMRM(formula, data, subject="id", visit="visit", **options).fit()


# ---- influence


@pytest.mark.parametrize(("name", "grouped"), CASES)
def test_influence_is_deletion_of_the_subject_at_the_fitted_covariance(name: str, grouped: bool) -> None:
    data = dense.trial(name, grouped=grouped, weighted=grouped)
    fit = data.fit()
    found = influence(fit)
    V = data.covariance(fit.theta)
    p = fit.beta.size
    se = np.sqrt(np.diag(fit.beta_vcov))
    for at, subject in enumerate(found.subjects):
        out = data.subject == subject
        X, y = data.X[~out], data.y[~out]
        W = np.linalg.inv(V[np.ix_(~out, ~out)])
        vcov = np.linalg.inv(X.T @ W @ X)
        change = fit.beta - vcov @ X.T @ W @ y
        own = np.linalg.solve(V[np.ix_(out, out)], data.X[out])
        np.testing.assert_allclose(found.dfbeta[at] / se, change / se, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found.dfbetas[at], change / se, rtol=1e-8, atol=1e-10)
        cook = change @ np.linalg.solve(fit.beta_vcov, change) / p
        assert found.cooks_distance[at] == pytest.approx(cook, rel=1e-8)
        assert found.covratio[at] == pytest.approx(np.linalg.det(vcov) / np.linalg.det(fit.beta_vcov), rel=1e-8)
        assert found.leverage[at] == pytest.approx(np.trace(own @ fit.beta_vcov @ data.X[out].T), rel=1e-8)
    assert found.leverage.sum() == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize(("name", "grouped"), CASES)
def test_deletion_of_each_subject_at_the_fitted_covariance(name: str, grouped: bool) -> None:
    data = dense.trial(name, grouped=grouped, weighted=grouped)
    fit = data.fit()
    L = np.zeros((2, fit.beta.size))
    L[0, -1] = 1.0
    L[1, -3:] = 0.5, -1.0, 2.0
    found = deletion(fit, L)
    V = data.covariance(fit.theta)
    for at, subject in enumerate(found.subjects):
        rest = data.subject != subject
        W = np.linalg.inv(V[np.ix_(rest, rest)])
        vcov = np.linalg.inv(data.X[rest].T @ W @ data.X[rest])
        beta = vcov @ data.X[rest].T @ W @ data.y[rest]
        np.testing.assert_allclose(found.estimate[at], L @ beta, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.se[at], np.sqrt(np.diag(L @ vcov @ L.T)), rtol=1e-8)


def test_the_table_of_influence_names_subjects_and_coefficients() -> None:
    data = trial()
    data = data.assign(y=data["y"].where(data["id"] != "P003"), base=data["base"].where(data["id"] != "P007", 90.0))
    fit = mmrm(data.iloc[::-1])
    table = fit.influence()
    assert table["subject"].tolist() == sorted(set(data["id"]) - {"P003"}, reverse=True)  # as in the data
    assert table.columns.tolist() == [
        "subject", "cooks_distance", "leverage", "covratio", *(f"dfbetas[{n}]" for n in fit.names),
    ]  # fmt: skip
    assert table.loc[table["leverage"].idxmax(), "subject"] == "P007"
    by_code = influence(fit.engine)
    np.testing.assert_array_equal(table.filter(like="dfbetas"), by_code.dfbetas)
    assert table["leverage"].sum() == pytest.approx(len(fit.names), rel=1e-9)


def test_influence_is_missing_where_the_others_do_not_determine_the_coefficients() -> None:
    data = trial(missing=0.0)
    data = data.assign(site=np.where(data["id"] == "P005", "only", data["site"]))
    table = mmrm(data).influence().set_index("subject")
    assert table.index[table["covratio"].isna()].tolist() == ["P005"]
    assert table.loc["P005"].drop("leverage").isna().all()
    assert table["leverage"].notna().all()


# ---- sandwich estimators


def whitened(data: dense.Dense, theta: Any) -> tuple[Any, Any, list[Any]]:
    """Design and response times the inverse Cholesky factor of each subject's covariance, and the subjects' rows."""
    V = data.covariance(theta)
    x, y = np.empty_like(data.X), np.empty_like(data.y)
    rows = [np.flatnonzero(data.subject == i) for i in np.unique(data.subject)]
    for own in rows:
        order = own[np.argsort(data.visit[own])]
        root = np.linalg.inv(np.linalg.cholesky(V[np.ix_(order, order)]))
        x[order], y[order] = root @ data.X[order], root @ data.y[order]
    return x, y, rows


@pytest.mark.parametrize(("name", "grouped"), CASES)
@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_sandwich_estimators(name: str, grouped: bool, kind: str) -> None:
    """Bell and McCaffrey (2002) on the whitened data, where the working covariance is the identity.

    vcov = M (sum_i x_i' A_i e_i e_i' A_i x_i) M with A_i = I, (I - H_ii)^(-1/2) or (I - H_ii)^(-1). The df of a
    contrast are (tr G)^2 / tr(G^2), G_ij = g_i' g_j, g_i = (I - H)_i' A_i x_i M l.
    """
    data = dense.trial(name, grouped=grouped, weighted=grouped)
    fit = data.fit()
    x, y, rows = whitened(data, fit.theta)
    M = np.linalg.inv(x.T @ x)
    rest = np.eye(y.size) - x @ M @ x.T
    residual = rest @ y
    contrast = np.zeros(x.shape[1])
    contrast[-2:] = 1.0, 0.5
    meat = np.zeros_like(M)
    g = np.empty((y.size, len(rows)))
    for i, own in enumerate(rows):
        block = rest[np.ix_(own, own)]
        A = {"CR0": np.eye(own.size), "CR2": linalg.inv(linalg.sqrtm(block)), "CR3": linalg.inv(block)}[kind]
        score = x[own].T @ A @ residual[own]
        meat += np.outer(score, score)
        g[:, i] = rest[:, own] @ A @ x[own] @ M @ contrast
    G = g.T @ g
    for df in ("satterthwaite", "residual", "between-within"):
        ours = fit.robust(kind, df)
        np.testing.assert_allclose(ours.vcov, M @ meat @ M, rtol=1e-7, atol=1e-9 * np.abs(M).max())
    assert fit.robust(kind).df(contrast) == pytest.approx(np.trace(G) ** 2 / np.trace(G @ G), rel=1e-8)
    assert fit.robust(kind, "residual").df(contrast) == y.size - x.shape[1]


# ---- intervals of the covariance


@pytest.mark.parametrize("name", ["us", "csh", "toep", "un@ar1"])
def test_intervals_of_the_covariance_by_the_delta_method(name: str) -> None:
    data = dense.trial(name, grouped=True, n=60)
    fit = data.fit()
    z = stats.norm.ppf(0.95)
    k = fit.n_theta // 2
    for g, found in enumerate(covariance_intervals(fit, 0.90)):
        own = slice(g * k, (g + 1) * k)
        vcov = fit.theta_vcov[own, own]

        def log_variance(theta: Any) -> Any:
            return np.log(np.diagonal(matrices.working(name, theta, data.t)))

        def fisher(theta: Any) -> Any:
            sigma = matrices.working(name, theta, data.t)
            sd = np.sqrt(np.diagonal(sigma))
            return np.arctanh((sigma / np.outer(sd, sd))[np.triu_indices(data.t, 1)])

        for function, back, estimate, lower, upper in (
            (log_variance, np.exp, found.variance, found.variance_lower, found.variance_upper),
            (fisher, np.tanh, *(m[np.triu_indices(data.t, 1)] for m in _correlations(found))),
        ):
            slope = dense.complex_step(function, fit.theta[own])
            se = np.sqrt(np.einsum("at,ab,bt->t", slope, vcov, slope))
            at = function(fit.theta[own])
            np.testing.assert_allclose(estimate, back(at), rtol=1e-10)
            np.testing.assert_allclose(lower, back(at - z * se), rtol=1e-8)
            np.testing.assert_allclose(upper, back(at + z * se), rtol=1e-8)


def _correlations(found: Any) -> tuple[Any, Any, Any]:
    return found.correlation, found.correlation_lower, found.correlation_upper


def test_intervals_on_complete_data_are_those_of_a_wishart_matrix() -> None:
    """Saturated mean, 38 degrees of freedom: variances 2 / 38 of log S_jj and 1 / 38 of Fisher's z."""
    fit = mmrm(trial(40, 3, 0.0), "y ~ arm * visit")
    table = fit.covariance_intervals()
    assert table.columns.tolist() == ["group", "parameter", "visit", "other_visit", "estimate", "lower", "upper"]
    assert set(table["group"]) == {""}
    variance = table[table["parameter"] == "variance"]
    assert variance["visit"].tolist() == ["m00", "m06", "m12"]
    np.testing.assert_allclose(variance["estimate"], np.diag(fit.covariance), rtol=1e-12)
    z = stats.norm.ppf(0.975)
    np.testing.assert_allclose(np.log(variance["upper"] / variance["estimate"]), z * np.sqrt(2 / 38), rtol=1e-6)
    np.testing.assert_allclose(np.log(variance["estimate"] / variance["lower"]), z * np.sqrt(2 / 38), rtol=1e-6)
    sd = table[table["parameter"] == "sd"]
    limits = ["estimate", "lower", "upper"]
    np.testing.assert_allclose(sd[limits] ** 2, variance[limits], rtol=1e-12)
    correlation = table[table["parameter"] == "correlation"]
    pairs = list(zip(correlation["visit"], correlation["other_visit"], strict=True))
    assert pairs == [("m00", "m06"), ("m00", "m12"), ("m06", "m12")]
    fisher = np.arctanh(correlation[limits])
    np.testing.assert_allclose(fisher["upper"] - fisher["estimate"], z / np.sqrt(38), rtol=1e-6)
    np.testing.assert_allclose(fisher["estimate"] - fisher["lower"], z / np.sqrt(38), rtol=1e-6)


def test_intervals_by_group_and_at_a_level() -> None:
    fit = mmrm(trial(60), group="arm", covariance="csh")
    wide, narrow = fit.covariance_intervals(), fit.covariance_intervals(level=0.5)
    assert wide["group"].tolist() == ["ctl"] * 9 + ["trt"] * 9
    assert isinstance(fit.covariance, dict)
    for arm, matrix in fit.covariance.items():
        own = wide[(wide["group"] == arm) & (wide["parameter"] == "variance")]
        np.testing.assert_allclose(own["estimate"], np.diag(matrix), rtol=1e-12)
    assert (narrow["lower"] > wide["lower"]).all()
    assert (narrow["upper"] < wide["upper"]).all()
    with pytest.raises(OptionError, match="between 0 and 1"):
        fit.covariance_intervals(level=95)
    with pytest.raises(OptionError, match="between 0 and 1"):
        fit.coefficients(level=95)


def test_a_spatial_covariance_has_no_intervals_by_visit() -> None:
    data = trial().assign(month=lambda d: d["visit"].str[1:].astype(float))
    fit = mmrm(data, covariance="sp_exp", coords="month")
    with pytest.raises(UnavailableMethod, match="not defined for spatial exponential"):
        fit.covariance_intervals()


# ---- likelihood ratio tests


def test_likelihood_ratio_of_two_structures_in_either_order() -> None:
    cs, us = mmrm(trial(), covariance="cs"), mmrm(trial())
    found = cs.likelihood_ratio(us)
    assert found == us.likelihood_ratio(cs)
    assert found.df == 4
    assert found.statistic == pytest.approx(cs.deviance - us.deviance, rel=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(cs.deviance - us.deviance, 4), rel=1e-9)


def test_likelihood_ratio_of_fixed_effects_under_maximum_likelihood() -> None:
    """One visit: n log(RSS0 / RSS1)."""
    data = trial(60).query("visit == 'm12'").dropna()
    small, large = mmrm(data, "y ~ base", reml=False), mmrm(data, "y ~ base + arm + site", reml=False)
    rss = [float(np.sum(f.residuals() ** 2)) for f in (small, large)]
    found = large.likelihood_ratio(small)
    assert found.df == 3
    assert found.statistic == pytest.approx(len(data) * np.log(rss[0] / rss[1]), rel=1e-7)


def test_likelihood_ratio_of_covariances_by_group() -> None:
    one, by_arm = mmrm(trial(60), covariance="cs"), mmrm(trial(60), covariance="cs", group="arm")
    found = one.likelihood_ratio(by_arm)
    assert found.df == 2
    assert found.statistic == pytest.approx(one.deviance - by_arm.deviance, rel=1e-9)


def test_restricted_likelihoods_of_differently_coded_effects_are_comparable() -> None:
    """REML deviances of two codings differ by log |X'X|, which is not part of the evidence."""
    cs, us = mmrm(trial(), covariance="cs"), mmrm(trial())
    recoded = mmrm(trial(), FORMULA.replace("arm", "C(arm, Sum)"), covariance="cs")
    assert abs(recoded.deviance - cs.deviance) > 1.0
    assert recoded.likelihood_ratio(us).statistic == pytest.approx(cs.likelihood_ratio(us).statistic, rel=1e-7)


def test_models_that_are_not_nested_are_refused_with_every_reason() -> None:
    data = trial(60)
    reml = {name: mmrm(data, covariance=name) for name in ("csh", "toep", "us", "ar1")}
    ml = mmrm(data, reml=False)
    smaller = mmrm(data, "y ~ base * visit + arm * visit")
    data_by_site = {"group": "site", "covariance": "cs"}
    refused: list[tuple[MMRMFit, MMRMFit, str]] = [
        (reml["csh"], reml["toep"], "Toeplitz covariance is not a case of heterogeneous compound symmetry covariance"),
        (reml["us"], reml["us"], "no more parameters"),
        (ml, reml["ar1"], "one model was fitted by REML, the other by maximum likelihood"),
        (smaller, reml["us"], "restricted likelihoods of different fixed effects"),
        (mmrm(data.query("id != 'P004'"), covariance="cs"), reml["us"], "not fitted to the same observations"),
        (mmrm(data, covariance="cs", weights="base"), reml["us"], "not fitted to the same observations"),
        (mmrm(data, "y ~ arm * visit", reml=False), mmrm(data, "y ~ base * visit", reml=False), "are not part of"),
        (mmrm(data, group="arm", covariance="cs"), mmrm(data, **data_by_site), "covariances by group"),
        (
            mmrm(data, covariance="cs", control=Control(max_iterations=0, optimisers=("newton",))),
            reml["us"],
            "the smaller model did not converge: no convergence in 0 iterations",
        ),
    ]
    for a, b, said in refused:
        with pytest.raises(ComparisonError, match=said):
            a.likelihood_ratio(b)
    with pytest.raises(ComparisonError) as error:
        smaller.likelihood_ratio(mmrm(data, covariance="csh"))
    assert len(error.value.problems) > 1
