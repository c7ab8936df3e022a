"""Participants' characteristics by arm and overall, and how far the arms differ: no P values.

A test of whether randomisation worked answers no question (CONSORT 2010 explanation, item 15); the standardised
difference says how large an imbalance is, whatever the sample size.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.estimate.analysis_data import level_labels
from pipanalysis.estimate.analysis_results import Scope
from pipanalysis.estimate.describe import category_rows, continuous_rows, labelled, labelled_score
from pipanalysis.estimate.planning import CATEGORICAL
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_results import Row
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.study.plan import Analysis

METHOD = "baseline"


def baseline_characteristics(trial: TrialData, analysis: Analysis) -> Iterator[Row]:
    """Yield the description of every characteristic of the plan, by arm and (arm "") overall.

    `outcome` is the characteristic's name; `visit` is given for scores, which belong to the baseline visit.
    """
    study = trial.study
    members = trial.members(analysis.analysis_set)
    arms = trial.participants["arm"][members].to_numpy()
    for name in study.plan.baseline_characteristics:
        scope = Scope(analysis, name, "", study.plan.conf_level, METHOD)
        visit = study.baseline_visit.name if name in study.scores and study.baseline_visit else ""
        values, levels = _characteristic(trial, name)
        values = values[members]
        by_arm = {arm: values[arms == arm] for arm in study.arms}
        for arm, chosen in {**by_arm, "": values}.items():
            if levels is None:
                yield from continuous_rows(scope, chosen, visit=visit, arm=arm)
            else:
                yield from category_rows(scope, chosen, levels, visit=visit, arm=arm)
        reference = study.reference_arm.name
        for arm in list(study.arms)[1:]:
            both = by_arm[arm], by_arm[reference]
            found = standardised_difference(*both) if levels is None else categorical_difference(*both, levels)
            yield scope.row("std_difference", found, visit=visit, contrast=contrast_name(arm, reference))


def standardised_difference(values: FloatArray, reference: FloatArray) -> float:
    """Return the difference of means over the root mean of the two variances; NaN where undefined.

    Austin 2009, Statistics in Medicine 28:3083-3107, equation 1. Missing values (NaN) are left out.
    """
    x, y = values[~np.isnan(values)], reference[~np.isnan(reference)]
    if min(x.size, y.size) < 2:
        return nan
    spread = float(np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2))
    return float(x.mean() - y.mean()) / spread if spread > 0 else nan


def categorical_difference(values: NDArray[np.object_], reference: NDArray[np.object_], levels: Sequence[str]) -> float:
    """Return the standardised difference of a variable with levels: a distance, without sign.

    The Mahalanobis distance of the two vectors of proportions, with the mean of the two multinomial covariances
    (Yang and Dalton 2012, SAS Global Forum 335); with two levels it is the absolute difference of proportions over
    the root mean of p(1 - p). NaN where undefined: no values, or arms without a level in common.
    """
    counts = np.array([[(sample == level).sum() for level in levels] for sample in (values, reference)], dtype=float)
    if not (counts.sum(axis=1) > 0).all():
        return nan
    share = counts / counts.sum(axis=1, keepdims=True)
    share = share[:, share.any(axis=0)][:, 1:]
    if not share.shape[1]:
        return 0.0
    covariance = sum(np.diag(p) - np.outer(p, p) for p in share) / 2
    difference = share[0] - share[1]
    if np.linalg.matrix_rank(covariance) < len(difference):
        return nan
    return float(np.sqrt(difference @ np.linalg.solve(covariance, difference)))


def _characteristic(trial: TrialData, name: str) -> tuple[NDArray[Any], list[str] | None]:
    """Return a characteristic's values, shape (units,), and its labels where it is categorical."""
    study = trial.study
    if name in study.scores:
        if study.scores[name].type not in CATEGORICAL:
            return trial.at_baseline(name), None
        labels, levels = labelled_score(trial, name)
        assert study.baseline_visit is not None
        return labels[:, list(study.visits).index(study.baseline_visit.name)], levels
    variable = study.variables.get(name)
    column = trial.participants[name]
    if variable is None or variable.type != "category":
        return column.to_numpy(dtype=np.float64, na_value=nan), None
    codes = level_labels(study, variable)
    return labelled(column.to_numpy(dtype=object), codes), list(dict.fromkeys(codes.values()))
