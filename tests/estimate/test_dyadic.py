"""Dyadic analyses: nlme's gls and psych through the plan, algebra on complete data, and what is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData

R = Path(__file__).resolve().parents[1] / "fixtures" / "r"
VISITS = {"baseline": 0, "month6": 6, "month12": 12}
AFTER = ("month6", "month12")
ROLES = ("mother", "infant")
DIFFERENCE = "treated - control"


def trial_of(wide: pd.DataFrame, roles: tuple[str, ...] = ROLES, better: str = "higher", **options: Any) -> TrialData:
    """A trial of wide data: unit, arm (0, 1), and columns role_visit; higher is better in every role."""
    dyad = [{"name": role, "label": role.title(), "outcome": role} for role in roles]
    configuration = trials.study(
        [{"method": "dyadic", "role": "exploratory", "dyad": dyad} | options],
        visits=VISITS,
        scores=dict.fromkeys(roles, "continuous"),
        better=better,
    )
    people = pd.DataFrame({"unit": wide["unit"], "arm": np.where(wide["arm"] == 1, "treated", "control")})
    parts = [
        pd.DataFrame({"unit": wide["unit"], "visit": visit, "value": wide[f"{role}_{visit}"], "score": f"form.{role}"})
        for role in roles
        for visit in VISITS
    ]
    return trials.trial(configuration, people, pd.concat(parts, ignore_index=True).dropna(subset="value"))


def by_r() -> pd.DataFrame:
    """The data of the R script, the mother's outcome turned so that higher is better."""
    wide = pd.read_csv(R / "dyadic.csv")
    return wide.assign(**{f"mother_{visit}": -wide[f"mother_{visit}"] for visit in VISITS})


def test_effects_by_role_and_their_difference_are_those_of_gls() -> None:
    """Unadjusted standard errors (Satterthwaite), with missing outcomes, unstructured over role by visit."""
    results = family_results(trial_of(by_r(), df="satterthwaite"), "association")
    expected = json.loads((R / "dyadic.json").read_text())["answers"]["effects"]
    assert row(results, "fit_status")["stat_label"] == "ok"
    for visit in AFTER:
        for context, name in (
            ("role=mother", "mother"),
            ("role=infant", "infant"),
            ("roles=mother - infant", "difference"),
        ):
            where = {"visit": visit, "contrast": DIFFERENCE, "context": context}
            se = expected[visit][name]["std_error"]
            assert stat(results, "estimate", **where) == pytest.approx(expected[visit][name]["estimate"], abs=1e-4 * se)
            assert stat(results, "std_error", **where) == pytest.approx(se, rel=1e-4)


def test_associations_are_those_of_psych() -> None:
    results = family_results(trial_of(by_r()), "association")
    expected = json.loads((R / "dyadic.json").read_text())["answers"]["associations"]
    for visit in AFTER:
        for arm, name in (("control", "control"), ("treated", "treated"), ("", "pooled")):
            where = {"visit": visit, "arm": arm, "contrast": "", "context": "pair=mother,infant"}
            answer = expected[visit][name]
            assert stat(results, "association", **where) == pytest.approx(answer["r"], rel=1e-9)
            assert stat(results, "conf_low", **where) == pytest.approx(answer["low"], rel=1e-9)
            assert stat(results, "n_units", **where) == answer["n"]
            planned = 64 if arm == "" else 32
            assert stat(results, "n_missing", **where) == planned - answer["n"]
        where = {"visit": visit, "contrast": DIFFERENCE, "context": "pair=mother,infant"}
        assert stat(results, "p_value", **where) == pytest.approx(expected[visit]["difference_p"], rel=1e-6)


def test_the_direction_of_benefit_is_aligned() -> None:
    """Scores of which lower is better, all turned: the same results."""
    wide = by_r()
    turned = wide.assign(**{f"{role}_{visit}": -wide[f"{role}_{visit}"] for role in ROLES for visit in VISITS})
    first = family_results(trial_of(wide), "association")
    second = family_results(trial_of(turned, better="lower"), "association")
    assert np.allclose(first["stat"], second["stat"], rtol=1e-6, atol=1e-8, equal_nan=True)


def complete(seed: int = 3, n: int = 30) -> pd.DataFrame:
    """Complete data in which both roles have the same baseline, so that all cells have the same regressors."""
    rng = np.random.default_rng(seed)
    wide = pd.DataFrame({"unit": [f"u{i:02}" for i in range(2 * n)], "arm": np.repeat([0, 1], n)})
    wide["mother_baseline"] = wide["infant_baseline"] = rng.normal(size=2 * n)
    residual = rng.multivariate_normal(np.zeros(4), 0.5 * np.eye(4) + 0.5, size=2 * n)
    for i, (role, visit) in enumerate((r, v) for r in ROLES for v in AFTER):
        wide[f"{role}_{visit}"] = wide["mother_baseline"] + (i + 1) * 0.2 * wide["arm"] + residual[:, i]
    return wide


