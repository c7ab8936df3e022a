"""Separation and Firth's penalised likelihood: published answers, algebra, constructed data."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import expit
from scipy.stats import chi2

from pipanalysis.estimate.firth import firth, profile_interval, profile_p_value
from pipanalysis.estimate.separation import separation

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def endometrial(root: Path) -> Arrays:
    """79 cases of endometrial cancer (Heinze and Schemper 2002, section 4): intercept, NV, PI, EH; grade."""
    file = np.loadtxt(root / "tests" / "fixtures" / "endometrial.csv", delimiter=",", skiprows=1)
    return np.column_stack([np.ones(len(file)), file[:, :3]]), file[:, 3]


def test_published_estimates_of_the_endometrial_data(endometrial: Arrays) -> None:
    """R's logistf on these data; the paper prints them as 2.93 (SE 1.55), -0.03 (0.04), -2.60 (0.78)."""
    X, y = endometrial
    assert separation(X, y) == "quasi-complete"
    fit = firth(X, y)
    assert fit.beta == pytest.approx([3.77455951, 2.92927330, -0.03475175, -2.60416387], rel=1e-6)
    assert np.sqrt(np.diag(fit.vcov))[1:] == pytest.approx([1.55, 0.04, 0.78], abs=0.005)
    limits = [[1.0825371, 7.20928050], [0.6097244, 7.85463171], [-0.1244587, 0.04045547], [-4.3651832, -1.23272106]]
    for j, expected in enumerate(limits):
        assert profile_interval(X, y, fit, j, 0.95) == pytest.approx(expected, rel=1e-6)


def table(a: int, b: int, c: int, d: int) -> Arrays:
    """a of a + b treated and c of c + d others have the event; columns: intercept, treated."""
    treated = np.repeat([1.0, 0.0], [a + b, c + d])
    return np.column_stack([np.ones(len(treated)), treated]), np.repeat([1.0, 0.0, 1.0, 0.0], [a, b, c, d])


cells = st.integers(0, 30)


@given(a=cells, b=cells, c=cells, d=cells)
def test_one_binary_term_is_half_a_unit_more_in_each_cell(a: int, b: int, c: int, d: int) -> None:
    """By algebra: the determinant of the information is the product of n p (1 - p) over the groups."""
    if a + b == 0 or c + d == 0:
        return
    fit = firth(*table(a, b, c, d))
    assert fit.beta[1] == pytest.approx(np.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))), abs=1e-8)
    p1, p0 = (a + 0.5) / (a + b + 1), (c + 0.5) / (c + d + 1)
    variance = 1 / ((a + b) * p1 * (1 - p1)) + 1 / ((c + d) * p0 * (1 - p0))
    assert fit.vcov[1, 1] == pytest.approx(variance, rel=1e-8)


@pytest.mark.parametrize("counts", [(0, 20, 6, 14), (5, 12, 0, 18), (7, 5, 6, 9)])
def test_profile_of_one_binary_term(counts: tuple[int, int, int, int]) -> None:
    """The profile is that of the binomial likelihood with half a unit more in each cell."""
    a, b, c, d = (count + 0.5 for count in counts)

    def profile(log_odds_ratio: float) -> float:
        def minus(eta: float) -> float:
            p1, p0 = expit(eta + log_odds_ratio), expit(eta)
            return -(a * np.log(p1) + b * np.log1p(-p1) + c * np.log(p0) + d * np.log1p(-p0))

        return -minimize_scalar(minus, bracket=(-3, 0), tol=1e-12).fun

    centre = np.log(a * d / b / c)
    top, allowed = profile(centre), chi2.ppf(0.9, 1) / 2
    expected = [
        brentq(lambda value: top - profile(value) - allowed, min(centre, end), max(centre, end))
        for end in (centre - 12, centre + 12)
    ]
    X, y = table(*counts)
    fit = firth(X, y)
    assert profile_interval(X, y, fit, 1, 0.9) == pytest.approx(expected, rel=1e-6)
    assert profile_p_value(X, y, fit, 1) == pytest.approx(chi2.sf(2 * (top - profile(0.0)), 1), rel=1e-6)


def test_it_is_the_maximum_of_the_penalised_likelihood() -> None:
    """Against a general optimiser on the definition: log-likelihood plus half the log determinant."""
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    y = (X[:, 1] + 0.2 * rng.normal(size=40) > 0).astype(float)

    def minus(beta: np.ndarray) -> float:
        p = expit(X @ beta)
        information = X.T @ (X * (p * (1 - p))[:, None])
        return -float(np.log(np.where(y == 1, p, 1 - p)).sum()) - 0.5 * float(np.linalg.slogdet(information)[1])

    found = minimize(minus, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 5000})
    fit = firth(X, y)
    assert fit.beta == pytest.approx(found.x, abs=1e-5)
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-9)


@pytest.mark.parametrize("seed", [77, 200, 231, 273, 584, 1013])
def test_small_data_with_many_terms_have_finite_limits(seed: int) -> None:
    """Units of leverage near one, where steps by the unpenalised information do not settle."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 40)), int(rng.integers(2, 6))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 2)), rng.random(n) < 0.5]).astype(float)
    y = (rng.random(n) < rng.choice([0.1, 0.3, 0.5])).astype(float)
    fit = firth(X, y)
    low, high = profile_interval(X, y, fit, p - 1, 0.95)
    assert low < fit.beta[p - 1] < high
    assert np.isfinite([low, high]).all()


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], "complete"),
        ([1, 2, 3, 3, 5, 6], [0, 0, 0, 1, 1, 1], "quasi-complete"),
        ([1, 2, 4, 3, 5, 6], [0, 0, 0, 1, 1, 1], "none"),
        ([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], "complete"),
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], "quasi-complete"),
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1], "none"),
    ],
)
def test_separation_by_one_term(x: list[float], y: list[float], expected: str) -> None:
    X = np.column_stack([np.ones(len(x)), np.array(x, dtype=float)])
    assert separation(X, np.array(y, dtype=float)) == expected


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=3, max_size=25))
def test_separation_by_one_term_is_that_the_ranges_do_not_overlap(rows: list[tuple[int, int]]) -> None:
    x, y = np.array(rows, dtype=float).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    X = np.column_stack([np.ones(len(x)), (x - x.mean()) / x.std()])
    gap = max(x[y == 1].min() - x[y == 0].max(), x[y == 0].min() - x[y == 1].max())
    assert separation(X, y) == ("complete" if gap > 0 else "quasi-complete" if gap == 0 else "none")


def test_separation_by_two_terms_together_only() -> None:
    """Neither term separates; their sum does, and one unit on the wrong side ends it."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 2))
    y = (x.sum(axis=1) > 0).astype(float)
    for j in (0, 1):
        assert separation(np.column_stack([np.ones(60), x[:, j]]), y) == "none"
    X = np.column_stack([np.ones(60), x])
    assert separation(X, y) == "complete"
    far = np.argmax(x.sum(axis=1))
    y[far] = 0
    assert separation(X, y) == "none"


def test_large_data_are_not_taken_for_separated() -> None:
    rng = np.random.default_rng(11)
    X = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 4))])
    assert separation(X, (rng.random(20_000) < expit(X @ [-4, 2, 1, 0, 0])).astype(float)) == "none"
