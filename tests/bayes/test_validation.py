"""Long simulations: calibration of the models, and what the joint model gains and loses against separate ones."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from bayes import calibration_page as stored
from bayes.calibration import chi_square_p, ecdf_difference, rank, table
from bayes.conftest import simulated
from bayes.simulations import errors_of_both, joint_ranks, mixed_ranks, pilot
from pipanalysis.bayes import kernels

TRIALS = int(os.environ.get("PIP_SBC_TRIALS", "300"))
OTHERS = range(100_000, 100_000 + TRIALS)
"""numbers of the trials: others than those whose ranks are stored"""


def judge(title: str, ranks: pd.DataFrame) -> None:
    print("\n".join(["", *table(title, list(ranks), ranks.to_numpy())]))
    assert stored.not_uniform(ranks) == []


@pytest.mark.validation
@pytest.mark.parametrize("therapists", [False, True])
def test_mixed_model_is_calibrated(therapists: bool) -> None:
    judge("mixed model", mixed_ranks(OTHERS, therapists=therapists))


@pytest.mark.validation
def test_joint_model_is_calibrated() -> None:
    judge("joint model", joint_ranks(OTHERS, pilot()))


def loses_and_gains(errors: pd.DataFrame) -> None:
    """Less error where effects are alike, more for the odd one out."""
    for name in ("no effect", "one domain benefits", "all benefit alike"):
        assert stored.gain(errors[errors["scenario"] == name])[0] > 0, name
    odd = errors[(errors["scenario"] == "one outcome alone benefits") & (errors["outcome"] == 1)]
    assert stored.gain(odd)[0] < 0


@pytest.mark.validation
def test_joint_model_against_separate_ones() -> None:
    loses_and_gains(errors_of_both(OTHERS[: max(10, TRIALS // 10)]))


@pytest.mark.parametrize("name", stored.MODELS)
def test_stored_ranks_are_uniform(name: str) -> None:
    ranks = stored.ranks(name)
    assert len(ranks) >= 300
    assert ranks.index.is_unique
    assert stored.not_uniform(ranks) == []


def test_stored_errors_show_gain_and_loss() -> None:
    loses_and_gains(pd.read_csv(stored.FIXTURES / "errors.csv"))


def test_the_page_says_what_the_stored_trials_do() -> None:
    assert stored.PAGE.read_text(encoding="utf-8") == stored.page()


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
