"""Non-inferiority and equivalence: algebra, pingouin, and the interval that must agree with the tests."""

from math import isnan, nan

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from estimate import trials
from estimate.trials import stat
from pipanalysis.estimate.margin import against_margin
from pipanalysis.estimate.model_result import Effect
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import TrialData


def effect(estimate: float, se: float = 1.0, df: float = 30.0) -> Effect:
    return Effect("month6", "treated", "control", estimate, se, df)


@pytest.mark.parametrize(
    ("estimate", "better", "shown"),
    [
        (0.0, "higher", {"noninferiority": 1, "equivalence": 1, "inferiority": 0}),
        (3.0, "higher", {"noninferiority": 1, "equivalence": 0, "inferiority": 0}),
        (3.0, "lower", {"noninferiority": 0, "equivalence": 0, "inferiority": 0}),
        (8.0, "lower", {"noninferiority": 0, "equivalence": 0, "inferiority": 1}),
        (-8.0, "lower", {"noninferiority": 1, "equivalence": 0, "inferiority": 0}),
    ],
)
def test_what_the_interval_shows(estimate: float, better: str, shown: dict[str, int]) -> None:
    """By hand: SE 1 and 30 df, so the 95% interval is the estimate and 2.04 either way; the margin is 4."""
    found = against_margin(effect(estimate), 4.0, better, 0.95)
    assert {name.removeprefix("shows_"): value for name, value in found.items() if "shows" in name} == shown


def test_two_one_sided_tests_agree_with_pingouin() -> None:
    generator = np.random.default_rng(4)
    treated, control = generator.normal(0.3, 1.0, 24), generator.normal(0.0, 1.2, 19)
    n1, n2 = treated.size, control.size
    df = n1 + n2 - 2
    pooled = ((n1 - 1) * treated.var(ddof=1) + (n2 - 1) * control.var(ddof=1)) / df
    difference = effect(treated.mean() - control.mean(), np.sqrt(pooled * (1 / n1 + 1 / n2)), df)
    expected = pingouin.tost(treated, control, bound=1.0)["pval"].item()
    found = against_margin(difference, 1.0, "higher", 0.95)
    assert found["p_value_equivalence"] == pytest.approx(expected, rel=1e-10)
    assert found["p_value_equivalence"] == max(found["p_value_noninferiority"], found["p_value_nonsuperiority"])


@given(
    estimate=st.floats(-10, 10),
    se=st.floats(0.05, 5),
    df=st.floats(3, 200),
    margin=st.floats(0.1, 8),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
def test_the_tests_and_the_interval_agree(estimate: float, se: float, df: float, margin: float, level: float) -> None:
    found = against_margin(effect(estimate, se, df), margin, "higher", level)
    half = stats.t.ppf(0.5 + level / 2, df) * se
    low, high = estimate - half, estimate + half
    if min(abs(low + margin), abs(high - margin), abs(high + margin)) > 1e-9:
        assert found["shows_noninferiority"] == (low > -margin)
        assert found["shows_equivalence"] == (low > -margin and high < margin)
        assert found["shows_inferiority"] == (high < -margin)
    mirrored = against_margin(effect(-estimate, se, df), margin, "lower", level)
    assert mirrored == pytest.approx(found)
    scaled = against_margin(effect(3 * estimate, 3 * se, df), 3 * margin, "higher", level)
    assert scaled["p_value_equivalence"] == pytest.approx(found["p_value_equivalence"], rel=1e-9, abs=1e-12)


def test_without_an_estimate_nothing_is_shown() -> None:
    found = against_margin(effect(nan, nan, nan), 4.0, "higher", 0.95)
    assert found["margin"] == 4.0
    assert all(isnan(value) for name, value in found.items() if name != "margin")


def trial(shift: float) -> TrialData:
    generator = np.random.default_rng(8)
    people = pd.DataFrame({"unit": [f"u{i:03}" for i in range(40)], "arm": ["control", "treated"] * 20})
    value = generator.normal(size=40) + shift * (people["arm"] == "treated")
    long = people.assign(visit="month6", value=value)[["unit", "visit", "value"]]
    margins = [{"outcome": "total", "margin": 2.0, "kind": "equivalence"}]
    configuration = trials.study(
        [{"method": "ancova", "margins": margins}], visits={"baseline": 0, "month6": 6}, better="lower"
    )
    return trials.trial(configuration, people, long)


@pytest.mark.parametrize(("shift", "equivalent", "inferior"), [(0.0, 1, 0), (4.0, 0, 1)])
def test_rows_of_a_trial(shift: float, equivalent: int, inferior: int) -> None:
    """The standard error is about 0.32: no shift lies well within 2, a shift of 4 well beyond; lower is better."""
    results = family_results(trial(shift), "ancova")
    where = {"visit": "month6", "contrast": "treated - control", "context": "margin=equivalence"}
    assert stat(results, "margin", **where) == 2.0
    assert stat(results, "shows_equivalence", **where) == equivalent
    assert stat(results, "shows_inferiority", **where) == inferior


@pytest.mark.validation
@pytest.mark.parametrize("kind", ["noninferiority", "equivalence"])
def test_type_i_error_at_the_margin(kind: str) -> None:
    """38 an arm, the truth at the margin, 20,000 trials: each one-sided test errs 2.5%, within 3 Monte Carlo errors."""
    generator = np.random.default_rng(99)
    n, runs, margin = 38, 20_000, 1.5
    truth = -margin if kind == "noninferiority" else margin
    treated, control = generator.normal(truth, 1, (runs, n)), generator.normal(0, 1, (runs, n))
    se = np.sqrt((treated.var(axis=1, ddof=1) + control.var(axis=1, ddof=1)) / n)
    differences = treated.mean(axis=1) - control.mean(axis=1)
    shown = sum(
        against_margin(effect(d, s, 2 * n - 2), margin, "higher", 0.95)[f"shows_{kind}"]
        for d, s in zip(differences, se, strict=True)
    )
    share, mcse = shown / runs, float(np.sqrt(0.025 * 0.975 / runs))
    print(f"{kind} at the margin: {share:.4f} (MCSE {mcse:.4f}, {runs} trials)")
    assert abs(share - 0.025) < 3 * mcse
