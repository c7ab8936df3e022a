"""Seconds and memory of the mixed model for repeated measures, with targets and the times of R's mmrm beside.

    python benchmarks/bench_mmrm.py [largest number of subjects]      (default: 100,000)

Model: score ~ base * visit + arm * visit, unstructured covariance, REML. `arrays`: the fit alone, from arrays. `frame`:
from a data frame to the fit, Kenward-Roger inference, all marginal means and contrasts of the arms. Medians of
repeats, one BLAS thread. Memory: peak of what `arrays` and `frame` allocate, over the size of the design matrix.

R: mmrm 0.3.18 on R 4.2.2 with reference BLAS, one thread of a 2-core AMD EPYC, median wall seconds of a fit, and of a
fit with linear Kenward-Roger inference (up to 1,000 subjects with summary and contrasts too), as recorded once in the
README of the reference data that the tests compare with, for data of these shapes. Another machine, and it is not
recorded how much was missing: only the order of the ratio counts. Printed beside the complete data of a shape.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pipanalysis.mmrm import MMRM, MMRMFit
from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.engine import EngineFit, fit_arrays

SHAPES = ((76, 3), (200, 4), (1_000, 6), (10_000, 6), (100_000, 6))
MISSING = ("complete", "intermittent", "monotone")
SHARE = 0.15  # of the values
FORMULA = "score ~ base * visit + arm * visit"
TARGET_ARRAYS = {76: 0.0015}
TARGET_FRAME = {76: 0.008, 1_000: 0.060, 10_000: 0.25, 100_000: 2.0}
TARGET_MEMORY = 4.0  # design matrices: the fit alone and the whole, at every shape
R_FIT = {76: 0.046, 200: 0.15, 1_000: 1.9, 10_000: 24.0}
R_INFERENCE = {76: 0.15, 200: 0.33, 1_000: 5.7, 10_000: 52.0}


def trial(n: int, visits: int, missing: str) -> pd.DataFrame:
    """Simulate two arms, a baseline, and values missing at any visit or from a visit on."""
    rng = np.random.default_rng(20241)
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    sd = np.linspace(4.0, 6.0, visits)
    errors = rng.standard_normal((n, visits)) @ np.linalg.cholesky(np.outer(sd, sd) * 0.7**lag).T
    arm, base = rng.permutation(np.arange(n) % 2), rng.normal(30.0, 5.0, n)
    score = 10.0 + 0.5 * base[:, None] + np.arange(visits) * (1.0 - 0.5 * arm[:, None]) + errors
    if missing == "intermittent":
        score[rng.uniform(size=score.shape) < SHARE] = np.nan
    elif missing == "monotone":
        # chance of dropping out before each visit but the first, such that SHARE of all values are lost
        hazard = 1.0 - (1.0 - SHARE) ** (2.1 / (visits - 1.0))
        stays = rng.uniform(size=(n, visits)) >= hazard
        stays[:, 0] = True
        score[~np.logical_and.accumulate(stays, axis=1)] = np.nan
    subject = np.repeat(np.arange(n), visits)
    names = np.array([f"S{i:06d}" for i in range(n)])
    return pd.DataFrame(
        {
            "id": names[subject],
            "visit": np.array([f"month {3 * v:02d}" for v in range(visits)])[np.tile(np.arange(visits), n)],
            "arm": np.array(["control", "treated"])[arm[subject]],
            "base": base[subject],
            "score": score.ravel(),
        }
    )


def analysis(data: pd.DataFrame) -> MMRMFit:
    """Go from the data frame to the table of the paper."""
    fit = MMRM(FORMULA, data, subject="id", visit="visit").fit()
    means = fit.emmeans("arm", by="visit")
    means.table()
    means.contrasts()
    return fit


def seconds(task: Callable[[], Any]) -> float:
    """Median wall time of as many repeats as fit into about two seconds, 3 to 101 of them, after one for warmth."""
    begun = time.perf_counter()
    task()
    first = time.perf_counter() - begun
    times = []
    for _ in range(int(np.clip(2.0 / first, 3, 101))):
        begun = time.perf_counter()
        task()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def peak(task: Callable[[], Any]) -> int:
    """Bytes allocated at the peak."""
    tracemalloc.start()
    task()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def measure(n: int, visits: int, missing: str) -> tuple[str, bool]:
    """Give a line of the table, and whether all targets in it were met."""
    data = trial(n, visits, missing)
    fit = analysis(data)
    if not fit.converged:
        raise SystemExit(f"{n} x {visits} {missing}: no convergence")
    frame, X = fit.frame, fit.X
    structure = make_structure("us", visits)

    def from_arrays() -> EngineFit:
        return fit_arrays(X, frame.response, frame.subject, frame.cell, n_visits=visits, structure=structure)

    arrays, whole = seconds(from_arrays), seconds(lambda: analysis(data))
    fit_memory, memory = peak(from_arrays) / X.nbytes, peak(lambda: analysis(data)) / X.nbytes

    complete = missing == "complete"
    targets = (
        (arrays, TARGET_ARRAYS.get(n), 1e3),
        (whole, TARGET_FRAME.get(n), 1e3),
        (fit_memory, TARGET_MEMORY, 1.0),
        (memory, TARGET_MEMORY, 1.0),
    )
    cells = []
    for value, target, unit in targets:
        verdict = "" if target is None else f" {'<' if value < target else 'NOT <'} {unit * target:g}"
        cells.append(f"{unit * value:9.1f}{verdict:<11}")
    r = f"{1e3 * R_FIT[n]:9.0f}{1e3 * R_INFERENCE[n]:9.0f}" if complete and n in R_FIT else ""
    line = f"{n:>7} x {visits}  {missing:<13}{fit.engine.iterations:>3}  {''.join(cells)}{r}"
    return line, all(target is None or value < target for value, target, _ in targets)


def main() -> None:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else SHAPES[-1][0]
    heads = "".join(f"{name:<20}" for name in ("arrays, ms", "frame, ms", "arrays: memory/X", "frame: memory/X"))
    print(f"{'':>28}{heads}{'R fit':>9}{'R KR':>9}")
    met = True
    with threadpool_limits(1):
        for n, visits in SHAPES:
            for missing in MISSING:
                if n <= largest:
                    line, good = measure(n, visits, missing)
                    print(line, flush=True)
                    met &= good
    print("all targets met" if met else "SOME TARGETS MISSED")


if __name__ == "__main__":
    main()
