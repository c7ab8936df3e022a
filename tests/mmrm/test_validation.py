"""Operating characteristics of Kenward-Roger inference on small trials with dropout."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from scipy import special

from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.engine import fit_arrays

TRIALS = 10_000
SUBJECTS, VISITS = 76, 3
DROPOUT = 0.25  # of the subjects, before the last visit
SD = np.array([4.0, 5.0, 6.0])
CORRELATION = np.array([[1.0, 0.6, 0.45], [0.6, 1.0, 0.7], [0.45, 0.7, 1.0]])
EFFECTS = {"null": np.zeros(3), "alternative": np.array([-1.0, -2.0, -3.5])}
STRUCTURE = make_structure("us", VISITS)
LAST = np.eye(9)[5]  # coefficients: means, effects of the arm, slopes on baseline, each by visit


@dataclass(frozen=True)
class Counts:
    """Per trial: rejection at the last visit, interval holds the effect, joint rejection, the same by the normal."""

    rejected: int
    covered: int
    jointly: int
    normal: int
    lost: int
    converged: int


def one_trial(rng: np.random.Generator, effects: Any) -> Counts:
    """Simulate and analyse one trial; dropout at random: the worse the last value, the likelier."""
    arm = rng.permutation(np.arange(SUBJECTS) % 2)
    base = rng.normal(30.0, 5.0, SUBJECTS)
    errors = rng.standard_normal((SUBJECTS, VISITS)) @ np.linalg.cholesky(np.outer(SD, SD) * CORRELATION).T
    y = 10.0 + 0.5 * base[:, None] + np.array([0.0, 1.0, 2.0]) + arm[:, None] * effects + errors
    stays = np.ones((SUBJECTS, VISITS), dtype=bool)
    intercept = np.log((1.0 - DROPOUT) ** -0.5 - 1.0)  # log odds of a hazard that is the same at both later visits
    for visit in (1, 2):
        hazard = special.expit(intercept + 0.5 * (y[:, visit - 1] - 25.0 - visit) / SD[visit - 1])
        stays[:, visit] = stays[:, visit - 1] & (rng.uniform(size=SUBJECTS) >= hazard)
    subject, visit = np.nonzero(stays)
    at = (visit[:, None] == np.arange(VISITS)).astype(float)
    X = np.hstack([at, at * arm[subject, None], at * (base[subject, None] - 30.0)])
    fit = fit_arrays(X, y[subject, visit], subject, visit, n_visits=VISITS, structure=STRUCTURE)
    inference = fit.inference("kenward-roger")
    estimate, se = LAST @ fit.beta, np.sqrt(LAST @ inference.vcov @ LAST)
    critical = special.stdtrit(inference.df(LAST), 0.975)
    num, den, f, _ = inference.test(np.eye(9)[3:6])
    plain = np.sqrt(LAST @ fit.beta_vcov @ LAST)
    return Counts(
        rejected=int(abs(estimate) > critical * se),
        covered=int(abs(estimate - effects[-1]) <= critical * se),
        jointly=int(special.fdtrc(num, den, f) < 0.05),
        normal=int(abs(estimate) > special.ndtri(0.975) * plain),
        lost=SUBJECTS - int(stays[:, -1].sum()),
        converged=int(fit.converged),
    )


def batch(arguments: tuple[str, int, int]) -> Any:
    """Sums over the trials of one batch: (6,)."""
    scenario, seed, trials = arguments
    rng = np.random.default_rng([seed, len(scenario)])
    found = (one_trial(rng, EFFECTS[scenario]) for _ in range(trials))
    return np.sum([[c.rejected, c.covered, c.jointly, c.normal, c.lost, c.converged] for c in found], axis=0)


@pytest.mark.validation
def test_type_one_error_and_coverage() -> None:
    """10,000 trials of 76 subjects, 3 visits, 25% dropout at random; within 3 Monte Carlo standard errors."""
    begun = time.perf_counter()
    batches = 20
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        jobs = [(s, seed, TRIALS // batches) for s in EFFECTS for seed in range(batches)]
        sums = np.array(list(pool.map(batch, jobs)))
    seconds = time.perf_counter() - begun
    se = np.sqrt(0.05 * 0.95 / TRIALS)
    rates = {}
    print(f"\n{TRIALS} trials of {SUBJECTS} x {VISITS} a scenario, Monte Carlo SE {100 * se:.2f}%, {seconds:.0f} s")
    for scenario, part in zip(EFFECTS, np.split(sums, 2), strict=True):
        rejected, covered, jointly, normal, lost, converged = part.sum(axis=0) / TRIALS
        rates[scenario] = (rejected, covered, jointly)
        print(
            f"{scenario:<12} rejected {100 * rejected:.2f}%, joint F {100 * jointly:.2f}%, "
            f"covered {100 * covered:.2f}%, by the normal without adjustment {100 * normal:.2f}%, "
            f"dropout {100 * lost / SUBJECTS:.1f}%, converged {100 * converged:.2f}%"
        )
        assert converged == 1.0
        assert abs(lost / SUBJECTS - DROPOUT) < 0.02
        assert abs(covered - 0.95) < 3 * se
    assert abs(rates["null"][0] - 0.05) < 3 * se
    assert abs(rates["null"][2] - 0.05) < 3 * se
    assert rates["alternative"][0] > 0.5
