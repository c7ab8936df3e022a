"""What must not change the answer does not, and what must change it does so by the right amount."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipanalysis.mmrm import MMRM, MMRMFit

from .trials import FORMULA, trial

DATA = trial()
STRUCTURES = ["us", "csh", "ar1", "toep"]
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def model(data: pd.DataFrame, formula: str = FORMULA, covariance: str = "us") -> MMRMFit:
    return MMRM(formula, data, subject="id", visit="visit", covariance=covariance).fit()


ORIGINAL = {s: model(DATA, covariance=s) for s in STRUCTURES}


def assert_same_inference(ours: pd.DataFrame, theirs: pd.DataFrame, scale: float = 1.0, rtol: float = 2e-6) -> None:
    for name in ("estimate", "se", "lower", "upper"):
        np.testing.assert_allclose(ours[name] / scale, theirs[name], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(ours["df"], theirs["df"], rtol=1e-4)


@FEW
@given(st.randoms(use_true_random=False), st.sampled_from(STRUCTURES))
def test_order_of_rows(random: object, covariance: str) -> None:
    order = list(range(len(DATA)))
    random.shuffle(order)  # type: ignore[attr-defined]
    permuted = model(DATA.iloc[order], covariance=covariance)
    assert permuted.deviance == pytest.approx(ORIGINAL[covariance].deviance, rel=1e-9)
    assert_same_inference(permuted.coefficients(), ORIGINAL[covariance].coefficients())


@pytest.mark.parametrize("n", [127, 128, 129, 10_922, 10_923])
def test_order_of_rows_where_codes_outgrow_their_integers(n: int) -> None:
    """Subjects on both sides of 2^7, rows on both sides of 2^15; categories have integers of their own."""
    data = trial(n, missing=0.0)
    shuffled = data.sample(frac=1.0, random_state=1)
    first = model(data)
    for again in (shuffled, shuffled.astype(dict.fromkeys(("id", "visit", "arm"), "category"))):
        fit = model(again)
        assert fit.deviance == pytest.approx(first.deviance, rel=1e-9)
        assert_same_inference(fit.coefficients(), first.coefficients())
        assert_same_inference(fit.coefficients(df="between-within"), first.coefficients(df="between-within"))
        assert np.sort(fit.residuals("pearson")) == pytest.approx(np.sort(first.residuals("pearson")), abs=1e-6)


@FEW
@given(st.permutations(["m00", "m06", "m12"]))
def test_labels_of_visits_when_unstructured(labels: list[str]) -> None:
    renamed = dict(zip(["m00", "m06", "m12"], labels, strict=True))
    relabelled = model(DATA.assign(visit=DATA["visit"].map(renamed)))
    assert relabelled.deviance == pytest.approx(ORIGINAL["us"].deviance, rel=1e-9)
    before = ORIGINAL["us"].emmeans("arm", by="visit").contrasts().set_index("visit")
    after = relabelled.emmeans("arm", by="visit").contrasts().set_index("visit")
    assert_same_inference(after.loc[labels], before.loc[["m00", "m06", "m12"]])


@FEW
@given(st.lists(st.integers(0, 10**6), min_size=40, max_size=40, unique=True))
def test_identifiers_of_subjects(numbers: list[int]) -> None:
    names = dict(zip(DATA["id"].unique(), numbers, strict=True))
    renamed = model(DATA.assign(id=DATA["id"].map(names)))
    assert_same_inference(renamed.coefficients(), ORIGINAL["us"].coefficients())


@FEW
@given(st.sampled_from([1e-6, 1e-3, 10.0, 1e3, 1e6]), st.sampled_from(STRUCTURES))
def test_units_of_the_response(factor: float, covariance: str) -> None:
    scaled = model(DATA.assign(y=DATA["y"] * factor), covariance=covariance)
    original = ORIGINAL[covariance]
    assert_same_inference(scaled.coefficients(), original.coefficients(), scale=factor)
    np.testing.assert_allclose(scaled.covariance / factor**2, original.covariance, rtol=2e-5)
    freedom = scaled.n_obs - len(scaled.names)  # REML: the density of the residual contrasts is rescaled
    assert scaled.deviance == pytest.approx(original.deviance + 2 * freedom * np.log(factor), rel=1e-8)


@FEW
@given(st.floats(-1e4, 1e4), st.sampled_from([0.1, 1.0, 10.0]))
def test_origin_and_units_of_a_covariate(shift: float, unit: float) -> None:
    moved = model(DATA.assign(base=(DATA["base"] - shift) * unit))
    before = ORIGINAL["us"].emmeans("arm", by="visit")
    after = moved.emmeans("arm", by="visit")
    assert_same_inference(after.table(), before.table(), rtol=1e-5)
    assert_same_inference(after.contrasts(), before.contrasts(), rtol=1e-5)


@FEW
@given(st.floats(-5, 5), st.floats(-5, 5))
def test_a_column_in_the_span_is_left_out(a: float, b: float) -> None:
    data = DATA.assign(extra=a + b * DATA["base"])
    widened = model(data, FORMULA + " + extra")
    assert widened.names == ORIGINAL["us"].names
    assert widened.aliased == ("extra",)
    assert widened.deviance == pytest.approx(ORIGINAL["us"].deviance, rel=1e-8)
    assert_same_inference(widened.coefficients(), ORIGINAL["us"].coefficients())


@FEW
@given(st.sampled_from(["trt", "ctl"]), st.sampled_from(STRUCTURES))
def test_reference_levels_do_not_change_means(reference: str, covariance: str) -> None:
    other = {"trt": "ctl", "ctl": "trt"}[reference]
    data = DATA.assign(arm=pd.Categorical(DATA["arm"], [reference, other]))
    flipped = model(data, covariance=covariance).emmeans("arm", by="visit")
    original = ORIGINAL[covariance].emmeans("arm", by="visit")
    keys = ["visit", "arm"]
    assert_same_inference(flipped.table().sort_values(keys), original.table().sort_values(keys))
    sign = -1.0 if reference == "trt" else 1.0
    np.testing.assert_allclose(flipped.contrasts()["estimate"], sign * original.contrasts()["estimate"], rtol=1e-5)


@FEW
@given(st.sampled_from(STRUCTURES), st.floats(0.1, 10.0))
def test_a_constant_weight_rescales_the_covariance_only(covariance: str, weight: float) -> None:
    weighted = MMRM(
        FORMULA, DATA.assign(w=weight), subject="id", visit="visit", covariance=covariance, weights="w"
    ).fit()
    assert_same_inference(weighted.coefficients(), ORIGINAL[covariance].coefficients())
    np.testing.assert_allclose(weighted.covariance / weight, ORIGINAL[covariance].covariance, rtol=2e-5)
