"""Constrained longitudinal analysis: what is set up, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm import MMRM
from pipanalysis.mmrm.problems import ModelDataError

from .trials import trial

DATA = trial()
ROLES = {"subject": "id", "visit": "visit", "arm": "arm"}


def stacked() -> pd.DataFrame:
    """The same data with the baseline as rows, made by hand."""
    first = DATA.drop_duplicates("id")
    rows = first.assign(visit="before", y=first["base"])
    return pd.concat([DATA, rows], ignore_index=True)


def test_a_baseline_column_and_baseline_rows_give_the_same_fit() -> None:
    a = MMRM.clda("y ~ arm * visit", DATA, baseline="base", baseline_visit="before", **ROLES).fit()
    b = MMRM.clda("y ~ arm * visit", stacked(), baseline_visit="before", **ROLES).fit()
    assert a.names == b.names == (
        "(Intercept)", "visitm00", "visitm06", "visitm12", "armtrt:visitm00", "armtrt:visitm06", "armtrt:visitm12",
    )  # fmt: skip
    np.testing.assert_allclose(a.beta, b.beta, rtol=1e-9)
    assert a.visits[0] == "before"


def test_it_equals_the_model_with_dummies_made_by_hand() -> None:
    data = stacked()
    for visit in ("m00", "m06", "m12"):
        data[f"trt_{visit}"] = ((data["arm"] == "trt") & (data["visit"] == visit)) * 1.0
    by_hand = MMRM("y ~ visit + trt_m00 + trt_m06 + trt_m12", data, subject="id", visit="visit").fit()
    ours = MMRM.clda("y ~ arm * visit", DATA, baseline="base", **ROLES).fit()
    assert ours.deviance == pytest.approx(by_hand.deviance, rel=1e-9)
    np.testing.assert_allclose(ours.coefficients()["se"][-3:], by_hand.coefficients()["se"][-3:], rtol=1e-6)


def test_subjects_with_a_baseline_only_are_kept() -> None:
    data = DATA.copy()
    data.loc[data["id"] == "P000", "y"] = np.nan
    assert MMRM.clda("y ~ arm * visit", data, baseline="base", **ROLES).fit().n_subjects == 40


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("y ~ arm + visit", {"baseline": "base"}, "needs the interaction arm:visit"),
        ("y ~ arm * visit + base", {"baseline": "base"}, "cannot be a covariate too"),
        ("log(y) ~ arm * visit", {"baseline": "base"}, "must be a column"),
        ("y ~ arm * visit", {"baseline": "bl"}, "'bl' is not in the data"),
        ("y ~ arm * visit", {"baseline": "base", "baseline_visit": "m06"}, "already has the level"),
        ("y ~ arm * visit", {"baseline_visit": "m99"}, "no level 'm99'"),
        ("y ~ arm * visit", {"baseline": "y"}, "changes within id"),
    ],
)
def test_what_cannot_be_set_up_is_refused(formula: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ModelDataError, match=said):
        MMRM.clda(formula, DATA, **ROLES, **options)  # type: ignore[arg-type]
