"""Growth mixed model: lme4's numbers, algebra on complete data, and what happens at the boundary."""

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.growth import SLOPE, random_slope
from pipanalysis.estimate.growth_likelihood import gradient, highest, least_squares_given, lower, unit_sums
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

GROWTH = {"method": "growth"}
VISITS = {"baseline": 0, "month6": 6, "month12": 12}
DIFFERENCE = {"contrast": "treated - control", "context": SLOPE}


@pytest.fixture(scope="module")
def lmer(shared: Path) -> dict:
    """Fits by lme4 1.1-31."""
    return json.loads((shared / "reference" / "results" / "lmer.json").read_text())["models"]


def arrays(shared: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return y, X in lme4's order of terms, unit and time of a model."""
    data = shared / "reference" / "data"
    if name == "sleepstudy_ris":
        frame = pd.read_csv(data / "sleepstudy.csv")
        y, unit, time, rest = frame["Reaction"], frame["Subject"], frame["Days"], []
        terms = [np.ones(len(frame)), time]
    elif name == "orthodont_ris":
        frame = pd.read_csv(data / "Orthodont.csv")
        female = (frame["Sex"] == "Female").astype(float)
        y, unit, time = frame["distance"], frame["Subject"], frame["age"]
        terms = [np.ones(len(frame)), female, time, female * time]
    else:
        frame = pd.read_csv(data / "BtheB_long.csv").dropna(subset="bdi").reset_index(drop=True)
        treated, drug, long = (
            (frame[column] == level).astype(float)
            for column, level in (("treatment", "BtheB"), ("drug", "Yes"), ("length", ">6m"))
        )
        y, unit, time = frame["bdi"], frame["subject"], frame["month"]
        rest = [frame["bdi.pre"], drug, long, treated, time, treated * time]
        if name == "btheb_ris_linear":
            rest = [frame["bdi.pre"], time, treated, drug, long]
        terms = [np.ones(len(frame)), *rest]
    codes = np.unique(unit.astype(str), return_inverse=True)[1]
    return y.to_numpy(float), np.column_stack(terms).astype(float), codes, time.to_numpy(float)


@pytest.mark.parametrize("name", ["sleepstudy_ris", "orthodont_ris", "btheb_ris_linear", "btheb_ris_interaction"])
def test_numbers_are_those_of_lme4(shared: Path, lmer: dict, name: str) -> None:
    y, X, unit, time = arrays(shared, name)
    expected = lmer[name]
    assert len(y) == expected["n_obs"]
    fit = random_slope(y, X, unit, time)
    assert fit is not None
    vcov = np.array(expected["vcov_asymptotic"]["values"])
    se = np.sqrt(np.diag(vcov))
    beta = np.array([term["estimate"] for term in expected["beta"]])
    assert np.abs((fit.beta - beta) / se).max() < 1e-5
    assert np.sqrt(np.diag(fit.vcov)) == pytest.approx(se, rel=1e-5)
    intercept, slope, both, residual = (part["vcov"] for part in expected["varcorr"])
    assert fit.variance_residual == pytest.approx(residual, rel=1e-4)
    spread = sqrt(intercept * slope)
    assert fit.random[0, 0] == pytest.approx(intercept, rel=1e-3)
    assert fit.random[1, 1] == pytest.approx(slope, rel=1e-3)
    assert abs(fit.random[0, 1] - both) < 1e-3 * spread


def test_likelihood_and_coefficients_are_those_of_the_dense_matrices() -> None:
    generator = np.random.default_rng(2)
    unit = np.repeat(np.arange(7), 4)[generator.permutation(28)[:23]]
    n = unit.size
    X = np.column_stack([np.ones(n), generator.normal(size=(n, 2))])
    Z = np.column_stack([np.ones(n), generator.normal(size=n)])
    y = generator.normal(size=n)
    unit = np.unique(unit, return_inverse=True)[1]
    random, residual = np.array([[1.3, -0.4], [-0.4, 0.7]]), 0.8
    V = (Z @ random @ Z.T) * (unit[:, None] == unit) + residual * np.eye(n)
    W = np.linalg.inv(V)
    vcov = np.linalg.inv(X.T @ W @ X)
    beta = vcov @ X.T @ W @ y
    r = y - X @ beta
    deviance = np.linalg.slogdet(V)[1] - np.linalg.slogdet(vcov)[1] + r @ W @ r
    sums, factor = unit_sums(y, X, unit, Z), np.linalg.cholesky(random / residual)
    found = least_squares_given(sums, factor, residual)
    assert found[0] == pytest.approx(beta, rel=1e-9)
    assert found[1] == pytest.approx(vcov, rel=1e-9)
    assert found[3] == pytest.approx(deviance, rel=1e-9)
    profiled = least_squares_given(sums, factor)
    assert profiled[0] == pytest.approx(beta, rel=1e-9)
    assert profiled[2] == pytest.approx((r @ W @ r) * residual / (n - 3), rel=1e-9)
    assert profiled[3] == pytest.approx(least_squares_given(sums, factor, profiled[2])[3], rel=1e-12)
    theta, step = np.array([factor[0, 0], factor[1, 0], factor[1, 1]]), 1e-5

    def along(move: np.ndarray) -> float:  # Richardson: error of order step^4
        ends = [least_squares_given(sums, lower(theta + k * move))[3] for k in (1, -1, 2, -2)]
        return (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * step)

    assert gradient(sums, theta) == pytest.approx([along(move) for move in step * np.eye(3)], rel=1e-7)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slope_sd", [0.0, 1.5])
def test_no_global_search_finds_a_higher_likelihood(seed: int, slope_sd: float) -> None:
    """Inside the parameter space and, without variation of slopes, often at its boundary."""
    generator = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(30), 3), np.tile([0.0, 0.5, 1.0], 30)
    y = generator.normal(size=30)[unit] + generator.normal(0, slope_sd, 30)[unit] * time + generator.normal(size=90)
    X, Z = np.column_stack([np.ones(90), time, (unit % 2) * time]), np.column_stack([np.ones(90), time])
    sums = unit_sums(y, X, unit, Z)

    def deviance(theta: np.ndarray) -> float:
        return least_squares_given(sums, np.array([[theta[0], 0.0], [theta[1], theta[2]]]))[3]

    found = highest(sums)
    assert found is not None
    slope = np.abs(gradient(sums, np.array([found[0, 0], found[1, 0], found[1, 1]]))).max()
    assert slope < (1e-9 if slope_sd else 1e-3)  # to rounding, but for where the likelihood is flat
    best = optimize.differential_evolution(deviance, [(0, 6), (-6, 6), (0, 6)], rng=seed, maxiter=60, popsize=8)
    assert least_squares_given(sums, found)[3] <= best.fun + 1e-6


