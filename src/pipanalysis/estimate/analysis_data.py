"""One outcome of one analysis as the frame that a model is fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.estimate.describe import nominal_levels
from pipanalysis.estimate.intercurrent import handling_notes
from pipanalysis.estimate.planning import compared_visits, given_at_baseline
from pipanalysis.study.study import Variable
from pipanalysis.study.terms import Terms, mid_sentence

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome


@dataclass(frozen=True)
class Covariate:
    """A stratification variable or covariate of a model.

    Attributes:
        column: its column in the frame, x1, x2, ...: formulas never hold the study's own names.
        name: its name in the study.
        factor: categorical.
        label: what sentences call it; by default its name.
        levels: of a categorical one, code → label.
    """

    column: str
    name: str
    factor: bool
    label: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What sentences call it."""
        return self.label or self.name

    def at(self, level: str) -> str:
        """Return what sentences call one of its levels, by its code."""
        return f"{self.said} ({self.levels.get(level, level)})"


@dataclass(frozen=True)
class AnalysisFrame:
    """What a model is fitted to.

    Attributes:
        data: columns unit, visit and arm (categorical, time order and reference first), value, baseline, x1, x2, ...,
            and cluster where the analysis has clusters.
        arms: arms compared, the reference first.
        visits: visits compared, in time order.
        baseline: adjust for the baseline value, column `baseline`; never of a nominal outcome.
        covariates: stratification variables, then covariates.
        baseline_sd: SD at baseline, pooled over the arms of the analysis set; NaN where there is no baseline value.
        not_compared: (arm, visit) → why the arm is not compared with the reference there.
        notes: what was left out, in words.
        terms: what sentences call units, arms and visits.
    """

    data: pd.DataFrame
    arms: tuple[str, ...]
    visits: tuple[str, ...]
    baseline: bool
    covariates: tuple[Covariate, ...]
    baseline_sd: float
    not_compared: dict[tuple[str, str], str]
    notes: tuple[str, ...] = ()
    terms: Terms = field(default_factory=Terms)

    @property
    def reference(self) -> str:
        """The reference arm."""
        return self.arms[0]

    @cached_property
    def model_visits(self) -> tuple[str, ...]:
        """Visits with observations in the frame."""
        present = set(self.data["visit"])
        return tuple(visit for visit in self.visits if visit in present)

    @cached_property
    def varying(self) -> tuple[Covariate, ...]:
        """Covariates with more than one value in the frame: the others cannot be adjusted for."""
        return tuple(c for c in self.covariates if self.data[c.column].nunique() > 1)

    @property
    def baseline_varies(self) -> bool:
        """Whether the baseline is adjusted for and has more than one value."""
        return self.baseline and self.data["baseline"].nunique() > 1

    @property
    def nothing_compared(self) -> str:
        """Why no arm is compared at any visit, where none is."""
        return "; ".join(dict.fromkeys(self.not_compared.values())) or "no observation"

    @property
    def n_units(self) -> int:
        """Units in the frame."""
        return int(self.data["unit"].nunique())

    @cached_property
    def observed(self) -> dict[tuple[str, str], int]:
        """Rows with a value by (arm, visit)."""
        data = self.data[self.data["value"].notna()]
        counts = Counter(zip(data["arm"].tolist(), data["visit"].tolist(), strict=True))
        return {(arm, visit): counts[arm, visit] for arm in self.arms for visit in self.visits}

    def at(self, visit: str) -> AnalysisFrame:
        """Return the frame of one visit."""
        chosen = {key: why for key, why in self.not_compared.items() if key[1] == visit}
        data = self.data[self.data["visit"] == visit].reset_index(drop=True)
        return replace(self, data=data, visits=(visit,), not_compared=chosen)


