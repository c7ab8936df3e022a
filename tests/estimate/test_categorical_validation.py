"""Coverage and type I error of the estimators of binary, ordinal, nominal and count outcomes at the trial's size.

Nothing may be too liberal by more than three Monte Carlo standard errors, and only what CONSERVATIVE names too careful.
What POOR names is known to be too liberal: it is held to the floor that is written there, and shown as it is.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest

from estimate import simulations_categorical, simulations_repeated

RUNS, SEED = 300, 20160302
CONSERVATIVE = ("gee", "symptoms out of")
"""estimating equations with the small-sample covariance; a negative binomial distribution fitted to bounded counts"""
POOR = {("`logistic`, bootstrap", simulations_repeated.RARE, "coverage, risk_ratio"): 0.88}
"""estimator, scenario and quantity → least share; 92.6% (Monte Carlo SE 1.0) of 95% in 700 runs of two seeds"""


@pytest.mark.validation
@pytest.mark.parametrize(
    "simulate",
    [
        simulations_repeated.repeated,
        simulations_repeated.bootstrapped,
        simulations_categorical.ordinal_lines,
        simulations_categorical.nominal_lines,
        simulations_categorical.count_lines,
    ],
)
def test_coverage_and_type_i_error(simulate: Callable[[int, int], list[dict[str, Any]]]) -> None:
    lines = simulate(RUNS, SEED)
    print(*lines, sep="\n")
    for line in lines:
        allowed = 3 * sqrt(line["nominal"] * (1 - line["nominal"]) / line["runs"])
        liberal = line["nominal"] - line["found"]
        if line["nominal"] < 0.5:  # an error rate
            liberal = -liberal
        if least := POOR.get((line["estimator"], line["scenario"], line["quantity"])):
            assert line["found"] >= least, line
            continue
        assert liberal < allowed, line
        if not any(name in f"{line['estimator']} {line['scenario']}" for name in CONSERVATIVE):
            assert liberal > -allowed, line
