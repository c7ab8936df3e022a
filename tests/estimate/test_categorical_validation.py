"""Coverage and type I error of the estimators of binary, ordinal, nominal and count outcomes at the trial's size."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest

from estimate import simulations_binary, simulations_categorical
from estimate.simulated import said

RUNS, SEED = 500, 20160302
CONSERVATIVE: dict[tuple[str, str, str], str] = {}


@pytest.mark.validation
@pytest.mark.parametrize(
    "simulate",
    [
        simulations_binary.repeated,
        simulations_binary.bootstrapped,
        simulations_categorical.ordinal_lines,
        simulations_categorical.nominal_lines,
        simulations_categorical.count_lines,
    ],
)
def test_coverage_and_type_i_error(simulate: Callable[[int, int], list[dict[str, Any]]]) -> None:
    lines = simulate(RUNS, SEED)
    print(said(lines))
    for line in lines:
        mcse = sqrt(line["nominal"] * (1 - line["nominal"]) / line["runs"])
        assert abs(line["found"] - line["nominal"]) < 3 * mcse, line
