"""Every model and method of the reference files: R mmrm 0.3.18 run to a tight tolerance, emmeans 1.8.4.1, SAS.

Digits: deviance 1e-7, estimates and standard errors 1e-5, covariance 1e-4, degrees of freedom 1e-4 (all relative),
p values 1e-6.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm import MMRM

from . import reference

pytestmark = pytest.mark.skipif(not reference.AVAILABLE, reason="the folder `shared` with the reference is not here")

MODELS = reference.models()
METHODS = [(name, key, method) for name, key in MODELS for method in reference.results(name)["models"][key]["methods"]]


def close(ours: Any, theirs: Any, relative: float, absolute: float = 0.0) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=relative, atol=absolute)


def assert_inference(ours: pd.DataFrame, theirs: pd.DataFrame, scale: float) -> None:
    """Compare estimate, se, df, limits and (where given) t and p; `scale` keeps estimates near zero comparable."""
    close(ours["estimate"], theirs["estimate"], 1e-5, 1e-6 * scale)
    close(ours["se"], theirs["se"], 1e-5)
    close(ours["df"], theirs["df"], 1e-4)
    close(ours["lower"], theirs["lower"], 1e-5, 1e-5 * scale)
    close(ours["upper"], theirs["upper"], 1e-5, 1e-5 * scale)
    if "p" in theirs and "p" in ours:
        close(ours["p"], theirs["p"], 0.0, 1e-6)


RENAMES = {
    "emmean": "estimate",
    "SE": "se",
    "lower.CL": "lower",
    "upper.CL": "upper",
    "lower95": "lower",
    "upper95": "upper",
    "p.value": "p",
}


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).rename(columns=RENAMES)


@pytest.mark.parametrize(("name", "key"), MODELS)
def test_fit(name: str, key: str) -> None:
    entry = reference.results(name)["models"][key]
    fit = reference.fit(name, key)
    assert fit.converged
    assert (fit.n_obs, fit.n_subjects) == (entry["n_obs"], entry["n_subjects"])
    close(fit.deviance, entry["neg2_loglik"], 1e-7)
    close(fit.aic, entry["AIC"], 1e-7)
    close(fit.bic, entry["BIC"], 1e-7)
    assert list(fit.names) == entry["coef_names"]
    scale = float(np.sqrt(np.diag(entry["beta_vcov_asymptotic"]["values"])).max())
    close(fit.beta, entry["coef"], 1e-5, 1e-6 * scale)
    close(fit.vcov("satterthwaite"), entry["beta_vcov_asymptotic"]["values"], 1e-4, 1e-6 * scale**2)


@pytest.mark.parametrize(("name", "key"), [(n, k) for n, k in MODELS if not k.startswith("sp_")])
def test_covariance(name: str, key: str) -> None:
    theirs = reference.results(name)["models"][key]["covariance"]
    ours = reference.fit(name, key).covariance
    pairs = [(ours, theirs)] if "values" in theirs else [(ours[level], theirs[level]) for level in theirs]
    for mine, matrix in pairs:
        values = np.array(matrix["values"], float)
        assert list(mine.index) == list(matrix["rows"])
        close(mine, values, 1e-4, 1e-5 * np.diag(values).max())


@pytest.mark.parametrize(("name", "key", "method"), METHODS)
def test_inference(name: str, key: str, method: str) -> None:
    entry = reference.results(name)["models"][key]["methods"][method]
    fit = reference.fit(name, key)
    df, _, sandwich = method.partition("+")
    options = {"df": reference.DF[df], "vcov": reference.VCOV.get(sandwich)}
    coefficients = frame(entry["coefficients"])
    scale = float(coefficients["se"].max())
    assert_inference(fit.coefficients(**options), coefficients, scale)
    if "beta_vcov_used" in entry:
        close(fit.vcov(**options), entry["beta_vcov_used"]["values"], 1e-4, 1e-5 * scale**2)
    if "lsmeans" not in entry:
        return
    factor, visit = reference.MEANS[name]
    means = fit.emmeans(factor, by=visit, **options)
    theirs = frame(entry["lsmeans"])
    ours = means.table()
    assert ours[factor].tolist() == theirs[factor].tolist()
    assert ours[visit].tolist() == theirs[visit].astype(str).tolist()
    assert_inference(ours, theirs, scale)
    contrasts = means.contrasts("reference")
    theirs = frame(entry["contrasts"])
    assert contrasts["contrast"].tolist() == theirs["contrast"].tolist()
    assert_inference(contrasts, theirs, scale)
    if "lsmeans_proportional" in entry:
        proportional = fit.emmeans(factor, by=visit, weights="proportional", **options)
        assert_inference(proportional.table(), frame(entry["lsmeans_proportional"]["lsmeans"]), scale)
        assert_inference(proportional.contrasts(), frame(entry["lsmeans_proportional"]["contrasts"]), scale)


@pytest.mark.parametrize(("name", "key", "method"), METHODS)
def test_joint_tests_of_terms(name: str, key: str, method: str) -> None:
    entry = reference.results(name)["models"][key]["methods"][method]
    if "emmeans_joint_tests_type3" not in entry:
        pytest.skip("not in the reference")
    theirs = frame(entry["emmeans_joint_tests_type3"])
    ours = reference.fit(name, key).anova(type=3, df=reference.DF[method])
    assert ours["term"].tolist() == theirs["model term"].tolist()
    assert ours["num_df"].tolist() == theirs["df1"].tolist()
    # emmeans prints F with three decimals, without Kenward and Roger's factor, and has its own rule for the
    # denominator of several degrees of freedom; with one numerator degree of freedom the tests are the same
    plain = ours["f"] / ours["scale"]
    close(plain, theirs["F.ratio"], 2e-5, 5.1e-4)
    one = theirs["df1"] == 1
    close(ours.loc[one, "p"], theirs.loc[one, "p"], 0.0, 1e-6)


def test_sas_kenward_roger() -> None:
    """SAS PROC MIXED DDFM=KR and KR(LINEAR), FEV1 ~ ARMCD.

    For us, csh and adh the printed SAS fit lies beside the optimum (its estimate differs from R's in the fifth digit
    too), so standard errors agree to 1.5e-4 only. What tells the two adjustments apart is their ratio within a fit,
    which the optimum hardly moves: it must agree to 1e-6.
    """
    ratios: dict[str, list[float]] = {}
    for row in reference.results("sas_vs_mmrm_kr")["rows"]:
        fit = MMRM(
            "FEV1 ~ ARMCD", reference.data("mmrm_fev"), subject="USUBJID", visit="AVISIT", covariance=row["cov"]
        ).fit()
        ours = fit.coefficients("kenward-roger" if row["sas_ddfm"] == "KR" else "kenward-roger-linear").iloc[1]
        close(ours["estimate"], row["sas_est"], 5e-5)
        close(ours["se"], row["sas_se"], 1e-6 if row["cov"] in ("cs", "ar1", "toeph") else 1.5e-4)
        ratios.setdefault(row["cov"], []).append(ours["se"] / row["sas_se"])
        close(ours["df"], row["sas_df"], 5e-4)
        theirs = "kenward-roger-mmrm" if row["mmrm_vcov"] == "Kenward-Roger" else "kenward-roger-linear"
        close(fit.coefficients(theirs).iloc[1]["se"], row["mmrm_se"], 1e-4)
    for adjusted, linear in ratios.values():
        close(adjusted, linear, 1e-6)


def test_complete_balanced_data_give_the_exact_standard_error() -> None:
    """Orthodont, sexes at an age: the pooled variance over 16 boys and 11 girls, exact under normality, with 25 df.

    At 14 years 0.87456 by algebra, which the default and the linear form give; differentiated by R mmrm's parameters
    the adjustment takes it to 0.84213, which is what that package prints.
    """
    fit = reference.fit("mmrm_orthodont", "us_reml")
    data = reference.data("mmrm_orthodont")
    contrasts = fit.emmeans("Sex", by="agef").contrasts()
    exact = {}
    for _, row in contrasts.iterrows():
        at_age = data[data["agef"].astype(str) == row["agef"]]
        boys, girls = (at_age.loc[at_age["Sex"] == s, "distance"] for s in ("Male", "Female"))
        pooled = (boys.var() * 15 + girls.var() * 10) / 25
        exact[row["agef"]] = float(np.sqrt(pooled * (1 / 16 + 1 / 11)))
        close(row["se"], exact[row["agef"]], 1e-7)
        close(row["df"], 25.0, 1e-6)
    assert list(exact) == ["8", "10", "12", "14"]
    printed = {"kenward-roger": 0.87456, "kenward-roger-linear": 0.87456, "kenward-roger-mmrm": 0.84213}
    for method, se in printed.items():
        at_14 = fit.emmeans("Sex", by="agef", df=method).contrasts().set_index("agef").loc["14"]
        assert round(float(at_14["se"]), 5) == se
    assert round(exact["14"], 5) == 0.87456


EXTRAS = "mmrm_fev_extras"


def test_tests_of_linear_functions() -> None:
    fit = reference.fit("mmrm_fev", "us_reml")
    extras = reference.results(EXTRAS)
    for method, theirs in extras["df_1d_trt_at_visit4"].items():
        ours = fit.test({"ARMCDTRT": 1, "ARMCDTRT:AVISITVIS4": 1}, df=reference.DF[method])
        close([ours.estimate, ours.se, ours.t], [theirs["est"], theirs["se"], theirs["t_stat"]], 1e-5)
        close(ours.df, theirs["df"], 1e-4)
        close(ours.p, theirs["p_val"], 0.0, 1e-6)
    for method, theirs in extras["df_md_interaction"].items():
        rows = [{f"ARMCDTRT:AVISITVIS{v}": 1} for v in (2, 3, 4)]
        ours = fit.test(rows, df=reference.DF[method])
        assert ours.num_df == theirs["num_df"]
        close(ours.den_df, theirs["denom_df"], 1e-4)
        close(ours.f, theirs["f_stat"], 1e-5)
        close(ours.p, theirs["p_val"], 0.0, 1e-6)


def test_anova_of_single_terms() -> None:
    """R mmrm's anova tests the coefficients of each term as they are coded, which for the interaction is type III."""
    fit = reference.fit("mmrm_fev", "us_reml")
    for theirs in reference.results(EXTRAS)["anova_single_satterthwaite"]:
        pieces = theirs["term"].split(":")
        own = [
            n
            for n in fit.names
            if n == theirs["term"]
            or (len(n.split(":")) == len(pieces) and all(map(str.startswith, n.split(":"), pieces)))
        ]
        result = fit.test([{n: 1} for n in own], df="satterthwaite")
        f, den_df = (result.f, result.den_df) if len(own) > 1 else (result.t**2, result.df)
        close(f, theirs["f_stat"], 2e-5)
        close(den_df, theirs["denom_df"], 1e-4)


