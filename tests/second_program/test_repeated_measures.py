"""The second program's repeated measures against R mmrm's linear Kenward-Roger, and against algebra."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipanalysis import second_program
from pipanalysis.second_program.design import Asked, Design, Wanted, complete_rows, design
from pipanalysis.second_program.regression import least_squares
from pipanalysis.second_program.repeated_measures import unstructured

VISITS = ("VIS1", "VIS2", "VIS3", "VIS4")


def test_it_imports_nothing_of_the_first_program() -> None:
    folder = Path(second_program.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith("pipanalysis") or name.startswith("pipanalysis.second_program"), (path, name)


def test_fev_as_r_mmrm(shared: Path) -> None:
    """FEV1 ~ RACE + SEX + ARMCD * AVISIT, us, REML: differences and means by visit with linear Kenward-Roger."""
    data = pd.read_csv(shared / "reference" / "data" / "fev_data.csv").dropna(subset=["FEV1"])
    people = data.drop_duplicates("USUBJID").rename(columns={"USUBJID": "unit", "ARMCD": "arm"})
    people = people[["unit", "arm", "RACE", "SEX"]].assign(in_all=True)
    scores = data.rename(columns={"USUBJID": "unit", "AVISIT": "visit", "FEV1": "value"})
    scores = scores[["unit", "visit", "value"]].assign(score="fev", level=None)
    wanted = Wanted(
        score="fev",
        baseline_score="",
        baseline_visit="",
        visits=VISITS,
        arms=("PBO", "TRT"),
        analysis_set="all",
        factors={"RACE": sorted(data["RACE"].unique()), "SEX": ["Male", "Female"]},
    )
    found = unstructured(design(complete_rows(people, scores, wanted), wanted), VISITS)
    models = json.loads((shared / "reference" / "results" / "mmrm_fev.json").read_text())["models"]
    by_r = models["us_reml"]["methods"]["Kenward-Roger-Linear"]
    assert {row["contrast"] for row in by_r["contrasts"]} == {"TRT - PBO"}
    reference = {Asked("difference", "TRT", row["AVISIT"]): row for row in by_r["contrasts"]}
    reference |= {Asked("mean", row["ARMCD"], row["AVISIT"]): row for row in by_r["lsmeans"]}
    assert set(found) == set(reference)
    assert len(found) == 4 + 8
    for asked, row in reference.items():
        one = found[asked]
        assert one.estimate == pytest.approx(row["estimate" if asked.kind == "difference" else "emmean"], rel=1e-5)
        assert one.std_error == pytest.approx(row["SE"], rel=1e-5)
        assert one.df == pytest.approx(row["df"], rel=1e-4)


@settings(max_examples=40)
@given(n=st.integers(4, 12), t=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_complete_balanced_data_by_algebra(n: int, t: int, seed: int) -> None:
    """Without covariates each visit's difference is that of two means, its SE and df those of the two-sample t test."""
    y = np.random.default_rng(seed).standard_normal((2 * n, t)).cumsum(axis=1)
    visits = tuple(f"v{i}" for i in range(t))
    found = unstructured(frame(y, n, visits), visits)
    for i, visit in enumerate(visits):
        test = stats.ttest_ind(y[n:, i], y[:n, i])
        one = found[Asked("difference", "b", visit)]
        assert one.estimate == pytest.approx(y[n:, i].mean() - y[:n, i].mean(), abs=1e-9)
        assert one.estimate / one.std_error == pytest.approx(test.statistic, rel=1e-6)
        assert one.df == pytest.approx(2 * n - 2, rel=1e-5)
        pooled = np.sqrt((y[:n, i].var(ddof=1) + y[n:, i].var(ddof=1)) / 2)
        for arm, own in (("a", y[:n, i]), ("b", y[n:, i])):
            mean = found[Asked("mean", arm, visit)]
            assert mean.estimate == pytest.approx(own.mean(), abs=1e-9)
            assert mean.std_error == pytest.approx(pooled / np.sqrt(n), rel=1e-6)
            assert mean.df == pytest.approx(2 * n - 2, rel=1e-5)


