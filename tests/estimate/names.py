"""The names of the configuration that no reader of results knows: those that the study's labels do not say too."""

from __future__ import annotations

import re

import pandas as pd

from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES
from pipanalysis.study.load import Study


def names_in_sentences(study: Study, results: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the names that stand in warnings and errors, each with the sentence.

    Names are those of arms, visits, sites, outcomes, scores, variables, events and roles of dyads, and the columns
    x1, x2, ... that models know covariates by, and those of covariance structures; not of analyses and tables, many of
    which are words of any sentence.
    """
    named = _named(study)
    said = {"baseline"} | set(re.findall(r"\w+", " ".join(label for _, label in named).lower()))
    unknown = {name for name, _ in named} - said | STRUCTURE_NAMES.keys()
    sentences = {text for column in ("warning", "error") for text in results[column].unique()}
    name = "|".join(sorted(map(re.escape, unknown), key=len, reverse=True))
    part = re.compile(rf"(?<![^\W_])(?:arm|visit|cell)?({name}|x\d+\w*)(?!\w)")
    return {(found[1], text) for text in sentences for found in part.finditer(text)}


def _named(study: Study) -> list[tuple[str, str]]:
    """Name and label of all that sentences may speak of."""
    found = [(one.name, one.label) for one in (*study.arms.values(), *study.visits.values(), *study.config.sites)]
    found += [(one.name, one.label) for one in (*study.plan.outcomes, *study.plan.intercurrent_events)]
    found += [(name, score.label) for name, score in study.scores.items()]
    found += [(role.name, role.label) for analysis in study.plan.analyses for role in analysis.dyad]
    for variable in study.config.variables:
        found += [(variable.name, variable.label), (variable.age_name or variable.name, variable.age_label or "")]
    for file in study.config.files:
        if file.events:
            found += [(one.name, one.label) for one in file.events.variables]
    return found
