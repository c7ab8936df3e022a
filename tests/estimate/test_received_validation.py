"""Size and coverage at the trial's size: therapists, treatment received, moderators and dyads."""

from collections.abc import Callable

import pytest

from estimate import simulations_cace, simulations_dyadic, simulations_moderator, simulations_therapist

Coverage = Callable[[int, int], list[dict]]


def told(coverage: Coverage, runs: int) -> list[dict]:
    """Simulate, print every record and return them."""
    records = coverage(runs, 1)
    for record in records:
        print("{estimator}; {scenario}: {quantity} {found:.3f} ({mcse:.3f}), nominal {nominal}".format(**record))
    return records


def holds_its_level(record: dict) -> bool:
    """Whether coverage is no lower, and type I error no higher, than nominal, within 3 Monte Carlo standard errors.

    The error is that at the nominal value or, where larger, at the value found.
    """
    nominal = record["nominal"]
    error = 3 * max(record["mcse"], (nominal * (1 - nominal) / record["runs"]) ** 0.5)
    below = record["nominal"] - record["found"]
    return bool((below if record["quantity"] == "coverage" else -below) <= error)


@pytest.mark.validation
def test_the_partially_nested_model_holds_its_level_where_ignoring_therapists_does_not() -> None:
    """At each intraclass correlation; ignoring therapists rejects too often at 0.1.

    Where the true variance is zero the model is conservative: that it is zero is not known.
    """
    records = told(simulations_therapist.coverage, 1000)
    assert all(holds_its_level(r) for r in records if "ignored" not in r["estimator"])
    (ignoring,) = [
        r
        for r in records
        if "ignored" in r["estimator"] and r["scenario"].endswith("0.1") and r["quantity"] == "type I error"
    ]
    assert not holds_its_level(ignoring)


@pytest.mark.validation
def test_two_stage_least_squares_holds_its_level_where_the_as_treated_comparison_does_not() -> None:
    """HC3 is neither liberal nor more than 2 points conservative; who attends differs from who does not."""
    records = told(simulations_cace.coverage, 4000)
    for record in records:
        assert holds_its_level(record) == ("as treated" not in record["estimator"])
    assert all(abs(r["found"] - r["nominal"]) < 0.02 for r in records if "as treated" not in r["estimator"])


@pytest.mark.validation
def test_the_interaction_with_a_moderator_holds_its_level() -> None:
    """With dropout that depends on what was observed, and a skewed moderator."""
    records = told(simulations_moderator.coverage, 1000)
    assert all(holds_its_level(record) for record in records)
    assert all(abs(record["found"] - record["nominal"]) < 0.025 for record in records)


@pytest.mark.validation
def test_dyadic_intervals_hold_their_level() -> None:
    """The limits of the covariance between arms are conservative, as those of products of small effects are."""
    records = told(simulations_dyadic.coverage, 1000)
    assert all(holds_its_level(record) for record in records)
    others = [record for record in records if "covariance between arms" not in record["estimator"]]
    assert all(abs(record["found"] - record["nominal"]) < 0.025 for record in others)
