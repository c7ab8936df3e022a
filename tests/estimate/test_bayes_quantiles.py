"""Quantiles of priors and posteriors: closed forms and the distribution function of a mixture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from estimate import trials
from pipanalysis.bayes.priors import EffectPrior
from pipanalysis.estimate.analysis_results import Scope
from pipanalysis.estimate.bayes_quantiles import (
    PROBABILITIES,
    posterior_quantile_rows,
    prior_quantile,
    prior_quantile_rows,
)

SCOPE = Scope(
    trials.analysis(trials.study([{"name": "a", "method": "ancova"}], visits={"late": 1.0})), "total", "", 0.95, "b"
)


def test_each_quantile_stands_for_the_same_share() -> None:
    assert np.diff([0, *PROBABILITIES, 1]) == pytest.approx([0.025, *[0.05] * 19, 0.025])


@given(
    weight=st.floats(0.05, 0.95),
    apart=st.floats(-3, 3),
    sd=st.floats(0.05, 2),
    probability=st.sampled_from(PROBABILITIES),
)
def test_a_mixture_has_the_probability_below_its_quantile(
    weight: float, apart: float, sd: float, probability: float
) -> None:
    at = prior_quantile(EffectPrior((0.1, 0.1 + apart), (0.3, sd), (weight, 1 - weight)), probability)
    below = weight * norm.cdf((at - 0.1) / 0.3) + (1 - weight) * norm.cdf((at - 0.1 - apart) / sd)
    assert below == pytest.approx(probability, abs=1e-8)


def test_one_normal_prior_in_units_of_an_outcome_that_is_better_low() -> None:
    rows = list(prior_quantile_rows(SCOPE, EffectPrior((0.25,), (0.16,)), -10.0, "prior=p", "treated - control"))
    wanted = norm(-2.5, 1.6).ppf(PROBABILITIES)
    assert [row["stat"] for row in rows] == pytest.approx(list(wanted))
    assert [row["context"] for row in rows] == [f"prior=p, probability={p:g}" for p in PROBABILITIES]
    assert {row["visit"] for row in rows} == {""}


def test_quantiles_of_draws_whatever_their_shape() -> None:
    draws = np.random.default_rng(1).permutation(np.arange(4001.0)).reshape(1, 4001)
    rows = list(posterior_quantile_rows(SCOPE, draws, "prior=p", "late", "treated - control"))
    assert [row["stat"] for row in rows] == pytest.approx([4000 * p for p in PROBABILITIES])
