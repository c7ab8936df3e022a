"""Partially nested model: the numbers of nlme, lme4 and pbkrtest, algebra on balanced data, and the boundary."""

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.partially_nested import NotEstimableError, PartiallyNestedFit, fit_partially_nested

R = Path(__file__).resolve().parents[1] / "fixtures" / "r"
TRIALS = ("even", "uneven", "small", "zero")
ANSWERS = json.loads((R / "partially_nested.json").read_text())["models"]


def arrays(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return y, X (treated last), arm and therapist of a trial simulated by R."""
    data = pd.read_csv(R / "partially_nested.csv")
    data = data[data["trial"] == name]
    treated = data["treated"].to_numpy()
    columns = [np.ones(len(data)), data["baseline"], data["site"] == "b", data["site"] == "c", treated]
    X = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    return data["y"].to_numpy(float), X, treated, np.where(treated == 1, data["therapist"].to_numpy(), -1)


def last(fit: PartiallyNestedFit) -> np.ndarray:
    return np.eye(fit.beta.size)[-1]


@pytest.mark.parametrize("name", TRIALS)
@pytest.mark.parametrize("model", ["heteroscedastic", "homoscedastic"])
def test_numbers_are_those_of_r(name: str, model: str) -> None:
    """nlme's two residual variances and lme4's one; pbkrtest's Kenward-Roger and the same by dense matrices in R."""
    y, X, arm, cluster = arrays(name)
    expected = ANSWERS[name][model]
    fit = fit_partially_nested(y, X, arm if model == "heteroscedastic" else np.zeros_like(arm), cluster)
    total = fit.variance_residual[fit.group] + fit.variance_cluster
    assert fit.beta[-1] == pytest.approx(expected["estimate"], abs=1e-5 * expected["se_model"])
    assert sqrt(fit.vcov_model[-1, -1]) == pytest.approx(expected["se_model"], rel=1e-5)
    assert fit.variance_residual == pytest.approx(np.atleast_1d(expected["variance_residual"]), rel=1e-4)
    assert abs(fit.variance_cluster - expected["variance_cluster"]) < 1e-4 * total
    assert fit.deviance == pytest.approx(expected["deviance"], abs=1e-6)
    assert sqrt(fit.vcov[-1, -1]) == pytest.approx(expected["se_kenward_roger"], rel=1e-4)
    assert fit.df(last(fit)) == pytest.approx(expected["df"], rel=1e-3)


def test_no_variance_between_clusters_is_found_at_zero() -> None:
    fit = fit_partially_nested(*arrays("zero"))
    assert (fit.variance_cluster, fit.icc) == (0.0, 0.0)
    assert fit.icc_interval(0.95)[0] == 0.0
    assert 0.05 < fit.icc_interval(0.95)[1] < 1


def balanced(spread: float, seed: int, clusters: int = 6, size: int = 7, n: int = 30) -> tuple[np.ndarray, ...]:
    """Return y, X, arm and cluster without covariates."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], [n, clusters * size])
    cluster = np.concatenate([np.full(n, -1), np.repeat(np.arange(clusters), size)])
    y = rng.normal(size=arm.size) + np.where(arm == 1, spread * rng.normal(size=clusters)[cluster], 0.0)
    return y, np.column_stack([np.ones(arm.size), arm]).astype(float), arm, cluster


def mean_squares(y: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Return the mean squares between and within clusters of equal size, from the analysis of variance."""
    groups = [y[cluster == c] for c in np.unique(cluster[cluster >= 0])]
    means, m = np.array([g.mean() for g in groups]), len(groups[0])
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(groups) * (m - 1))
    return float(m * means.var(ddof=1)), float(within)


@pytest.mark.parametrize("spread", [2.0, 1.0])
def test_balanced_data_by_algebra(spread: float) -> None:
    """REML is the analysis of variance; the difference has Welch's degrees of freedom on the mean square between."""
    y, X, arm, cluster = balanced(spread, 1)
    between, within = mean_squares(y, cluster)
    control = y[arm == 0]
    fit = fit_partially_nested(y, X, arm, cluster)
    assert fit.variance_residual == pytest.approx([control.var(ddof=1), within], rel=1e-6)
    assert fit.variance_cluster == pytest.approx((between - within) / 7, rel=1e-6)
    a, b = between / 42, control.var(ddof=1) / 30
    assert fit.vcov[1, 1] == pytest.approx(a + b, rel=1e-6)
    assert fit.df(last(fit)) == pytest.approx((a + b) ** 2 / (a**2 / 5 + b**2 / 29), rel=1e-6)


def test_at_zero_the_degrees_of_freedom_are_still_those_of_the_clusters() -> None:
    """The standard error is Welch's; that the cluster variance is zero is an estimate, on 5 degrees of freedom."""
    y, X, arm, cluster = balanced(0.0, 3)
    between, within = mean_squares(y, cluster)
    assert between < within
    fit = fit_partially_nested(y, X, arm, cluster)
    assert fit.variance_cluster == 0.0
    a, b = y[arm == 1].var(ddof=1) / 42, y[arm == 0].var(ddof=1) / 30
    assert fit.vcov[1, 1] == pytest.approx(a + b, rel=1e-6)
    assert fit.df(last(fit)) == pytest.approx((a + b) ** 2 / (a**2 / 5 + b**2 / 29), rel=1e-6)


