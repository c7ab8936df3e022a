"""The copula: latent correlations against closed forms, shrinkage, and matrices that can be drawn from."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.twin.copula import block_means, latent_correlation, pairwise_correlation, shrunk_correlation
from pipanalysis.twin.margins import Margin, hermite_coefficients


def pair(r: float) -> np.ndarray:
    return np.array([[1.0, r], [r, 1.0]])


@pytest.mark.parametrize("r", [-0.6, -0.2, 0.1, 0.4, 0.6])
def test_two_halved_variables_need_the_sine_of_their_correlation(r: float) -> None:
    """Cut at the median, normals with correlation ρ correlate by 2/π arcsin ρ (Sheppard 1899)."""
    half = Margin(np.array([0.5, 1.0]), np.array([0.0, 1.0]), discrete=True)
    hermite = np.array([hermite_coefficients(half, 12)] * 2)
    assert latent_correlation(pair(r), hermite)[0, 1] == pytest.approx(math.sin(math.pi * r / 2), abs=0.01)


@pytest.mark.parametrize("r", [-0.3, 0.2, 0.7])
def test_two_lognormal_variables_need_the_logarithm_of_their_correlation(r: float) -> None:
    """With log SD σ the correlation is (exp(ρσ²) - 1) / (exp(σ²) - 1); its series in ρ has σ²ᵐ/m! over that bound."""
    sigma = 0.8
    bound = math.exp(sigma**2) - 1
    series = np.array([sigma**m / math.sqrt(math.factorial(m) * bound) for m in range(1, 13)])
    wanted = math.log(1 + r * bound) / sigma**2
    assert latent_correlation(pair(r), np.array([series, series]))[0, 1] == pytest.approx(wanted, abs=1e-4)


def test_normal_variables_need_the_correlation_itself() -> None:
    hermite = np.zeros((2, 12))
    hermite[:, 0] = 1
    assert latent_correlation(pair(0.37), hermite)[0, 1] == pytest.approx(0.37, abs=1e-8)


@given(st.integers(2, 12), st.integers(0, 10_000))
@settings(max_examples=40)
def test_what_is_drawn_from_is_positive_definite_with_unit_diagonal(p: int, seed: int) -> None:
    g = np.random.default_rng(seed)
    wanted = np.clip(g.uniform(-1, 1, (p, p)), -0.95, 0.95)
    wanted = (wanted + wanted.T) / 2
    np.fill_diagonal(wanted, 1)
    hermite = np.zeros((p, 3))
    hermite[:, 0] = 1
    latent = latent_correlation(wanted, hermite)
    assert np.allclose(np.diag(latent), 1)
    assert np.linalg.eigvalsh(latent).min() > 0


def test_pairs_are_those_that_both_have() -> None:
    x = np.random.default_rng(1).normal(size=(40, 2))
    x[:15, 0] = np.nan
    r, pairs = pairwise_correlation(x)
    assert pairs.tolist() == [[25, 25], [25, 40]]
    assert r[0, 1] == pytest.approx(np.corrcoef(x[15:].T)[0, 1])
    x[20:, 1] = np.nan
    assert np.isnan(pairwise_correlation(x)[0][0, 1])


def test_a_block_mean_turns_signs_and_keeps_an_item_with_itself_apart() -> None:
    """Two visits of two items, the second worded the other way round."""
    r = np.array([[1, -0.5, 0.8, -0.2], [-0.5, 1, -0.4, 0.6], [0.8, -0.4, 1, -0.3], [-0.2, 0.6, -0.3, 1]])
    target = block_means(r, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    assert target[0] == pytest.approx([1, -0.5, 0.7, -0.3])
    assert target[2] == pytest.approx([0.7, -0.3, 1, -0.3])


def test_shrinkage_is_full_where_a_block_is_of_one_mind_and_slight_where_it_is_not() -> None:
    g = np.random.default_rng(2)
    blocks, items = np.zeros(8, dtype=int), np.arange(8)
    one = g.normal(size=(60, 1)) + g.normal(size=(60, 8))
    assert shrunk_correlation(one, blocks, items)[1] > 0.6
    two = np.repeat(g.normal(size=(5000, 2)), 4, axis=1) + g.normal(size=(5000, 8))
    shrunk, intensity = shrunk_correlation(two, blocks, items)
    assert intensity < 0.02
    assert shrunk[0, 1] == pytest.approx(0.5, abs=0.05)
    assert shrunk[0, 7] == pytest.approx(0.0, abs=0.06)
