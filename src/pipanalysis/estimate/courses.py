"""Courses of an outcome over the visits: means of groups of similar units, or values of single ones.

A line for each participant shows how courses differ, but is a participant's data. Means of groups of at least so many
similar units stand for them (microaggregation). They are rounded, since n times the arm's mean at a visit less what is
in the groups would else be the sum of the few units that have a value there and not at every visit. A plan may ask for
single units where `simulate` made the data or anyone can read them already (`single_units`).
"""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipanalysis.estimate.microaggregation import microaggregate
from pipanalysis.study.plan import USUAL_IN_A_COURSE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray

CONTEXT = "courses"
"""of the numbers of units that the courses of an arm are of"""
MOST = 20
"""courses of an arm: of more units, groups are larger, so that lines can be told apart and time is linear in units"""
MOST_SINGLE = 60
"""courses of single units of an arm: of more units, groups stand for them"""
STEP = 0.1
"""of the rounding, in standard deviations of the arm at the visit, at least"""


def course_context(number: int) -> str:
    """Return the context of the rows of a course, numbered from 1 within the arm."""
    return f"course={number:02d}"


def rounded(value: float, spread: float) -> float:
    """Return the nearest multiple of a step: the least 1, 2 or 5 times a power of ten that is not below STEP spreads.

    Args:
        value: a mean.
        spread: standard deviation of what it is a mean of; not rounded where that is 0.
    """
    least = STEP * spread
    if not least > 0:
        return value
    power = floor(log10(least))
    # A last digit of rounding does not make a step of 0.1 one of 0.2.
    factor = next(factor for factor in (1, 2, 5, 10) if factor * 10.0**power >= least * (1 - 1e-9))
    return round(round(value / (factor * 10.0**power)) * factor * 10.0**power, max(0, -power))


def course_rows(
    scope: Scope, values: FloatArray, visits: Sequence[str], arm: str, least: int | Literal["single"]
) -> Iterator[Row]:
    """Yield the courses of an arm, and of how many of its units they are.

    Of groups: of the units with a value at every visit; an arm with fewer such units than `least` has no courses. Of
    single units: of those with a value at two visits or more; an arm with more than MOST_SINGLE units has groups.

    Args:
        scope: the analysis and outcome.
        values: of the arm's units, shape (units, visits), NaN where missing.
        visits: names of the visits.
        arm: name of the arm.
        least: units of a course at least, or `single`.
    """
    yield scope.row("n_set", len(values), arm=arm, context=CONTEXT)
    if least == "single":
        if len(values) <= MOST_SINGLE:
            yield from _single_rows(scope, values, visits, arm)
            return
        least = USUAL_IN_A_COURSE
    complete = values[~np.isnan(values).any(axis=1)]
    yield scope.row("n_all_visits", len(complete), arm=arm, context=CONTEXT)
    spreads = [_spread(at_visit) for at_visit in values.T]
    groups = microaggregate(complete, max(least, -(-len(complete) // MOST)))
    for number, own in enumerate(groups, start=1):
        context = course_context(number)
        yield scope.row("n_in_course", len(own), arm=arm, context=context)
        for visit, spread, mean in zip(visits, spreads, complete[own].mean(axis=0), strict=True):
            yield scope.row("course_mean", rounded(float(mean), spread), visit=visit, arm=arm, context=context)


def _single_rows(scope: Scope, values: FloatArray, visits: Sequence[str], arm: str) -> Iterator[Row]:
    """Yield the courses of single units in ascending order of their values at the first visit, then the second..."""
    several = values[(~np.isnan(values)).sum(axis=1) > 1]
    yield scope.row("n_two_visits", len(several), arm=arm, context=CONTEXT)
    for number, course in enumerate(several[np.lexsort(several.T[::-1])], start=1):
        for visit, value in zip(visits, course, strict=True):
            if not np.isnan(value):
                yield scope.row("course_value", float(value), visit=visit, arm=arm, context=course_context(number))


def _spread(values: FloatArray) -> float:
    """Return the standard deviation of the values that are there, 0 of fewer than two."""
    observed = values[~np.isnan(values)]
    return float(observed.std(ddof=1)) if observed.size > 1 else 0.0
