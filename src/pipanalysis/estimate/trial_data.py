"""The analysis dataset in memory: participants with their arm, and each score as a matrix of units by visits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.derive.intercurrent import after_column, events_not_read
from pipanalysis.errors import DataError, Problem
from pipanalysis.estimate.intercurrent import Affected, handled_values, value_sources
from pipanalysis.files import read_parquet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.study.load import Study

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class TrialData:
    """The analysis dataset.

    Attributes:
        study: the configuration.
        participants: a row per unit that is in any analysis set, sorted by unit, with `arm` categorical (reference
            first), a column in_<analysis set> for each set, and after_<event> for each intercurrent event with a date.
        affected: the intercurrent events whose strategies alter the values, by the estimand that the data are under.
    """

    study: Study
    participants: pd.DataFrame
    _scores: pd.DataFrame = field(repr=False)
    affected: tuple[Affected, ...] = ()

    def under(self, estimand: str | None) -> TrialData:
        """Return the data as an estimand of the plan takes them: values after intercurrent events as it says."""
        chosen = next((one for one in self.study.plan.estimands if one.name == estimand), None)
        events = {event.name: event for event in self.study.plan.intercurrent_events}
        unread = {event.name for event in events_not_read(self.study)}
        altering = chosen.altering if chosen else ()
        affected = [
            Affected(
                label=events[handled.event].label,
                strategy=handled.strategy,
                first=self._first_after(handled.event),
                read=handled.event not in unread,
            )
            for handled in altering
        ]
        return replace(self, affected=tuple(affected))

    def _first_after(self, event: str) -> NDArray[np.intp]:
        """Return the position of each unit's first visit after an event, the number of visits where there is none."""
        visits = list(self.study.visits)
        first = _positions(self.participants[after_column(event)], visits)
        return np.where(first < 0, len(visits), first)

    def members(self, analysis_set: str) -> NDArray[np.bool_]:
        """Return which participants are in an analysis set, shape (units,)."""
        return self.participants[f"in_{analysis_set}"].to_numpy(dtype=bool)

    def values(self, score: str) -> FloatArray:
        """Return a score as a matrix, shape (units, visits in time order), NaN where missing."""
        matrix = np.full((len(self.participants), len(self.study.visits)), np.nan)
        rows = self._rows(score)
        matrix[rows["unit_code"], rows["visit_code"]] = rows["value"].to_numpy(dtype=np.float64)
        if not self.affected:
            return matrix
        source = value_sources(np.isfinite(matrix), self.affected)
        return handled_values(matrix, source, np.nan, self.study.scores[score].worst)

    def levels(self, score: str) -> NDArray[np.object_]:
        """Return the text levels of a nominal score as a matrix, shape (units, visits), None where missing."""
        matrix = np.full((len(self.participants), len(self.study.visits)), None, dtype=object)
        rows = self._rows(score)
        level = rows["level"].astype(object)
        matrix[rows["unit_code"], rows["visit_code"]] = level.where(level.notna(), None).to_numpy()
        if not self.affected:
            return matrix
        return handled_values(matrix, value_sources(pd.notna(matrix), self.affected), None, None)

    def observed(self, score: str) -> NDArray[np.bool_]:
        """Return which values of a score were observed, whatever the estimand, shape (units, visits in time order)."""
        rows = self._rows(score)
        there = rows[rows["value"].notna() | rows["level"].notna()]
        matrix = np.zeros((len(self.participants), len(self.study.visits)), dtype=bool)
        matrix[there["unit_code"], there["visit_code"]] = True
        return matrix

    def at_baseline(self, score: str) -> FloatArray:
        """Return a score at the baseline visit, shape (units,); NaN throughout where there is no such visit."""
        baseline = self.study.baseline_visit
        if baseline is None:
            return np.full(len(self.participants), np.nan)
        return self.values(score)[:, list(self.study.visits).index(baseline.name)]

    def _rows(self, score: str) -> pd.DataFrame:
        return self._scores[self._scores["score"] == score]


def read_trial_data(study: Study) -> TrialData:
    """Read the analysis dataset that `derive` and `allocate` wrote.

    Raises:
        DataError: a file is missing or damaged, or does not fit the configuration.
    """
    participants = read_parquet(study.layout.analysis_participants)
    scores = read_parquet(study.layout.scores, ["unit", "visit", "score", "value", "level"])
    return trial_data(study, participants, scores)


