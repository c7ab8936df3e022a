"""Reliable and clinically significant change from baseline, by arm and visit; described, never tested.

Jacobson and Truax (1991), Journal of Consulting and Clinical Psychology 59:12.
"""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.planning import compared_visits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.study.instrument import ClinicalRange, Score
    from pipanalysis.study.plan import Outcome

METHOD = "reliable_change jacobson-truax"


def smallest_reliable_change(sd: float, reliability: float, conf_level: float) -> float:
    """Return the change that measurement error alone exceeds with probability 1 - conf_level, in units of the score.

    z S_diff, S_diff = sqrt(2 S_E²), S_E = sd sqrt(1 - reliability): the paper's page 14, whose RC is change / S_diff.
    """
    from scipy.stats import norm

    return float(norm.ppf(0.5 + conf_level / 2)) * sd * sqrt(2 * (1 - reliability))


def classified(before: FloatArray, after: FloatArray, least: float, score: Score) -> dict[str, NDArray[np.bool_]]:
    """Return which units improved, did not change and deteriorated, and which of the improved recovered.

    Args:
        before: scores at baseline, shape (units,), none missing.
        after: scores at the visit.
        least: the smallest reliable change, which a reliable one is greater than.
        score: its direction of benefit and clinical range.

    Recovered: improved, and from the clinical range to outside it; only where the score has such a range.
    """
    gain = after - before if score.better == "higher" else before - after
    found = {"improved": gain > least, "unchanged": np.abs(gain) <= least, "deteriorated": gain < -least}
    if score.clinical is not None:
        ill, still_ill = in_range(before, score.clinical), in_range(after, score.clinical)
        found |= {"recovered": found["improved"] & ill & ~still_ill, "clinical_at_baseline": ill}
    return found


def in_range(values: FloatArray, clinical: ClinicalRange) -> NDArray[np.bool_]:
    """Return which scores are in the clinical range; the cut-off itself is."""
    if clinical.at_least is not None:
        return np.asarray(values >= clinical.at_least)
    return np.asarray(values <= (nan if clinical.at_most is None else clinical.at_most))


def change_rows(trial: TrialData, scope: Scope, outcome: Outcome) -> Iterator[Row]:
    """Yield the smallest reliable change, and by visit and arm how many units changed by more, and in which direction.

    Units need a value at baseline and at the visit. The SD is that of all units of the analysis set at baseline, of
    all arms together: the arms are samples of one population then.
    """
    study, score = trial.study, trial.study.scores[outcome.score]
    members = trial.members(scope.analysis.analysis_set)
    arms = trial.participants["arm"][members].astype(object).to_numpy()
    before, values = trial.at_baseline(outcome.score)[members], trial.values(outcome.score)[members]
    observed = before[~np.isnan(before)]
    sd = float(observed.std(ddof=1)) if observed.size > 1 else nan
    reliability = score.reliability.value if score.reliability else nan
    least = smallest_reliable_change(sd, reliability, scope.conf_level)
    error = "" if isfinite(least) and least > 0 else f"no variation at baseline ({observed.size} observed)"
    yield scope.row("reliability", reliability)
    yield scope.row("sd", sd)
    yield scope.row("reliable_change", nan if error else least, error=error)
    for visit in compared_visits(study, scope.analysis, outcome):
        after = values[:, list(study.visits).index(visit)]
        both = ~np.isnan(before) & ~np.isnan(after)
        for arm in study.arms:
            chosen = both & (arms == arm)
            n = int(chosen.sum())
            yield scope.row("n", n, visit=visit, arm=arm)
            yield scope.row("n_missing", int((arms == arm).sum()) - n, visit=visit, arm=arm)
            for name, which in classified(before[chosen], after[chosen], least, score).items():
                count = nan if error else float(which.sum())
                where = {"visit": visit, "arm": arm, "context": f"change={name}", "error": error}
                yield scope.row("n_level", count, **where)
                yield scope.row("percent", 100 * count / n if n else nan, **where)