def test_complete_data_by_algebra() -> None:
    """With the same regressors in all cells generalised least squares is least squares, of the difference too."""
    wide = complete()
    results = family_results(trial_of(wide), "association")
    arms = wide.groupby("arm")["mother_baseline"]
    sd = np.sqrt(arms.var().mean())
    X = sm.add_constant(wide[["arm", "mother_baseline"]])
    for visit in AFTER:
        fits = {role: sm.OLS(wide[f"{role}_{visit}"] / sd, X).fit() for role in ROLES}
        fits["both"] = sm.OLS((wide[f"mother_{visit}"] - wide[f"infant_{visit}"]) / sd, X).fit()
        for name, context in (
            ("mother", "role=mother"),
            ("infant", "role=infant"),
            ("both", "roles=mother - infant"),
        ):
            where = {"visit": visit, "contrast": DIFFERENCE, "context": context}
            assert stat(results, "estimate", **where) == pytest.approx(fits[name].params["arm"], rel=1e-6)
            assert stat(results, "std_error", **where) == pytest.approx(fits[name].bse["arm"], rel=1e-5)
            assert stat(results, "df", **where) == pytest.approx(57, rel=1e-4)
        t = fits["both"].tvalues["arm"]
        assert stat(results, "f_interaction", visit=visit) == pytest.approx(t**2, rel=1e-5)
        product = 0.25 * fits["mother"].params["arm"] * fits["infant"].params["arm"]
        where = {"visit": visit, "contrast": DIFFERENCE, "context": "between=mother,infant"}
        assert stat(results, "estimate", **where) == pytest.approx(product, rel=1e-6)
        assert stat(results, "conf_low", **where) < product < stat(results, "conf_high", **where)


def test_limits_of_the_covariance_between_arms_are_those_of_a_certain_product() -> None:
    """Where one effect is all but certain the product is a multiple of the other, with its t limits."""
    wide = complete()
    rng = np.random.default_rng(4)
    for visit in AFTER:
        wide[f"infant_{visit}"] = wide["infant_baseline"] + 2.0 * wide["arm"] + 1e-3 * rng.normal(size=len(wide))
    results = family_results(trial_of(wide), "association")
    for visit in AFTER:
        where = {"visit": visit, "contrast": DIFFERENCE}
        infant = stat(results, "estimate", context="role=infant", **where)
        for name in ("conf_low", "conf_high"):
            limit = stat(results, name, context="role=mother", **where)
            found = stat(results, name, context="between=mother,infant", **where)
            # quantiles of 100,000 draws: Monte Carlo error of about 1% of the half width
            half = stat(results, "std_error", context="role=mother", **where) * 2
            assert found == pytest.approx(0.25 * infant * limit, abs=0.25 * infant * half * 0.04)


def test_the_same_seed_gives_the_same_numbers() -> None:
    wide = complete()
    pd.testing.assert_frame_equal(
        family_results(trial_of(wide), "association"), family_results(trial_of(wide), "association")
    )


def test_order_of_the_rows_does_not_matter() -> None:
    wide = by_r()
    shuffled = wide.sample(frac=1, random_state=1)
    first, second = (family_results(trial_of(w), "association") for w in (wide, shuffled))
    assert np.allclose(first["stat"], second["stat"], rtol=1e-6, atol=1e-8, equal_nan=True)


def test_three_roles_have_three_pairs_and_one_test() -> None:
    wide = by_r()
    rng = np.random.default_rng(6)
    for visit in VISITS:
        wide[f"relationship_{visit}"] = rng.normal(size=len(wide))
    results = family_results(trial_of(wide, (*ROLES, "relationship")), "association")
    pairs = {c for c in results["context"] if c.startswith("pair=")}
    assert pairs == {"pair=mother,infant", "pair=mother,relationship", "pair=infant,relationship"}
    assert stat(results, "num_df_interaction", visit="month6") == 2
    assert row(results, "fit_status")["outcome"] == "mother+infant+relationship"


def test_too_few_dyads_have_no_correlation_that_says_why() -> None:
    wide = by_r().groupby("arm").head(3).reset_index(drop=True)
    results = family_results(trial_of(wide), "association")
    where = {"visit": "month6", "arm": "control", "context": "pair=mother,infant"}
    assert row(results, "association", **where)["error"] == "3 dyads, or no variation: no correlation"


def test_where_the_unstructured_covariance_has_no_estimate_the_product_takes_over_and_says_so() -> None:
    """No dyad has the mother's first and the infant's second outcome, all other cells are seen together."""
    wide = complete()
    wide.loc[wide.index % 2 == 0, "mother_month6"] = np.nan
    wide.loc[wide.index % 2 == 1, "infant_month12"] = np.nan
    results = family_results(trial_of(wide), "association")
    status = row(results, "fit_status")
    assert (status["stat_label"], status["method"]) == ("reduced", "dyadic un@un kenward-roger reml")
    said = "the direct product of roles and visits was fitted, not an unstructured covariance: no subject was observed"
    assert status["warning"].startswith(said)
    where = {"visit": "month6", "contrast": DIFFERENCE, "context": "roles=mother - infant"}
    assert 0 < stat(results, "std_error", **where) < 1


def test_data_that_determine_no_covariance_of_the_visits_are_a_failed_fit() -> None:
    """Every dyad is observed at one visit or the other."""
    wide = complete()
    for role in ROLES:
        wide.loc[wide.index % 2 == 0, f"{role}_month6"] = np.nan
        wide.loc[wide.index % 2 == 1, f"{role}_month12"] = np.nan
    results = family_results(trial_of(wide), "association")
    status = row(results, "fit_status")
    assert status["stat_label"] == "failed"
    product = "direct product (unstructured by member, unstructured by visit)"
    assert f"{product}: no subject was observed at both visits month12 and month6" in status["error"]
    where = {"visit": "month6", "contrast": DIFFERENCE, "context": "between=mother,infant"}
    assert row(results, "estimate", **where)["error"] == status["error"]
