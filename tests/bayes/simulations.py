"""Simulated trials that the Bayesian models are judged by: calibration, and the joint model against separate ones.

    PYTHONPATH=tests python -m bayes.simulations ranks mixed|therapists|joint    # a part, into tests/fixtures/bayes
    PYTHONPATH=tests python -m bayes.simulations errors
    PYTHONPATH=tests python -m bayes.simulations page                            # docs/bayes-calibration.md

`make validate` draws trials anew and judges them by the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
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
PILOT = 24
JOINT_PRIORS = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NuisancePriors())


def outcome(
    rng: np.random.Generator, coefficient: FloatArray, effect: FloatArray, residual: FloatArray
) -> RepeatedMeasures:
    """A trial of two equal arms with a baseline, a fifth of the values missing; residual (n, t)."""
    n = len(residual)
    arm = np.repeat([0.0, 1.0], n // 2)
    before = rng.standard_normal(n)
    seen = rng.random((n, T)) >= 0.2
    unit, visit = np.nonzero(seen)
    visits = np.eye(T)[visit]
    X = np.column_stack([visits, before[unit]])
    effects = visits * arm[unit][:, None]
    y = X @ coefficient + effects @ effect + residual[unit, visit]
    return RepeatedMeasures(y, X, effects, unit, visit, T, scale=1.0, location=0.0)


def half_t(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(NUISANCE.residual_scale * np.abs(rng.standard_t(3, shape)))


def mixed_ranks(trials: Sequence[int], *, therapists: bool) -> pd.DataFrame:
    """Ranks of the mixed model's reported parameters, a row a trial; effects from a mixture as in the informed set."""
    g = THERAPISTS if therapists else 0
    priors = Priors("p", [EffectPrior((0.25, 0.0), (0.16, 1.0), (0.7, 0.3))] * T, NUISANCE)
    shape = mmrm.Shape(T, 3, g, T)
    compiled = mmrm.build(shape, NUISANCE.lkj)
    names = ["effect, visit 1", "effect, visit 2", "SD, visit 1", "SD, visit 2", "correlation"]
    therapist = np.where(np.arange(N) < N // 2, -1, np.arange(N) % THERAPISTS)
    rows = []
    for trial in trials:
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
    return pd.DataFrame(rows, trials, [*names, *(["therapist SD"] if therapists else [])]).rename_axis("trial")


def pilot() -> joint.JointPosterior:
    """The joint model's posterior from a small trial with plausible values: where truths are drawn from."""
    rng = np.random.default_rng(18)
    outcomes = []
    shared = rng.standard_normal((PILOT, 1))
    for _ in DOMAIN:
        residual = np.sqrt(0.4) * shared + np.sqrt(0.6) * rng.standard_normal((PILOT, T))
        outcomes.append(outcome(rng, np.array([0.0, 0.0, 0.5]), np.full(T, 0.3), residual))
    problem = together(outcomes, DOMAIN)
    long = SamplerSettings(chains=4, draws=2000, tune=800, target_accept=0.9, cores=1)
    return joint.fit(joint.build(problem, JOINT_PRIORS.nuisance.lkj), problem, JOINT_PRIORS, long, seed=18)


def continued(known: joint.JointPosterior, draw: int, rng: np.random.Generator) -> joint.JointProblem:
    """The pilot's units, and new ones up to the trial's size from one draw of its posterior."""
    beta, loading, unique, lower = (part[draw] for part in known.parts)
    n, q = N - PILOT, beta.shape[1] - T
    factors = (rng.standard_normal((n, len(lower))) @ lower.T).reshape(n, -1, T)
    outcomes = []
    for k, each in enumerate(known.problem.outcomes):
        own = rng.standard_normal((n, T)) @ np.linalg.cholesky(unique[k]).T
        old = each.problem
        new = outcome(rng, beta[k, :q], beta[k, q:], factors[:, DOMAIN[k]] * loading[k] + own)
        names = ("y", "X", "effects", "visit")
        arrays = {name: np.concatenate([getattr(old, name), getattr(new, name)]) for name in names}
        outcomes.append(replace(old, **arrays, unit=np.concatenate([old.unit, PILOT + new.unit])))
    return together(outcomes, DOMAIN)


def together(outcomes: list[RepeatedMeasures], domain: IntArray) -> joint.JointProblem:
    made = [joint.JointOutcome(each, AT, AT, int(d)) for each, d in zip(outcomes, domain, strict=True)]
    n = max(int(each.unit.max()) for each in outcomes) + 1
    return joint.JointProblem(made, n, T, int(domain.max()) + 1)


def joint_ranks(trials: Sequence[int], known: joint.JointPosterior) -> pd.DataFrame:
    """Ranks of the joint model's reported parameters, a row a trial.

    Drawn from the priors, half of the trials would hold an outcome with a residual SD below a tenth of its baseline SD,
    which takes the sampler a thousand steps a draw and says nothing of trials that exist. So truths are drawn from the
    posterior given a small trial, new units are added to it, and the truth is ranked in the posterior given both, which
    is uniform likewise (posterior SBC: Säilynoja, Schmitt, Bürkner and Vehtari 2025).
    """
    visits: list[int | None] = [None, *range(T)]
    names = [f"effect {k + 1}, visit {j + 1}" for k in range(len(DOMAIN)) for j in range(T)]
    weights = []
    for v in visits:
        at = "" if v is None else f", visit {v + 1}"
        names += [f"domain 1{at}", f"domain 2{at}", f"overall{at}"]
        weights += [*(known.problem.domain_weight(d, v) for d in (0, 1)), known.problem.overall_weight(v)]
    names += ["SD of domains", "SD of outcomes", "SD of visits", "correlation of domains"]

    def values(posterior: joint.JointPosterior) -> FloatArray:
        pooled = [(posterior.effects * w).sum(axis=(2, 3)).reshape(-1) for w in weights]
        spreads = [each.reshape(-1) for each in posterior.spreads.values()]
        effects = posterior.effects.reshape(-1, len(DOMAIN) * T)
        return np.column_stack([effects, *pooled, *spreads, posterior.domain_correlation[:, 1, 0]])

    truths = values(known)
    rows = []
    for trial in trials:
        draw = (trial * 1237) % len(truths)  # a prime: far from its neighbours, and each but once
        problem = continued(known, draw, np.random.default_rng([18, trial]))
        compiled = joint.build(problem, JOINT_PRIORS.nuisance.lkj)
        rows.append(rank(truths[draw], values(joint.fit(compiled, problem, JOINT_PRIORS, SHORT, seed=trial))))
    return pd.DataFrame(rows, trials, names).rename_axis("trial")


SCENARIOS = {
    "no effect": np.zeros(6),
    "one domain benefits": np.array([0.4, 0.4, 0.4, 0.0, 0.0, 0.0]),
    "all benefit alike": np.full(6, 0.4),
    "one outcome alone benefits": np.array([0.8, 0.0, 0.0, 0.0, 0.0, 0.0]),
}
"""true effects on three outcomes of each of two domains, in SDs, the same at both visits"""


def errors_of_both(trials: Sequence[int]) -> pd.DataFrame:
    """Errors of the effects' posterior means by the joint model and by separate ones: a row a trial and effect."""
    domain = np.array([0, 0, 0, 1, 1, 1])
    nuisance = NuisancePriors()
    alone = Priors("p", [EffectPrior((0.0,), (1.0,))] * T, nuisance)
    shape = mmrm.Shape(T, 3, 0, T)
    one = mmrm.build(shape, nuisance.lkj)
    settings = replace(SHORT, draws=300, tune=300)
    factor = np.linalg.cholesky(np.array([[1, 0.2], [0.2, 1]]))
    visits = np.linalg.cholesky(np.array([[1, 0.55], [0.55, 1]]))
    parts = []
    for trial in trials:
        for name, truth in SCENARIOS.items():
            rng = np.random.default_rng([19, trial])
            factors = np.einsum("de,iev,wv->idw", factor, rng.standard_normal((N, 2, T)), visits)
            outcomes = []
            for k in range(6):
                own = rng.standard_normal((N, T)) @ visits.T
                residual = np.sqrt(0.45) * factors[:, domain[k]] + np.sqrt(0.55) * own
                outcomes.append(outcome(rng, np.array([0.0, 0.0, 0.5]), np.full(T, truth[k]), residual))
            problem = together(outcomes, domain)
            joined = joint.fit(joint.build(problem, nuisance.lkj), problem, JOINT_PRIORS, settings, seed=trial)
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
    return pd.concat(parts).set_index("trial")


def in_chunks(name: str, trials: int) -> Iterator[tuple[list[int], Path]]:
    """Yield numbers of trials, ten at a time, and the file that they are added to; what is there is not done again."""
    path = FIXTURES / f"{name}.csv"
    there = set(pd.read_csv(path)["trial"]) if path.exists() else set()
    left = [trial for trial in range(trials) if trial not in there]
    for at in range(0, len(left), 10):
        yield left[at : at + 10], path


def main(part: str, name: str = "errors", trials: str = "300") -> None:
    """Make a part of the figures, or the page of them all."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    if part == "page":
        from bayes.calibration_page import write_page

        write_page()
        return
    if part == "errors":
        name = "errors"
    known = pilot() if name == "joint" else None
    for chunk, path in in_chunks(name, int(trials)):
        if name == "errors":
            found = errors_of_both(chunk).round(5)
        else:
            mixed = partial(mixed_ranks, chunk, therapists=name == "therapists")
            found = mixed() if known is None else joint_ranks(chunk, known)
        found.to_csv(path, mode="a", header=not path.exists())


if __name__ == "__main__":
    main(*sys.argv[1:])
