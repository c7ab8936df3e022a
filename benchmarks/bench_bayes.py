"""Bayesian models at the size of the PIP trial: seconds to compile and to sample, effective draws a second.

    python benchmarks/bench_bayes.py

`pipanalysis estimate bayes` on the synthetic PIP study, with nothing compiled and with everything, under the default
priors and under all; ours by nutpie and by PyMC's own sampler; a plain PyMC model (a multivariate normal per pattern of
observed visits, `LKJCholeskyCov`) by PyMC's own sampler and by nutpie, as one would write it; the joint model of 15
outcomes. Processor seconds are given since the machine may be busy.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
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

ROOT = Path(__file__).resolve().parents[1]


def timed[T](work: Callable[[], T]) -> tuple[T, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, time.perf_counter() - wall, time.process_time() - cpu


def say(what: str, wall: float, cpu: float, effects: np.ndarray | None = None) -> None:
    import arviz as az

    rate = "" if effects is None else f"  {float(np.min(az.ess(effects, method='bulk'))) / cpu:8.0f} effective draws/s"
    print(f"{what:60s} {wall:8.1f} s wall {cpu:8.1f} s processor{rate}", flush=True)


def study(folder: Path) -> None:
    """Make the synthetic PIP study as far as its allocation."""
    shutil.copytree(ROOT / "config", folder / "config")
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--quiet"]
    command = [*snakemake, "--directory", str(folder), "--until", "allocate"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def estimate(what: str, folder: Path, cache: Path) -> None:
    """Run the Bayesian analyses in a process of their own, with a folder for compiled code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    program = str(Path(sys.executable).parent / "pipanalysis")
    command = [program, "estimate", "bayes", "--quiet", "--study", str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(cache)}, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    say(f"estimate bayes, {what}", time.perf_counter() - wall, cpu)


def whole() -> None:
    """The analyses of the PIP study."""
    with tempfile.TemporaryDirectory() as made:
        folder, cache = Path(made) / "pip", Path(made) / "compiled"
        folder.mkdir()
        study(folder)
        plan = folder / "config" / "analysis.yaml"
        every = plan.read_text(encoding="utf-8")
        default = re.sub(r"    - name: sceptical\n.*?(?=  mcids:\n)", "", every, flags=re.DOTALL)
        plan.write_text(default, encoding="utf-8")
        estimate("default priors, nothing compiled", folder, cache)
        estimate("default priors", folder, cache)
        plan.write_text(every, encoding="utf-8")
        estimate("every set of priors", folder, cache)


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
    whole()
    import nutpie
    import pymc as pm

    rng = np.random.default_rng(1)
    problem = simulated(rng, n=76)
    shape = mmrm.Shape.of(problem)
    priors = Priors("p", [EffectPrior((0.0,), (1.0,))] * 2)
    compiled = mmrm.build(shape)
    for name in ("nutpie", "pymc"):
        settings = SamplerSettings(sampler=name)  # type: ignore[arg-type]
        drawn, wall, cpu = timed(lambda settings=settings: mmrm.fit(compiled, shape, problem, priors, settings, 1))
        say(f"mixed model: 4 x 1000 draws by {name}", wall, cpu, drawn.effects)
    model = plain(problem)
    options: dict[str, Any] = {"draws": 1000, "tune": 600, "chains": 4, "cores": 1}
    with model:
        quiet = {"nuts_sampler": "pymc", "progressbar": False, "compute_convergence_checks": False}
        tree, wall, cpu = timed(lambda: pm.sample(**options, **quiet, random_seed=1))
    say("plain PyMC model by PyMC, with its compilation", wall, cpu, tree["posterior"]["effect"].to_numpy())
    one, wall, cpu = timed(lambda: nutpie.compile_pymc_model(model))
    say("plain PyMC model: compile for nutpie", wall, cpu)
    tree, wall, cpu = timed(lambda: nutpie.sample(one, **options, seed=1, progress_bar=False))
    say("plain PyMC model by nutpie, compiled", wall, cpu, tree["posterior"]["effect"].to_numpy())
    at, domains = np.arange(2), [0] * 3 + [1] * 3 + [2] * 9
    outcomes = [joint.JointOutcome(simulated(rng, n=76), at, at, d) for d in domains]
    together = joint.JointProblem(outcomes, 76, 2, 3)
    pooled = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NuisancePriors())
    both = joint.build(together)
    joined, wall, cpu = timed(lambda: joint.fit(both, together, pooled, SamplerSettings(target_accept=0.9), 1))
    effects = joined.effects.reshape(*joined.effects.shape[:2], -1)
    say("joint model of 15 outcomes: 4 x 1000 draws by nutpie", wall, cpu, effects)


if __name__ == "__main__":
    main()