def trial(
    n: int = 76, slope_sd: float = 3.0, effect: float = 0.0, share: float = 0.0, seed: int = 1, scale: float = 1.0
) -> TrialData:
    """Lines in time with a random intercept and slope; `effect` is the difference of slopes a year."""
    generator = np.random.default_rng(seed)
    arm = np.arange(n) % 2
    intercept, slope = generator.normal(20, 5, n), generator.normal(-2, slope_sd, n) + effect * arm
    people = pd.DataFrame({"unit": [f"u{i:03}" for i in range(n)], "arm": np.array(["control", "treated"])[arm]})
    rows = []
    for name, months in VISITS.items():
        value = intercept + slope * months / 12 + generator.normal(0, 3, n)
        if months:
            value[generator.uniform(size=n) < share] = np.nan
        rows.append(people.assign(visit=name, value=scale * value))
    long = pd.concat(rows)[["unit", "visit", "value"]].dropna()
    return trials.trial(trials.study([GROWTH], visits=VISITS), people, long)


def test_differences_at_visits_are_the_slope_times_time() -> None:
    results = family_results(trial(share=0.2), "mixed_model")
    assert row(results, "fit_status")["stat_label"] == "ok"
    slope, se = (stat(results, name, **DIFFERENCE) for name in ("estimate", "std_error"))
    arms = [stat(results, "estimate", arm=arm, context=SLOPE) for arm in ("control", "treated")]
    assert arms[1] - arms[0] == pytest.approx(slope)
    for visit, years in (("month6", 0.5), ("month12", 1.0)):
        where = {"visit": visit, "contrast": "treated - control"}
        assert stat(results, "estimate", **where) == pytest.approx(years * slope)
        assert stat(results, "std_error", **where) == pytest.approx(years * se)
        assert stat(results, "p_value", **where) == pytest.approx(stat(results, "p_value", **DIFFERENCE))
    df = stat(results, "df", **DIFFERENCE)
    p = 2 * stats.t.sf(abs(slope / se), df)
    assert stat(results, "p_value", **DIFFERENCE) == pytest.approx(p)


