"""Re-randomisation test of the adjusted difference at a visit: what the trial would have shown under other allocations.

Under the hypothesis that the arm makes no difference to anybody, the outcomes stay as they are whatever the allocation.
The allocation is drawn anew within the strata, as it was in the trial, and the analysis of covariance is repeated with
each; the P value is the share of allocations whose t statistic is as far from zero as the observed one (Fisher 1935;
Rosenberger and Lachin 2016, Randomization in Clinical Trials, chapter 6). It rests on the randomisation alone, not on
the distribution of the outcome. Units without the outcome keep out of it, in both arms alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb, nan, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.analysis_data import AnalysisFrame
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.comparison import check_fittable, complete_rows, counts
from pipanalysis.estimate.linear_design import check_residual, initial_status, linear_design
from pipanalysis.estimate.model_result import NotFittedError, Status
from pipanalysis.estimate.random_stream import random_stream
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.plan import Analysis

METHOD = "rerandomisation ancova t"
CHUNK = 5_000
"""allocations held at once"""
TIED = 1 - 1e-10
"""share of the observed statistic from which another counts as far from zero: rounding must not break ties"""


@dataclass(frozen=True)
class RerandomisationTest:
    """The test of one arm against the reference at one visit.

    Attributes:
        estimate: adjusted difference, in units of the outcome.
        statistic: its t statistic, which the allocations are compared by.
        p_value: two-sided.
        p_value_mcse: Monte Carlo standard error of the P value, 0 where all allocations were enumerated.
        n_allocations: drawn, or all there are.
    """

    arm: str
    status: Status
    notes: tuple[str, ...]
    estimate: float = nan
    statistic: float = nan
    p_value: float = nan
    p_value_mcse: float = nan
    n_allocations: float = nan
    error: str = ""


@dataclass(frozen=True)
class Reference:
    """The observed statistic among those of the allocations."""

    p_value: float
    p_value_mcse: float
    n_allocations: int
    exact: bool


def rerandomisation(
    frame: AnalysisFrame, analysis: Analysis, strata: Sequence[str], seed: int
) -> list[tuple[AnalysisFrame, list[RerandomisationTest]]]:
    """Test every arm against the reference at every visit of an analysis: the visit's rows and its tests.

    Args:
        frame: rows of the analysis.
        analysis: its plan.
        strata: variables that the randomisation was stratified by; all are covariates of the frame.
        seed: of the study. Each test draws from a stream of its own, whatever else is analysed.
    """
    complete = complete_rows(frame)
    return [
        (at, [_test(at, arm, analysis, strata, seed) for arm in frame.arms[1:]])
        for at in (complete.at(visit) for visit in frame.visits)
    ]


def _test(frame: AnalysisFrame, arm: str, analysis: Analysis, strata: Sequence[str], seed: int) -> RerandomisationTest:
    (visit,) = frame.visits
    notes = list(frame.notes)
    try:
        if why := frame.not_compared.get((arm, visit)):
            raise NotFittedError(why)
        check_fittable(frame)
        design = linear_design(frame, baseline_by_visit=False)
        check_residual(design)
        if (arm, visit) not in design.effects:
            raise NotFittedError("cannot be told apart from a covariate")
        status = initial_status(frame, design.aliased, notes)
        column = design.effects[arm, visit]
        t, Z = design.X[:, column], np.delete(design.X, column, axis=1)
        estimate, statistic = adjusted_t(design.y, t, Z)
        drawn = np.isin(frame.data["arm"].to_numpy(dtype=object), [arm, frame.reference])
        stratum = _stratum(frame, strata)
        rng = random_stream(seed, analysis.name, arm, visit)
        found = compare_allocations(design.y, t, Z, np.where(drawn, stratum, -1), analysis.allocations, rng)
    except NotFittedError as error:
        return RerandomisationTest(arm, Status.failed, tuple(notes), error=str(error))
    return RerandomisationTest(
        arm, status, tuple(notes), estimate, statistic, found.p_value, found.p_value_mcse, found.n_allocations
    )


def _stratum(frame: AnalysisFrame, strata: Sequence[str]) -> NDArray[np.intp]:
    """Return the code of the stratum of each row."""
    columns = [c.column for c in frame.covariates if c.name in strata]
    if not columns:
        return np.zeros(len(frame.data), dtype=np.intp)
    return np.asarray(frame.data.groupby(columns, observed=True, sort=True).ngroup(), dtype=np.intp)


def adjusted_t(y: FloatArray, t: FloatArray, Z: FloatArray) -> tuple[float, float]:
    """Return the least-squares coefficient of t beside Z, and its t statistic.

    Args:
        y: response, shape (n,).
        t: indicator of the arm, shape (n,), not a combination of the columns of Z.
        Z: the other columns, shape (n, k), of full rank.
    """
    Q = np.linalg.qr(Z)[0]
    residual, own = y - Q @ (Q.T @ y), t - Q @ (Q.T @ t)
    estimate = float(own @ residual) / float(own @ own)
    rest = residual - estimate * own
    return estimate, estimate / sqrt(float(rest @ rest) / (len(y) - Z.shape[1] - 1) / float(own @ own))


def compare_allocations(
    y: FloatArray, t: FloatArray, Z: FloatArray, stratum: NDArray[np.intp], limit: int, rng: np.random.Generator
) -> Reference:
    """Compare the observed t statistic with those of other allocations in the same strata.

    Args:
        y: response, shape (n,).
        t: zeros and ones, shape (n,).
        Z: intercept and covariates, shape (n, k), of full rank.
        stratum: code of the stratum of each row, shape (n,); -1: keeps its arm.
        limit: allocations to draw; where there are no more than that, each is taken once.
        rng: where random draws come from.

    |t| rises with (t'r)² / (t'Mt), r the residuals of y on Z and M the residual projection (Frisch and Waugh 1933), so
    an allocation costs two products. With draws the observed allocation counts as one more (Phipson and Smyth 2010).

    Raises:
        NotFittedError: no stratum has both arms, so that there is one allocation only.
    """
    groups = [np.flatnonzero(stratum == code) for code in np.unique(stratum[stratum >= 0])]
    sizes = [(group.size, int(t[group].sum())) for group in groups]
    total = prod(comb(n, k) for n, k in sizes)
    if total == 1:
        raise NotFittedError("no stratum has both arms: there is no other allocation")
    Q = np.linalg.qr(Z)[0]
    residual = y - Q @ (Q.T @ y)
    observed = float(_squares(t[None], residual, Q)[0])
    exact = total <= limit
    batches = _every(t, groups) if exact else _draws(t, groups, limit, rng)
    extreme = sum(int((_squares(batch, residual, Q) >= TIED * observed).sum()) for batch in batches)
    if exact:
        return Reference(extreme / total, 0.0, total, exact=True)
    p = (extreme + 1) / (limit + 1)
    return Reference(p, sqrt(p * (1 - p) / (limit + 1)), limit, exact=False)


def _squares(allocations: FloatArray, residual: FloatArray, Q: FloatArray) -> FloatArray:
    """(t'r)² / (t'Mt) of allocations (m, n); infinite, so that it counts, where covariates determine one."""
    inside = (allocations**2).sum(axis=1)
    length = inside - ((allocations @ Q) ** 2).sum(axis=1)
    determined = length <= 1e-10 * inside
    return np.where(determined, np.inf, (allocations @ residual) ** 2 / np.where(determined, 1.0, length))


def _every(t: FloatArray, groups: list[NDArray[np.intp]]) -> Iterator[FloatArray]:
    """Yield all allocations with as many ones in each group as t has, some at a time."""
    choices = [itertools.combinations(group.tolist(), int(t[group].sum())) for group in groups]
    kept = t.copy()
    kept[np.concatenate(groups)] = 0.0
    for batch in itertools.batched(itertools.product(*choices), CHUNK):
        allocations = np.tile(kept, (len(batch), 1))
        chosen = np.array([list(itertools.chain.from_iterable(parts)) for parts in batch], dtype=np.intp)
        np.put_along_axis(allocations, chosen, 1.0, axis=1)
        yield allocations


def _draws(
    t: FloatArray, groups: list[NDArray[np.intp]], number: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield random allocations with as many ones in each group as t has, some at a time."""
    for begin in range(0, number, CHUNK):
        allocations = np.tile(t, (min(CHUNK, number - begin), 1))
        for group in groups:
            allocations[:, group] = rng.permuted(allocations[:, group], axis=1)
        yield allocations


def rerandomisation_rows(scope: Scope, frame: AnalysisFrame, tests: Sequence[RerandomisationTest]) -> Iterator[Row]:
    """Yield the rows of the tests of one visit; `frame` holds the rows that they rest on."""
    scope = replace(scope, method=METHOD)
    (visit,) = frame.visits
    said = "; ".join(dict.fromkeys(note for test in tests for note in test.notes))
    error = "; ".join(dict.fromkeys(test.error for test in tests)) if all(test.error for test in tests) else ""
    status = Status.failed if error else max(test.status for test in tests if not test.error)
    yield scope.row("fit_status", status, visit=visit, warning=said, error=error)
    for extra in counts(frame):
        yield scope.row(extra.stat_name, extra.stat, visit=visit, arm=extra.arm, warning=said, error=error)
    for test in tests:
        contrast = contrast_name(test.arm, frame.reference)
        for name in ("estimate", "statistic", "p_value", "p_value_mcse", "n_allocations"):
            value = getattr(test, name)
            yield scope.row(name, value, visit=visit, contrast=contrast, warning=said, error=test.error)
