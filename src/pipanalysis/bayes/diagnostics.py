"""Whether a posterior was sampled well enough to be reported, and how the data and the priors speak in it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from pipanalysis.bayes.arrays import FloatArray, IntArray
from pipanalysis.bayes.priors import EffectPrior
from pipanalysis.bayes.sampler import Draws, SamplerSettings


@dataclass(frozen=True)
class Gates:
    """What a sampled model must pass.

    Attributes:
        r_hat: R-hat of every reported quantity is below it.
        ess: bulk and tail effective sample size of every reported quantity are above it.
        divergences: at most so many.
        bfmi: the Bayesian fraction of missing information of every chain's energy is above it.
    """

    r_hat: float = 1.01
    ess: float = 400
    divergences: int = 0
    bfmi: float = 0.3


@dataclass(frozen=True)
class Diagnostics:
    """How well a model was sampled; `failures` names each gate that it did not pass."""

    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    bfmi: float
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return not self.failures


def diagnose(reported: Mapping[str, FloatArray], draws: Draws, gates: Gates) -> Diagnostics:
    """Return the diagnostics of a posterior.

    Args:
        reported: quantity → draws (chains, draws, ...), each that results give.
        draws: what the sampler gave, for divergences and energy.
        gates: the limits.

    R-hat, bulk and tail ESS: Vehtari et al. 2021, Bayesian Analysis 16:667, as ArviZ computes them. A quantity that
    does not vary, or is not finite, fails.
    """
    import arviz as az

    columns = [value.reshape(*value.shape[:2], -1) for value in reported.values()]
    stacked = np.concatenate(columns, axis=2)
    with np.errstate(invalid="ignore"):  # of a quantity that does not vary: NaN, which fails
        r_hat = _worst(np.asarray(az.rhat(stacked)), max)
    bulk = _worst(np.asarray(az.ess(stacked, method="bulk")), min)
    tail = _worst(np.asarray(az.ess(stacked, method="tail", prob=TAILS)), min)
    bfmi = _worst(energy_fraction(draws.energy), min)
    divergences = int(draws.divergent.sum())
    failures = []
    if not r_hat < gates.r_hat:
        failures.append(f"R-hat {r_hat:.3f}, not below {gates.r_hat:g}")
    if not bulk > gates.ess:
        failures.append(f"bulk effective sample size {bulk:.0f}, not above {gates.ess:g}")
    if not tail > gates.ess:
        failures.append(f"tail effective sample size {tail:.0f}, not above {gates.ess:g}")
    if divergences > gates.divergences:
        trajectories = "trajectory" if divergences == 1 else "trajectories"
        failures.append(f"{divergences} divergent {trajectories}, {gates.divergences} allowed")
    if not bfmi > gates.bfmi:
        failures.append(f"Bayesian fraction of missing information {bfmi:.2f}, not above {gates.bfmi:g}")
    return Diagnostics(r_hat, bulk, tail, divergences, bfmi, tuple(failures))


TAILS = (0.05, 0.95)
"""quantiles whose smaller effective sample size is that of the tails"""


def _worst(values: FloatArray, pick: Callable[[FloatArray], float]) -> float:
    return float(pick(values.reshape(-1))) if np.isfinite(values).all() else nan


def energy_fraction(energy: FloatArray) -> FloatArray:
    """Return each chain's Bayesian fraction of missing information (Betancourt 2016) from energies (chains, draws)."""
    steps = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return np.asarray(steps / energy.var(axis=1))


def refitted_by_rule[T](
    sample: Callable[[SamplerSettings], T],
    judge: Callable[[T], Diagnostics],
    settings: SamplerSettings,
    *,
    target_accept: float,
    longer: int,
) -> tuple[T, Diagnostics, str]:
    """Sample, and where a gate fails sample once more with smaller steps and longer chains.

    Returns:
        The posterior to report (the second one where there was one), its diagnostics, and what was done in words.
    """
    first = sample(settings)
    found = judge(first)
    if found.passed:
        return first, found, ""
    careful = replace(settings, target_accept=target_accept, draws=settings.draws * longer, tune=settings.tune * longer)
    second = sample(careful)
    said = f"sampled again with target acceptance {target_accept:g} and chains {longer} times as long, since: "
    return second, judge(second), said + "; ".join(found.failures)


def mcse_mean(values: FloatArray) -> float:
    """Return the Monte Carlo standard error of a mean from draws (chains, draws)."""
    import arviz as az

    return float(az.mcse(values, method="mean"))


