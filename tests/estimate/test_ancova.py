"""Analysis of covariance: published numbers, algebra, and what happens where the data do not suffice."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import effects, row, stat
from pipanalysis.estimate.cluster_robust import cluster_robust
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

ANCOVA = {"method": "ancova"}
COVARIATES = ["age", "sex", "migraine", "chronicity"]
CONTRAST = "treated - control"


def test_published_difference_of_the_acupuncture_trial(acupuncture: Callable[..., TrialData]) -> None:
    """Vickers 2004: 4.6 (95% CI 2.2 to 7.0, P = 0.0002); on the distributed file 4.64 (2.20 to 7.08)."""
    results = family_results(acupuncture(ANCOVA | {"covariates": COVARIATES}), "ancova")
    found = effects(results).loc["month12"]
    assert round(-found["estimate"], 2) == 4.64
    assert round(-found["conf_high"], 2) == 2.20
    assert round(-found["conf_low"], 2) == 7.08
    assert round(found["p_value"], 4) == 0.0002
    assert stat(results, "n", visit="month12", arm="treated") == 161
    assert stat(results, "n", visit="month12", arm="control") == 140


def test_a_score_at_baseline_as_covariate_is_adjusted_for_as_the_baseline_is(
    acupuncture: Callable[..., TrialData],
) -> None:
    """The outcome's own score, named as a covariate: the analysis that adjusts for baseline, in other words."""
    named = {"baseline": False, "covariates": ["form.total"]}
    both = [effects(family_results(acupuncture(ANCOVA | own), "ancova")) for own in ({}, named)]
    assert both[1]["estimate"].to_numpy() == pytest.approx(both[0]["estimate"].to_numpy(), rel=1e-9)
    assert both[1]["std_error"].to_numpy() == pytest.approx(both[0]["std_error"].to_numpy(), rel=1e-9)


def simple(values: dict[str, list[float]], baseline: list[float] | None = None, **options: object) -> TrialData:
    """Arms with values at month6, and baseline values where given (in the order of the arms)."""
    flat = [value for sample in values.values() for value in sample]
    people = pd.DataFrame({"unit": [f"u{i:03}" for i in range(len(flat))]})
    people["arm"] = [arm for arm, sample in values.items() for _ in sample]
    long = people.assign(visit="month6", value=flat)
    if baseline is not None:
        long = pd.concat([long, people.assign(visit="baseline", value=baseline)])
    configuration = trials.study(
        [ANCOVA | options], visits={"baseline": 0, "month6": 6}, instrument_visits=["baseline", "month6"]
    )
    return trials.trial(configuration, people, long[["unit", "visit", "value"]].dropna())


def test_without_covariates_it_is_students_t_test() -> None:
    """By algebra: difference of means, SE = s sqrt(1/n1 + 1/n2), df = n1 + n2 - 2."""
    control, treated = [1.0, 2, 4, 7], [3.0, 5, 6, 8, 9.5]
    found = effects(family_results(simple({"control": control, "treated": treated}), "ancova")).loc["month6"]
    s2 = (3 * np.var(control, ddof=1) + 4 * np.var(treated, ddof=1)) / 7
    assert found["estimate"] == pytest.approx(6.3 - 3.5)
    assert found["std_error"] == pytest.approx(np.sqrt(s2 * (1 / 4 + 1 / 5)))
    assert found["df"] == 7
    assert found["statistic"] == pytest.approx(found["estimate"] / found["std_error"])


def test_hc3_without_covariates_by_algebra() -> None:
    """HC3 for two means: each arm's sum of (r / (1 - 1/n))² over n², added."""
    control, treated = np.array([1.0, 2, 4, 7]), np.array([3.0, 5, 6, 8, 9.5])
    data = simple({"control": control.tolist(), "treated": treated.tolist()}, standard_error="HC3")
    found = effects(family_results(data, "ancova")).loc["month6"]
    parts = [(((x - x.mean()) / (1 - 1 / len(x))) ** 2).sum() / len(x) ** 2 for x in (control, treated)]
    assert found["std_error"] == pytest.approx(np.sqrt(sum(parts)))