def test_residuals_and_fitted_values() -> None:
    fit = reference.fit("mmrm_fev", "us_reml")
    theirs = pd.DataFrame(reference.results(EXTRAS)["observed_rows"])
    close(fit.fitted, theirs["fitted"], 1e-6)
    for kind in ("response", "pearson", "normalized"):
        close(fit.residuals(kind), theirs[kind], 1e-5, 1e-5)


def test_predictions() -> None:
    fit = reference.fit("mmrm_fev", "us_reml")
    extras = reference.results(EXTRAS)
    theirs = pd.DataFrame(extras["predict_unconditional_confidence"])
    ours = fit.predict(df="satterthwaite")
    close(ours["estimate"], theirs["fit"], 1e-6)
    # R mmrm 0.3.18 returns the variance under the name se (0.786 for the intercept, whose SE is 0.887), and limits
    # of 5% instead of 95%: the variance is compared and the limits are not
    close(ours["se"] ** 2, theirs["se"], 1e-5)
    close(fit.predict(conditional=True)["estimate"], extras["predict_conditional"], 1e-5)


def test_average_over_visits() -> None:
    theirs = reference.results(EXTRAS)["average_over_visits"]
    means = reference.fit("mmrm_fev", "us_reml").emmeans("ARMCD", df="satterthwaite")
    assert_inference(means.table(), frame(theirs["lsmeans"]), 1.0)
    assert_inference(means.contrasts(), frame(theirs["contrasts"]), 1.0)


