"""How numbers are written: halves away from zero, a true minus, no negative zero, P values never as 0."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite, isnan

ABSENT = "–"
"""stands where there is no value"""
MINUS = "\u2212"
NEGATIVE = re.compile(r"(?<![\w.)-])-(?=\d)")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float, digits: int) -> str:
    """Return a number with so many decimals.

    The shortest decimal that reads back to the same double is rounded, halves away from zero, so that the text is what
    a reader gets by rounding `results/estimates.csv` by hand.
    """
    if not isfinite(value):
        return ABSENT
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return str(abs(rounded)) if rounded == 0 else str(rounded).replace("-", MINUS)


def with_minus(text: str) -> str:
    """Return a sentence with a true minus before its negative numbers (no other hyphen is one)."""
    return NEGATIVE.sub(MINUS, text)


def count(value: float) -> str:
    """Return a count."""
    return fixed(value, 0)


def p_value(value: float, digits: int) -> str:
    """Return a P value; below the last decimal as `<0.001`, and never as 1.000 unless it is 1."""
    if not isfinite(value):
        return ABSENT
    step = Decimal(1).scaleb(-digits)
    exact = Decimal(repr(float(value)))
    if exact < step:
        return f"<{step}"
    if 1 - step < exact < 1:
        return f">{1 - step}"
    return fixed(value, digits)


def posterior_probability(value: float, digits: int) -> str:
    """Return a posterior probability, a share of draws, which neither 0 nor 1 can be known to be."""
    if not isfinite(value):
        return ABSENT
    step = Decimal(1).scaleb(-digits)
    exact = Decimal(repr(float(value)))
    return f">{1 - step}" if exact > 1 - step else f"<{step}" if exact < step else fixed(value, digits)


def power_of_ten(value: float) -> str:
    """Return a small number with one digit and a power of ten, as 3 × 10⁻¹¹, which no line ends within."""
    if not isfinite(value):
        return ABSENT
    digit, _, exponent = f"{value:.0e}".replace("-", MINUS, value < 0).partition("e")
    return f"{digit}\u00a0×\u00a010{str(int(exponent)).translate(SUPERSCRIPT)}" if value else "0"


def level(probability: float) -> str:
    """Return the level of an interval, as 95%."""
    return f"{fixed(100 * probability, 1).removesuffix('.0')}%"


def interval(low: float, high: float, digits: int) -> str:
    """Return an interval's limits, `low to high` (a dash would be read as a minus)."""
    return f"{fixed(low, digits)} to {fixed(high, digits)}" if isfinite(low) and isfinite(high) else ABSENT


def with_interval(value: float, low: float, high: float, digits: int) -> str:
    """Return `estimate (low to high)`, the estimate alone where it has no interval."""
    if not isfinite(value):
        return ABSENT
    limits = "" if isnan(low) and isnan(high) else f" ({interval(low, high, digits)})"
    return fixed(value, digits) + limits


def with_spread(value: float, spread: float, digits: int, spread_digits: int) -> str:
    """Return `mean (SD)`."""
    return f"{fixed(value, digits)} ({fixed(spread, spread_digits)})" if isfinite(value) else ABSENT


def with_percent(number: float, percent: float, digits: int) -> str:
    """Return `count (percentage%)`."""
    share = f"{fixed(percent, digits)}%" if isfinite(percent) else ABSENT
    return f"{count(number)} ({share})" if isfinite(number) else ABSENT