def test_one_visit_is_ordinary_regression() -> None:
    y = np.random.default_rng(4).standard_normal((20, 1))
    put = frame(y, 10, ("v0",))
    ordinary, repeated = least_squares(put, robust=False), unstructured(put, ("v0",))
    assert set(repeated) == set(ordinary)
    for asked, one in ordinary.items():
        assert repeated[asked].std_error == pytest.approx(one.std_error, rel=1e-9)
        assert one.df == 18


def test_hc3_of_two_groups_by_algebra() -> None:
    """With two groups the leverage is 1/n, and HC3 of the difference is the sum of SS / (n - 1)^2."""
    y = np.random.default_rng(5).standard_normal((15, 1))
    y[6:] *= 3
    rows = frame(y, 6, ("v0",))
    squares = [((part - part.mean()) ** 2).sum() / (len(part) - 1) ** 2 for part in (y[:6], y[6:])]
    found = least_squares(rows, robust=True)
    assert found[Asked("difference", "b", "v0")].std_error == pytest.approx(np.sqrt(sum(squares)), rel=1e-12)
    for arm, square in zip("ab", squares, strict=True):
        assert found[Asked("mean", arm, "v0")].std_error == pytest.approx(np.sqrt(square), rel=1e-12)


def test_a_mean_that_the_data_do_not_determine_is_none() -> None:
    """Of two factors with the same levels in the same units the levels are averaged; of one that tells an arm, not."""
    people = pd.DataFrame({"unit": [f"u{i}" for i in range(12)], "arm": ["a", "b"] * 6, "in_all": True})
    people = people.assign(site=["s", "s", "t", "t"] * 3, again=["x", "x", "y", "y"] * 3)
    y = np.random.default_rng(6).standard_normal(12)
    scores = people[["unit"]].assign(visit="v0", value=y, score="s", level=None)
    one = {"site": ["s", "t", "never"]}
    both = one | {"again": ["x", "y"]}
    of = [Wanted("s", "", "", ("v0",), ("a", "b"), "all", factors) for factors in (one, both)]
    found = [least_squares(design(complete_rows(people, scores, each), each), robust=False) for each in of]
    assert found[0] == pytest.approx(found[1])
    for arm in "ab":
        own = [y[(people["arm"] == arm) & (people["site"] == site)].mean() for site in "st"]
        assert found[0][Asked("mean", arm, "v0")].estimate == pytest.approx(np.mean(own), abs=1e-12)
    crossed = people.assign(again=["x", "x", "y", "z"] * 3)
    put = design(complete_rows(crossed, scores, of[1]), replace(of[1], factors=both | {"again": ["x", "y", "z"]}))
    assert put.means == {}


def test_an_arm_hardly_observed_is_refused() -> None:
    y = np.full((8, 2), np.nan)
    y[:, 0], y[:5, 1] = np.arange(8), np.arange(5)
    with pytest.raises(ValueError, match="fewer than 2 of b at v1"):
        frame(y, 4, ("v0", "v1"))


def frame(y: np.ndarray, n_first: int, visits: tuple[str, ...]) -> Design:
    """Rows and design of y (units, visits), the first `n_first` units in arm a; NaN is missing."""
    units = [f"u{i:02d}" for i in range(len(y))]
    people = pd.DataFrame({"unit": units, "arm": ["a"] * n_first + ["b"] * (len(y) - n_first), "in_all": True})
    long = pd.DataFrame(y, index=pd.Index(units, name="unit"), columns=list(visits)).reset_index()
    long = long.melt("unit", var_name="visit", value_name="value").assign(score="s", level=None)
    wanted = Wanted("s", "", "", visits, ("a", "b"), "all", {})
    return design(complete_rows(people, long, wanted), wanted)
