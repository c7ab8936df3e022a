"""The joint model: its density written out, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes.conftest import simulated
from pipanalysis.bayes import joint, kernels_joint
from pipanalysis.bayes.errors import BayesInputError
from pipanalysis.bayes.priors import EffectPrior, NuisancePriors
from pipanalysis.bayes.sampler import Draws

PRIORS = joint.JointPriors("p", EffectPrior((0.1,), (0.5,)), 0.3, NuisancePriors(2, 1.5, 2))


def problem(domains: tuple[int, ...] = (0, 0, 1)) -> joint.JointProblem:
    rng = np.random.default_rng(11)
    at = np.arange(2)
    outcomes = [joint.JointOutcome(simulated(rng), at, at, domain) for domain in domains]
    return joint.JointProblem(outcomes, 40, 2, max(domains) + 1)


def test_log_density_is_prior_times_likelihood() -> None:
    """PyMC's log density against scipy's distributions and the kernel, whose own test is against scipy too."""
    made = problem()
    K, t, D, q = made.shape
    model = joint.build(made, lkj=2.0).model
    rng = np.random.default_rng(12)
    value = {
        "overall": np.array(0.2),
        "outcome_z": rng.standard_normal(K),
        "domain_z": rng.standard_normal(D),
        "visit_z": rng.standard_normal((K, t)),
        "coefficient": rng.standard_normal((K, q)),
    }
    spread = {"outcome_spread": 0.2, "visit_spread": -0.1, "domain_spread": 0.3}
    sd, h = rng.random((K, t)) + 0.5, rng.random(K) * 0.6 + 0.2
    u = {"own_partial": np.full((K, 1), 0.6), "factor_partial": np.array([[0.7]]), "domain_partial": np.array([[0.8]])}
    point = value | {name: np.array(x) for name, x in spread.items()} | {"sd_log__": np.log(sd)}
    point |= {"communality_logodds__": np.log(h / (1 - h))}
    point |= {f"{name}_logodds__": np.log(x / (1 - x)) for name, x in u.items()}
    with model:
        import pymc

        pymc.set_data(joint.model_data(made, PRIORS))
    found = float(model.compile_logp(jacobian=False, mode="FAST_COMPILE")(point))

    expected = stats.norm.logpdf(0.2, 0.1, 0.5) + stats.beta.logpdf(h, 2, 2).sum()
    expected += sum(stats.norm.logpdf(value[name]).sum() for name in ("outcome_z", "domain_z", "visit_z"))
    expected += stats.norm.logpdf(value["coefficient"], 0, 2).sum()
    expected += sum(stats.norm.logpdf(x, scale=0.3) for x in spread.values())
    expected += (np.log(2) + stats.t.logpdf(sd, 3, scale=1.5)).sum()
    expected += sum(stats.beta.logpdf(x, 2, 2).sum() for x in u.values())
    effect = 0.2 + 0.2 * value["outcome_z"][:, None] - 0.1 * value["visit_z"]
    effect = effect + 0.3 * value["domain_z"][made.domain][:, None]
    own = sd * np.sqrt(1 - h)[:, None]
    unique = own[:, :, None] * own[:, None, :] * np.array([[1, 0.2], [0.2, 1]])
    visits, domains = np.array([[1, 0.4], [0.4, 1]]), np.array([[1, 0.6], [0.6, 1]])
    lower = np.linalg.cholesky(np.kron(domains, visits))
    z, observed, pattern = made.arrays
    beta = np.concatenate([value["coefficient"], effect], axis=1)
    loading = sd * np.sqrt(h)[:, None]
    likelihood = kernels_joint.factor_loglik(
        beta, loading, unique, lower, z, observed, pattern, made.domain.astype(float)
    )
    assert found == pytest.approx(expected + float(likelihood[0]), rel=1e-9)


def posterior(made: joint.JointProblem, outcome_z: list[float]) -> joint.JointPosterior:
    shape = (1, 2)
    K, t, _, _ = made.shape
    values = {
        "overall": np.zeros(shape),
        "outcome_spread": np.ones(shape),
        "visit_spread": np.zeros(shape),
        "outcome_z": np.broadcast_to(outcome_z, (*shape, K)),
        "visit_z": np.zeros((*shape, K, t)),
    }
    return joint.JointPosterior(made, PRIORS, Draws(values, np.zeros(shape, dtype=bool), np.zeros(shape)))


def test_domains_count_the_same_whatever_their_number_of_outcomes() -> None:
    drawn = posterior(problem(), [1.0, 3.0, 10.0])
    assert drawn.domain_effect(0).tolist() == [[2.0, 2.0]]
    assert drawn.domain_effect(1, visit=1).tolist() == [[10.0, 10.0]]
    assert drawn.overall_effect().tolist() == [[6.0, 6.0]]


def test_an_outcome_at_one_visit_counts_there_and_as_one_outcome() -> None:
    rng = np.random.default_rng(13)
    at = np.arange(2)
    late = np.array([1])
    outcomes = [
        joint.JointOutcome(simulated(rng), at, at, 0),
        joint.JointOutcome(simulated(rng, t=1), late, late, 0),
    ]
    drawn = posterior(joint.JointProblem(outcomes, 40, 2, 1), [1.0, 3.0])
    assert drawn.domain_effect(0, visit=0)[0, 0] == 1.0
    assert drawn.domain_effect(0, visit=1)[0, 0] == 2.0
    assert drawn.domain_effect(0)[0, 0] == 2.0
    z, observed, pattern = drawn.problem.arrays
    assert set(observed.sum(axis=1)) <= {1.0, 2.0}
    assert not z[1][:, 0].any()
    assert (pattern[1] >= -1).all()


def test_what_cannot_be_modelled_together_is_refused() -> None:
    at = np.arange(2)
    one = joint.JointOutcome(simulated(np.random.default_rng(1)), at, at, 0)
    with pytest.raises(BayesInputError, match="1 outcome in a joint model"):
        joint.JointProblem([one], 40, 2, 1)
    twice = joint.JointOutcome(one.problem, at, np.array([1, 1]), 0)
    with pytest.raises(BayesInputError, match="outcome 2: two effects at a visit"):
        joint.JointProblem([one, twice], 40, 2, 1)
    with pytest.raises(BayesInputError, match="pooling_scale 0 is not positive"):
        joint.JointPriors("p", EffectPrior((0.0,), (1.0,)), 0, NuisancePriors())


@pytest.mark.parametrize("visit", [None, 1])
def test_the_prior_density_of_a_mean_effect_has_the_moments_of_its_parts(visit: int | None) -> None:
    """Var = sd^2 + E[tau^2] (sum of squared weights at each level); E[tau^2] = scale^2 of a half normal."""
    made = problem()
    priors = joint.JointPriors("p", EffectPrior((0.4, 0.0), (0.3, 1.0), (0.7, 0.3)), 0.5, NuisancePriors())
    weight = made.overall_weight(visit)
    at = np.linspace(-12, 12, 2_401)
    density = joint.prior_density(made, priors, weight, at)
    step = at[1] - at[0]
    outcome, domain = weight.sum(axis=1), np.array([weight[made.domain == d].sum() for d in (0, 1)])
    spread = 0.25 * ((domain**2).sum() + (outcome**2).sum() + (weight**2).sum())
    mean = 0.7 * 0.4
    variance = 0.7 * (0.3**2 + 0.4**2) + 0.3 - mean**2 + spread
    assert density.sum() * step == pytest.approx(1, abs=1e-6)
    assert (density * at).sum() * step == pytest.approx(mean, abs=1e-6)
    assert (density * (at - mean) ** 2).sum() * step == pytest.approx(variance, rel=1e-5)


def test_the_prior_density_of_an_effect_is_that_of_draws_from_the_prior() -> None:
    """At zero, against the share of 400,000 draws within 0.05: Monte Carlo error below 1%."""
    made = problem()
    priors = joint.JointPriors("p", EffectPrior((0.0,), (0.2,)), 0.3, NuisancePriors())
    rng = np.random.default_rng(5)
    drawn = rng.normal(0, 0.2, 400_000)
    for _ in range(3):
        drawn += np.abs(rng.normal(0, 0.3, drawn.size)) * rng.standard_normal(drawn.size)
    weight = np.zeros(made.estimated.shape)
    weight[0, 0] = 1.0
    found = joint.prior_density(made, priors, weight, np.array([0.0]))[0]
    assert found == pytest.approx((np.abs(drawn) < 0.05).mean() / 0.1, rel=0.02)
