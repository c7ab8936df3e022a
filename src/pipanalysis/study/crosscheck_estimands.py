"""Checks of the estimands: every intercurrent event has a strategy, and what is confirmed says what it estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

FILE = "analysis.yaml"
WITH_ESTIMAND = ("primary", "secondary", "sensitivity")


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
    for i, analysis in enumerate(study.plan.analyses):
        if analysis.estimand is None and analysis.role in WITH_ESTIMAND:
            found = f"{analysis.role} analysis {analysis.name!r} without an estimand"
            yield FILE, ("analyses", i), found, "estimand: what it estimates", "estimand-missing"
