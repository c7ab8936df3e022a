"""Estimands of the plan (ICH E9(R1)): what is estimated, and what is done about each intercurrent event."""

from __future__ import annotations

from typing import Literal

from pipanalysis.study.base import Label, Model, Name, Sourced

ALTERING = ("hypothetical", "composite", "while_on_treatment")
"""strategies that leave out or replace the values after an event"""


class When(Model):
    """Where the date of an intercurrent event stands: a variable of the participants, or rows of an event table."""

    date: Name
    """date variable: of the participants, or of the table"""
    table: Name | None = None
    """event table of study.yaml; the event is the first of a unit's rows. A closed one is read only where the
    allocation is"""
    values: dict[Name, list[str]] = {}
    """category variables of the table → codes: only rows that have one of them, of every variable, are the event"""


class IntercurrentEvent(Model):
    """An event after randomisation that changes what the outcome means (ICH E9(R1))."""

    name: Name
    label: Label
    when: When | None = None
    """when it happened; without it no strategy can leave out or replace the values after it"""


class Handled(Model):
    """What an estimand does about an intercurrent event (ICH E9(R1)).

    - `treatment_policy`: values count whatever happened before them
    - `hypothetical`: values after the event are left out, and are missing as the method takes missing values
    - `composite`: the event is a bad outcome: from the next visit on, seen or not, the worst value that the score has
    - `while_on_treatment`: values after the event are replaced by the last one before it, of baseline if need be
    - `principal_stratum`: by `cace`

    Of a unit with several events whose strategies alter values, the first counts.
    """

    event: Name
    """an intercurrent event of the plan"""
    strategy: Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment", "principal_stratum"]


class Estimand(Sourced):
    """What is estimated (ICH E9(R1)): five attributes, printed above each table that rests on it."""

    name: Name
    label: Label
    population: Label
    treatments: Label
    variable: Label
    intercurrent_events: list[Handled] = []
    """each intercurrent event of the plan, once"""
    summary: Label
    """the population-level summary measure, as difference in means"""

    @property
    def altering(self) -> tuple[Handled, ...]:
        """The events whose strategy leaves out or replaces values."""
        return tuple(one for one in self.intercurrent_events if one.strategy in ALTERING)
