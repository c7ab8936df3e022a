"""The log densities that nutpie calls are those of the PyMC models, with their gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from bayes.conftest import simulated
from pipanalysis.bayes import densities, joint, logistic, mmrm
from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.sampler import CompiledModel

NUISANCE = NuisancePriors(1.7, 1.3, 2.5, 0.4)
MIXTURE = EffectPrior((0.3, -0.1), (0.2, 1.1), (0.7, 0.3))
KINDS = ("mmrm", "mmrm_one_visit", "mmrm_groups", "joint", "joint_one_domain", "joint_one_visit", "logistic")


def mixed(t: int = 3, group: IntArray | None = None) -> tuple[CompiledModel, Mapping[str, FloatArray]]:
    problem = simulated(np.random.default_rng(2), t=t)
    if group is not None:
        problem = type(problem)(**{**{f: getattr(problem, f) for f in problem.__dataclass_fields__}, "group": group})
    own = mmrm.Shape.of(problem)
    shape = mmrm.Shape(own.visits, own.coefficients + 1, own.groups, own.effects + 1)  # with padding
    priors = Priors("p", [MIXTURE] * t, NUISANCE)
    return mmrm.build(shape, NUISANCE.lkj), mmrm.model_data(problem, priors, shape)


def together(t: int = 3, domains: tuple[int, ...] = (0, 0, 1)) -> tuple[CompiledModel, Mapping[str, FloatArray]]:
    rng, at = np.random.default_rng(3), np.arange(t)
    outcomes = [joint.JointOutcome(simulated(rng, t=t), at, at, d) for d in domains]
    problem = joint.JointProblem(outcomes, 40, t, max(domains) + 1)
    return joint.build(problem, NUISANCE.lkj), joint.model_data(
        problem, joint.JointPriors("p", MIXTURE, 0.35, NUISANCE)
    )


def binary() -> tuple[CompiledModel, Mapping[str, FloatArray]]:
    rng = np.random.default_rng(4)
    X, arm = np.column_stack([np.ones(30), rng.standard_normal(30)]), np.repeat([0.0, 1.0], 15)[:, None]
    problem = logistic.BinaryOutcome((rng.random(30) < 0.4).astype(float), X, arm, -1)
    return logistic.build(3, 2), logistic.model_data(problem, Priors("p", [MIXTURE], NUISANCE), 3, 2)


def made(kind: str) -> tuple[CompiledModel, Mapping[str, FloatArray]]:
    if kind == "mmrm_groups":
        unit = simulated(np.random.default_rng(2), t=3).unit
        return mixed(group=np.where(unit < 20, -1, unit % 4).astype(np.intp))
    return {
        "mmrm": mixed,
        "mmrm_one_visit": lambda: mixed(t=1),
        "joint": together,
        "joint_one_domain": lambda: together(domains=(0, 0)),
        "joint_one_visit": lambda: together(t=1),
        "logistic": binary,
    }[kind]()


def density(compiled: CompiledModel, data: Mapping[str, FloatArray], x: FloatArray) -> tuple[float, FloatArray]:
    grad = np.full(len(x), np.nan)
    name = compiled.native.callback.replace("_callback", "_density")
    return float(getattr(densities, name)(x, compiled.native.pack(data), grad)), grad


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_is_that_of_the_pymc_model(kind: str) -> None:
    """At three points, on the unconstrained scale: PyMC computes its own transforms, priors and Jacobians."""
    import pymc

    compiled, data = made(kind)
    with compiled.model:
        pymc.set_data(dict(data))
    names = [each.name for each in compiled.native.parameters]
    assert names == [variable.name for variable in compiled.model.free_RVs]
    by_pymc = compiled.model.compile_logp(mode="FAST_COMPILE")
    rng = np.random.default_rng(6)
    differences = []
    for _ in range(3):
        x = 0.7 * rng.standard_normal(compiled.native.size)
        point, at = {}, 0
        for each, variable in zip(compiled.native.parameters, compiled.model.value_vars, strict=True):
            n = int(np.prod(each.shape))
            point[variable.name] = x[at : at + n].reshape(each.shape)
            at += n
        differences.append(density(compiled, data, x)[0] - float(by_pymc(point)))
    # PyMC's constant of the half t density is off by 2e-8 (scipy's is as ours): the same at every point
    np.testing.assert_allclose(differences, 0, atol=1e-6)
    np.testing.assert_allclose(differences, differences[0], atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_density(kind: str) -> None:
    compiled, data = made(kind)
    x = 0.5 * np.random.default_rng(7).standard_normal(compiled.native.size)
    expected = approx_fprime(x, lambda at: density(compiled, data, at)[0], 1e-6)
    found = density(compiled, data, x)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_parameters_come_back_on_the_scale_of_the_model() -> None:
    compiled, _ = mixed()
    x = np.linspace(-1, 1, compiled.native.size)
    found = compiled.native.split(x[None, None])
    assert found["coefficient"].shape == (1, 1, 5)
    np.testing.assert_allclose(found["sd"][0, 0], np.exp(x[9:12]))
    np.testing.assert_allclose(found["partial"][0, 0], 1 / (1 + np.exp(-x[12:])))