def test_degrees_of_freedom_are_units_with_two_occasions_less_the_rank_between_units() -> None:
    """76 units, all with two occasions or more: less an intercept and the arm."""
    assert stat(family_results(trial(), "mixed_model"), "df", **DIFFERENCE) == 74


def test_without_slope_variance_the_random_slope_is_left_out_and_said() -> None:
    """No variation of slopes: over 20 trials the variance is estimated as zero in about half, never a failure."""
    ended = []
    for seed in range(20):
        results = family_results(trial(slope_sd=0.0, seed=seed), "mixed_model")
        fit = row(results, "fit_status")
        ended.append(fit["stat_label"])
        if fit["stat_label"] == "boundary":
            assert fit["method"] == "growth random-intercept reml"
            assert "no random slope" in fit["warning"]
            assert stat(results, "variance_slope") == 0
        assert np.isfinite(stat(results, "p_value", **DIFFERENCE))
    assert set(ended) == {"ok", "boundary"}


@pytest.mark.parametrize(
    ("keep", "message"), [({"baseline"}, "too few observed at month6"), ({"month6", "month12"}, "one occasion")]
)
def test_a_slope_needs_two_occasions(keep: set[str], message: str) -> None:
    whole = trial(12)
    people = pd.DataFrame({"unit": [f"u{i:03}" for i in range(12)], "arm": ["control", "treated"] * 6})
    kept = [name for name in VISITS if name in keep][:1]
    long = pd.concat(people.assign(visit=name, value=np.arange(12.0)) for name in kept)
    configuration = whole.study
    results = family_results(trials.trial(configuration, people, long[["unit", "visit", "value"]]), "mixed_model")
    fit = row(results, "fit_status")
    assert fit["stat_label"] == "failed"
    assert message in fit["error"]


@settings(max_examples=8)
@given(scale=st.sampled_from([0.01, 3.0, 1000.0]), seed=st.integers(0, 50))
def test_units_of_the_outcome_do_not_matter(scale: float, seed: int) -> None:
    first = family_results(trial(40, seed=seed), "mixed_model")
    other = family_results(trial(40, seed=seed, scale=scale), "mixed_model")
    assert stat(other, "estimate", **DIFFERENCE) == pytest.approx(
        scale * stat(first, "estimate", **DIFFERENCE), rel=1e-5
    )
    assert stat(other, "p_value", **DIFFERENCE) == pytest.approx(stat(first, "p_value", **DIFFERENCE), rel=1e-4)


@pytest.mark.validation
@pytest.mark.parametrize("slope_sd", [0.0, 3.0])
def test_type_i_error_and_coverage(slope_sd: float) -> None:
    """76 units, 25% missing after baseline, 1,000 trials with a difference of 1.5 a year: coverage near 95%."""
    runs, truth = 1000, 1.5
    covered, status = 0, []
    for seed in range(runs):
        results = family_results(trial(slope_sd=slope_sd, effect=truth, share=0.25, seed=seed), "mixed_model")
        low, high = (stat(results, name, **DIFFERENCE) for name in ("conf_low", "conf_high"))
        covered += low <= truth <= high
        status.append(row(results, "fit_status")["stat_label"])
    share, mcse = covered / runs, sqrt(0.05 * 0.95 / runs)
    ended = pd.Series(status).value_counts().to_dict()
    print(f"growth model, slope SD {slope_sd:g}: coverage {share:.4f} (MCSE {mcse:.4f}); {ended}")
    assert "failed" not in status
    assert abs(share - 0.95) < 3 * mcse
