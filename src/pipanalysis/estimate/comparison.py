"""Which rows a model can use, which differences it can estimate from them, and how many they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.model_result import Effect, Extra, NotFittedError
from pipanalysis.study.rules import warning_of
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.study.terms import Terms

MIN_OBSERVED = 2
"""units of an arm that must be observed at a visit for the arm to be compared there"""
MIN_AT_LEVEL = 5
"""units of an arm at a level of a categorical outcome below which large-sample inference is warned of"""


def complete_rows(frame: AnalysisFrame) -> AnalysisFrame:
    """Return the rows that a model can use, saying what was left out and why.

    Rows need the outcome, and the baseline value and covariates that are adjusted for. An arm with fewer than
    MIN_OBSERVED such rows at a visit is not compared there, and its rows at that visit are left out; so is a visit
    at which the reference arm or all others have fewer.
    """
    data, notes, terms = frame.data[frame.data["value"].notna()], list(frame.notes), frame.terms
    needed = [("baseline", "the baseline value")] if frame.baseline else []
    needed += [(c.column, c.said) for c in frame.covariates]
    needed += [("cluster", "the cluster")] if "cluster" in data else []
    for column, name in needed:
        absent = data[column].isna()
        if absent.any():
            units, rows = data.loc[absent, "unit"].nunique(), int(absent.sum())
            notes.append(f"left out for want of {name}: {terms.counted(units)}, {counted(rows, 'observation')}")
            data = data[~absent]
    counts = replace(frame, data=data).observed
    not_compared: dict[tuple[str, str], str] = {}
    for visit in frame.visits:
        few = [arm for arm in frame.arms if counts[arm, visit] < MIN_OBSERVED]
        if frame.reference in few or len(few) == len(frame.arms) - 1:
            few = list(frame.arms)
        for arm in few:
            not_compared[arm, visit] = too_few_observed(terms, visit, {a: counts[a, visit] for a in frame.arms})
    if not_compared:
        dropped = pd.MultiIndex.from_tuples(list(not_compared))
        keys = pd.MultiIndex.from_arrays([data["arm"].astype(str), data["visit"].astype(str)])
        data = data[~keys.isin(dropped)]
    data = data.reset_index(drop=True)
    same = [c.said for c in frame.covariates if len(data) and data[c.column].nunique() < 2]
    notes += [f"not adjusted for {name}: all {terms.units} have the same value" for name in same]
    return replace(frame, data=data, not_compared=not_compared, notes=tuple(notes))


def too_few_observed(terms: Terms, visit: str, numbers: Mapping[str, int], where: str = "") -> str:
    """Return why arms are not compared at a visit; numbers: units observed there by arm, `where` as in a subgroup."""
    shown = f"{terms.by_arm(numbers)}; {MIN_OBSERVED} needed in each arm"
    return f"too few observed {terms.at(visit)}{where} ({shown})"


def check_fittable(frame: AnalysisFrame) -> None:
    """Raise NotFittedError where there is nothing to compare: no visit with both arms, or no variation."""
    if frame.data.empty:
        raise NotFittedError(frame.nothing_compared)
    value = frame.data["value"].to_numpy(dtype=np.float64)
    if not np.isfinite(value).all():
        raise NotFittedError(f"{counted(int((~np.isfinite(value)).sum()), 'infinite value')}")
    if np.ptp(value) == 0:
        raise NotFittedError(f"no variation: all {value.size} values are {value[0]:g}")


def planned_effects(frame: AnalysisFrame) -> list[Effect]:
    """Return the differences that were planned, without values."""
    return [
        Effect(visit, arm, frame.reference, error=frame.not_compared.get((arm, visit), ""))
        for arm in frame.arms[1:]
        for visit in frame.visits
    ]


def planned_means(frame: AnalysisFrame) -> list[Effect]:
    """Return the adjusted means that were planned, without values."""
    return [
        Effect(visit, arm, error=frame.not_compared.get((arm, visit), ""))
        for arm in frame.arms
        for visit in frame.visits
    ]


def counts(frame: AnalysisFrame) -> list[Extra]:
    """Return how many units and observations the model has, and the units by arm and visit."""
    by_cell = [Extra("n", frame.observed[arm, visit], visit, arm) for arm in frame.arms for visit in frame.visits]
    return [Extra("n_units", frame.n_units), Extra("n_observations", len(frame.data)), *by_cell]


def level_counts(frame: AnalysisFrame, code: NDArray[np.intp], labels: Sequence[str]) -> list[Extra]:
    """Return how many units of each arm are at each level, and what percentage of the arm they are.

    Args:
        frame: rows of one visit, complete.
        code: level of each row, 0 to K - 1, shape (n,).
        labels: of the K levels.
    """
    found = []
    for arm in frame.arms:
        own = code[(frame.data["arm"] == arm).to_numpy(dtype=bool)]
        for k, label in enumerate(labels):
            n, context = int((own == k).sum()), f"level={label}"
            found.append(Extra("n_level", n, arm=arm, context=context))
            found.append(Extra("percent", 100 * n / own.size if own.size else nan, arm=arm, context=context))
    return found


def sparse_cells(frame: AnalysisFrame, code: NDArray[np.intp], labels: Sequence[str]) -> list[str]:
    """Return, as a note, the levels of a categorical outcome at which an arm has few units; none where all have enough.

    Args:
        frame: rows of one visit, complete.
        code: level of each row, 0 to K - 1, shape (n,).
        labels: of the K levels.
    """
    arm = frame.data["arm"].to_numpy(dtype=object)
    few = [
        f"{n} of {frame.terms.arm(one)} at {label}"
        for k, label in enumerate(labels)
        for one in frame.arms
        if (arm == one).any() and (n := int(((arm == one) & (code == k)).sum())) < MIN_AT_LEVEL
    ]
    said = f"fewer than {MIN_AT_LEVEL} {frame.terms.units} of an arm at a level ({', '.join(few)})"
    return [warning_of("sparse-cell", said)] if few else []
