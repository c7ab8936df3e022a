"""``config/simulation.yaml``: the truth and the faults of a synthetic trial (synthetic studies only)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Model, Name, ScoreName, Sourced

Probability = Annotated[float, Field(ge=0, le=1)]


class Trait(Sourced):
    """A score that is drawn: normal, rounded to the values that the score can take, and held within its range.

    Its items are then drawn so that they make exactly that score.
    """

    score: ScoreName
    mean: dict[Name, float]
    """visit → mean in the reference arm (before rounding)"""
    sd: dict[Name, Annotated[float, Field(gt=0)]]
    """visit → SD (before rounding)"""
    effect: dict[Name, dict[Name, float]] = {}
    """arm → visit → difference from the reference arm (before rounding)"""
    group: Name
    """traits of one group are correlated more closely"""


class CategoryTrait(Sourced):
    """A category item that is drawn at each visit where its instrument is given."""

    instrument: Name
    probabilities: dict[Name, dict[str, Probability]]
    """arm → code → probability"""


class Correlations(Sourced):
    """Correlations of the underlying normal traits; all at once they are the products of the two factors."""

    visits: Annotated[float, Field(ge=0, lt=1)]
    """of one trait between two visits"""
    within_group: Annotated[float, Field(ge=0, lt=1)]
    """between two traits of a group at one visit, both turned so that higher is better"""
    between_groups: Annotated[float, Field(ge=0, lt=1)]
    therapist_icc: Annotated[float, Field(ge=0, lt=1)] = 0
    """share of a trait's variance after baseline that belongs to the therapist, in the arm that has one"""


class Characteristic(Sourced):
    """How a participant-level variable is drawn: by probabilities of its codes, or normal and rounded."""

    variable: Name
    probabilities: dict[str, Probability] = {}
    mean: float | None = None
    sd: float | None = None
    age_months: tuple[float, float] | None = None
    """date of birth: youngest and oldest age at randomisation"""


class Attrition(Sourced):
    """Loss to follow-up, more likely the worse the baseline severity (missing at random given it)."""

    severity: ScoreName
    rate: dict[Name, Probability]
    """visit → expected share lost by then"""
    log_odds_per_sd: float
    """how much one SD of worse baseline severity adds to the log odds of loss"""
    withdrawn: Probability
    """share of those lost with a date and reason of withdrawal"""


class MissingValues(Sourced):
    """Values missing from visits that took place."""

    item: Probability
    page: Probability
    """a run of items of one questionnaire"""
    page_length: Annotated[int, Field(ge=2)] = 10
    form: Probability
    """a whole instrument"""


class Timing(Sourced):
    """When visits take place."""

    baseline_days_before: tuple[int, int]
    """least and most days before randomisation"""
    spread_days: Annotated[float, Field(gt=0)]
    """SD of the days from the target date, kept within the window"""


class SimulatedSessions(Sourced):
    """Treatment sessions of the arm that is offered them."""

    therapists: Annotated[int, Field(ge=1)]
    offered: tuple[int, int]
    """least and most sessions offered, a week apart"""
    attended: Probability
    """mean share attended"""
    date: Name
    therapist: Name


class SimulatedScreening(Sourced):
    """The screening log."""

    table: Name
    screened_per_randomised: Annotated[float, Field(ge=1)]
    eligible: Probability
    """share eligible among those screened and not randomised"""
    number: Name
    date: Name
    eligible_variable: Name
    consented_variable: Name
    reason_not_eligible: Name
    reason_declined: Name


class SimulatedEvents(Sourced):
    """Events after randomisation, as adverse events or contacts with services."""

    table: Name
    per_unit: Annotated[float, Field(ge=0)]
    """mean number in a unit"""
    dispersion: Annotated[float, Field(ge=0)] = 0
    """squared coefficient of variation of the units' rates, gamma distributed (0: every unit has the same rate)"""
    date: Name
    days: tuple[int, int]
    """first and last day after randomisation"""
    probabilities: dict[Name, dict[str, Probability]]
    """variable → code → probability"""


class SecondCoding(Sourced):
    """Second coders' ratings of a sub-sample."""

    table: Name
    share: Probability
    coder: Name
    disagreement: Probability
    """probability that the second rating is one step away"""


class Faults(Model):
    """How many faults of each kind are planted in each raw file that can carry it."""

    per_file: dict[
        Literal[
            "out_of_range",
            "typing_slip",
            "fraction",
            "off_step",
            "decimal_comma",
            "unknown_code",
            "code_spelling",
            "bad_date",
            "other_date_format",
            "date_serial",
            "date_out_of_limits",
            "visit_before_randomisation",
            "visit_out_of_window",
            "missing_code",
            "required_blank",
            "duplicate_row",
            "conflicting_row",
            "unknown_unit",
            "id_spelling",
            "no_unit",
            "unknown_visit",
            "undeclared_column",
        ],
        Annotated[int, Field(ge=0)],
    ] = {}


class Simulation(Model):
    """The whole of ``config/simulation.yaml``."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    """seed of the synthetic trial"""
    units: Annotated[int, Field(ge=4)]
    """units randomised"""
    unit_prefix: str = "D"
    """units are called PREFIX001, PREFIX002, ..."""
    traits: Annotated[list[Trait], Field(min_length=1)]
    categories: list[CategoryTrait] = []
    correlations: Correlations
    characteristics: list[Characteristic] = []
    attrition: Attrition
    missing: MissingValues
    timing: Timing
    sessions: SimulatedSessions | None = None
    screening: SimulatedScreening | None = None
    events: list[SimulatedEvents] = []
    second_coding: SecondCoding | None = None
    faults: Faults = Faults()
