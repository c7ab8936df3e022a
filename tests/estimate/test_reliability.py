"""Coefficients of reliability: published examples, algebra, pingouin, and what they do not depend on."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipanalysis.estimate.reliability import (
    cohens_kappa,
    cronbach_alpha,
    icc_agreement,
    mcdonald_omega,
    mean_squares,
    one_factor,
)

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
"""Shrout and Fleiss 1979, table 2: six targets, four judges."""

forms = arrays(np.float64, st.tuples(st.integers(3, 12), st.integers(2, 5)), elements=st.integers(0, 4))


def test_mean_squares_as_published() -> None:
    """Shrout and Fleiss 1979, table 3: BMS 11.24, WMS 6.26, JMS 32.49, EMS 1.02."""
    ms = mean_squares(SHROUT_FLEISS)
    assert [round(v, 2) for v in (ms.targets, ms.within, ms.raters, ms.residual)] == [11.24, 6.26, 32.49, 1.02]
    assert round((ms.targets - ms.within) / (ms.targets + 3 * ms.within), 2) == 0.17  # ICC(1,1)
    assert round((ms.targets - ms.residual) / (ms.targets + 3 * ms.residual), 2) == 0.71  # ICC(3,1)


def test_icc_as_published() -> None:
    """ICC(2,1) = .29: Shrout and Fleiss 1979, table 4; limits 0.019 and 0.76 as R's psych::ICC prints them."""
    found = icc_agreement(SHROUT_FLEISS, 0.95)
    assert round(found.value, 2) == 0.29
    assert round(found.low, 3) == 0.019
    assert round(found.high, 2) == 0.76


def of_pingouin(ratings: np.ndarray) -> tuple[float, np.ndarray]:
    """ICC(A,1) and its 95% limits without rounding."""
    n, k = ratings.shape
    long = pd.DataFrame({"t": np.repeat(range(n), k), "r": np.tile(range(k), n), "y": ratings.ravel()})
    rounded = pg.options["round.column.CI95"]
    pg.options["round.column.CI95"] = 12
    try:
        table = pg.intraclass_corr(long, targets="t", raters="r", ratings="y").set_index("Type").loc["ICC(A,1)"]
    finally:
        pg.options["round.column.CI95"] = rounded
    return float(table["ICC"]), np.asarray(table["CI95"])


@pytest.mark.parametrize("seed", range(8))
def test_icc_is_that_of_pingouin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(5, 40)), int(rng.integers(2, 4))
    ratings = rng.normal(size=(n, 1)) + rng.normal(size=(1, k)) / 2 + rng.normal(size=(n, k)) * rng.uniform(0.2, 2)
    value, limits = of_pingouin(ratings)
    found = icc_agreement(ratings, 0.95)
    assert found.value == pytest.approx(value, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(limits), rel=1e-9)


def test_icc_of_two_raters_that_differ_by_a_constant_by_algebra() -> None:
    """With no residual, ICC(A,1) = s² / (s² + d² / 2), s² being the variance of the targets, d the constant.

    BMS = 2 s², JMS = n d² / 2, EMS = 0: ICC = BMS / (BMS + 2 JMS / n) = 2 s² / (2 s² + d²).
    """
    x = np.array([1.0, 3, 4, 8, 9])
    s2 = x.var(ddof=1)
    for d in (0.5, 2, 10):
        found = icc_agreement(np.column_stack([x, x + d]), 0.95)
        assert found.value == pytest.approx(s2 / (s2 + d**2 / 2))
        assert found.low < found.value < found.high <= 1
    assert icc_agreement(np.column_stack([x, x]), 0.95).value == 1


@given(forms, st.floats(0.5, 3))
def test_icc_falls_where_one_rater_adds_a_constant_that_moves_the_means_apart(ratings: np.ndarray, more: float) -> None:
    ratings = ratings[:, :2]
    before = icc_agreement(ratings, 0.95)
    assume(np.isfinite(before.value) and before.value > 0.01)
    high = int(np.argmax(ratings.mean(axis=0)))
    moved = ratings.copy()
    moved[:, high] += more
    assert icc_agreement(moved, 0.95).value < before.value
    both = icc_agreement(ratings + more, 0.95)
    assert both.value == pytest.approx(before.value, abs=1e-9)


def test_alpha_by_hand() -> None:
    """Items (1,2,3,4), (2,1,4,3): variances 5/3 each, covariance 1, so alpha = 2 (1 - (10/3) / (16/3)) = 3/4.

    Feldt's limits at df 3 and 3: F's upper 2.5% point there is 15.439 (tables), its lower one the reciprocal.
    """
    found = cronbach_alpha(np.array([[1, 2], [2, 1], [3, 4], [4, 3.0]]), 0.95)
    assert found.value == pytest.approx(0.75)
    assert found.low == pytest.approx(1 - 0.25 * 15.439, abs=1e-3)
    assert found.high == pytest.approx(1 - 0.25 / 15.439, abs=1e-4)


def test_alpha_is_that_of_pingouin() -> None:
    items = np.random.default_rng(1).normal(size=(30, 1)) + np.random.default_rng(2).normal(size=(30, 6))
    alpha, limits = pg.cronbach_alpha(pd.DataFrame(items), ci=0.9)
    found = cronbach_alpha(items, 0.9)
    assert found.value == pytest.approx(alpha)
    assert (found.low, found.high) == pytest.approx(tuple(limits), abs=5e-4)  # pingouin's have three decimals


