"""Checks of the analyses of treatment received: therapists and complier average causal effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.event_tables import event_file
from pipanalysis.study.finding import Finding, one_of

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

PLAN = "analysis.yaml"


def check_received(study: Study) -> Iterator[Finding]:
    """Find what the analyses of sessions need and the configuration does not have, and options that do nothing."""
    yield from _sessions(study)
    sessions = study.config.sessions
    for i, analysis in enumerate(study.plan.analyses):
        if (analysis.method == "cace") != (analysis.exposure is not None):
            found = f"{analysis.name!r}, method {analysis.method}, " + ("with" if analysis.exposure else "without")
            allowed = "exposure: what counts as treatment received, for method cace alone"
            yield PLAN, ("analyses", i, "exposure"), f"{found} exposure", allowed, "option-unsuited"
        if analysis.method in ("therapist", "cace") and sessions and sessions.arm == study.reference_arm.name:
            found = f"sessions of the reference arm, {sessions.arm!r}"
            yield PLAN, ("analyses", i, "method"), found, "sessions of another arm alone", "method-unsuited"
        if analysis.method == "therapist" and sessions and sessions.therapist is None:
            found = "sessions of study.yaml without therapist"
            yield (
                PLAN,
                ("analyses", i, "method"),
                found,
                "sessions: the variable that names who gave it",
                "source-missing",
            )


def _sessions(study: Study) -> Iterator[Finding]:
    """Find variables of the sessions that their table does not have."""
    sessions = study.config.sessions
    held = event_file(study, sessions.table) if sessions else None
    if sessions is None or held is None or held.events is None:
        return
    own = {variable.name: variable for variable in held.events.variables}
    for key, name in (("therapist", sessions.therapist), ("date", sessions.date)):
        if name is not None and name not in own:
            yield "study.yaml", ("sessions", key), repr(name), one_of(own)
    if sessions.date in own and own[sessions.date].type != "date":
        yield "study.yaml", ("sessions", "date"), f"{sessions.date}: a {own[sessions.date].type}", "a date"
    if sessions.date and study.variable_with_role("randomisation_date") is None:
        found = f"{sessions.date}, in a study without a date of randomisation"
        yield "study.yaml", ("sessions", "date"), found, "a variable with role: randomisation_date, or no date"
