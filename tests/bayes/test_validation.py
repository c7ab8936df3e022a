"""Long simulations: calibration of both models, and what the joint model gains and loses against separate ones."""

from __future__ import annotations

import os

import numpy as np
import pytest

from bayes.calibration import chi_square_p, ecdf_difference, rank, table
from bayes.conftest import simulated
from pipanalysis.bayes import joint, kernels, mmrm
from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.checks import lkj_factors
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.bayes.sampler import SamplerSettings

TRIALS = int(os.environ.get("PIP_SBC_TRIALS", "300"))
N, T = 76, 2
NUISANCE = NuisancePriors(coefficient_sd=1.0, residual_scale=1.0, lkj=2.0)
SHORT = SamplerSettings(chains=2, draws=500, tune=400, target_accept=0.9)
AT = np.arange(T)


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


@pytest.mark.validation
def test_mixed_model_is_calibrated() -> None:
    """Every parameter from its prior, effects from a mixture as in the informed set."""
    priors = Priors("p", [EffectPrior((0.25, 0.0), (0.16, 1.0), (0.7, 0.3))] * T, NUISANCE)
    shape = mmrm.Shape(T, 3, 0, T)
    compiled = mmrm.build(shape, NUISANCE.lkj)
    ranks = []
    for trial in range(TRIALS):
        rng = np.random.default_rng([17, trial])
        pick = rng.random(T) < 0.7
        effect = np.where(pick, rng.normal(0.25, 0.16, T), rng.normal(0.0, 1.0, T))
        sd, factor = half_t(rng, (T,)), lkj_factors(NUISANCE.lkj, T, 1, rng)[0]
        residual = rng.standard_normal((N, T)) @ (sd[:, None] * factor).T
        problem = outcome(rng, rng.normal(0, NUISANCE.coefficient_sd, 3), effect, residual)
        drawn = mmrm.fit(compiled, shape, problem, priors, SHORT, seed=trial)
        values = np.column_stack([drawn.effects.reshape(-1, T), drawn.sd, drawn.correlation[:, 1, 0]])
        ranks.append(rank(np.array([*effect, *sd, factor[1, 0]]), values))
    check("bayes_mmrm", ["effect, visit 1", "effect, visit 2", "SD, visit 1", "SD, visit 2", "correlation"], ranks)


def joint_truth(rng: np.random.Generator, domain: IntArray) -> tuple[list[RepeatedMeasures], dict[str, FloatArray]]:
    """Draw every parameter of the joint model from its prior, and a trial from them."""
    K, D = len(domain), int(domain.max()) + 1
    spread = np.abs(rng.normal(0, 0.3, 3))
    effect = rng.normal(0, 1) + spread[0] * rng.standard_normal(D)[domain] + spread[1] * rng.standard_normal(K)
    effect = effect[:, None] + spread[2] * rng.standard_normal((K, T))
    sd, h = half_t(rng, (K, T)), rng.beta(2, 2, K)
    domains, visits = (lkj_factors(NUISANCE.lkj, size, 1, rng)[0] for size in (D, T))
    own = lkj_factors(NUISANCE.lkj, T, K, rng)
    factors = np.einsum("de,iev,wv->idw", domains, rng.standard_normal((N, D, T)), visits)
    outcomes = []
    for k in range(K):
        residual = factors[:, domain[k]] * np.sqrt(h[k]) + rng.standard_normal((N, T)) @ own[k].T * np.sqrt(1 - h[k])
        coefficient = rng.normal(0, NUISANCE.coefficient_sd, 3)
        outcomes.append(outcome(rng, coefficient, effect[k], residual * sd[k]))
    return outcomes, {"effect": effect, "spread": spread, "communality": h}


def together(outcomes: list[RepeatedMeasures], domain: IntArray) -> joint.JointProblem:
    made = [joint.JointOutcome(each, AT, AT, int(d)) for each, d in zip(outcomes, domain, strict=True)]
    return joint.JointProblem(made, N, T, int(domain.max()) + 1)


@pytest.mark.validation
def test_joint_model_is_calibrated() -> None:
    domain = np.array([0, 0, 1, 1])
    priors = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, NUISANCE)
    compiled, ranks = None, []
    for trial in range(TRIALS):
        rng = np.random.default_rng([18, trial])
        outcomes, truth = joint_truth(rng, domain)
        problem = together(outcomes, domain)
        compiled = compiled or joint.build(problem, NUISANCE.lkj)
        drawn = joint.fit(compiled, problem, priors, SHORT, seed=trial)
        values = drawn.effects.reshape(-1, len(domain), T)
        per_domain = [values[:, domain == d].mean(axis=(1, 2)) for d in (0, 1)]
        found = np.column_stack([values.reshape(len(values), -1), *per_domain, values.mean(axis=(1, 2))])
        found = np.column_stack(
            [found, *(each.reshape(-1) for each in drawn.spreads.values()), drawn.draws.flat("communality")]
        )
        effect = truth["effect"]
        true = [*effect.ravel(), *(effect[domain == d].mean() for d in (0, 1)), effect.mean()]
        ranks.append(rank(np.array([*true, *truth["spread"], *truth["communality"]]), found))
    names = [f"effect {k + 1}, visit {j + 1}" for k in range(4) for j in range(T)]
    names += ["domain 1", "domain 2", "overall", "SD of domains", "SD of outcomes", "SD of visits"]
    check("bayes_joint", [*names, *(f"communality {k + 1}" for k in range(4))], ranks)