def analysis_frame(trial: TrialData, analysis: Analysis, outcome: Outcome) -> AnalysisFrame:
    """Put together the frame of an analysis: a row per unit of its set and visit compared, missing values included.

    Outcomes that are not measured at baseline are not adjusted for it, unless the plan names another score for that.
    """
    study = trial.study
    members = trial.members(analysis.analysis_set)
    people = trial.participants[members]
    visits = compared_visits(study, analysis, outcome)
    categories = study.scores[outcome.score].type == "nominal"
    matrix = (level_positions(trial, outcome.score) if categories else trial.values(outcome.score))[members]
    at_visits = matrix[:, [list(study.visits).index(visit) for visit in visits]]
    n, k = len(people), len(visits)
    baseline_score = analysis.baseline_score or outcome.score
    baseline = trial.at_baseline(baseline_score)[members]
    arm = people["arm"].to_numpy()
    columns: dict[str, Any] = {
        "unit": np.repeat(people["unit"].to_numpy(dtype=object), k),
        "visit": pd.Categorical.from_codes(np.tile(np.arange(k), n), categories=pd.Index(visits)),
        "arm": pd.Categorical(np.repeat(arm, k), categories=list(study.arms)),
        "value": at_visits.ravel(),
        "baseline": np.repeat(baseline, k),
    }
    covariates = []
    strata = study.config.randomisation.strata if analysis.strata else []
    subgroup = [analysis.subgroup] if analysis.subgroup else []
    moderator = [analysis.moderator] if analysis.moderator else []
    names = dict.fromkeys([*strata, *analysis.covariates, *subgroup, *moderator])
    for i, name in enumerate(names, start=1):
        variable = study.variables.get(name)
        factor = variable is not None and variable.type == "category"
        levels = level_labels(study, variable) if factor and variable is not None else {}
        covariate = Covariate(f"x{i}", name, factor, said_of(study, name), levels)
        if factor:
            values = pd.Categorical(people[name], categories=list(levels))
            columns[covariate.column] = values.repeat(k)
        elif name in study.scores:
            columns[covariate.column] = np.repeat(trial.at_baseline(name)[members], k)
        else:
            columns[covariate.column] = np.repeat(people[name].to_numpy(dtype=np.float64, na_value=np.nan), k)
        covariates.append(covariate)
    if analysis.cluster:
        columns["cluster"] = np.repeat(people[analysis.cluster].astype(object).to_numpy(), k)
    known = given_at_baseline(study, baseline_score) and bool(np.isfinite(baseline).any())
    adjust = analysis.baseline and known and not categories and analysis.method not in ("clda", "growth")
    notes = []
    if analysis.baseline and not categories and given_at_baseline(study, baseline_score) and not known:
        notes.append(f"not adjusted for baseline: no {study.terms.unit} has a baseline value")
    notes += handled_notes(trial, analysis, outcome, visits)
    return AnalysisFrame(
        data=pd.DataFrame(columns),
        arms=tuple(study.arms),
        visits=tuple(visits),
        baseline=adjust,
        covariates=tuple(covariates),
        baseline_sd=pooled_sd(baseline, np.asarray(arm)) if known else nan,
        not_compared={},
        notes=tuple(notes),
        terms=study.terms,
    )


def handled_notes(trial: TrialData, analysis: Analysis, outcome: Outcome, visits: Sequence[str]) -> list[str]:
    """Return what the estimand's strategies did to the values that an analysis uses, with counts by arm."""
    compared = trial.members(analysis.analysis_set)[:, None] & np.isin(list(trial.study.visits), visits)
    arm = trial.participants["arm"].to_numpy(dtype=object)
    return handling_notes(trial.affected, trial.observed(outcome.score), compared, arm, trial.study.terms)


def said_of(study: Study, name: str) -> str:
    """Return what sentences call a variable, an age or a score at baseline: its label."""
    if name in study.scores:
        outcome = next((o for o in study.plan.outcomes if o.score == name), None)
        return f"{mid_sentence(outcome.label if outcome else study.scores[name].label)} at baseline"
    if name in study.variables:
        return mid_sentence(study.variables[name].label)
    return next((mid_sentence(v.age_label) for v in study.config.variables if v.age_name == name and v.age_label), name)


def level_positions(trial: TrialData, score: str) -> FloatArray:
    """Return a nominal score as positions in its levels, shape (units, visits), NaN where missing."""
    found = trial.levels(score)
    positions = np.full(found.shape, np.nan)
    for i, label in enumerate(nominal_levels(trial.study, score)):
        positions[found == label] = i
    return positions


def level_labels(study: Study, variable: Variable) -> dict[str, str]:
    """Return code → label of a categorical variable, in the order of the configuration."""
    sites = study.config.sites if variable.role == "site" else []
    return {site.name: site.label for site in sites} or dict(variable.levels)


def pooled_sd(values: FloatArray, arm: np.ndarray[Any, Any]) -> float:
    """Return the SD within arms: root of the arms' variances weighted by their degrees of freedom; NaN if undefined."""
    squares, freedom = 0.0, 0
    for name in dict.fromkeys(arm.tolist()):
        observed = values[(arm == name) & np.isfinite(values)]
        if observed.size:
            squares += float(((observed - observed.mean()) ** 2).sum())
            freedom += observed.size - 1
    return float(np.sqrt(squares / freedom)) if freedom > 0 and squares > 0 else nan