@pytest.mark.parametrize("adjust", ["none", "bonferroni", "holm"])
def test_multiplicity(adjust: str) -> None:
    theirs = frame(reference.results(EXTRAS)["adjusted"][adjust])
    means = reference.fit("mmrm_fev", "us_reml").emmeans("ARMCD", by="AVISIT", df="satterthwaite")
    assert_inference(means.contrasts(adjust=adjust), theirs, 1.0)


def test_constrained_longitudinal_analysis() -> None:
    extras = reference.results(EXTRAS)
    theirs = extras["clda_us_satterthwaite"]
    fit = MMRM.clda(
        "FEV1 ~ ARMCD * AVISIT",
        reference.data("mmrm_fev"),
        subject="USUBJID",
        visit="AVISIT",
        arm="ARMCD",
        baseline="FEV1_BL",
        baseline_visit="VIS0",
    ).fit()
    close(fit.deviance, theirs["neg2_loglik"], 1e-7)
    close(fit.covariance, theirs["covariance"]["values"], 1e-4, 1e-3)
    assert fit.names[5:] == tuple(f"ARMCDTRT:AVISITVIS{v}" for v in (1, 2, 3, 4))
    for method, rows in (
        ("satterthwaite", theirs["coefficients"]),
        ("kenward-roger-linear", extras["clda_us_krlinear"]),
    ):
        expected, ours = pd.DataFrame(rows), fit.coefficients(df=method)
        close(ours["estimate"], expected["Estimate"], 1e-5)
        close(ours["se"], expected["Std. Error"], 1e-5)
        close(ours["df"], expected["df"], 1e-4)
        close(ours["p"], expected["Pr(>|t|)"], 0.0, 1e-6)
    table = fit.emmeans("ARMCD", by="AVISIT").table()
    assert table.loc[0, "estimate"] == table.loc[1, "estimate"]  # the arms share the mean at baseline


