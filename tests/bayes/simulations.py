"""Simulated trials that the Bayesian models are judged by: calibration, and the joint model against separate ones.

    PYTHONPATH=tests python -m bayes.simulations ranks mixed|therapists|joint    # a part, into tests/fixtures/bayes
    PYTHONPATH=tests python -m bayes.simulations errors
    PYTHONPATH=tests python -m bayes.simulations page                            # docs/bayes-calibration.md

`make validate` draws trials anew and judges them by the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipanalysis.bayes.compiler import set_up_compiler

set_up_compiler()

from bayes.calibration import rank  # noqa: E402
from pipanalysis.bayes import joint, mmrm  # noqa: E402
from pipanalysis.bayes.arrays import FloatArray, IntArray  # noqa: E402
from pipanalysis.bayes.checks import lkj_factors  # noqa: E402
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors  # noqa: E402
from pipanalysis.bayes.problem import RepeatedMeasures  # noqa: E402
from pipanalysis.bayes.sampler import SamplerSettings  # noqa: E402

FIXTURES = Path(__file__).parents[1] / "fixtures" / "bayes"
N, T, THERAPISTS = 76, 2, 6
NUISANCE = NuisancePriors(coefficient_sd=1.0, residual_scale=1.0, lkj=2.0, group_scale=0.3)
SHORT = SamplerSettings(chains=2, draws=500, tune=400, target_accept=0.85, cores=1)
AT = np.arange(T)
DOMAIN = np.array([0, 0, 1, 1])


def outcome(
    rng: np.random.Generator, coefficient: FloatArray, effect: FloatArray, residual: FloatArray
) -> RepeatedMeasures:
    """A trial of 38 an arm with a baseline, a fifth of the values missing; residual (n, t)."""
    arm = np.repeat([0.0, 1.0], N // 2)
    before = rng.standard_normal(N)
    seen = rng.random((N, T)) >= 0.2
    unit, visit = np.nonzero(seen)
    visits = np.eye(T)[visit]
    X = np.column_stack([visits, before[unit]])
    effects = visits * arm[unit][:, None]
    y = X @ coefficient + effects @ effect + residual[unit, visit]
    return RepeatedMeasures(y, X, effects, unit, visit, T, scale=1.0, location=0.0)


def half_t(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(NUISANCE.residual_scale * np.abs(rng.standard_t(3, shape)))


def mixed_ranks(first: int, trials: int, *, therapists: bool) -> pd.DataFrame:
    """Ranks of the mixed model's reported parameters, a row a trial; effects from a mixture as in the informed set."""
    g = THERAPISTS if therapists else 0
    priors = Priors("p", [EffectPrior((0.25, 0.0), (0.16, 1.0), (0.7, 0.3))] * T, NUISANCE)
    shape = mmrm.Shape(T, 3, g, T)
    compiled = mmrm.build(shape, NUISANCE.lkj)
    names = ["effect, visit 1", "effect, visit 2", "SD, visit 1", "SD, visit 2", "correlation"]
    therapist = np.where(np.arange(N) < N // 2, -1, np.arange(N) % THERAPISTS)
    rows = []
    for trial in range(first, first + trials):
        rng = np.random.default_rng([17, trial])
        pick = rng.random(T) < 0.7
        effect = np.where(pick, rng.normal(0.25, 0.16, T), rng.normal(0.0, 1.0, T))
        sd, factor = half_t(rng, (T,)), lkj_factors(NUISANCE.lkj, T, 1, rng)[0]
        residual = rng.standard_normal((N, T)) @ (sd[:, None] * factor).T
        group_sd = abs(rng.normal(0, NUISANCE.group_scale))
        if therapists:
            shared = np.append(group_sd * rng.standard_normal(g), 0.0)  # the last: of units without a therapist
            residual = residual + shared[therapist][:, None]
        problem = outcome(rng, rng.normal(0, NUISANCE.coefficient_sd, 3), effect, residual)
        if therapists:
            problem = replace(problem, group=therapist[problem.unit])
        drawn = mmrm.fit(compiled, shape, problem, priors, SHORT, seed=trial)
        truth = [*effect, *sd, factor[1, 0]]
        values = [drawn.effects.reshape(-1, T), drawn.sd, drawn.correlation[:, 1, 0]]
        if therapists:
            truth.append(group_sd)
            values.append(drawn.draws.flat("group_sd"))
        rows.append(rank(np.array(truth), np.column_stack(values)))
    return pd.DataFrame(rows, columns=[*names, *(["therapist SD"] if therapists else [])])


def joint_truth(rng: np.random.Generator) -> tuple[list[RepeatedMeasures], dict[str, FloatArray]]:
    """Draw every parameter of the joint model from its prior, and a trial from them."""
    K, D = len(DOMAIN), int(DOMAIN.max()) + 1
    spread = np.abs(rng.normal(0, 0.3, 3))
    effect = rng.normal(0, 1) + spread[0] * rng.standard_normal(D)[DOMAIN] + spread[1] * rng.standard_normal(K)
    effect = effect[:, None] + spread[2] * rng.standard_normal((K, T))
    sd, h = half_t(rng, (K, T)), rng.beta(2, 2, K)
    domains, visits = (lkj_factors(NUISANCE.lkj, size, 1, rng)[0] for size in (D, T))
    own = lkj_factors(NUISANCE.lkj, T, K, rng)
    factors = np.einsum("de,iev,wv->idw", domains, rng.standard_normal((N, D, T)), visits)
    outcomes = []
    for k in range(K):
        residual = factors[:, DOMAIN[k]] * np.sqrt(h[k]) + rng.standard_normal((N, T)) @ own[k].T * np.sqrt(1 - h[k])
        coefficient = rng.normal(0, NUISANCE.coefficient_sd, 3)
        outcomes.append(outcome(rng, coefficient, effect[k], residual * sd[k]))
    return outcomes, {"effect": effect, "spread": spread, "correlation": domains[1, :1]}


def together(outcomes: list[RepeatedMeasures], domain: IntArray) -> joint.JointProblem:
    made = [joint.JointOutcome(each, AT, AT, int(d)) for each, d in zip(outcomes, domain, strict=True)]
    return joint.JointProblem(made, N, T, int(domain.max()) + 1)


def joint_ranks(first: int, trials: int) -> pd.DataFrame:
    """Ranks of the joint model's reported parameters, a row a trial."""
    priors = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NUISANCE)
    visits: list[int | None] = [None, *range(T)]
    names = [f"effect {k + 1}, visit {j + 1}" for k in range(len(DOMAIN)) for j in range(T)]
    for v in visits:
        at = "" if v is None else f", visit {v + 1}"
        names += [f"domain 1{at}", f"domain 2{at}", f"overall{at}"]
    names += ["SD of domains", "SD of outcomes", "SD of visits", "correlation of domains"]
    rows = []
    for trial in range(first, first + trials):
        rng = np.random.default_rng([18, trial])
        outcomes, truth = joint_truth(rng)
        problem = together(outcomes, DOMAIN)
        weights = [
            w for v in visits for w in (*(problem.domain_weight(d, v) for d in (0, 1)), problem.overall_weight(v))
        ]
        drawn = joint.fit(joint.build(problem, NUISANCE.lkj), problem, priors, SHORT, seed=trial)
        pooled = [(drawn.effects * w).sum(axis=(2, 3)).reshape(-1) for w in weights]
        values = [drawn.effects.reshape(-1, len(DOMAIN) * T), *pooled]
        values += [each.reshape(-1) for each in drawn.spreads.values()]
        values.append(drawn.domain_correlation[:, 1, 0])
        true = [*truth["effect"].ravel(), *((truth["effect"] * w).sum() for w in weights)]
        rows.append(rank(np.array([*true, *truth["spread"], *truth["correlation"]]), np.column_stack(values)))
    return pd.DataFrame(rows, columns=names)


