"""The Bayesian MMRM: its density written out, and its posterior against REML, brms, itself and PyMC's own sampler."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes.conftest import FOUR_VISITS, simulated
from pipanalysis.bayes import kernels, mmrm
from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.diagnostics import Gates, diagnose
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors, Priors
from pipanalysis.bayes.problem import RepeatedMeasures
from pipanalysis.bayes.sampler import CompiledModel, SamplerSettings

VAGUE = Priors("vague", [EffectPrior((0.0,), (100.0,))] * 4, NuisancePriors(100, 10, 1))
SETTINGS = SamplerSettings(draws=2000)


@pytest.fixture(scope="module")
def posterior(four_visits: CompiledModel, beat_the_blues: RepeatedMeasures) -> mmrm.MMRMPosterior:
    return mmrm.fit(four_visits, FOUR_VISITS, beat_the_blues, VAGUE, SETTINGS, seed=1)


def reml(shared: Path, name: str) -> list[dict[str, Any]]:
    """R mmrm 0.3.18, unstructured covariance, differences between arms by visit."""
    answers = json.loads((shared / "reference" / "results" / f"{name}.json").read_text())
    contrasts: list[dict[str, Any]] = answers["models"]["us_reml"]["methods"]["Kenward-Roger-Linear"]["contrasts"]
    assert len(contrasts) == 4
    return contrasts


def raw(posterior: mmrm.MMRMPosterior) -> FloatArray:
    return posterior.effects.reshape(-1, 4) * posterior.problem.unit_of_effect


def test_log_density_is_prior_times_likelihood() -> None:
    """PyMC's log density, against scipy's distributions and the kernel, whose own test is against scipy too."""
    problem = simulated(np.random.default_rng(2))
    priors = Priors("p", [EffectPrior((0.3, 0.0), (0.2, 1.0), (0.7, 0.3))] * 2, NuisancePriors(2, 1.5, 2))
    shape = mmrm.Shape.of(problem)
    model = mmrm.build(shape, lkj=2.0).model
    data = mmrm.model_data(problem, priors, shape)
    rng = np.random.default_rng(3)
    coefficient, effect, sd = rng.standard_normal(3), rng.standard_normal(2), rng.random(2) + 0.5
    u = np.array([0.7])  # its partial correlation is 0.4
    with model:
        import pymc

        pymc.set_data(data)
    found = model.compile_logp(jacobian=False, mode="FAST_COMPILE")(
        {
            "coefficient": coefficient,
            "effect": effect,
            "sd_log__": np.log(sd),
            "partial_logodds__": np.log(u / (1 - u)),
        }
    )
    mixture = 0.7 * stats.norm.pdf(effect, 0.3, 0.2) + 0.3 * stats.norm.pdf(effect, 0, 1)
    expected = stats.norm.logpdf(coefficient, 0, 2).sum() + np.log(mixture).sum()
    expected += (np.log(2) + stats.t.logpdf(sd, 3, scale=1.5)).sum()
    expected += stats.beta.logpdf(u, 2, 2).sum()  # LKJ(2) of two visits is Beta(2, 2) on (-1, 1)
    correlation = np.array([[1.0, 0.4], [0.4, 1.0]])
    beta = np.concatenate([coefficient, effect])
    covariance = correlation * np.outer(sd, sd)
    expected += float(kernels.pattern_loglik(beta, covariance, data["products"], data["counts"], data["observed"])[0])
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_every_gate_is_passed(posterior: mmrm.MMRMPosterior) -> None:
    found = diagnose({"effect": posterior.effects}, posterior.draws, Gates())
    assert found.passed, found.failures


def test_under_vague_priors_fev_is_that_of_reml(
    shared: Path, four_visits: CompiledModel, fev: RepeatedMeasures
) -> None:
    effects = raw(mmrm.fit(four_visits, FOUR_VISITS, fev, VAGUE, SETTINGS, seed=2))
    for j, expected in enumerate(reml(shared, "mmrm_fev")):
        assert abs(effects[:, j].mean() - expected["estimate"]) < 0.1 * expected["SE"], expected["AVISIT"]
        assert effects[:, j].std() == pytest.approx(expected["SE"], rel=0.05), expected["AVISIT"]


def test_under_vague_priors_beat_the_blues_is_that_of_reml(shared: Path, beat_the_blues: RepeatedMeasures) -> None:
    """Half is missing at 5 and 8 months, so the prior of the visits' correlation tells: LKJ(0.5), not uniform."""
    priors = replace(VAGUE, nuisance=NuisancePriors(100, 10, 0.5))
    compiled, longer = mmrm.build(FOUR_VISITS, 0.5), SamplerSettings(draws=4000)
    effects = raw(mmrm.fit(compiled, FOUR_VISITS, beat_the_blues, priors, longer, seed=1))
    for j, expected in enumerate(reml(shared, "mmrm_btheb")):
        assert abs(effects[:, j].mean() - expected["estimate"]) < 0.1 * expected["SE"], expected["month"]
        assert effects[:, j].std() == pytest.approx(expected["SE"], rel=0.05), expected["month"]


