"""What was fitted is told in words that a statistician would print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from pipanalysis.display.method_labels import DF_NAMES, method_label
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES
from pipanalysis.study.bayes_plan import Sampling
from pipanalysis.study.plan import Analysis

MACHINE = re.compile(r"_|\b(us|toeph?|ar1h?|csh?|adh?|reml|ml|ols|iv2sls|cace|gee|clda|mmrm|hdi|eti|iv)\b")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mmrm us kenward-roger reml", "MMRM, unstructured, Kenward-Roger, REML"),
        ("mmrm toeph satterthwaite reml", "MMRM, heterogeneous Toeplitz, Satterthwaite, REML"),
        (
            "dyadic un@un kenward-roger reml",
            "Mixed model of all roles, direct product (unstructured by member, unstructured by visit), Kenward-Roger, "
            "REML",
        ),
        ("mixed_model random-intercept reml", "Random intercept, REML"),
        ("growth random-intercept-and-slope reml", "Random intercept and slope, REML"),
        ("growth random-intercept reml", "Random intercept alone, REML"),
        ("ancova ols HC3", "ANCOVA, least squares, HC3 standard errors"),
        (
            "conditional mean us reml jackknife t",
            "Conditional means, unstructured, REML, jackknife, t",
        ),
        (
            "multiple imputation us posterior rubin t",
            "Multiple imputation, unstructured, drawn from the posterior, Rubin's rules, t",
        ),
        (
            "logistic firth profile delta",
            "Logistic regression, Firth's penalised likelihood, profile likelihood intervals, delta method",
        ),
        ("mmrm new-structure reml", "MMRM, new-structure, REML"),
        ("made-up", "made-up"),
    ],
)
def test_a_machine_name_is_told_in_words(name: str, label: str) -> None:
    assert method_label(name) == label


def test_every_model_of_the_study_is(root: Path) -> None:
    results = pd.read_parquet(root / "reference" / "estimates.parquet")
    fitted = results.loc[results["stat_name"] == "fit_status", "method"].unique()
    assert len(fitted) > 15
    for name in fitted:
        assert not MACHINE.search(method_label(name)), name


def test_every_structure_and_every_degree_of_freedom_of_the_plan_is() -> None:
    choices = {field: get_args(Analysis.model_fields[field].annotation) for field in ("covariance", "df")}
    assert set(choices["covariance"]) < set(STRUCTURE_NAMES)
    assert set(choices["df"]) == set(DF_NAMES)
    for structure in choices["covariance"]:
        for df in choices["df"]:
            assert not MACHINE.search(method_label(f"mmrm {structure} {df} reml"))
    for choice in get_args(Analysis.model_fields["standard_error"].annotation):
        assert method_label(f"ancova ols {choice}").endswith(" standard errors")
    for sampler in get_args(Sampling.model_fields["sampler"].annotation):
        assert "sampled by" in method_label(f"bayes_joint {sampler} eti")
