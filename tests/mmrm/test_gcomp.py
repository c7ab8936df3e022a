"""Marginal standardisation: means over all subjects, and the variance of the covariates they bring."""

import numpy as np
import pytest

from pipanalysis.mmrm import MMRM
from pipanalysis.mmrm.problems import OptionError

from .trials import trial

DATA = trial()
SUBJECTS = DATA.drop_duplicates("id")


def test_means_are_averages_over_all_subjects_with_their_own_covariates() -> None:
    fit = MMRM("y ~ base * arm * visit + site", DATA, subject="id", visit="visit").fit()
    for _, row in fit.gcomp("arm", by="visit").table().iterrows():
        as_if = fit.predict(SUBJECTS.assign(arm=row["arm"], visit=row["visit"]))["estimate"]
        assert row["estimate"] == pytest.approx(as_if.mean(), rel=1e-12)


def test_variance_has_a_part_for_the_covariates() -> None:
    fit = MMRM("y ~ base * arm * visit + site", DATA, subject="id", visit="visit").fit()
    means = fit.gcomp("arm", by="visit", df="satterthwaite")
    table, n = means.table(), len(SUBJECTS)
    as_if = np.column_stack(
        [fit.predict(SUBJECTS.assign(arm=row["arm"], visit=row["visit"]))["estimate"] for _, row in table.iterrows()]
    )
    L = means.functions.contrasts
    expected = L @ fit.vcov("satterthwaite").to_numpy() @ L.T + np.cov(as_if.T) / n
    np.testing.assert_allclose(table["se"], np.sqrt(np.diag(expected)), rtol=1e-10)
    difference = np.kron(np.eye(3), [-1.0, 1.0])
    np.testing.assert_allclose(
        means.contrasts()["se"], np.sqrt(np.diag(difference @ expected @ difference.T)), rtol=1e-10
    )


def test_without_effect_modification_the_contrasts_are_those_of_the_marginal_means() -> None:
    fit = MMRM("y ~ base * visit + arm * visit + site", DATA, subject="id", visit="visit").fit()
    standardised = fit.gcomp("arm", by="visit").contrasts()
    usual = fit.emmeans("arm", by="visit").contrasts()
    for name in ("estimate", "se", "df"):
        np.testing.assert_allclose(standardised[name], usual[name], rtol=1e-7)


def test_a_missing_covariate_is_refused() -> None:
    data = DATA.copy()
    data.loc[data["id"] == "P003", "base"] = np.nan
    fit = MMRM("y ~ base + arm * visit", data, subject="id", visit="visit").fit()
    with pytest.raises(OptionError, match=r"base is missing .* 1 of 40 subjects"):
        fit.gcomp("arm", by="visit")