def trial_data(study: Study, participants: pd.DataFrame, scores: pd.DataFrame) -> TrialData:
    """Check participants and scores against each other and the configuration, and put them together.

    Args:
        study: the configuration.
        participants: unit, arm, in_<analysis set>, after_<intercurrent event with a date>, variables; a row per unit.
        scores: long: unit, visit, score, value, level.

    Raises:
        DataError: every absent column, repeated unit or score, unknown arm, and unit of a set without an arm.
    """
    problems: list[Problem] = []
    where = study.layout.analysis_participants.name
    sets = [f"in_{analysis_set.name}" for analysis_set in study.plan.analysis_sets]
    after = [after_column(event.name) for event in study.plan.intercurrent_events if event.when]
    needed = ("unit", "arm", *sets, *after, *_needed_columns(study))
    absent = [column for column in needed if column not in participants]
    if absent:
        raise DataError([Problem(where, f"no column {name!r}", "the file that `allocate` writes") for name in absent])
    units = participants["unit"].astype("str")
    if units.duplicated().any():
        repeated = ", ".join(units[units.duplicated()].head(5))
        problems.append(Problem(where, f"more than one row for {repeated}", "one row per unit"))
    analysed = participants[sets].fillna(False).astype(bool).any(axis=1)
    arms = participants["arm"].astype(object)
    wrong = analysed & ~arms.isin(list(study.arms))
    if wrong.any():
        given = arms[wrong].where(arms[wrong].notna(), "none")
        shown = ", ".join(f"{unit} ({arm})" for unit, arm in zip(units[wrong].head(5), given, strict=False))
        problems.append(Problem(f"{where}, arm", f"no known arm for {shown}", ", ".join(study.arms)))
    if problems:
        raise DataError(problems)
    kept = participants[analysed.to_numpy()].assign(unit=units[analysed])
    kept = kept.assign(arm=pd.Categorical(kept["arm"], categories=list(study.arms)))
    kept[sets] = kept[sets].fillna(False).astype(bool)
    kept = kept.sort_values("unit", kind="stable").reset_index(drop=True)
    return TrialData(study, kept, _coded(study, kept, scores))


def _needed_columns(study: Study) -> list[str]:
    """Return the variables and ages that the plan's analyses use."""
    plan = study.plan
    asked = [name for analysis in plan.analyses for name in analysis.covariates if name not in study.scores]
    asked += [analysis.cluster for analysis in plan.analyses if analysis.cluster]
    asked += [a.moderator for a in plan.analyses if a.moderator and a.moderator not in study.scores]
    asked += study.config.randomisation.strata if any(analysis.strata for analysis in plan.analyses) else []
    if any(analysis.method == "baseline" for analysis in plan.analyses):
        asked += [name for name in plan.baseline_characteristics if name not in study.scores]
    return list(dict.fromkeys(asked))


def _coded(study: Study, participants: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the participants with the positions of unit and visit."""
    coded = {
        "unit_code": _positions(scores["unit"], participants["unit"].tolist()),
        "visit_code": _positions(scores["visit"], list(study.visits)),
        "score": scores["score"].astype("category"),
        "value": scores["value"],
        "level": scores["level"],
    }
    frame = pd.DataFrame(coded)
    frame = frame[(frame["unit_code"] >= 0) & (frame["visit_code"] >= 0)]
    repeated = frame.duplicated(["unit_code", "visit_code", "score"])
    if repeated.any():
        first = frame[repeated].iloc[0]
        unit = participants["unit"].iloc[first["unit_code"]]
        found = f"{first['score']} of {unit} at {list(study.visits)[first['visit_code']]} more than once"
        raise DataError(Problem(study.layout.scores.name, found, "one row per unit, visit and score"))
    return frame


def _positions(column: pd.Series[Any], names: list[str]) -> NDArray[np.intp]:
    """Return the position of each value among the names, -1 for others."""
    values = column.astype("category")
    categories = pd.Index(values.cat.categories.astype("str"))
    of_category = pd.Index(names).get_indexer(categories)
    codes = values.cat.codes.to_numpy()
    return np.where(codes < 0, -1, of_category[codes] if len(of_category) else -1)