@given(forms, st.data())
def test_alpha_depends_on_neither_the_order_nor_the_level_of_the_items(items: np.ndarray, data: st.DataObject) -> None:
    before = cronbach_alpha(items, 0.95)
    assume(np.isfinite(before.value))
    order = data.draw(st.permutations(range(items.shape[1])))
    level = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=items.shape[1], max_size=items.shape[1])))
    after = cronbach_alpha(items[:, order] + level, 0.95)
    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high), rel=1e-9)


@given(forms)
def test_alpha_of_items_scored_the_other_way_round_all_together_is_the_same(items: np.ndarray) -> None:
    before = cronbach_alpha(items, 0.95)
    assume(np.isfinite(before.value))
    assert cronbach_alpha(4 - items, 0.95).value == pytest.approx(before.value, rel=1e-9)


@pytest.mark.parametrize("case", ["agreeableness, 60 forms", "neuroticism, 25 forms"])
def test_omega_is_that_of_r(root: Path, case: str) -> None:
    """One factor by minimum residuals, R's psych (`omega.R`), whose optimiser stops at about 1e-5 of the loadings."""
    expected = json.loads((root / "tests" / "fixtures" / "r" / "omega.json").read_text(encoding="utf-8"))[case]
    items = np.array(expected["items"], dtype=float)
    loadings = one_factor(np.corrcoef(items, rowvar=False))
    assert loadings == pytest.approx(np.array(expected["loadings"]), abs=2e-5)
    assert mcdonald_omega(items).value == pytest.approx(expected["omega"], abs=1e-5)


def test_omega_of_exactly_one_factor_by_algebra() -> None:
    """Three items fit one factor exactly: the loading of the first is the root of r12 r13 / r23, and so on."""
    items = np.random.default_rng(3).normal(size=(200, 1)) + np.random.default_rng(4).normal(size=(200, 3))
    items *= [1.0, 2.0, 0.5]
    r = np.corrcoef(items, rowvar=False)
    loadings = np.sqrt([r[0, 1] * r[0, 2] / r[1, 2], r[0, 1] * r[1, 2] / r[0, 2], r[0, 2] * r[1, 2] / r[0, 1]])
    spread = items.std(axis=0, ddof=1)
    common = (loadings @ spread) ** 2
    expected = common / (common + ((1 - loadings**2) * spread**2).sum())
    assert mcdonald_omega(items).value == pytest.approx(expected, rel=1e-6)


def test_omega_of_equally_good_items_is_alpha() -> None:
    """Items with one variance and one covariance: loadings are equal and both coefficients k r / (1 + (k - 1) r)."""
    basis = np.linalg.qr(np.column_stack([np.ones(40), np.random.default_rng(8).normal(size=(40, 5))]))[0][:, 1:]
    items = basis @ np.linalg.cholesky(0.3 * np.ones((5, 5)) + 0.7 * np.eye(5)).T
    assert mcdonald_omega(items).value == pytest.approx(5 * 0.3 / (1 + 4 * 0.3), rel=1e-7)
    assert mcdonald_omega(items).value == pytest.approx(cronbach_alpha(items, 0.95).value, rel=1e-7)


def test_an_item_without_variation_has_no_part_in_omega_and_few_items_have_none() -> None:
    items = np.random.default_rng(3).normal(size=(50, 1)) + np.random.default_rng(4).normal(size=(50, 4))
    assert mcdonald_omega(np.column_stack([items, np.ones(50)])).value == mcdonald_omega(items).value
    assert "one factor needs 3 items that vary, not 2" in mcdonald_omega(items[:, :2]).error
    assert "too few complete forms (2" in mcdonald_omega(items[:2]).error
    twice = np.column_stack([items[:, 0], items[:, 0], items[:, 1]])
    assert "unique variances above zero" in mcdonald_omega(twice).error


def test_kappa_as_published() -> None:
    """Cohen 1960: two psychologists, 200 patients, observed agreement .70, expected .41, kappa = .492."""
    counts = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs = [(a, b) for a, row in enumerate(counts) for b, n in enumerate(row) for _ in range(n)]
    first, second = (np.array(values, dtype=object) for values in zip(*pairs, strict=True))
    found = cohens_kappa(first, second, [0, 1, 2], 0.95)
    assert round(found.value, 3) == 0.492
    assert found.low < found.value < found.high
    same = cohens_kappa(first, first, [0, 1, 2], 0.95)
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1), abs=1e-6)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (cronbach_alpha(np.ones((5, 3)), 0.95), "no variation"),
        (cronbach_alpha(np.ones((1, 3)), 0.95), "too few complete forms (1"),
        (cronbach_alpha(np.arange(5.0)[:, None], 0.95), "one item"),
        (icc_agreement(np.full((5, 2), 3.0), 0.95), "no variation: all 10 ratings are 3"),
        (icc_agreement(np.ones((1, 2)), 0.95), "too few forms coded twice (1"),
        (icc_agreement(np.empty((0, 2)), 0.95), "too few forms coded twice (0"),
        (cohens_kappa(np.array(["a"] * 4), np.array(["a"] * 4), ["a", "b"], 0.95), "no variation"),
        (cohens_kappa(np.array([]), np.array([]), ["a", "b"], 0.95), "no form coded twice"),
    ],
)
def test_what_has_no_coefficient_says_why(found, said: str) -> None:
    assert np.isnan([found.value, found.low, found.high]).all()
    assert said in found.error
