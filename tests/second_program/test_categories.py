"""The second program's categorical models against the algebra of small tables."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.second_program.categories import maximise, separated, standardised, with_error

CELL = st.integers(1, 15)


def table(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Design (intercept, arm) and level of the units of a table of arms by levels."""
    arm = np.concatenate([np.full(sum(row), i, dtype=float) for i, row in enumerate(counts)])
    level = np.concatenate([np.repeat(np.arange(len(row)), row) for row in counts]).astype(float)
    return np.column_stack([np.ones_like(arm), arm]), level


@settings(max_examples=25)
@given(CELL, CELL, CELL, CELL)
def test_two_by_two(a: int, b: int, c: int, d: int) -> None:
    """Log odds ratio and Woolf's standard error; risk difference, binomial standard error."""
    X, level = table([[a, b], [c, d]])
    fit = maximise(X, level, penalty=False)
    assert fit.beta[0, 1] == pytest.approx(log(d * a / (b * c)), abs=1e-5)
    assert sqrt(fit.vcov[1, 1]) == pytest.approx(sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=1e-5)
    arms = {"t": 1}
    estimate, error = with_error(
        fit, lambda beta: float(standardised(X, arms, beta)["t"][1] - standardised(X, arms, beta)[""][1])
    )
    p, q = b / (a + b), d / (c + d)
    assert estimate == pytest.approx(q - p, abs=1e-6)
    assert error == pytest.approx(sqrt(p * (1 - p) / (a + b) + q * (1 - q) / (c + d)), rel=1e-4)


@settings(max_examples=25)
@given(st.integers(0, 8), st.integers(1, 8), st.integers(1, 8), st.integers(0, 8))
def test_penalty_of_a_saturated_table_adds_half_to_each_cell(a: int, b: int, c: int, d: int) -> None:
    """Firth 1993, section 4: in a saturated two-by-two table Jeffreys' penalty is half a unit in every cell."""
    X, level = table([[a, b], [c, d]])
    fit = maximise(X, level, penalty=True)
    assert fit.beta[0, 1] == pytest.approx(log((d + 0.5) * (a + 0.5) / ((b + 0.5) * (c + 0.5))), abs=1e-4)


def test_three_levels_by_algebra() -> None:
    counts = [[5, 7, 9], [4, 3, 12]]
    X, level = table(counts)
    shares = standardised(X, {"t": 1}, maximise(X, level, penalty=False).beta)
    assert shares[""] == pytest.approx(np.array(counts[0]) / 21, abs=1e-6)
    assert shares["t"] == pytest.approx(np.array(counts[1]) / 19, abs=1e-6)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_table_is_separated_exactly_where_a_cell_is_empty(a: int, b: int, c: int, d: int) -> None:
    if a + b == 0 or c + d == 0 or a + c == 0 or b + d == 0:
        return
    X, level = table([[a, b], [c, d]])
    assert separated(X, level) == (0 in (a, b, c, d))
