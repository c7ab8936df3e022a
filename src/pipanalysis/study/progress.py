"""``config/progress.yaml``: what the trial manager's page shows. Nothing here may name anything that reveals an arm."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Model, Name, RelativePath, ScoreName, Sourced


class Screening(Model):
    """The screening log: an event table with a row for each person or family considered."""

    table: Name
    date: Name
    """date variable: when screened"""
    eligible: Name
    """category variable of the table, `yes` where eligible; missing where not yet known"""
    not_eligible_reason: Name | None = None
    consented: Name
    """category variable of the table, `yes` where consent was given; missing where not yet known"""
    declined_reason: Name | None = None
    yes: str = "1"
    """the code that means yes, in both"""


class FollowUp(Model):
    """When an assessment is chased, and when it is given up."""

    soon_days: Annotated[int, Field(ge=0)] = 14
    """chase what opens or closes within so many days"""
    late_days: Annotated[int, Field(ge=0)] = 28
    """after its window closed, an assessment not done is overdue for so many days, and missed from then on"""


class Projection(Model):
    """The forecast of recruitment: Poisson recruitment, a gamma distribution for its rate."""

    recent_days: Annotated[int, Field(ge=28)] = 182
    """the rate is that of so many days up to the as-of date"""
    prior_units: Annotated[float, Field(gt=0, le=20)] = 1.0
    """weight of the planned rate, as units recruited at it"""
    interval: Annotated[float, Field(gt=0.5, lt=1)] = 0.8
    """probability that the stated range holds, if the rate stays as it is"""


class DoubleCoding(Sourced):
    """How many of an instrument's forms a second coder rates."""

    instrument: Name
    """an instrument with double_coded"""
    share: Annotated[float, Field(gt=0, le=1)]
    """of the forms done, to be coded twice"""


class BlindedSummaries(Sourced):
    """Outcomes described over all arms and sites together, if the plan allows it."""

    allowed: bool = False
    """true only where the plan lets the trial team see pooled outcomes"""
    scores: list[ScoreName] = []
    smallest: Annotated[int, Field(ge=3)] = 10
    """no summary of fewer values than these"""


class SampleSizeReview(Sourced):
    """Re-estimation of the sample size from the pooled variance, without the arm (two arms)."""

    score: ScoreName
    visit: Name
    difference: Annotated[float, Field(gt=0)]
    """difference between arms that the trial is to detect"""
    sd: Annotated[float, Field(gt=0)]
    """standard deviation within arms that the plan assumed"""
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """two-sided"""
    attrition: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """share of units expected without the outcome"""
    baseline_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """assumed correlation with the baseline value; the adjusted analysis needs 1 - r squared of the sample"""
    smallest: Annotated[int, Field(ge=10)] = 20
    """no re-estimation from fewer values than these"""


class SmallCounts(Model):
    """Counts of people by a reason or characteristic that are too small to be sent out."""

    below: Annotated[int, Field(ge=1)] = 5
    """counts from 1 to one less than this are hidden in listings, and so is a second one that would give them away"""
    page: bool = False
    """hide them on the page too, where a site is chosen"""


class Listings(Model):
    """What a site is sent about its own units."""

    variables: list[Name] = []
    """participant-level variables that a site may see, beside its units' visits and queries"""
    query_values: bool = True
    """show what was found in a query"""


class Together(Model):
    """Activities that several people take part in at once, such as focus groups."""

    kind: str
    """code of the kind of activity"""
    identifier: Name
    """variable of the table that is the same for all who took part together"""
    most: Annotated[int, Field(ge=2)]
    """people at most"""


class Vouchers(Sourced):
    """Vouchers given for taking part."""

    issued: Name
    """category variable of the table: `yes` where the voucher was issued"""
    yes: str = "1"
    value: Annotated[float, Field(gt=0)]
    currency: str = "£"
    groups: list[str] = []
    """groups that get one (default: all)"""


class ActivityTarget(Sourced):
    """How many of an activity a study wants from a group."""

    group: str
    """code of the group"""
    kind: str
    """code of the kind of activity"""
    people: Annotated[int, Field(ge=1)]


class Activities(Model):
    """Interviews, focus groups and the like: an event table with a row for each person and activity."""

    table: Name
    date: Name
    kind: Name
    """category variable: the kind of activity"""
    targets: list[ActivityTarget] = []
    together: Together | None = None
    vouchers: Vouchers | None = None
    chase_days: Annotated[int, Field(ge=0)] = 21
    """people without an activity so many days after they consented are listed"""


class Progress(Model):
    """The whole of ``config/progress.yaml``; a study without the file has a page made by the defaults."""

    as_of: dt.date | Literal["latest_in_data", "today"] = "latest_in_data"
    """the day whose state is shown. latest_in_data: the latest date that the data hold, so that the same data give the
    same page; today: the day the page is made"""
    group: Name | None = None
    """participant-level category that the page is filtered by (default: the variable with role site)"""
    enrolment: Name | None = None
    """date variable: when a unit came into the study (default: the variable with role randomisation_date)"""
    enrolled: str = "randomised"
    """what a unit with that date is called"""
    assessor: Name | None = None
    """visit-level category: who carried out an assessment"""
    screening: Screening | None = None
    follow_up: FollowUp = FollowUp()
    projection: Projection = Projection()
    double_coding: list[DoubleCoding] = []
    blinded_summaries: BlindedSummaries = BlindedSummaries()
    sample_size: SampleSizeReview | None = None
    activities: Activities | None = None
    query_answers: RelativePath = "query_answers.csv"
    """below data/raw: the file in which managers answer data queries; the study goes on without it"""
    small_counts: SmallCounts = SmallCounts()
    listings: Listings = Listings()
