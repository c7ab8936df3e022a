"""The last steps to an optimum, by functions whose optimum is known."""

import numpy as np
import pytest

from pipanalysis.estimate.newton import settled


def test_the_optimum_is_found_to_rounding() -> None:
    """Rosenbrock's valley, lowest at (1, 1), from a general optimiser's distance."""

    def gradient(at: np.ndarray) -> np.ndarray:
        x, y = at
        return np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])

    def curvature(at: np.ndarray) -> np.ndarray:
        x, y = at
        return np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])

    found = settled(gradient, curvature, np.array([1 + 3e-6, 1 - 2e-6]))
    assert found == pytest.approx([1.0, 1.0], abs=1e-14)


def test_scoring_steps_go_on_until_they_no_longer_help() -> None:
    """Half of the curvature too much: the distance to the optimum shrinks by a third a step."""
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    found = settled(lambda at: matrix @ (at - 3), lambda _: 1.5 * matrix, np.array([3.1, 2.9]))
    assert found == pytest.approx([3.0, 3.0], abs=1e-14)


@pytest.mark.parametrize("curvature", [np.zeros((2, 2)), -np.eye(2)])
def test_a_point_from_which_no_step_helps_stays(curvature: np.ndarray) -> None:
    """No curvature, or one that points away."""
    start = np.array([1.0, 2.0])
    assert settled(lambda at: at, lambda _: curvature, start) is start