def check(title: str, names: list[str], ranks: list[IntArray]) -> None:
    """Print the table; no parameter's ranks are further from uniform than chance allows with so many parameters."""
    found = np.array(ranks)
    print("\n".join(["", *table(title, names, found)]))
    for j, name in enumerate(names):
        assert chi_square_p(found[:, j]) > 0.001 / len(names), name
        distance, limit = ecdf_difference(found[:, j])
        assert distance < limit, name


SCENARIOS = {
    "no effect": np.zeros(6),
    "one domain benefits": np.array([0.4, 0.4, 0.4, 0.0, 0.0, 0.0]),
    "all benefit alike": np.full(6, 0.4),
    "one outcome alone benefits": np.array([0.8, 0.0, 0.0, 0.0, 0.0, 0.0]),
}


@pytest.mark.validation
def test_joint_model_against_separate_ones() -> None:
    """RMSE of the effects' posterior means: less where effects are alike, more for the odd one out."""
    trials = max(10, TRIALS // 10)
    domain = np.array([0, 0, 0, 1, 1, 1])
    nuisance = NuisancePriors()
    pooled = joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0.3, nuisance)
    alone = Priors("p", [EffectPrior((0.0,), (1.0,))] * T, nuisance)
    shape = mmrm.Shape(T, 3, 0, T)
    one, several = mmrm.build(shape, nuisance.lkj), None
    lines = [
        "",
        "| scenario | RMSE, joint | RMSE, separate | RMSE of outcome 1, joint | separate |",
        "|---|---|---|---|---|",
    ]
    errors: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name, truth in SCENARIOS.items():
        found: list[tuple[FloatArray, FloatArray]] = []
        for trial in range(trials):
            rng = np.random.default_rng([19, trial])
            factor = np.linalg.cholesky(np.array([[1, 0.2], [0.2, 1]]))
            visits = np.linalg.cholesky(np.array([[1, 0.55], [0.55, 1]]))
            factors = np.einsum("de,iev,wv->idw", factor, rng.standard_normal((N, 2, T)), visits)
            outcomes = []
            for k in range(6):
                residual = (
                    np.sqrt(0.45) * factors[:, domain[k]] + np.sqrt(0.55) * rng.standard_normal((N, T)) @ visits.T
                )
                outcomes.append(outcome(rng, np.array([0.0, 0.0, 0.5]), np.full(T, truth[k]), residual))
            problem = together(outcomes, domain)
            several = several or joint.build(problem, nuisance.lkj)
            joined = joint.fit(several, problem, pooled, SHORT, seed=trial).effects.mean(axis=(0, 1))
            apart = [
                mmrm.fit(one, shape, each, alone, SHORT, seed=trial).effects.mean(axis=(0, 1)) for each in outcomes
            ]
            found.append((joined - truth[:, None], np.array(apart) - truth[:, None]))
        together_, apart_ = (np.array([pair[i] for pair in found]) for i in (0, 1))
        errors[name] = (together_, apart_)
        cells = [np.sqrt((e**2).mean()) for e in (together_, apart_)]
        cells += [np.sqrt((e[:, 0] ** 2).mean()) for e in (together_, apart_)]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    print("\n".join(lines))
    for name in ("no effect", "one domain benefits", "all benefit alike"):
        joined, separate = errors[name]
        assert (joined**2).mean() < (separate**2).mean(), name
    joined, separate = errors["one outcome alone benefits"]
    assert (joined[:, 0] ** 2).mean() > (separate[:, 0] ** 2).mean()


def test_ranks_of_exact_draws_are_uniform_and_of_narrow_ones_are_not() -> None:
    """The calibration's own test: draws from the truth's own law pass, draws half as wide do not."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal(400)
    exact = np.array([rank(np.array([x]), rng.standard_normal((500, 1)))[0] for x in truth])
    narrow = np.array([rank(np.array([x]), 0.5 * rng.standard_normal((500, 1)))[0] for x in truth])
    assert chi_square_p(exact) > 0.01
    assert ecdf_difference(exact)[0] < ecdf_difference(exact)[1]
    assert chi_square_p(narrow) < 1e-6
    assert ecdf_difference(narrow)[0] > ecdf_difference(narrow)[1]


def test_the_simulated_trial_has_the_correlation_it_says() -> None:
    """`simulated` is what several tests rest on: correlation 0.5 between visits, effect as asked."""
    problem = simulated(np.random.default_rng(2), n=20_000, missing=0.0)
    design = np.column_stack([problem.X[:, :2], problem.X[:, [2]], problem.effects])
    beta = np.linalg.lstsq(design, problem.y, rcond=None)[0]
    residual = (problem.y - design @ beta).reshape(-1, 2)
    assert np.corrcoef(residual.T)[0, 1] == pytest.approx(0.5, abs=0.03)
    assert beta[-2:] == pytest.approx([0.3, 0.3], abs=0.06)
    assert kernels.correlation(np.array([[0.5]]))[0, 1, 0] == 0.5