CLUSTERED = ANCOVA | {"standard_error": "cluster"}


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("blues by fives", {"cluster": "fives"}),
        ("blues by stratum", {"cluster": "stratum"}),
        (
            "blues by stratum, which is a factor of the model",
            {"cluster": "stratum", "strata": False, "covariates": ["stratum"]},
        ),
        ("acupuncture by practice", {"cluster": "practice_id", "covariates": COVARIATES}),
    ],
)
def test_cluster_robust_as_clubsandwich_has_it(
    case: str,
    options: dict[str, object],
    acupuncture: Callable[..., TrialData],
    beat_the_blues: Callable[..., TrialData],
    root: Path,
) -> None:
    """CR2 with Satterthwaite degrees of freedom: `cluster_robust.R`."""
    expected = json.loads((root / "tests" / "fixtures" / "r" / "cluster_robust.json").read_text(encoding="utf-8"))[case]
    trial, visit = (acupuncture, "month12") if case.startswith("acu") else (beat_the_blues, "month3")
    results = family_results(trial(CLUSTERED | options), "ancova")
    found = effects(results).loc[visit]
    assert found["estimate"] == pytest.approx(expected["estimate"], rel=1e-10)
    assert found["std_error"] == pytest.approx(expected["se"], rel=1e-9)
    assert found["df"] == pytest.approx(expected["df"], rel=1e-7)
    assert stat(results, "n_clusters", visit=visit) == expected["clusters"]
    warned = "few clusters: 4 clusters, 2.8 degrees of freedom" in row(results, "fit_status", visit=visit)["warning"]
    assert warned == ("by stratum" in case)


def test_clusters_of_one_unit_are_hc2_by_algebra() -> None:
    """Each unit its own cluster: two means have variances s²/n, and Welch's degrees of freedom with equal variances.

    df = (1/n + 1/m)² / (1 / (n² (n - 1)) + 1 / (m² (m - 1))).
    """
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(12), np.repeat([0.0, 1.0], [5, 7])])
    y = rng.normal(size=12)
    residual = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    sums = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = cluster_robust(X, residual, np.arange(12), sums)
    variances = np.var(y[:5], ddof=1) / 5, np.var(y[5:], ddof=1) / 7
    assert np.diag(found.vcov) == pytest.approx([variances[0], sum(variances), variances[1]])
    assert found.df == pytest.approx([4, (1 / 5 + 1 / 7) ** 2 / (1 / (25 * 4) + 1 / (49 * 6)), 6])
    assert found.n_clusters == 12


def test_cluster_robust_means_and_difference_agree(beat_the_blues: Callable[..., TrialData]) -> None:
    """The difference of the means is the difference, and without clusters their errors are other ones."""
    clustered, plain = (
        family_results(beat_the_blues(options | {"visits": ["month3"]}), "ancova")
        for options in (CLUSTERED | {"cluster": "fives"}, ANCOVA)
    )
    means = [stat(clustered, "estimate", arm=arm) for arm in ("control", "treated")]
    assert means[1] - means[0] == pytest.approx(stat(clustered, "estimate", contrast=CONTRAST))
    assert means == pytest.approx([stat(plain, "estimate", arm=arm) for arm in ("control", "treated")])
    for arm in ("control", "treated"):
        assert stat(clustered, "std_error", arm=arm) != pytest.approx(stat(plain, "std_error", arm=arm), rel=0.01)
        assert stat(clustered, "df", arm=arm) < stat(clustered, "n_clusters") - 1


