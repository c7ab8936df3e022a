"""Type II and III hypotheses: against ordinary regression (statsmodels) where the two are the same model."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.problems import OptionError

from .trials import trial


def one_visit() -> pd.DataFrame:
    """Unbalanced, one observation per subject: the model is ordinary least squares."""
    return trial(60, 3, 0.1, seed=5).query("visit == 'm12'").dropna().assign(base=lambda d: d["base"] - 20)


@pytest.fixture(scope="module")
def fit() -> MMRMFit:
    return MMRM("y ~ base * arm + site * arm", one_visit(), subject="id", visit="visit").fit()


def test_type_two_equals_regression(fit: MMRMFit) -> None:
    theirs = anova_lm(smf.ols("y ~ base * arm + site * arm", one_visit()).fit(), typ=2)
    ours = fit.anova(type=2, df="residual").set_index("term")
    for term in ("base", "arm", "site", "base:arm", "arm:site"):
        name = term if term in theirs.index else ":".join(term.split(":")[::-1])
        assert ours.loc[term, "f"] == pytest.approx(theirs.loc[name, "F"], rel=1e-7)
        assert ours.loc[term, "p"] == pytest.approx(theirs.loc[name, "PR(>F)"], abs=1e-9)


@pytest.mark.parametrize("covariates", ["zero", "mean"])
def test_type_three_equals_regression_in_sum_coding(fit: MMRMFit, covariates: str) -> None:
    data = one_visit()
    data = data if covariates == "zero" else data.assign(base=data["base"] - data["base"].mean())
    theirs = anova_lm(smf.ols("y ~ base * C(arm, Sum) + C(site, Sum) * C(arm, Sum)", data).fit(), typ=3)
    theirs.index = [i.replace("C(", "").replace(", Sum)", "") for i in theirs.index]
    ours = fit.anova(type=3, df="residual", covariates=covariates).set_index("term")  # type: ignore[arg-type]
    for term in ours.index:
        name = term if term in theirs.index else ":".join(term.split(":")[::-1])
        assert ours.loc[term, "f"] == pytest.approx(theirs.loc[name, "F"], rel=1e-7)


def test_terms_that_are_aliased_have_no_test_and_partly_aliased_ones_fewer_degrees_of_freedom() -> None:
    data = trial().assign(twice=lambda d: 2 * d["base"])
    data = data[~((data["arm"] == "trt") & (data["visit"] == "m12"))]
    table = MMRM("y ~ base + twice + arm * visit", data, subject="id", visit="visit").fit().anova().set_index("term")
    assert table.loc["twice", "num_df"] == 0
    assert np.isnan(table.loc["twice", "p"])
    assert table.loc["arm:visit", "num_df"] == 1


def test_unknown_options_are_refused(fit: MMRMFit) -> None:
    with pytest.raises(OptionError, match="2 and 3"):
        fit.anova(type=1)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="mean or zero"):
        fit.anova(covariates="median")  # type: ignore[arg-type]
