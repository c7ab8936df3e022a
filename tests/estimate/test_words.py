"""What results say of arms, visits, covariates and roles is in the labels of the study, however a fit ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.names import names_in_sentences
from estimate.trials import row
from pipanalysis.estimate.analysis_data import analysis_frame
from pipanalysis.estimate.bayes_logistic import prepare
from pipanalysis.estimate.double_programming import double_programming
from pipanalysis.estimate.engine_messages import coefficient_label
from pipanalysis.estimate.step import carried_out, family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.mmrm import engine
from pipanalysis.mmrm.optimise import Control

VISITS = {"t0": 0, "t1": 6, "t2": 12}
ARMS = ("tau", "ppt")
LABELS = {"t0": "Before treatment", "t1": "6 months", "t2": "12 months", "tau": "Routine care", "ppt": "Psychotherapy"}
SEX = {"name": "sx", "label": "Sex", "type": "category", "levels": {"1": "Girl", "2": "Boy"}}
AGE = {"name": "ag", "label": "Mother's age", "type": "integer"}
COPIES = [SEX | {"name": "sx2", "label": "Sex again"}, AGE | {"name": "ag2", "label": "Age again"}]
MODELS = ("mmrm", "clda", "ancova", "mixed_model", "growth", "rerandomisation", "effect_size", "reference_based")


def planned(*analyses: dict[str, Any], **more: Any) -> trials.Study:
    """A study whose labels are far from its names."""
    return trials.study(
        list(analyses), visits=VISITS, arms=ARMS, labels=LABELS, variables=[SEX, AGE, *COPIES], better="lower", **more
    )


def people() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    sex, age = np.tile(["1", "1", "2", "2", "1"], 8), rng.integers(18, 45, 40)
    units = pd.DataFrame({"unit": [f"u{i:02d}" for i in range(40)], "arm": np.tile(ARMS, 20)})
    return units.assign(sx=sex, sx2=sex, ag=age, ag2=2 * age)


def values() -> pd.DataFrame:
    """A row per unit, a column per visit."""
    rng = np.random.default_rng(3)
    y = rng.normal(50, 8, (40, 1)) + rng.normal(0, 5, (40, 3))
    return pd.DataFrame(y, columns=list(VISITS), index=people()["unit"])


def trial_of(study: trials.Study, wide: pd.DataFrame, score: str = "total") -> TrialData:
    long = wide.rename_axis("unit").reset_index().melt("unit", var_name="visit").dropna()
    return trials.trial(study, people(), long.assign(score=f"form.{score}"))


def one_visit_each(wide: pd.DataFrame) -> pd.DataFrame:
    """Nobody is observed at both visits after baseline."""
    half = np.arange(len(wide)) // 2 % 2 == 0
    return wide.assign(t1=wide["t1"].where(half), t2=wide["t2"].where(~half))


def hardly_observed(wide: pd.DataFrame) -> pd.DataFrame:
    """One of the arm other than the reference is observed at the last visit."""
    return wide.assign(t2=wide["t2"].where((people()["arm"] == "tau").to_numpy() | (np.arange(len(wide)) == 1)))


@pytest.mark.parametrize("change", [pd.DataFrame.copy, one_visit_each, hardly_observed])
@pytest.mark.parametrize("covariates", [[], ["sx", "ag"], ["sx", "ag", "sx2", "ag2"]])
def test_no_name_of_the_configuration_is_in_a_sentence(change: Any, covariates: list[str]) -> None:
    analyses: list[dict[str, Any]] = [{"method": method, "covariates": covariates} for method in MODELS]
    analyses[-1]["strategies"] = ["j2r"]
    analyses += [{"name": "groups", "method": "mmrm", "covariates": covariates, "subgroup": "sx"}]
    analyses += [{"name": "slopes", "method": "mmrm", "covariates": covariates, "moderator": "ag"}]
    trial = trial_of(planned(*analyses), change(values()))
    results = pd.concat([family_results(trial, family) for family in trial.study.families()])
    assert {*MODELS, "groups", "slopes"} == set(results["analysis"])
    silent = change is pd.DataFrame.copy and len(covariates) < 4
    assert silent or any(results["warning"])
    assert names_in_sentences(trial.study, results) == set()


def test_the_names_are_found_where_they_are() -> None:
    sentences = ["covariance us, un@un, cs:"]
    sentences += ["2 of ppt", "aliased: armppt:visitt2", "at t1: x2", "Psychotherapy at 6 months", "x1Boy", "tots"]
    found = names_in_sentences(planned({"method": "mmrm"}), pd.DataFrame({"warning": sentences, "error": ""}))
    assert {name for name, _ in found} == {"ppt", "t2", "t1", "x2", "x1Boy", "us", "un@un", "cs"}


@pytest.mark.parametrize("method", ["mmrm", "reference_based"])
def test_visits_that_nobody_has_both_of_are_said(method: str) -> None:
    options = {"strategies": ["j2r"]} if method == "reference_based" else {"covariance": "us"}
    study = planned({"method": method} | options)
    trial = trial_of(study, one_visit_each(values()))
    results = family_results(trial, study.families()[0])
    error = row(results, "fit_status")["error"]
    assert error.startswith("no subject was observed at both visits 6 months and 12 months: with an unstructured")


def test_structures_that_do_not_converge_are_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    study = planned({"method": "mmrm", "covariance": "us", "fallback": ["cs"]})
    monkeypatch.setattr(engine, "Control", partial(Control, max_iterations=0, optimisers=("newton",)))
    results = family_results(trial_of(study, one_visit_each(values())), study.families()[0])
    error = row(results, "fit_status")["error"]
    assert error.startswith("no covariance structure converged (unstructured: no subject was observed at both visits")
    assert "; compound symmetry: no convergence" in error
    assert names_in_sentences(study, results) == set()


@pytest.mark.parametrize("method", ["ancova", "mmrm", "growth"])
def test_covariates_that_others_determine_are_said(method: str) -> None:
    study = planned({"method": method, "covariates": ["sx", "ag", "sx2", "ag2"]})
    results = family_results(trial_of(study, values()), study.families()[0])
    said = set(results.loc[results["stat_name"] == "fit_status", "warning"])
    assert len(said) == 1
    assert said.pop().split(": ", 1)[1].startswith("sex again (Boy), age again")


def test_an_arm_hardly_observed_is_said_by_the_second_program() -> None:
    study = planned({"method": "ancova"}, {"name": "again", "method": "double_programming", "analyses": ["ancova"]})
    trial = trial_of(study, hardly_observed(values()))
    scores = hardly_observed(values()).rename_axis("unit").reset_index().melt("unit", var_name="visit").dropna()
    scores = scores.assign(score="form.total", level=None)
    inside = people().assign(in_all_randomised=True)
    again = carried_out(double_programming(trial.study, inside, scores), "double", progress=False)
    said = row(again, "estimate", visit="t2")["warning"]
    assert said == "not computed a second time: fewer than 2 of Psychotherapy at 12 months"


def test_an_arm_with_few_is_said_before_sampling() -> None:
    study = planned({"method": "bayes_logistic", "baseline": False}, scores={"yes": "binary"})
    wide = pd.DataFrame({"t1": np.tile([0.0, 1.0, 1.0], 14)[:40]}, index=people()["unit"])
    wide.loc[(people()["arm"] == "ppt").to_numpy() & (np.arange(40) > 6), "t1"] = np.nan
    trial = trial_of(study, wide, "yes")
    analysis, outcome = trial.study.plan.analyses[0], trial.study.plan.outcomes[0]
    first = next(prepare(trial, analysis, outcome))
    assert first.error == "Psychotherapy: 3 observed in it, 20 outside it; 4 needed"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ("armppt visitt2", "Psychotherapy at 12 months"),
        ("visitt2 armppt x1", "Psychotherapy by mother's age at 12 months"),
        ("armppt visit(baseline)", "Psychotherapy at baseline"),
        ("baseline visitt1", "baseline at 6 months"),
        ("x22", "sex (Boy)"),
        ("armppt cellm:t2", "Psychotherapy by Mother at 12 months"),
        ("visitt1", "6 months"),
        ("cellc:t1", "Child at 6 months"),
    ],
)
def test_coefficients_in_words(parts: str, said: str) -> None:
    study = planned({"method": "mmrm", "covariates": ["ag", "sx"]})
    frame = analysis_frame(trial_of(study, values()), study.plan.analyses[0], study.plan.outcomes[0])
    assert coefficient_label(parts.split(), frame, {"m": "Mother", "c": "Child"}) == said


def test_a_covariate_that_varies_only_at_a_visit_of_one_role_is_no_term() -> None:
    """Boys' mothers are observed at the second visit alone, which is planned for mothers alone."""
    roles = {"m": "Mother: mood", "c": "Child: words"}
    dyad = [{"name": name, "label": label, "outcome": name} for name, label in roles.items()]
    plan = {"method": "dyadic", "role": "exploratory", "dyad": dyad, "covariates": ["sx"]}
    study = planned(plan, scores=dict.fromkeys(roles, "continuous"))
    mothers, childs = study.plan.outcomes
    outcomes = [mothers, childs.model_copy(update={"visits": ["t1"]})]
    study = replace(study, plan=study.plan.model_copy(update={"outcomes": outcomes}))
    boys = (people()["sx"] == "2").to_numpy()
    mother = values().assign(t1=values()["t1"].where(~boys))
    child = (mother + np.random.default_rng(4).normal(0, 5, (40, 3))).drop(columns="t2")
    parts = [
        one.reset_index().melt("unit", var_name="visit").assign(score=f"form.{role}")
        for role, one in (("m", mother), ("c", child))
    ]
    results = family_results(trials.trial(study, people(), pd.concat(parts).dropna(subset=["value"])), "association")
    assert row(results, "fit_status")["stat_label"] != "failed"
    assert names_in_sentences(study, results) == set()


