"""Moments after the event, against their definitions and the algebra of the normal distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.impute.strategies import STRATEGIES, Moments, assumed_moments, jumped_covariance
from pipanalysis.mmrm.arrays import FloatArray


def covariance(t: int, seed: int) -> FloatArray:
    root = np.random.default_rng(seed).standard_normal((t, t + 2))
    return root @ root.T


@st.composite
def cases(draw: st.DrawFn) -> tuple[Moments, Moments, int]:
    t, seed = draw(st.integers(1, 5)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    own, reference = (Moments(rng.standard_normal((3, t)), covariance(t, seed + k)) for k in (1, 2))
    return own, reference, draw(st.integers(0, t))


def test_means_by_their_definitions() -> None:
    own = Moments(np.array([[1.0, 2.0, 4.0, 8.0]]), np.eye(4))
    reference = Moments(np.array([[10.0, 20.0, 30.0, 50.0]]), np.eye(4))
    expected = {
        "mar": [1, 2, 4, 8],
        "j2r": [1, 2, 30, 50],
        "cr": [10, 20, 30, 50],
        "cir": [1, 2, 2 + 10, 2 + 30],
        "lmcf": [1, 2, 2, 2],
    }
    for strategy in STRATEGIES:
        assert assumed_moments(strategy, own, reference, 2).mean.tolist() == [expected[strategy]]


def test_an_event_before_every_visit() -> None:
    """Nothing comes before it: copying increments is jumping, and there is no last mean to carry forward."""
    own, reference = Moments(np.ones((1, 2)), np.eye(2)), Moments(np.full((1, 2), 5.0), 2 * np.eye(2))
    for strategy, mean in (("j2r", 5.0), ("cir", 5.0), ("cr", 5.0), ("lmcf", 1.0)):
        assert assumed_moments(strategy, own, reference, 0).mean.tolist() == [[mean, mean]]  # type: ignore[arg-type]
    assert assumed_moments("j2r", own, reference, 0).covariance.tolist() == reference.covariance.tolist()


@given(cases())
def test_without_an_event_a_unit_is_of_its_own_arm(case: tuple[Moments, Moments, int]) -> None:
    own, reference, _ = case
    for strategy in STRATEGIES:
        assert assumed_moments(strategy, own, reference, own.covariance.shape[0]) is own


@given(cases())
def test_in_the_reference_arm_the_strategies_that_copy_it_are_missing_at_random(
    case: tuple[Moments, Moments, int],
) -> None:
    own, _, event = case
    for strategy in ("j2r", "cr", "cir"):
        found = assumed_moments(strategy, own, own, event)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.mean, own.mean, atol=1e-12)
        np.testing.assert_allclose(found.covariance, own.covariance, rtol=1e-8, atol=1e-8)


@given(cases())
def test_after_a_jump_later_visits_depend_on_earlier_ones_as_in_the_reference_arm(
    case: tuple[Moments, Moments, int],
) -> None:
    """The covariance before is the unit's own; regression and residual covariance of the rest are the reference's."""
    own, reference, event = case
    found = jumped_covariance(own.covariance, reference.covariance, event)
    b, a = slice(0, event), slice(event, None)
    np.testing.assert_allclose(found, found.T, rtol=1e-9, atol=1e-9)
    np.linalg.cholesky(found)
    np.testing.assert_allclose(found[b, b], own.covariance[b, b])
    slope, theirs = (np.linalg.solve(m[b, b], m[b, a]) for m in (found, reference.covariance))
    np.testing.assert_allclose(slope, theirs, rtol=1e-6, atol=1e-8)
    rest = found[a, a] - found[a, b] @ slope
    np.testing.assert_allclose(
        rest, reference.covariance[a, a] - reference.covariance[a, b] @ theirs, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("strategy", ["j2r", "cir"])
def test_one_covariance_for_both_arms_stays(strategy: str) -> None:
    shared = covariance(4, 3)
    own, reference = Moments(np.zeros((1, 4)), shared), Moments(np.ones((1, 4)), shared)
    found = assumed_moments(strategy, own, reference, 2)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.covariance, shared)
