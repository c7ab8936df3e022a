"""Bayesian models at the size of the PIP trial: processor seconds to compile and to sample, effective draws a second.

    python benchmarks/bench_bayes.py

Ours by nutpie and by PyMC's own sampler, and a plain PyMC model (a multivariate normal per pattern of observed visits,
`LKJCholeskyCov`) by PyMC's own sampler; then the joint model of 15 outcomes. Compile times are with whatever the cache
holds: remove `.venv/compiled` for cold ones. Processor seconds are given since the machine may be busy.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipanalysis.bayes.compiler import set_up_compiler

set_up_compiler()
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bayes.conftest import simulated  # noqa: E402
from pipanalysis.bayes import joint, mmrm  # noqa: E402
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors  # noqa: E402
from pipanalysis.bayes.problem import RepeatedMeasures  # noqa: E402
from pipanalysis.bayes.sampler import SamplerSettings  # noqa: E402


def timed[T](work: Callable[[], T]) -> tuple[T, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, time.perf_counter() - wall, time.process_time() - cpu


def say(what: str, wall: float, cpu: float, effects: np.ndarray | None = None) -> None:
    import arviz as az

    rate = "" if effects is None else f"  {float(np.min(az.ess(effects, method='bulk'))) / cpu:8.0f} effective draws/s"
    print(f"{what:48s} {wall:8.1f} s wall {cpu:8.1f} s processor{rate}")


def plain(problem: RepeatedMeasures) -> Any:
    """The model as one would write it in PyMC, patterns as separate multivariate normals."""
    import pymc as pm

    z, seen = problem.padded
    with pm.Model() as model:
        coefficient = pm.Normal("coefficient", 0, 2.5, shape=problem.X.shape[1])
        effect = pm.Normal("effect", 0, 1, shape=problem.effects.shape[1])
        factor, _, _ = pm.LKJCholeskyCov("covariance", n=problem.n_visits, eta=2, sd_dist=pm.HalfStudentT.dist(3, 1))
        covariance = factor @ factor.T
        patterns, own = np.unique(seen, axis=0, return_inverse=True)
        for p, visits in enumerate(patterns):
            if visits.any():
                rows, at = z[own == p][:, visits], np.flatnonzero(visits)
                q = problem.X.shape[1]
                mean = rows[..., :q] @ coefficient + rows[..., q:-1] @ effect
                pm.MvNormal(f"y{p}", mean, cov=covariance[at][:, at], observed=rows[..., -1])
    return model


def main() -> None:
    rng = np.random.default_rng(1)
    problem = simulated(rng, n=76)
    shape = mmrm.Shape.of(problem)
    priors = Priors("p", [EffectPrior((0.0,), (1.0,))] * 2)
    compiled = mmrm.build(shape)
    _, wall, cpu = timed(compiled.compile)
    say("mixed model: compile", wall, cpu)
    for name in ("nutpie", "pymc"):
        settings = SamplerSettings(sampler=name)  # type: ignore[arg-type]
        drawn, wall, cpu = timed(lambda settings=settings: mmrm.fit(compiled, shape, problem, priors, settings, 1))
        say(f"mixed model: 4 x 1000 draws by {name}", wall, cpu, drawn.effects)
    import pymc as pm

    with plain(problem):
        tree, wall, cpu = timed(
            lambda: pm.sample(
                1000, tune=600, chains=4, cores=1, random_seed=1, nuts_sampler="pymc", progressbar=False,
                compute_convergence_checks=False,
            )
        )  # fmt: skip
    say("plain PyMC model, compile and 4 x 1000 draws", wall, cpu, tree["posterior"]["effect"].to_numpy())
    at, domains = np.arange(2), [0] * 3 + [1] * 3 + [2] * 9
    outcomes = [joint.JointOutcome(simulated(rng, n=76), at, at, d) for d in domains]
    together = joint.JointProblem(outcomes, 76, 2, 3)
    both = joint.build(together)
    _, wall, cpu = timed(both.compile)
    say("joint model of 15 outcomes: compile", wall, cpu)
    pooled = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NuisancePriors())
    joined, wall, cpu = timed(lambda: joint.fit(both, together, pooled, SamplerSettings(target_accept=0.95), 1))
    effects = joined.effects.reshape(*joined.effects.shape[:2], -1)
    say("joint model: 4 x 1000 draws by nutpie", wall, cpu, effects)


if __name__ == "__main__":
    main()