def test_roles_of_a_dyad_are_said() -> None:
    """Nobody has the mother's first and the child's second outcome; one has no baseline."""
    roles = {"m": "Mother: mood", "c": "Child: words"}
    dyad = [{"name": name, "label": label, "outcome": name} for name, label in roles.items()]
    scores = dict.fromkeys(roles, "continuous")
    study = planned({"method": "dyadic", "role": "exploratory", "dyad": dyad}, scores=scores)
    rng = np.random.default_rng(4)
    parts = []
    for k, role in enumerate(roles):
        wide = values() + rng.normal(0, 5, (40, 3))
        wide.loc[np.arange(40) // 2 % 2 == k, ("t1", "t2")[k]] = np.nan
        wide.loc["u00", "t0"] = np.nan if role == "m" else 50.0
        parts.append(wide.reset_index().melt("unit", var_name="visit").assign(score=f"form.{role}"))
    results = family_results(trials.trial(study, people(), pd.concat(parts).dropna(subset=["value"])), "association")
    said = row(results, "fit_status")["warning"]
    assert "left out for want of the baseline value: 1 participant, 1 observation (Mother: mood)" in said
    assert ": no subject was observed at both visits Mother: mood at 6 months and Child: words at 12 months" in said
    assert names_in_sentences(study, results) == set()
