"""Descriptive statistics of the outcomes by arm and visit."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.estimate.courses import course_rows
from pipanalysis.estimate.planning import CATEGORICAL, described_visits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

METHOD = "descriptives"
BINARY_LEVELS = {0.0: "No", 1.0: "Yes"}
"""how the values of a binary score are called where it is described by level"""


def continuous_summary(values: FloatArray) -> dict[str, float]:
    """Return n, n_missing, mean, sd, median, q1, q3, min, max of values, NaN being missing.

    Quartiles interpolate linearly between order statistics (Hyndman and Fan's type 7, R's default).
    """
    observed = values[~np.isnan(values)]
    found = {"n": float(observed.size), "n_missing": float(values.size - observed.size)}
    if not observed.size:
        return found | dict.fromkeys(("mean", "sd", "median", "q1", "q3", "min", "max"), nan)
    q1, median, q3 = np.quantile(observed, [0.25, 0.5, 0.75])
    return found | {
        "mean": float(observed.mean()),
        "sd": float(observed.std(ddof=1)) if observed.size > 1 else nan,
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
        "min": float(observed.min()),
        "max": float(observed.max()),
    }


def continuous_rows(scope: Scope, values: FloatArray, *, visit: str = "", arm: str = "") -> Iterator[Row]:
    """Yield the summary of a continuous variable."""
    for name, value in continuous_summary(values).items():
        yield scope.row(name, value, visit=visit, arm=arm)


def mean_limits(values: FloatArray, conf_level: float) -> tuple[float, float]:
    """Return the limits of Student's t of a mean; NaN where fewer than two values are there."""
    from scipy.stats import t

    observed = values[~np.isnan(values)]
    if observed.size < 2:
        return nan, nan
    margin = t.ppf((1 + conf_level) / 2, observed.size - 1) * observed.std(ddof=1) / np.sqrt(observed.size)
    return float(observed.mean() - margin), float(observed.mean() + margin)


def category_rows(
    scope: Scope, values: NDArray[np.object_], levels: Sequence[str], *, visit: str = "", arm: str = ""
) -> Iterator[Row]:
    """Yield n, n_missing, and for each level how many units and what percentage of those with a value are at it.

    Args:
        scope: the analysis and outcome.
        values: labels, None where missing, shape (units,).
        levels: every possible label, those that nobody has included.
        visit: name of the visit.
        arm: name of the arm, "" for all.
    """
    counted = {level: int((values == level).sum()) for level in levels}
    n = sum(counted.values())
    yield scope.row("n", n, visit=visit, arm=arm)
    yield scope.row("n_missing", len(values) - n, visit=visit, arm=arm)
    for level, count in counted.items():
        context = f"level={level}"
        yield scope.row("n_level", count, visit=visit, arm=arm, context=context)
        yield scope.row("percent", 100 * count / n if n else nan, visit=visit, arm=arm, context=context)


def labelled_score(trial: TrialData, score: str) -> tuple[NDArray[np.object_], list[str]]:
    """Return a binary or nominal score as labels, shape (units, visits), None where missing, and all labels."""
    study = trial.study
    if study.scores[score].type == "binary":
        return labelled(trial.values(score), BINARY_LEVELS), list(BINARY_LEVELS.values())
    return trial.levels(score), nominal_levels(study, score)


def nominal_levels(study: Study, score: str) -> list[str]:
    """Return the labels of a nominal score in the order of its instrument."""
    return list(dict.fromkeys(study.instruments[score.partition(".")[0]].items.levels.values()))


def labelled(values: NDArray[Any], labels: Mapping[Any, str]) -> NDArray[np.object_]:
    """Return the label of each value, None for a missing one."""
    found = np.full(values.shape, None, dtype=object)
    for value, label in labels.items():
        found[values == value] = label
    return found


def descriptives(trial: TrialData, scope: Scope, outcome: Outcome) -> Iterator[Row]:
    """Yield the description of an outcome at each visit in each arm, over all units of the analysis set.

    Courses where the plan asks for them and the outcome is a number at two visits or more.
    """
    study = trial.study
    members = trial.members(scope.analysis.analysis_set)
    arms = trial.participants["arm"][members].to_numpy()
    position = {visit: i for i, visit in enumerate(study.visits)}
    visits = described_visits(study, scope.analysis, outcome)
    if study.scores[outcome.score].type in CATEGORICAL:
        labels, levels = labelled_score(trial, outcome.score)
        for visit in visits:
            at_visit = labels[members, position[visit]]
            for arm in study.arms:
                yield from category_rows(scope, at_visit[arms == arm], levels, visit=visit, arm=arm)
        return
    values = trial.values(outcome.score)[members]
    for visit in visits:
        for arm in study.arms:
            own = values[arms == arm, position[visit]]
            yield from continuous_rows(scope, own, visit=visit, arm=arm)
            for name, limit in zip(("conf_low", "conf_high"), mean_limits(own, scope.conf_level), strict=True):
                yield scope.row(name, limit, visit=visit, arm=arm)
    if scope.analysis.courses is not None and len(visits) > 1:
        at = [position[visit] for visit in visits]
        for arm in study.arms:
            yield from course_rows(scope, values[arms == arm][:, at], visits, arm, scope.analysis.courses)