def dense_deviance(y: np.ndarray, X: np.ndarray, arm: np.ndarray, cluster: np.ndarray, theta: np.ndarray) -> float:
    """Minus twice the restricted log-likelihood by n by n matrices."""
    V = np.diag(theta[arm]) + theta[-1] * ((cluster[:, None] == cluster) & (cluster[:, None] >= 0))
    W = np.linalg.inv(V)
    A = X.T @ W @ X
    r = y - X @ np.linalg.solve(A, X.T @ W @ y)
    constant = (len(y) - X.shape[1]) * np.log(2 * np.pi)
    return float(constant + np.linalg.slogdet(V)[1] + np.linalg.slogdet(A)[1] + r @ W @ r)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    clusters=st.integers(2, 7),
    spread=st.floats(0, 3),
    ratio=st.floats(0.3, 3),
    shift=st.floats(-1e3, 1e3),
    scale=st.floats(1e-3, 1e3),
)
def test_properties(seed: int, clusters: int, spread: float, ratio: float, shift: float, scale: float) -> None:
    """A maximum of the dense likelihood; invariant to order, names of clusters and units of measurement."""
    rng = np.random.default_rng(seed)
    n = 40
    arm = np.repeat([0, 1], n // 2)
    code = rng.integers(clusters, size=n)
    code[20:24] = [0, 0, 1, 1]
    cluster = np.where(arm == 1, code, -1)
    X = np.column_stack([np.ones(n), rng.normal(size=n), arm])
    y = rng.normal(size=n) * np.where(arm == 1, ratio, 1.0) + np.where(arm == 1, spread * rng.normal(size=7)[code], 0)
    fit = fit_partially_nested(y, X, arm, cluster)
    theta = np.append(fit.variance_residual, fit.variance_cluster)
    assert dense_deviance(y, X, arm, cluster, theta) == pytest.approx(fit.deviance, abs=1e-8)
    for a in range(3):
        for factor in (0.97, 1.03):
            moved = theta.copy()
            moved[a] = moved[a] * factor if moved[a] > 0 else 0.02 * theta[1]
            assert dense_deviance(y, X, arm, cluster, moved) >= fit.deviance - 1e-9
    low, high = fit.icc_interval(0.95)
    assert 0 <= low <= fit.icc <= high <= 1
    order = rng.permutation(n)
    again = fit_partially_nested(
        y[order] * scale + shift, X[order], arm[order], 7 * cluster[order] + (cluster[order] >= 0)
    )
    assert again.icc == pytest.approx(fit.icc, abs=1e-6)
    assert again.beta[-1] == pytest.approx(scale * fit.beta[-1], abs=1e-6 * scale * sqrt(fit.vcov[-1, -1]))
    assert again.vcov[-1, -1] == pytest.approx(scale**2 * fit.vcov[-1, -1], rel=1e-5)
    assert again.df(last(again)) == pytest.approx(fit.df(last(fit)), rel=1e-4)


def test_limits_of_the_correlation_are_where_the_dense_likelihood_falls_by_the_quantile() -> None:
    """At each limit the best likelihood over the two residual variances is lower by half of 3.84146."""
    from scipy.optimize import minimize

    y, X, arm, cluster = arrays("uneven")
    fit = fit_partially_nested(y, X, arm, cluster)
    low, high = fit.icc_interval(0.95)
    assert 0 < low < fit.icc < high < 1
    for icc in (low, high):

        def profile(log: np.ndarray, icc: float = icc) -> float:
            control, total = np.exp(log)
            return dense_deviance(y, X, arm, cluster, np.array([control, (1 - icc) * total, icc * total]))

        found = minimize(profile, np.log([16.0, 25.0]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        assert found.fun - fit.deviance == pytest.approx(3.841459, abs=1e-4)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ([-1] * 4 + [0] * 4, "a variance between clusters needs two clusters, found 1"),
        ([-1] * 4 + [0, 1, 2, 3], "no cluster has two units: its variance cannot be told from the residual one"),
    ],
)
def test_what_cannot_be_estimated_is_said(cluster: list[int], said: str) -> None:
    arm = np.repeat([0, 1], 4)
    X = np.column_stack([np.ones(8), arm])
    with pytest.raises(NotEstimableError, match=r".*") as caught:
        fit_partially_nested(np.arange(8.0) ** 2, X, arm, np.array(cluster))
    assert str(caught.value) == said


def test_an_arm_without_residual_variance_is_refused() -> None:
    arm = np.repeat([0, 1], 6)
    y = np.concatenate([np.full(6, 3.0), [1.0, 2, 4, 3, 7, 1]])
    cluster = np.array([-1] * 6 + [0, 0, 1, 1, 2, 2])
    with pytest.raises(NotEstimableError, match="a group without residual variance"):
        fit_partially_nested(y, np.column_stack([np.ones(12), arm]), arm, cluster)


def test_clusters_in_two_groups_are_refused() -> None:
    arm = np.repeat([0, 1], 4)
    with pytest.raises(ValueError, match="more than one group"):
        fit_partially_nested(np.arange(8.0), np.column_stack([np.ones(8), arm]), arm, np.array([0, 0, 1, 1] * 2))