SCENARIOS = {
    "no effect": np.zeros(6),
    "one domain benefits": np.array([0.4, 0.4, 0.4, 0.0, 0.0, 0.0]),
    "all benefit alike": np.full(6, 0.4),
    "one outcome alone benefits": np.array([0.8, 0.0, 0.0, 0.0, 0.0, 0.0]),
}
"""true effects on three outcomes of each of two domains, in SDs, the same at both visits"""


def errors_of_both(first: int, trials: int) -> pd.DataFrame:
    """Errors of the effects' posterior means by the joint model and by separate ones: a row a trial and effect."""
    domain = np.array([0, 0, 0, 1, 1, 1])
    nuisance = NuisancePriors()
    pooled = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, nuisance)
    alone = Priors("p", [EffectPrior((0.0,), (1.0,))] * T, nuisance)
    shape = mmrm.Shape(T, 3, 0, T)
    one = mmrm.build(shape, nuisance.lkj)
    settings = replace(SHORT, draws=300, tune=300)
    factor = np.linalg.cholesky(np.array([[1, 0.2], [0.2, 1]]))
    visits = np.linalg.cholesky(np.array([[1, 0.55], [0.55, 1]]))
    parts = []
    for trial in range(first, first + trials):
        for name, truth in SCENARIOS.items():
            rng = np.random.default_rng([19, trial])
            factors = np.einsum("de,iev,wv->idw", factor, rng.standard_normal((N, 2, T)), visits)
            outcomes = []
            for k in range(6):
                own = rng.standard_normal((N, T)) @ visits.T
                residual = np.sqrt(0.45) * factors[:, domain[k]] + np.sqrt(0.55) * own
                outcomes.append(outcome(rng, np.array([0.0, 0.0, 0.5]), np.full(T, truth[k]), residual))
            problem = together(outcomes, domain)
            joined = joint.fit(joint.build(problem, nuisance.lkj), problem, pooled, settings, seed=trial)
            apart = [mmrm.fit(one, shape, each, alone, settings, seed=trial).effects.mean((0, 1)) for each in outcomes]
            parts.append(
                pd.DataFrame(
                    {
                        "scenario": name,
                        "trial": trial,
                        "outcome": np.repeat(np.arange(6) + 1, T),
                        "joint": (joined.effects.mean((0, 1)) - truth[:, None]).ravel(),
                        "separate": (np.array(apart) - truth[:, None]).ravel(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def in_chunks(name: str, trials: int) -> Iterator[tuple[int, Path]]:
    """Yield numbers of trials, ten at a time, and the file that they are added to; what is there is not done again."""
    path = FIXTURES / f"{name}.csv"
    done = 0
    if path.exists():
        there = pd.read_csv(path)
        done = there["trial"].nunique() if "trial" in there else len(there)
    for first in range(done, trials, 10):
        yield first, path


def main(part: str, name: str = "errors", trials: str = "300") -> None:
    """Make a part of the figures, or the page of them all."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    if part == "page":
        from bayes.calibration_page import write_page

        write_page()
        return
    if part == "errors":
        name = "errors"
    for first, path in in_chunks(name, int(trials)):
        if name == "errors":
            found = errors_of_both(first, 10).round(5)
        else:
            found = (
                joint_ranks(first, 10) if name == "joint" else mixed_ranks(first, 10, therapists=name == "therapists")
            )
        found.to_csv(path, mode="a", header=not path.exists(), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
