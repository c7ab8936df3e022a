"""Marginal means: against the definition over a grid, and what cannot be estimated is marked."""

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.problems import OptionError

from .trials import FORMULA, trial


@pytest.fixture(scope="module")
def fit() -> MMRMFit:
    return MMRM(FORMULA, trial(), subject="id", visit="visit").fit()


def complete_rows(fit: MMRMFit) -> pd.DataFrame:
    return trial().iloc[fit.frame.rows]


def by_definition(fit: MMRMFit, arm: str, visit: str, base: float, sites: dict[str, float]) -> float:
    """The mean as an average of predictions over sites."""
    grid = pd.DataFrame({"id": "new", "visit": visit, "arm": arm, "site": list(sites), "base": base})
    return float(np.dot(fit.predict(grid)["estimate"], list(sites.values())))


def test_equal_weights_and_covariates_at_the_mean_over_rows(fit: MMRMFit) -> None:
    table = fit.emmeans("arm", by="visit").table()
    mean = complete_rows(fit)["base"].mean()
    for _, row in table.iterrows():
        expected = by_definition(fit, row["arm"], row["visit"], mean, dict.fromkeys("NSW", 1 / 3))
        assert row["estimate"] == pytest.approx(expected, rel=1e-12)


def test_proportional_weights(fit: MMRMFit) -> None:
    rows = complete_rows(fit)
    share = rows["site"].value_counts(normalize=True).to_dict()
    table = fit.emmeans("arm", by="visit", weights="proportional").table()
    for _, row in table.iterrows():
        expected = by_definition(fit, row["arm"], row["visit"], rows["base"].mean(), share)
        assert row["estimate"] == pytest.approx(expected, rel=1e-12)


def test_counterfactual_weights_average_the_predictions_over_rows(fit: MMRMFit) -> None:
    rows = complete_rows(fit)
    table = fit.emmeans("arm", by="visit", weights="counterfactual").table()
    for _, row in table.iterrows():
        expected = fit.predict(rows.assign(arm=row["arm"], visit=row["visit"]))["estimate"].mean()
        assert row["estimate"] == pytest.approx(expected, rel=1e-12)


def test_covariates_over_subjects(fit: MMRMFit) -> None:
    per_subject = complete_rows(fit).groupby("id")["base"].first().mean()
    over_subjects = fit.emmeans("arm", by="visit", covariates_at="subjects").table()
    set_there = fit.emmeans("arm", by="visit", at={"base": per_subject}).table()
    pd.testing.assert_frame_equal(over_subjects, set_there)


def test_levels_and_values_can_be_chosen(fit: MMRMFit) -> None:
    some = fit.emmeans("arm", by="visit", at={"visit": ["m12"], "base": 25, "site": "S"}).table()
    assert some["visit"].tolist() == ["m12", "m12"]
    assert some.loc[1, "estimate"] == pytest.approx(by_definition(fit, "trt", "m12", 25.0, {"S": 1.0}), rel=1e-12)
    slope = fit.emmeans("base", by="visit", at={"base": [20, 30]}).contrasts()
    assert slope.loc[0, "contrast"] == "30 - 20"
    assert slope.loc[0, "estimate"] == pytest.approx(10 * fit.beta[fit.names.index("base")], rel=1e-10)


def test_contrasts_are_later_minus_earlier_or_minus_the_reference(fit: MMRMFit) -> None:
    means = fit.emmeans("site")
    value = dict(zip(means.table()["site"], means.table()["estimate"], strict=True))
    pairs = means.contrasts("pairwise")
    assert pairs["contrast"].tolist() == ["S - N", "W - N", "W - S"]
    against = means.contrasts("reference", reference="W")
    assert against["contrast"].tolist() == ["N - W", "S - W"]
    assert against.loc[0, "estimate"] == pytest.approx(value["N"] - value["W"], rel=1e-10)
    custom = means.contrasts({"others v N": [-1, 0.5, 0.5]})
    assert custom.loc[0, "estimate"] == pytest.approx((value["S"] + value["W"]) / 2 - value["N"], rel=1e-10)


def test_a_contrast_agrees_with_the_test_of_its_coefficients(fit: MMRMFit) -> None:
    row = fit.emmeans("arm", by="visit").contrasts().iloc[2]
    test = fit.test({"armtrt": 1, "visitm12:armtrt": 1})
    for name in ("estimate", "se", "df", "t", "p", "lower", "upper"):
        assert row[name] == pytest.approx(getattr(test, name), rel=1e-9)


def test_adjustment_over_all_rows_or_within_by(fit: MMRMFit) -> None:
    means = fit.emmeans("arm", by="visit")
    plain = means.contrasts()["p"]
    np.testing.assert_allclose(means.contrasts(adjust="bonferroni")["p"], np.minimum(1, 3 * plain))
    np.testing.assert_allclose(means.contrasts(adjust="bonferroni", family="by")["p"], plain)


def test_what_the_data_do_not_determine_is_marked() -> None:
    data = trial()
    gone = (data["arm"] == "trt") & (data["visit"] == "m12")
    fit = MMRM("y ~ arm * visit", data[~gone], subject="id", visit="visit").fit()
    assert fit.aliased == ("armtrt:visitm12",)
    assert any("armtrt:visitm12" in note for note in fit.notes)
    means = fit.emmeans("arm", by="visit")
    table = means.table()
    assert table["estimable"].tolist() == [True, True, True, True, True, False]
    assert table.loc[5, ["estimate", "se", "df", "lower", "upper"]].isna().all()
    contrasts = means.contrasts(adjust="holm")
    assert contrasts["estimable"].tolist() == [True, True, False]
    assert contrasts.loc[:1, "p"].notna().all()
    assert np.isnan(contrasts.loc[2, "p"])


def test_means_without_the_intercept_are_the_same() -> None:
    ours = MMRM("y ~ 0 + arm:visit + base + site", trial(), subject="id", visit="visit").fit()
    usual = MMRM("y ~ base + site + arm * visit", trial(), subject="id", visit="visit").fit()
    a, b = (f.emmeans("arm", by="visit").table() for f in (ours, usual))
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)


def test_unknown_names_and_levels_are_refused_together(fit: MMRMFit) -> None:
    with pytest.raises(OptionError) as caught:
        fit.emmeans("arms", by="base")
    assert len(caught.value.problems) == 2
    with pytest.raises(OptionError, match="m00, m06, m12"):
        fit.emmeans("arm", by="visit", at={"visit": "m99"})
    for wrong in ({"weights": "cells"}, {"covariates_at": "visits"}, {"df": "kr"}, {"vcov": "huber"}):
        with pytest.raises(OptionError):
            fit.emmeans("arm", **wrong)
    with pytest.raises(OptionError, match="pairwise, reference"):
        fit.emmeans("arm").contrasts("tukey")  # type: ignore[arg-type]
