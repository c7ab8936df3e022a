"""How numbers are written: against hand-worked cases, and properties of every number."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.display import rounding

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (2.5, 0, "3"),
        (0.125, 2, "0.13"),
        (-0.125, 2, f"{MINUS}0.13"),
        (2.675, 2, "2.68"),  # the double lies below; its shortest decimal does not
        (-0.004, 2, "0.00"),
        (1e-9, 1, "0.0"),
        (123456.0, 1, "123456.0"),
        (1e21, 0, "1000000000000000000000"),
        (nan, 2, "–"),
        (-inf, 2, "–"),
    ],
)
def test_fixed(value: float, digits: int, text: str) -> None:
    assert rounding.fixed(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<0.001"),
        (0.00099, "<0.001"),
        (0.001, "0.001"),
        (0.0499999, "0.050"),
        (0.9991, ">0.999"),
        (1.0, "1.000"),
        (nan, "–"),
    ],
)
def test_p_value(value: float, text: str) -> None:
    assert rounding.p_value(value, 3) == text


def test_pairs() -> None:
    assert rounding.with_interval(-1.25, -3.0, 0.5, 1) == f"{MINUS}1.3 ({MINUS}3.0 to 0.5)"
    assert rounding.with_spread(16.24, 13.75, 1, 1) == "16.2 (13.8)"
    assert rounding.with_spread(16.24, nan, 1, 1) == "16.2 (–)"
    assert rounding.with_percent(12, 31.5789, 0) == "12 (32%)"
    assert rounding.with_percent(0, nan, 0) == "0 (–)"
    assert rounding.interval(nan, 1, 1) == "–"


@given(st.floats(-1e12, 1e12), st.integers(0, 6))
def test_text_reads_back_within_half_a_unit(value: float, digits: int) -> None:
    text = rounding.fixed(value, digits)
    read = float(text.replace(MINUS, "-"))
    assert abs(read - value) <= 0.5 * 10.0**-digits * (1 + 1e-9) + 1e-15 * abs(value)
    assert "-" not in text
    assert not (text.startswith(MINUS) and read == 0)


@given(st.floats(0, 1), st.integers(2, 6))
def test_a_p_value_is_never_shown_as_zero(value: float, digits: int) -> None:
    text = rounding.p_value(value, digits)
    assert text.startswith(("<", ">")) or float(text) > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, ">0.99"), (0.99, "0.99"), (0.9951, ">0.99"), (0.5, "0.50"), (0.0, "<0.01"), (0.01, "0.01")],
)
def test_a_share_of_draws_is_never_shown_as_certain(value: float, text: str) -> None:
    assert rounding.posterior_probability(value, 2) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.2e-11, "3\u00a0×\u00a010⁻¹¹"),
        (-2e-7, "−2\u00a0×\u00a010⁻⁷"),
        (9.6e-9, "1\u00a0×\u00a010⁻⁸"),
        (0.0, "0"),
        (float("nan"), "–"),
    ],
)
def test_small_numbers_are_powers_of_ten(value: float, text: str) -> None:
    assert rounding.power_of_ten(value) == text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("all 97 values are -3", f"all 97 values are {MINUS}3"),
        ("weighted (k -1.71, 88%)", f"weighted (k {MINUS}1.71, 88%)"),
        ("a random-2 effect, 2005-09, (1)-2, --3", "a random-2 effect, 2005-09, (1)-2, --3"),
        ("minus-sign of a - b", "minus-sign of a - b"),
    ],
)
def test_a_sentence_has_a_true_minus_before_its_numbers_alone(said: str, told: str) -> None:
    assert rounding.with_minus(said) == told
