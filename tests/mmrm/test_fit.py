"""The model as users set it up: edge cases, options, fallbacks, and agreement with ordinary regression."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.engine import Control
from pipanalysis.mmrm.problems import ModelDataError, ModelInputError, OptionError

from .trials import FORMULA, trial


def fit(data: pd.DataFrame, formula: str = FORMULA, **options: object) -> MMRMFit:
    return MMRM(formula, data, subject="id", visit="visit", **options).fit()  # type: ignore[arg-type]


def test_a_single_visit_is_ordinary_regression() -> None:
    data = trial().query("visit == 'm12'").dropna()
    theirs = smf.ols("y ~ base + arm + site", data).fit()
    for df in ("kenward-roger", "satterthwaite", "residual"):
        ours = fit(data, "y ~ base + arm + site").coefficients(df=df)
        np.testing.assert_allclose(ours["estimate"], _aligned(ours, theirs.params), rtol=1e-7)
        np.testing.assert_allclose(ours["se"], _aligned(ours, theirs.bse), rtol=1e-7)
        np.testing.assert_allclose(ours["df"], theirs.df_resid, rtol=1e-6)
        np.testing.assert_allclose(ours["p"], _aligned(ours, theirs.pvalues), rtol=1e-5)


def _aligned(ours: pd.DataFrame, values: pd.Series) -> np.ndarray:
    named = {k.replace("Intercept", "(Intercept)").replace("[T.", "").replace("]", ""): v for k, v in values.items()}
    return np.array([named[term] for term in ours["term"]])


def test_maximum_likelihood_of_a_single_visit() -> None:
    data = trial().query("visit == 'm12'").dropna()
    theirs = smf.ols("y ~ base + arm", data).fit()
    ours = fit(data, "y ~ base + arm", reml=False)
    assert ours.loglik == pytest.approx(theirs.llf, rel=1e-9)
    assert ours.coefficients()["df"].notna().all()  # satterthwaite, since Kenward-Roger needs REML
    with pytest.raises(OptionError, match="needs REML"):
        ours.coefficients(df="kenward-roger")


def test_complete_data_and_a_saturated_mean_give_the_sample_means_and_covariance() -> None:
    data = trial(30, 3, 0.0)
    result = fit(data, "y ~ arm * visit")
    wide = data.pivot(index="id", columns="visit", values="y")
    arms = data.groupby("id")["arm"].first()
    means = result.emmeans("arm", by="visit").table()
    for _, row in means.iterrows():
        assert row["estimate"] == pytest.approx(wide.loc[arms == row["arm"], row["visit"]].mean(), rel=1e-9)
    centred = wide - wide.groupby(arms).transform("mean")
    np.testing.assert_allclose(result.covariance, centred.T @ centred / 28, rtol=1e-6)
    assert result.n_dropped == {"y": 0, "arm": 0}


def test_a_covariance_per_group_is_a_fit_per_group_when_nothing_is_shared() -> None:
    data = trial()
    together = fit(data, "y ~ arm * visit + arm:base", group="arm", reml=False)
    apart = [fit(data[data["arm"] == a], "y ~ visit + base", reml=False) for a in ("ctl", "trt")]
    assert together.deviance == pytest.approx(sum(f.deviance for f in apart), rel=1e-8)
    assert isinstance(together.covariance, dict)
    for arm, one in zip(("ctl", "trt"), apart, strict=True):
        np.testing.assert_allclose(together.covariance[arm], one.covariance, rtol=1e-4)


def test_a_transformed_response_and_transformed_covariates() -> None:
    data = trial().assign(y=lambda d: np.exp(d["y"] / 20))
    ours = fit(data, "log(y) ~ log(base) * visit + arm * visit")
    by_hand = fit(data.assign(ly=np.log(data["y"]), lb=np.log(data["base"])), "ly ~ lb * visit + arm * visit")
    np.testing.assert_allclose(ours.beta, by_hand.beta, rtol=1e-6)
    at = {"base": 30.0}
    a = ours.emmeans("arm", by="visit", at=at).table()
    b = by_hand.emmeans("arm", by="visit", at={"lb": np.log(30.0)}).table()
    np.testing.assert_allclose(a["estimate"], b["estimate"], rtol=1e-9)


def test_polynomial_and_raw_powers_are_the_same_model() -> None:
    a = fit(trial(), "y ~ poly(base, 2) + arm * visit")
    b = fit(trial(), "y ~ base + I(base ** 2) + arm * visit")
    assert a.deviance != pytest.approx(b.deviance, rel=1e-6)  # REML depends on the scale of the design
    np.testing.assert_allclose(a.fitted, b.fitted, rtol=1e-6)


def test_kinds_of_columns_do_not_matter() -> None:
    data = trial()
    other = data.assign(
        id=data["id"].str[1:].astype(int),
        arm=data["arm"].astype("category"),
        site=data["site"].astype(object),
        visit=data["visit"].str[1:].astype(float),
        y=data["y"].astype("Float64"),
        base=data["base"].astype(object),
    )
    np.testing.assert_allclose(fit(other).beta, fit(data).beta, rtol=1e-7)
    assert fit(other).visits == ("0", "6", "12")
    np.testing.assert_allclose(
        MMRM(FORMULA, {c: list(data[c]) for c in data}, subject="id", visit="visit").fit().beta, fit(data).beta
    )


@pytest.mark.parametrize("missing", [0.0, 0.15], ids=["complete", "missing"])
def test_a_fit_does_not_change_when_its_data_are_edited(missing: float) -> None:
    data, untouched = (trial(missing=missing).astype({"arm": "category"}) for _ in range(2))
    ours, theirs = fit(data), fit(untouched)
    data.loc[:, ["base", "y"]] = 1e6
    data.loc[:, "arm"] = "ctl"
    for found, expected in (
        (ours.emmeans("arm", by="visit").table(), theirs.emmeans("arm", by="visit").table()),
        (ours.gcomp("arm", by="visit").table(), theirs.gcomp("arm", by="visit").table()),
        (ours.coefficients(vcov="empirical"), theirs.coefficients(vcov="empirical")),
    ):
        pd.testing.assert_frame_equal(found, expected)
    np.testing.assert_array_equal(ours.X, theirs.X)
    np.testing.assert_array_equal(ours.residuals(), theirs.residuals())


def test_the_design_matrix_has_a_column_for_each_estimate() -> None:
    data = trial().assign(twice=lambda d: 2.0 * d["base"])
    found = fit(data, "y ~ base + twice + arm * visit")
    complete = data.dropna()
    assert found.aliased == ("twice",)
    assert found.X.shape == (len(complete), len(found.names))
    np.testing.assert_array_equal(found.X[:, found.names.index("base")], complete["base"])
    np.testing.assert_array_equal(found.X[:, found.names.index("armtrt")], complete["arm"] == "trt")


def test_unobserved_visits_are_left_out_and_said() -> None:
    data = trial()
    declared = data.assign(visit=pd.Categorical(data["visit"], ["screening", "m00", "m06", "m12"]))
    result = fit(declared)
    assert result.visits == ("m00", "m06", "m12")
    assert result.notes == ("visit screening has no observation and is left out",)
    np.testing.assert_allclose(result.beta, fit(data).beta, rtol=1e-8)


def test_members_of_a_dyad() -> None:
    rng = np.random.default_rng(3)
    mother, infant = trial(60, 2, 0.1, seed=3), trial(60, 2, 0.1, seed=4)
    infant["y"] = 0.7 * mother["y"] + rng.normal(0, 3, len(mother))
    data = pd.concat([mother.assign(who="mother"), infant.assign(who="infant")], ignore_index=True)
    results = {c: fit(data, "y ~ who * arm * visit", member="who", covariance=c) for c in ("un@un", "un@cs", "un@ar1")}
    for result in results.values():
        assert result.converged
        assert result.cells == ("infant:m00", "infant:m06", "mother:m00", "mother:m06")
        blocks = result.covariance.to_numpy().reshape(2, 2, 2, 2)
        # a direct product: the covariance between members is a multiple of that within
        np.testing.assert_allclose(blocks[0, :, 1, :] / blocks[0, :, 0, :], blocks[0, 0, 1, 0] / blocks[0, 0, 0, 0])
    # with two visits of equal variance, compound symmetry and first-order autoregression are the same
    assert results["un@cs"].deviance == pytest.approx(results["un@ar1"].deviance, rel=1e-8)
    means = results["un@un"].emmeans("arm", by=("who", "visit"))
    assert len(means.table()) == 8


def test_fallback_is_followed_only_when_a_structure_does_not_converge() -> None:
    first = fit(trial(), fallback=("csh", "cs"))
    assert [a.covariance for a in first.attempts] == ["us"]
    assert first.notes == ()
    # as many visits as subjects with hardly any overlap: an unstructured covariance cannot be estimated
    sparse = trial(14, 6, 0.62, seed=11)
    chained = MMRM("y ~ arm", sparse, subject="id", visit="visit", fallback=("toeph", "csh", "cs")).fit()
    assert chained.converged
    assert chained.structure != "us"
    assert [a.converged for a in chained.attempts] == [False] * (len(chained.attempts) - 1) + [True]
    assert any(note.startswith("unstructured covariance did not converge") for note in chained.notes)


def test_a_fit_that_did_not_converge_says_so() -> None:
    stopped = fit(trial(), control=Control(max_iterations=1, optimisers=("newton",)))
    assert not stopped.converged
    assert any("did not converge" in note for note in stopped.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"covariance": "unstructured"}, "us, toep"),
        ({"covariance": "un@un"}, "needs member="),
        ({"covariance": "us", "member": "arm"}, "takes no member="),
        ({"covariance": "sp_exp"}, "needs coords="),
        ({"coords": "base"}, "takes no coords="),
        ({"fallback": ("cs", "vc")}, "'vc' is not known"),
    ],
)
def test_options_that_do_not_fit_together(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        MMRM(FORMULA, trial(), subject="id", visit="visit", **options)  # type: ignore[arg-type]


def test_too_few_observations() -> None:
    with pytest.raises(ModelDataError, match="too few for"):
        fit(trial(4, 3, 0.0), "y ~ poly(base, 3) * visit")


def test_every_input_error_is_a_value_error() -> None:
    assert issubclass(ModelInputError, ValueError)


def test_tests_of_unknown_terms_or_wrong_shape_are_refused() -> None:
    result = fit(trial())
    with pytest.raises(OptionError, match="no coefficient armTRT"):
        result.test({"armTRT": 1})
    with pytest.raises(OptionError, match="3 columns"):
        result.test([1, 0, 0])


def test_the_package_imports_nothing_heavy_until_it_is_used() -> None:
    code = (
        "import sys, pipanalysis.mmrm; "
        "print([m for m in ('numpy', 'pandas', 'scipy', 'formulaic', 'statsmodels') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_statsmodels_and_the_statistics_of_scipy_are_not_imported_by_a_fit() -> None:
    code = (
        "import sys, pandas as pd; from pipanalysis.mmrm import MMRM; "
        "d = pd.DataFrame({'id': [1,1,2,2,3,3,4,4], 'v': list('ab') * 4, 'y': [1,2,4,3,5,9,2,6.]}); "
        "MMRM('y ~ v', d, subject='id', visit='v').fit().emmeans('v').table(); "
        "print([m for m in ('scipy.stats', 'statsmodels') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
