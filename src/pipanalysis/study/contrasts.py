"""How results name a difference between two arms, which what writes it and what looks it up must agree on."""

from __future__ import annotations

MINUS = " - "


def contrast_name(arm: str, reference: str) -> str:
    """Return the name of the difference between an arm and another, the reference."""
    return f"{arm}{MINUS}{reference}"


def compared_arm(contrast: str) -> str:
    """Return the arm from which a difference is taken, by the name of the difference."""
    return contrast.partition(MINUS)[0]


def reference_arm(contrast: str) -> str:
    """Return the arm that a difference is from, by the name of the difference."""
    return contrast.partition(MINUS)[2]