def test_g_computation() -> None:
    """R mmrm's standardisation over the 200 subjects, and counterfactual means over the rows without it."""
    fit = MMRM(
        "FEV1 ~ FEV1_BL * ARMCD * AVISIT + RACE", reference.data("mmrm_fev"), subject="USUBJID", visit="AVISIT"
    ).fit()
    extras = reference.results(EXTRAS)
    for means, theirs in (
        (fit.gcomp("ARMCD", by="AVISIT", df="satterthwaite"), extras["gcomp"]),
        (fit.emmeans("ARMCD", by="AVISIT", weights="counterfactual", df="satterthwaite"), extras["gcomp_off"]),
    ):
        assert_inference(means.table(), frame(theirs["lsmeans"]), 1.0)
        assert_inference(means.contrasts(), frame(theirs["contrasts"]), 1.0)


def test_likelihood_ratio_tests() -> None:
    """p values by the chi-square with the right degrees of freedom (those printed by the package pair them wrongly)."""
    cs, csh, us = (reference.fit("mmrm_fev", f"{s}_reml") for s in ("cs", "csh", "us"))
    for a, b, statistic, df, p, digits in ((cs, csh, 124.042, 3, 1.04e-26, 28), (us, csh, 11.551, 5, 0.04148, 5)):
        found = a.likelihood_ratio(b)
        assert (round(found.statistic, 3), found.df, round(found.p, digits)) == (statistic, df, p)