def test_beat_the_blues_is_that_of_brms(shared: Path, posterior: mmrm.MMRMPosterior) -> None:
    """Same model by R brms, priors as vague, LKJ(1); four Monte Carlo standard errors of the difference."""
    import arviz as az

    answers = json.loads((shared / "reference" / "results" / "brms_btheb.json").read_text())
    model = answers["models"]["btheb_mmrm_us"]
    first = next(row for row in model["summary"] if row["variable"] == "b_treatmentBtheB")
    for j, (visit, expected) in enumerate(model["treatment_effect_by_visit"].items()):
        draws = posterior.effects[..., j] * posterior.problem.unit_of_effect
        theirs = expected["sd"] * first["mcse_mean"] / first["sd"] * 1.5  # the sum of two coefficients mixes no better
        error = np.hypot(float(az.mcse(draws, method="mean")), theirs)
        assert abs(draws.mean() - expected["mean"]) < 4 * error, visit
        assert draws.std() == pytest.approx(expected["sd"], rel=0.04), visit
    pairs = {(0, 1): "cortime__2__3", (1, 2): "cortime__3__5", (2, 3): "cortime__5__8", (0, 3): "cortime__2__8"}
    theirs_by_name = {row["variable"]: row for row in model["summary"]}
    for (j, k), name in pairs.items():
        assert posterior.correlation[:, j, k].mean() == pytest.approx(theirs_by_name[name]["mean"], abs=0.02), name


def test_given_the_covariance_the_posterior_is_generalised_least_squares(
    shared: Path, posterior: mmrm.MMRMPosterior
) -> None:
    """Under flat priors the coefficients given a covariance have the GLS estimate as mean: averaged, that is ours."""
    problem = posterior.problem
    z, seen = problem.padded
    chosen = range(0, len(posterior.sd), 80)
    means = []
    for s in chosen:
        total, right = np.zeros((z.shape[2] - 1,) * 2), np.zeros(z.shape[2] - 1)
        for i in range(len(z)):
            own = seen[i]
            weight = np.linalg.inv(posterior.covariance[s][np.ix_(own, own)])
            X, y = z[i, own, :-1], z[i, own, -1]
            total += X.T @ weight @ X
            right += X.T @ weight @ y
        means.append(np.linalg.solve(total, right)[-4:])
    sd = posterior.effects.reshape(-1, 4).std(axis=0)
    np.testing.assert_allclose(
        posterior.effects.reshape(-1, 4).mean(axis=0), np.mean(means, axis=0), atol=0.06 * float(sd.max())
    )


