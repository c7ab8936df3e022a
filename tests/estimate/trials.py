"""Trials as the estimate step meets them, built in memory: a configuration, participants with arms, and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipanalysis.estimate.trial_data import TrialData, trial_data
from pipanalysis.study.displays import Displays
from pipanalysis.study.instrument import Instrument
from pipanalysis.study.layout import Layout
from pipanalysis.study.load import Study
from pipanalysis.study.plan import Analysis, Plan
from pipanalysis.study.study import StudyConfig

ARMS = ("control", "treated")


def study(
    analyses: list[dict[str, Any]],
    *,
    visits: dict[str, float],
    variables: list[dict[str, Any]] | None = None,
    strata: list[str] | None = None,
    arms: tuple[str, ...] = ARMS,
    scores: dict[str, str] | None = None,
    instrument_visits: list[str] | str = "all",
    items: dict[str, Any] | None = None,
    characteristics: list[str] | None = None,
    outcomes: list[dict[str, Any]] | None = None,
    better: str | None = None,
    score_range: tuple[float, float] | None = None,
    plan: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    folder: Path = Path("trial"),
) -> Study:
    """A study with one instrument `form`; the visit at 0 months is the baseline.

    scores: name → type; plan: further parts of the plan; labels: of arms and visits, by name.
    """
    labels = labels or {}
    limits = {"range": dict(zip(("min", "max"), score_range, strict=True))} if score_range else {}
    scores = scores or {"total": "continuous"}
    config = {
        "study": {"id": "trial", "title": "A trial", "data": "real", "blinding": "open", "seed": 1},
        "arms": [
            {"name": arm, "label": labels.get(arm, arm.title()), "reference": i == 0} for i, arm in enumerate(arms)
        ],
        "visits": [
            {"name": name, "label": labels.get(name, name), "months": months, "baseline": months == 0}
            for name, months in visits.items()
        ],
        "randomisation": {"strata": strata or []},
        "variables": variables or [],
        "files": [{"name": "all", "path": "all.csv", "key": "id"}],
        "allocation": {"path": "allocation.csv", "key": "id", "arm": "arm"},
    }
    instrument = {
        "name": "form",
        "label": "Form",
        "respondent": "participant",
        "visits": instrument_visits,
        "items": items or {"count": 1, "range": {"min": 0, "max": 100}},
        "scores": {
            name: {"label": name, "rule": "item", "items": "all", "type": kind, "better": better, **limits}
            for name, kind in scores.items()
        },
    }
    whole = {
        "domains": [{"name": "health", "label": "Health"}],
        "outcomes": outcomes
        or [{"name": name, "label": name, "domain": "health", "score": f"form.{name}"} for name in scores],
        "analysis_sets": [{"name": "all_randomised", "label": "All"}],
        "baseline_characteristics": characteristics or [],
        "analyses": [
            {"name": one["method"], "label": "x", "role": "primary", "analysis_set": "all_randomised", **one}
            for one in analyses
        ],
        **(plan or {}),
    }
    displays = {"tables": [{"name": "t", "number": "1", "kind": "effects", "title": "T", "analyses": ["a"]}]}
    return Study(
        Layout(folder),
        StudyConfig.model_validate(config),
        {"form": Instrument.model_validate(instrument)},
        Plan.model_validate(whole),
        Displays.model_validate(displays),
        None,
    )


def trial(configuration: Study, people: pd.DataFrame, long: pd.DataFrame) -> TrialData:
    """Put together a trial.

    people: unit, arm and variables; long: unit, visit, value and, where there are more scores than one, score.
    """
    people = people.assign(unit=people["unit"].astype(str))
    if "in_all_randomised" not in people:
        people = people.assign(in_all_randomised=True)
    scores = long.assign(unit=long["unit"].astype(str))
    if "score" not in scores:
        scores = scores.assign(score="form.total")
    if "level" not in scores:
        scores = scores.assign(level=None)
    return trial_data(configuration, people, scores)


def analysis(configuration: Study) -> Analysis:
    """The one analysis of a configuration."""
    return configuration.plan.analyses[0]


def effects(results: pd.DataFrame, *, contrast: str = "treated - control", analysis: str | None = None) -> pd.DataFrame:
    """The statistics of the differences, a row per visit and a column per statistic."""
    chosen = results[(results["contrast"] == contrast) & (results["context"] == "")]
    if analysis is not None:
        chosen = chosen[chosen["analysis"] == analysis]
    return chosen.pivot(index="visit", columns="stat_name", values="stat")


def stat(results: pd.DataFrame, name: str, **where: str) -> float:
    """The one value of a statistic."""
    return float(row(results, name, **where)["stat"])


def row(results: pd.DataFrame, name: str, **where: str) -> pd.Series:
    """The one row of a statistic."""
    chosen = results[results["stat_name"] == name]
    for column, wanted in where.items():
        chosen = chosen[chosen[column] == wanted]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


def measure(results: pd.DataFrame, context: str, **where: str) -> dict[str, float]:
    """The statistics of a context: of the comparison, or of the arm or other contrast that is asked for."""
    wanted = where if {"arm", "contrast"} & set(where) else {"contrast": "treated - control"} | where
    chosen = results[results["context"] == context]
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen)
    assert not chosen["stat_name"].duplicated().any()
    return dict(zip(chosen["stat_name"], chosen["stat"], strict=True))
