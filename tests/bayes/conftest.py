"""Trials as the Bayesian models take them, and a model that several tests sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipanalysis.bayes.compiler import set_up_compiler

set_up_compiler()

from pipanalysis.bayes import mmrm  # noqa: E402
from pipanalysis.bayes.problem import RepeatedMeasures  # noqa: E402
from pipanalysis.bayes.sampler import CompiledModel  # noqa: E402

FOUR_VISITS = mmrm.Shape(visits=4, coefficients=8, groups=0, effects=4)
"""a shape with room for fev (8 coefficients) and Beat the Blues (7)"""


@pytest.fixture(scope="session")
def four_visits() -> CompiledModel:
    """The model of four visits, LKJ(1), for every test that samples it."""
    return mmrm.build(FOUR_VISITS, lkj=1.0)


@pytest.fixture(scope="session")
def beat_the_blues(shared: Path) -> RepeatedMeasures:
    """Proudfoot et al. 2003 with the design of the reference fits."""
    long = pd.read_csv(shared / "reference" / "data" / "BtheB_long.csv").dropna()
    visit = long["month"].map({2: 0, 3: 1, 5: 2, 8: 3}).to_numpy()
    visits = np.eye(4)[visit]
    treated = (long["treatment"] == "BtheB").to_numpy(dtype=float)
    before = long["bdi.pre"] - long["bdi.pre"].mean()
    X = np.column_stack([visits, before / before.std(), long["drug"] == "Yes", long["length"] == ">6m"]).astype(float)
    return RepeatedMeasures(
        y=long["bdi"].to_numpy(dtype=float),
        X=X,
        effects=visits * treated[:, None],
        unit=long["subject"].astype("category").cat.codes.to_numpy().astype(np.intp),
        visit=visit,
        n_visits=4,
        scale=10.0,
        benefit=-1,
    )


@pytest.fixture(scope="session")
def fev(shared: Path) -> RepeatedMeasures:
    """The example trial of R mmrm with the design of the reference fits."""
    data = pd.read_csv(shared / "reference" / "data" / "fev_data.csv").dropna(subset=["FEV1"])
    visit = (data["AVISIT"].str[-1].astype(int) - 1).to_numpy()
    visits = np.eye(4)[visit]
    races = sorted(data["RACE"].unique())
    X = np.column_stack([visits, *(data["RACE"] == race for race in races[1:]), data["SEX"] == "Female"]).astype(float)
    return RepeatedMeasures(
        y=data["FEV1"].to_numpy(dtype=float),
        X=X,
        effects=visits * (data["ARMCD"] == "TRT").to_numpy(dtype=float)[:, None],
        unit=data["USUBJID"].astype("category").cat.codes.to_numpy().astype(np.intp),
        visit=visit,
        n_visits=4,
        scale=10.0,
    )


def simulated(
    rng: np.random.Generator, n: int = 40, t: int = 2, effect: float = 0.3, missing: float = 0.2
) -> RepeatedMeasures:
    """A trial of two equal arms: baseline, compound symmetry with correlation 0.5, values missing at random."""
    arm = np.repeat([0.0, 1.0], n // 2)
    before = rng.standard_normal(n)
    y = 0.5 * before[:, None] + effect * arm[:, None]
    y = y + np.sqrt(0.5) * (rng.standard_normal((n, 1)) + rng.standard_normal((n, t)))
    seen = rng.random((n, t)) >= missing
    unit, visit = np.nonzero(seen)
    visits = np.eye(t)[visit]
    return RepeatedMeasures(
        y=y[unit, visit],
        X=np.column_stack([visits, before[unit]]),
        effects=visits * arm[unit][:, None],
        unit=unit,
        visit=visit,
        n_visits=t,
        scale=1.0,
    )