def test_same_seed_same_draws_another_seed_others(four_visits: CompiledModel, fev: RepeatedMeasures) -> None:
    short = SamplerSettings(chains=2, draws=200, tune=200)
    first, again, other = (
        mmrm.fit(four_visits, FOUR_VISITS, fev, VAGUE, short, seed=seed).effects for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draws_do_not_depend_on_the_cores(four_visits: CompiledModel, fev: RepeatedMeasures) -> None:
    one, two = (
        mmrm.fit(
            four_visits, FOUR_VISITS, fev, VAGUE, SamplerSettings(chains=2, draws=200, tune=200, cores=cores), seed=5
        ).effects
        for cores in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_another_number_of_chains_says_the_same(
    four_visits: CompiledModel, beat_the_blues: RepeatedMeasures, posterior: mmrm.MMRMPosterior
) -> None:
    import arviz as az

    more = mmrm.fit(four_visits, FOUR_VISITS, beat_the_blues, VAGUE, SamplerSettings(chains=6, draws=1500), seed=9)
    for j in range(4):
        ours, theirs = posterior.effects[..., j], more.effects[..., j]
        error = np.hypot(float(az.mcse(ours, method="mean")), float(az.mcse(theirs, method="mean")))
        assert abs(ours.mean() - theirs.mean()) < 4 * error


def test_padding_changes_nothing_but_the_seed(four_visits: CompiledModel) -> None:
    """Two visits in a model with room for four: the posterior is that of normal theory given the data."""
    problem = simulated(np.random.default_rng(4), n=60, missing=0.0)
    priors = Priors("vague", [EffectPrior((0.0,), (100.0,))] * 2, NuisancePriors(100, 10, 1))
    effects = mmrm.fit(four_visits, FOUR_VISITS, problem, priors, SETTINGS, seed=3).effects.reshape(-1, 2)
    design = np.column_stack([problem.X, problem.effects])
    # without missing values, and with the same columns at every visit, GLS of the differences is least squares
    X = np.column_stack([design[:, :2], design[:, [2]] * design[:, :2], design[:, 3:]])
    assert effects.shape == (8000, 2)
    beta = np.linalg.lstsq(X, problem.y - problem.centre, rcond=None)[0]
    np.testing.assert_allclose(effects.mean(axis=0), beta[-2:], atol=0.25 * float(effects.std()))


def test_pymc_sampler_agrees() -> None:
    import arviz as az

    problem = simulated(np.random.default_rng(7), n=30, t=1, missing=0.0)
    priors = Priors("p", [EffectPrior((0.0,), (1.0,))])
    shape = mmrm.Shape.of(problem)
    compiled = mmrm.build(shape)
    by_pymc, by_nutpie = (
        mmrm.fit(compiled, shape, problem, priors, SamplerSettings(chains=2, draws=500, tune=300, sampler=name), 1)
        for name in ("pymc", "nutpie")
    )
    errors = [float(az.mcse(each.effects[..., 0], method="mean")) for each in (by_pymc, by_nutpie)]
    assert abs(by_pymc.effects.mean() - by_nutpie.effects.mean()) < 4 * np.hypot(*errors)
    assert not np.array_equal(by_pymc.effects, by_nutpie.effects)


def broken(**changes: Any) -> None:
    problem = simulated(np.random.default_rng(1))
    fields = {name: getattr(problem, name) for name in problem.__dataclass_fields__}
    RepeatedMeasures(**(fields | {name: change(problem) for name, change in changes.items()}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": lambda p: np.full_like(p.y, 3.0)}, "no variance: all .* values are 3"),
        ({"y": lambda p: p.X @ np.ones(p.X.shape[1])}, "no residual variance"),
        ({"n_visits": lambda p: 3}, "no observation at visit 3"),
        ({"scale": lambda p: 0.0}, "to standardise by is 0.0"),
        ({"scale": lambda p: float("nan")}, "to standardise by is nan"),
        ({"benefit": lambda p: 0}, "benefit is 0"),
        ({"y": lambda p: np.where(np.arange(len(p.y)) == 0, np.nan, p.y)}, "missing or infinite"),
        ({"visit": lambda p: np.zeros_like(p.visit)}, "two rows for one visit"),
        (
            {"effects": lambda p: p.effects * (p.unit < 23)[:, None], "effect_names": lambda p: ("m6", "m12")},
            "m6: 3 observed in the arm",
        ),
    ],
)  # fmt: skip
def test_bad_data_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BayesInputError, match=message):
        broken(**changes)


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(BayesInputError) as caught:
        broken(scale=lambda p: -1.0, benefit=lambda p: 2, n_visits=lambda p: 3)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0,), (0.0,)), "standard deviation 0.0 is not positive"),
        (((0.0,), (-1.0,)), "standard deviation -1.0"),
        (((float("nan"),), (1.0,)), "mean nan"),
        (((0.0, 0.0), (1.0, 1.0), (0.5, 0.6)), "weights add up to 1.1"),
        (((0.0, 0.0), (1.0, 1.0), (1.5, -0.5)), "weight 1.5"),
        (((0.0,) * 3, (1.0,) * 3, (0.2, 0.3, 0.5)), "3 means"),
        (((0.0, 0.0), (1.0,)), "2 means, 1 standard"),
    ],
)
def test_impossible_priors_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BayesInputError, match=message):
        EffectPrior(*arguments)


def test_impossible_priors_of_the_rest_are_refused() -> None:
    with pytest.raises(BayesInputError, match="lkj 0 is not positive; prior group_scale -1"):
        NuisancePriors(lkj=0, group_scale=-1)


def test_as_many_priors_as_effects() -> None:
    problem = simulated(np.random.default_rng(1))
    with pytest.raises(BayesInputError, match="3 priors for 2 effects"):
        mmrm.model_data(problem, Priors("p", [EffectPrior((0.0,), (1.0,))] * 3), mmrm.Shape.of(problem))
