"""Which randomised units an analysis includes, with a count for every step, so that nobody is lost silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import AnalysisSet

COUNT_COLUMNS = ["analysis_set", "step", "condition", "n_before", "n_excluded", "n_after"]

DONE = ("in_window", "out_of_window", "undated")


def analysis_sets(
    study: Study, participants: pd.DataFrame, assessments: pd.DataFrame, scores: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply the plan's analysis sets, except for conditions on sessions, which are known only with the allocation.

    Args:
        study: the plan.
        participants: one row per unit, with `randomised` and `withdrawn`.
        assessments: a row per randomised unit and visit, with `state`.
        scores: long scores.

    Returns:
        The participants with a column ``in_SET`` for each set, and the counts: one row a step, from the units received.
    """
    table = participants.copy()
    counts = []
    for chosen in study.plan.analysis_sets:
        inside = pd.Series(data=True, index=table.index)
        for step, (condition, met) in enumerate(_conditions(study, chosen, table, assessments, scores), start=1):
            before = int(inside.sum())
            inside &= met
            after = int(inside.sum())
            counts.append((chosen.name, step, condition, before, before - after, after))
        table[f"in_{chosen.name}"] = inside
    return table, pd.DataFrame(counts, columns=COUNT_COLUMNS)


def _conditions(
    study: Study, chosen: AnalysisSet, table: pd.DataFrame, assessments: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[tuple[str, pd.Series]]:
    yield "received and randomised", table["randomised"]
    if chosen.not_withdrawn:
        yield "not withdrawn", ~table["withdrawn"]
    if chosen.any_outcome_after_baseline:
        wanted = {study.outcomes[name].score for name in chosen.any_outcome_after_baseline}
        baseline = study.baseline_visit.name if study.baseline_visit else None
        seen = scores[scores["score"].isin(wanted) & (scores["visit"] != baseline) & scores["value"].notna()]
        yield (
            "an outcome after baseline: " + ", ".join(chosen.any_outcome_after_baseline),
            _among(table["unit"], seen["unit"]),
        )
    for visit in chosen.complete_visits:
        there = assessments[(assessments["visit"] == visit) & assessments["state"].isin(DONE)]
        yield f"assessed at {visit}", _among(table["unit"], there["unit"])
        if chosen.in_window:
            timely = there[there["state"] == "in_window"]
            yield f"assessed at {visit} in its window", _among(table["unit"], timely["unit"])


def _among(units: pd.Series, others: pd.Series) -> pd.Series:
    """Tell which units are among others; by hashing, since `isin` of Arrow strings takes time as the square."""
    return pd.Series(pd.Index(others.unique()).get_indexer(pd.Index(units)) >= 0, index=units.index)
