"""Checks of the estimands: every intercurrent event has a strategy, and what is confirmed says what it estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.event_tables import event_file, table_variables
from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.plan import WITHOUT_OUTCOMES
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.estimands import Estimand, When
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

FILE = "analysis.yaml"
WITH_ESTIMAND = ("primary", "secondary", "sensitivity")
WITHOUT_VALUES = (*(method for method in WITHOUT_OUTCOMES if method != "dyadic"), "completeness")
"""methods whose numbers no strategy alters"""


def check_estimands(study: Study) -> Iterator[Finding]:
    """Find intercurrent events without a strategy, with two, or unknown, and analyses that name no estimand."""
    events = {event.name: event.label for event in study.plan.intercurrent_events}
    for i, estimand in enumerate(study.plan.estimands):
        at: Location = ("estimands", i, "intercurrent_events")
        handled = Counter(handling.event for handling in estimand.intercurrent_events)
        for name in handled:
            if name not in events:
                yield FILE, at, repr(name), one_of(events)
            elif handled[name] > 1:
                found = f"{handled[name]} strategies for {name!r}"
                yield FILE, at, found, "one strategy an event", "intercurrent-event-unhandled"
        for name in events:
            if name not in handled:
                found = f"{estimand.name!r} says nothing about {name!r} ({events[name]})"
                allowed = "a strategy for each intercurrent event of the plan"
                yield FILE, at, found, allowed, "intercurrent-event-unhandled"
    for i, event in enumerate(study.plan.intercurrent_events):
        if event.when is not None:
            yield from _when(study, event.when, ("intercurrent_events", i, "when"))
    for i, estimand in enumerate(study.plan.estimands):
        yield from _altering(study, estimand, ("estimands", i, "intercurrent_events"))
    for i, analysis in enumerate(study.plan.analyses):
        yield from _suited(study, analysis, ("analyses", i))
        if analysis.estimand is None and analysis.role in WITH_ESTIMAND:
            found = f"{analysis.role} analysis {analysis.name!r} without an estimand"
            yield FILE, ("analyses", i), found, "estimand: what it estimates", "estimand-missing"


def _when(study: Study, when: When, at: Location) -> Iterator[Finding]:
    """Find events whose date is not where the plan says, and dates that no visit can be held against."""
    if not any(study.variable_with_role(role) for role in ("visit_date", "randomisation_date")):
        allowed = "a variable of study.yaml with role: visit_date, or randomisation_date"
        yield FILE, at, "the date of an event in a study without dates of visits", allowed, "source-missing"
    if when.table is None:
        dates = [v.name for v in study.variables.values() if v.type == "date" and v.level == "participant"]
        if when.date not in dates:
            yield FILE, (*at, "date"), repr(when.date), one_of(dates)
        if when.values:
            yield FILE, (*at, "values"), "values without a table", "table: the event table", "option-unsuited"
        return
    held = event_file(study, when.table)
    if held is None or held.events is None:
        tables = [file.events.name for file in study.config.files if file.events]
        yield FILE, (*at, "table"), repr(when.table), one_of(tables)
        return
    if not held.required or not held.events.key_required:
        found = f"table {when.table!r}, of a file that may be absent, or whose rows need not belong to a unit"
        yield FILE, (*at, "table"), found, "a table of the randomised units that is always there", "source-missing"
    variables = table_variables(study, held)
    dates = [name for name, variable in variables.items() if variable.type == "date"]
    if when.date not in dates:
        yield FILE, (*at, "date"), repr(when.date), one_of(dates)
    categories = {name: variable.levels for name, variable in variables.items() if variable.levels}
    for name, codes in when.values.items():
        if name not in categories:
            yield FILE, (*at, "values"), repr(name), one_of(categories)
            continue
        for code in codes:
            if code not in categories[name]:
                yield FILE, (*at, "values", name), repr(code), one_of(categories[name])
        if not codes:
            yield FILE, (*at, "values", name), "no code", one_of(categories[name])


def _altering(study: Study, estimand: Estimand, at: Location) -> Iterator[Finding]:
    """Find strategies that alter the values after an event of which the plan does not say when it was."""
    events = {event.name: event for event in study.plan.intercurrent_events}
    for j, handled in enumerate(estimand.intercurrent_events):
        event = events.get(handled.event)
        if handled in estimand.altering and event is not None and event.when is None:
            found = f"{handled.strategy} for {handled.event!r}, an event without a date"
            allowed = f"when: where the date of {handled.event!r} stands, or strategy: treatment_policy"
            yield FILE, (*at, j, "strategy"), found, allowed, "intercurrent-event-undated"


def _suited(study: Study, analysis: Analysis, at: Location) -> Iterator[Finding]:
    """Find analyses that cannot do what the strategies of their estimand ask of the values."""
    estimand = next((one for one in study.plan.estimands if one.name == analysis.estimand), None)
    if estimand is None or not estimand.altering:
        return
    if analysis.method in WITHOUT_VALUES:
        found = f"{estimand.name!r}, which alters values, of method {analysis.method}"
        yield FILE, (*at, "estimand"), found, "an analysis of outcomes", "estimand-unsuited"
        return
    if not any(handled.strategy == "composite" for handled in estimand.altering):
        return
    of_roles = [study.outcomes[role.outcome] for role in analysis.dyad if role.outcome in study.outcomes]
    for outcome in of_roles if analysis.method == "dyadic" else study.analysis_outcomes(analysis):
        score = study.scores[outcome.score]
        if score.worst is None and (score.type != "nominal" or analysis.method == "nominal"):
            found = f"{estimand.name!r}, with a composite strategy, of {outcome.name!r}, whose score has no worst value"
            yield FILE, (*at, "estimand"), found, "scores with `range` and `better`", "estimand-unsuited"
