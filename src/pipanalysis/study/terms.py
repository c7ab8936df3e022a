"""What a sentence calls the things that a study counts and compares: its units, arms and visits by their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLACED = ("after", "at", "before", "during", "following", "in", "on", "within")
"""words that a visit's label begins with if it says by itself when the visit is"""


@dataclass(frozen=True)
class Terms:
    """The terms of a study, for what estimators and displays say.

    Attributes:
        unit: what one randomised unit is called.
        arms: name → label, the reference first; an arm without a label is called by its name.
        visits: name → label, as it stands within a sentence; a visit without one is called by its name.
    """

    unit: str = "unit"
    arms: Mapping[str, str] = field(default_factory=dict)
    visits: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> str:
        """Units, as dyads."""
        return f"{self.unit}s"

    @property
    def others(self) -> str:
        """The arms that are compared with the reference arm, with commas."""
        return ", ".join(list(self.arms.values())[1:])

    def counted(self, number: int) -> str:
        """Return a number of units, as 1 dyad, 2 dyads."""
        return counted(number, self.unit)

    def arm(self, name: str) -> str:
        """Return what an arm is called."""
        return self.arms.get(name, name)

    def visit(self, name: str) -> str:
        """Return what a visit is called."""
        return self.visits.get(name, name)

    def at(self, name: str) -> str:
        """Return when a visit is, as at 6 months."""
        return at_visit(self.visit(name))

    def by_arm(self, numbers: Mapping[str, int], of: str = "in") -> str:
        """Return numbers by name of the arm, as 8 in Routine care, 10 in Psychotherapy."""
        return ", ".join(f"{number} {of} {self.arm(name)}" for name, number in numbers.items())


def counted(number: int, one: str) -> str:
    """Return a number and what is counted, as 1 row, 2 rows."""
    return f"{number:,} {one}" + ("" if number == 1 else "s")


def mid_sentence(label: str) -> str:
    """Return a label as it stands within a sentence, without a capital unless it begins with an abbreviation."""
    return label if label[:2].isupper() else label[0].lower() + label[1:]


def at_visit(label: str) -> str:
    """Return a visit's label as it stands within a sentence: at baseline, at 6 months, but before treatment."""
    said = mid_sentence(label)
    return said if said.partition(" ")[0] in PLACED else f"at {said}"
