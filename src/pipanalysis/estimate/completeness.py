"""How complete the outcomes are by arm and visit, and over the visits together."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.planning import CATEGORICAL, described_visits

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Outcome

METHOD = "completeness"


def completeness_rows(trial: TrialData, scope: Scope, outcome: Outcome) -> Iterator[Row]:
    """Yield by arm and visit the units with and without a value, and by arm each pattern of visits over time.

    A pattern's context names the visits with a value, `pattern=` alone where there is none; of every pattern that a
    unit of any arm has, each arm has a row, so that patterns can be set side by side.
    """
    study = trial.study
    members = trial.members(scope.analysis.analysis_set)
    arms = trial.participants["arm"][members].astype(object).to_numpy()
    position = {visit: i for i, visit in enumerate(study.visits)}
    visits = described_visits(study, scope.analysis, outcome)
    if study.scores[outcome.score].type in CATEGORICAL and study.scores[outcome.score].type != "binary":
        levels = trial.levels(outcome.score)[members]
        observed = np.array([[level is not None for level in row] for row in levels], dtype=bool)
    else:
        observed = ~np.isnan(trial.values(outcome.score)[members])
    observed = observed.reshape(len(arms), len(study.visits))[:, [position[visit] for visit in visits]]
    for i, visit in enumerate(visits):
        for arm in study.arms:
            own = observed[arms == arm, i]
            n = int(own.sum())
            yield scope.row("n", n, visit=visit, arm=arm)
            yield scope.row("n_missing", len(own) - n, visit=visit, arm=arm)
            yield scope.row("percent_observed", 100 * n / len(own) if len(own) else nan, visit=visit, arm=arm)
    if len(visits) < 2:
        return
    for pattern in sorted({tuple(row) for row in observed.tolist()}, reverse=True):
        context = "pattern=" + " ".join(visit for visit, seen in zip(visits, pattern, strict=True) if seen)
        for arm in study.arms:
            own = observed[arms == arm]
            count = int((own == np.array(pattern)).all(axis=1).sum())
            yield scope.row("n_level", count, arm=arm, context=context)
            yield scope.row("percent", 100 * count / len(own) if len(own) else nan, arm=arm, context=context)