@dataclass(frozen=True)
class Loo:
    """Leave-one-unit-out cross-validation by Pareto-smoothed importance sampling (Vehtari, Gelman and Gabry 2017)."""

    elpd: float
    std_error: float
    n_effective: float
    max_pareto_k: float
    n_high_k: int


def leave_one_unit_out(logliks: FloatArray) -> Loo:
    """Return expected log predictive density of a unit's observed values; logliks (chains, draws, n)."""
    import arviz as az

    tree = az.from_dict({"posterior": {"x": logliks[..., 0]}, "log_likelihood": {"y": logliks}})
    with warnings.catch_warnings():  # of a high Pareto k, which is handed back
        warnings.simplefilter("ignore", UserWarning)
        found = az.loo(tree, pointwise=True)
    k = np.asarray(found.pareto_k)
    limit = min(1 - 1 / np.log10(logliks.shape[0] * logliks.shape[1]), 0.7)
    return Loo(float(found.elpd), float(found.se), float(found.p), float(k.max()), int((k > limit).sum()))


MAX_PARETO_K = 0.7
"""above it importance weights are not reliable (Vehtari et al. 2024, Journal of Machine Learning Research 25:72)"""


@dataclass(frozen=True)
class ImportanceWeights:
    """Pareto-smoothed weights of draws.

    Attributes:
        weights: add up to 1, (draws of all chains,).
        pareto_k: of their tail.
    """

    weights: FloatArray
    pareto_k: float

    @property
    def efficiency(self) -> float:
        """Share of the effective number of draws that is left."""
        return float(1 / (len(self.weights) * np.square(self.weights).sum()))

    def resample(self, seed: int) -> IntArray:
        """Return as many positions as there are draws, by weight (systematic resampling), in random order."""
        rng = np.random.default_rng(seed)
        n = len(self.weights)
        at = np.searchsorted(np.cumsum(self.weights), (np.arange(n) + rng.random()) / n)
        return np.asarray(rng.permutation(np.minimum(at, n - 1)), dtype=np.intp)


def importance_weights(log_ratio: FloatArray) -> ImportanceWeights:
    """Return the weights of draws under another prior from the log ratio of its density to theirs, (chains, draws)."""
    from arviz_stats.base import array_stats

    flat = log_ratio.reshape(-1)
    if np.ptp(flat) == 0:
        return ImportanceWeights(np.full(flat.size, 1 / flat.size), 0.0)
    smoothed, k = array_stats.psislw(-flat[None, :], axis=[-1])  # it takes log ratios with the opposite sign
    logs = np.asarray(smoothed).reshape(-1)
    return ImportanceWeights(np.exp(logs - logsumexp(logs)), float(np.asarray(k).reshape(-1)[0]))


def log_prior(effects: FloatArray, priors: Sequence[EffectPrior]) -> FloatArray:
    """Return the log prior density of effects (..., e) under one prior each: (...)."""
    total = np.zeros(effects.shape[:-1])
    for j, prior in enumerate(priors):
        parts = [
            np.log(w) + norm.logpdf(effects[..., j], m, s)
            for w, m, s in zip(prior.weights, prior.means, prior.sds, strict=True)
        ]
        total += logsumexp(parts, axis=0)
    return total


@dataclass(frozen=True)
class Sensitivity:
    """How much an effect's posterior moves with the prior and with the likelihood, each raised to a power near 1."""

    prior: float
    likelihood: float

    @property
    def finding(self) -> str:
        """What it says (Kallioinen et al. 2024): sensitive is 0.05 or more."""
        if not (isfinite(self.prior) and isfinite(self.likelihood)):
            return "not computed"
        if self.prior >= SENSITIVE:
            return "prior and data disagree" if self.likelihood >= SENSITIVE else "prior is strong, or data are weak"
        return ""


SENSITIVE = 0.05


def power_scaling(effects: FloatArray, logliks: FloatArray, log_priors: FloatArray) -> list[Sensitivity]:
    """Return the power-scaling sensitivity of each effect (Kallioinen et al. 2024, Statistics and Computing 34:57).

    Args:
        effects: (chains, draws, e).
        logliks: log-likelihood of all data (chains, draws).
        log_priors: log density of the effects' priors (chains, draws); the priors of the rest are not scaled.
    """
    import arviz as az

    tree = az.from_dict(
        {
            "posterior": {"effect": effects},
            "log_likelihood": {"y": logliks[..., None]},
            "log_prior": {"effect": log_priors},
        }
    )
    found = {
        group: np.atleast_1d(az.psense(tree, var_names=["effect"], group=group)["effect"].to_numpy())
        for group in ("prior", "likelihood")
    }
    return [Sensitivity(float(p), float(k)) for p, k in zip(found["prior"], found["likelihood"], strict=True)]