def test_one_cluster_is_no_cluster_and_a_unit_without_its_cluster_is_left_out() -> None:
    people = pd.DataFrame({"unit": range(10), "arm": ["control", "treated"] * 5})
    long = people.assign(visit="month6", value=np.random.default_rng(2).normal(size=10))[["unit", "visit", "value"]]
    place = {"name": "place", "label": "Place", "type": "text"}
    options = CLUSTERED | {"cluster": "place"}
    configuration = trials.study([options], visits={"baseline": 0, "month6": 6}, variables=[place])
    alone = family_results(trials.trial(configuration, people.assign(place="a"), long), "ancova")
    assert row(alone, "fit_status")["error"] == "all participants are of one cluster"
    known = people.assign(place=[None, *"abcabcabc"])
    results = family_results(trials.trial(configuration, known, long), "ancova")
    assert stat(results, "n_units") == 9
    status = row(results, "fit_status")["warning"]
    assert "left out for want of the cluster: 1 participant, 1 observation" in status
    assert "; few clusters: 3 clusters, " in status


def test_difference_in_baseline_standard_deviations() -> None:
    baseline = [1.0, 2, 3, 4, 2, 4, 6, 8]
    data = simple({"control": [1.0, 3, 2, 5], "treated": [4.0, 4, 7, 9]}, baseline)
    found = effects(family_results(data, "ancova")).loc["month6"]
    pooled = np.sqrt((np.var(baseline[:4], ddof=1) + np.var(baseline[4:], ddof=1)) / 2)
    assert found["effect_size"] == pytest.approx(found["estimate"] / pooled)
    assert found["effect_size_low"] == pytest.approx(found["conf_low"] / pooled)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"control": [1.0], "treated": [1.0, 2, 3]}, "too few observed at month6 (1 in Control, 3 in Treated"),
        ({"control": [np.nan, np.nan], "treated": [1.0, 2]}, "too few observed at month6 (0 in Control"),
        ({"control": [np.nan] * 3, "treated": [np.nan] * 3}, "too few observed at month6 (0 in Control, 0 in Treated"),
        ({"control": [5.0] * 4, "treated": [5.0] * 4}, "no variation: all 8 values are 5"),
        ({"control": [5.0] * 4, "treated": [6.0] * 4}, "perfect fit: no residual variance"),
        ({"control": [1.0, np.inf, 2], "treated": [6.0] * 4}, "1 infinite value"),
    ],
)
def test_data_that_do_not_suffice_end_in_a_failed_fit_with_its_reason(
    values: dict[str, list[float]], message: str
) -> None:
    results = family_results(simple(values), "ancova")
    status = row(results, "fit_status", visit="month6")
    assert (status["stat"], status["stat_label"]) == (3, "failed")
    assert message in status["error"]
    for where in ({"contrast": CONTRAST}, {"arm": "control"}, {"arm": "treated"}):
        estimate = row(results, "estimate", visit="month6", **where)
        assert np.isnan(estimate["stat"])
        assert message in estimate["error"]


