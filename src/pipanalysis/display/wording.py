"""Sentences of the displays made from the configuration: marks, estimands, labels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipanalysis.estimate.describe import BINARY_LEVELS, nominal_levels

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.estimands import Estimand
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome, Plan

STRATEGIES = {
    "treatment_policy": "treatment policy",
    "hypothetical": "hypothetical (values after it are left out)",
    "composite": "composite (from then on the worst value of the score)",
    "while_on_treatment": "while on treatment (the last value before it stays)",
    "principal_stratum": "principal stratum",
}


def marks(study: Study, allocation: dict[str, Any]) -> list[str]:
    """Return what every display must say on its face.

    Args:
        study: the configuration.
        allocation: the record that `allocate` wrote.
    """
    said = []
    if study.config.study.data == "synthetic":
        said.append("SYNTHETIC DATA: a made-up trial with made-up effects. Nothing here is a finding.")
    if study.config.study.data == "twin":
        said.append("SYNTHETIC TWIN: made-up data in the shape of confidential ones. Nothing here is a finding.")
    if study.masked or allocation.get("allocation") != "real":
        said.append("MASKED ALLOCATION: arms are a random dummy. Differences between arms mean nothing.")
        waiting = [set_label(study, name) for name in allocation.get("sets_without_their_condition_on_sessions", [])]
        if waiting:
            said.append(f"Masked too: the condition on sessions of the analysis set '{', '.join(waiting)}'.")
    if study.config.study.data == "real" and (reason := allocation.get("without_lock")):
        why = reason.rstrip(".")
        said.append(f"NO PLAN LOCK: the allocation was read although the plan was not locked. Reason: {why}.")
    return said


def estimand_line(plan: Plan, estimand: Estimand) -> str:
    """Return the five attributes of an estimand (ICH E9(R1)) as one line."""
    labels = {event.name: event.label for event in plan.intercurrent_events}
    events = "; ".join(f"{labels[e.event]}: {STRATEGIES[e.strategy]}" for e in estimand.intercurrent_events)
    parts = [
        f"population: {estimand.population}",
        f"treatments: {estimand.treatments}",
        f"variable: {estimand.variable}",
        *([f"intercurrent events: {events}"] if events else []),
        f"summary: {estimand.summary}",
    ]
    return f"Estimand, {estimand.label}: " + ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def set_label(study: Study, name: str) -> str:
    """Return an analysis set's label."""
    return next(chosen.label for chosen in study.plan.analysis_sets if chosen.name == name)


def analysis_label(study: Study, name: str) -> str:
    """Return an analysis's label."""
    return analysis(study, name).label


def analysis(study: Study, name: str) -> Analysis:
    """Return an analysis of the plan."""
    return next(chosen for chosen in study.plan.analyses if chosen.name == name)


def outcome_label(study: Study, outcome: Outcome) -> str:
    """Return an outcome's label with its role and which direction is better."""
    better = study.scores[outcome.score].better
    said = [
        *(["primary outcome"] if outcome.role == "primary" else []),
        *([f"{better} is better"] if better else []),
    ]
    return outcome.label + (f" ({'; '.join(said)})" if said else "")


def characteristic_label(study: Study, name: str) -> str:
    """Return the label of a baseline characteristic: a variable, an age in months, or a score."""
    if name in study.scores:
        outcome = next((o for o in study.plan.outcomes if o.score == name), None)
        instrument = study.instruments[name.partition(".")[0]]
        return outcome.label if outcome else f"{instrument.label}: {study.scores[name].label}"
    for variable in study.config.variables:
        if variable.name == name:
            return variable.label + (f" ({variable.unit})" if variable.unit else "")
        if variable.age_name == name:
            return f"{variable.age_label or variable.age_name} (months)"
    return name


def level_labels(study: Study, name: str) -> list[str]:
    """Return the labels of a categorical score or variable in the order of the configuration; none for others."""
    if name in study.scores:
        kind = study.scores[name].type
        return list(BINARY_LEVELS.values()) if kind == "binary" else nominal_levels(study, name)
    variable = study.variables.get(name)
    if variable is not None and variable.role == "site":
        return [site.label for site in study.config.sites]
    return list(variable.levels.values()) if variable is not None else []


def enumerated(parts: list[str]) -> str:
    """Return what belongs together in a sentence, as a, b and c."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def numbered_title(model: TableModel) -> str:
    """Return a table's title with its number."""
    return f"Table {model.number}. {model.title}"


def mark_line(said: list[str]) -> str:
    """Return the marks as one line."""
    return " ".join(said)


def wrapped(text: str, letters: int) -> str:
    """Return a text in lines of so many letters at most, broken between words; narrow lines keep words whole."""
    return "\n".join(textwrap.wrap(text, letters, break_long_words=letters > 20)) or text


def analyses_line(study: Study, names: Iterable[str]) -> str:
    """Return what a figure's numbers come from, as `All randomised dyads: Growth model, Analysis of covariance.`"""
    by_set: dict[str, dict[str, None]] = {}
    for name in names:
        chosen = analysis(study, name)
        by_set.setdefault(set_label(study, chosen.analysis_set), {})[chosen.label] = None
    return " ".join(f"{chosen}: {', '.join(labels)}." for chosen, labels in by_set.items())