def with_stratum(levels: list[str], **options: object) -> TrialData:
    rng = np.random.default_rng(7)
    people = pd.DataFrame({"unit": range(len(levels)), "arm": ["control", "treated"] * (len(levels) // 2)})
    people["site"] = levels
    long = people.assign(visit="month6", value=rng.normal(size=len(people)))[["unit", "visit", "value"]]
    site = {"name": "site", "label": "Site", "type": "category", "levels": {"a": "A", "b": "B", "c": "C"}}
    configuration = trials.study(
        [ANCOVA | options], visits={"baseline": 0, "month6": 6}, variables=[site], strata=["site"]
    )
    return trials.trial(configuration, people, long)


def test_stratum_level_in_one_arm_only_is_fitted() -> None:
    results = family_results(with_stratum(["a", "a", "b", "b", "c", "a", "b", "b", "a", "a"]), "ancova")
    assert row(results, "fit_status")["stat_label"] == "ok"
    assert np.isfinite(stat(results, "estimate", contrast=CONTRAST))


def test_stratum_that_is_the_arm_leaves_no_difference_to_estimate() -> None:
    results = family_results(with_stratum(["a", "b"] * 5), "ancova")
    assert row(results, "fit_status")["stat_label"] == "reduced"
    assert np.isnan(stat(results, "estimate", contrast=CONTRAST))
    assert "cannot be told apart from a covariate" in row(results, "estimate", contrast=CONTRAST)["error"]
    assert "Treated at month6" in row(results, "estimate", contrast=CONTRAST)["warning"]


def test_adjusted_means_are_those_at_the_mean_baseline_by_algebra() -> None:
    """Mean of an arm: its own less b times how far its baseline lies from that of all.

    Its variance: s² (1/n + (x̄ - x̄ all)² / S), with S the sum of squares of the baseline within arms.
    """
    x = np.array([1.0, 2, 4, 7, 3, 5, 6, 8, 9.5])
    y = np.array([2.0, 2.5, 5, 6, 5, 5.5, 8, 9, 12])
    arms = slice(0, 4), slice(4, 9)
    within = np.concatenate([x[a] - x[a].mean() for a in arms])
    slope = within @ y / (within @ within)
    residual = np.concatenate([y[a] - y[a].mean() for a in arms]) - slope * within
    s2 = residual @ residual / 6
    results = family_results(simple({"control": list(y[:4]), "treated": list(y[4:])}, list(x)), "ancova")
    for name, a in zip(("control", "treated"), arms, strict=True):
        away = x[a].mean() - x.mean()
        assert stat(results, "estimate", arm=name) == pytest.approx(y[a].mean() - slope * away)
        variance = s2 * (1 / len(x[a]) + away**2 / (within @ within))
        assert stat(results, "std_error", arm=name) == pytest.approx(np.sqrt(variance))
        assert stat(results, "df", arm=name) == 6


@pytest.mark.parametrize("standard_error", ["model", "HC3"])
def test_adjusted_means_weigh_the_levels_of_a_factor_alike(standard_error: str) -> None:
    """In the additive model an arm's mean is the plain average of its means at A and at B, whatever is in each."""
    levels = ["a", "a", "b", "b", "a", "a", "a", "b", "a", "a"]
    trial = with_stratum(levels, standard_error=standard_error)
    results = family_results(trial, "ancova")
    y = np.random.default_rng(7).normal(size=10)
    X = np.column_stack([np.ones(10), np.array(levels) == "b", np.arange(10) % 2])
    a, b, arm = np.linalg.lstsq(X, y, rcond=None)[0]
    assert stat(results, "estimate", arm="control") == pytest.approx(a + b / 2)
    assert stat(results, "estimate", arm="treated") == pytest.approx(a + b / 2 + arm)


def test_hc3_leaves_out_a_unit_alone_in_its_stratum_and_the_estimate_is_that_of_all() -> None:
    levels = ["a", "a", "b", "b", "c", "a", "b", "b", "a", "a"]
    robust = family_results(with_stratum(levels, standard_error="HC3"), "ancova")
    assert row(robust, "fit_status")["stat_label"] == "reduced"
    assert "as HC3 requires: 1 participant" in row(robust, "fit_status")["warning"]
    model = family_results(with_stratum(levels), "ancova")
    assert stat(robust, "estimate", contrast=CONTRAST) == pytest.approx(
        stat(model, "estimate", contrast=CONTRAST), rel=1e-10
    )
    assert np.isfinite(stat(robust, "std_error", contrast=CONTRAST))
    # The averages over the three sites rest on that unit; without HC3 they are there.
    assert np.isnan([stat(robust, "estimate", arm=arm) for arm in ("control", "treated")]).all()
    assert np.isfinite([stat(model, "estimate", arm=arm) for arm in ("control", "treated")]).all()


def test_covariate_with_one_value_is_not_adjusted_for_and_this_is_said() -> None:
    results = family_results(with_stratum(["a"] * 10), "ancova")
    assert "not adjusted for site" in row(results, "fit_status")["warning"]
    assert stat(results, "df", contrast=CONTRAST) == 8
