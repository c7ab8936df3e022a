"""Double programming in the plan: what is computed a second time, what a difference looks like, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from pipanalysis.estimate.analysis_results import as_results
from pipanalysis.estimate.double_programming import compared_rows, double_programming
from pipanalysis.estimate.step import carried_out, family_results
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.study.crosscheck_options import check_options

REPEAT = {"name": "again", "method": "double_programming"}


def both(trial: TrialData, people: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The results of both programs."""
    again = carried_out(double_programming(trial.study, people, scores), "double", progress=False)
    families = {"mmrm": "mmrm", "ancova": "ancova", "logistic": "binary", "nominal": "categorical"}
    methods = {a.method for a in trial.study.plan.analyses} & set(families)
    return pd.concat([again, *(family_results(trial, families[method]) for method in sorted(methods))])


def continuous(seed: int = 3, *, arms: tuple[str, ...] = trials.ARMS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants and scores of 60 units, three visits, a fifth missing after baseline."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"unit": [f"u{i:02d}" for i in range(60)], "arm": [arms[i % len(arms)] for i in range(60)]})
    people = people.assign(site=[("a", "b", "c")[i // 7 % 3] for i in range(60)], in_all_randomised=True)
    y = rng.normal(50, 8, (60, 1)) + rng.normal(0, 5, (60, 3))
    y[:, 1:][rng.random((60, 2)) < 0.2] = np.nan
    wide = pd.DataFrame(y, columns=["baseline", "month6", "month12"]).assign(unit=people["unit"])
    long = wide.melt("unit", var_name="visit").dropna().assign(score="form.total", level=None)
    return people, long


def configuration(*analyses: dict[str, Any], **more: Any) -> trials.Study:
    site = {"name": "site", "label": "Site", "type": "category", "levels": {"a": "A", "b": "B", "c": "C"}}
    visits = {"baseline": 0, "month6": 6, "month12": 12}
    return trials.study(list(analyses), visits=visits, variables=[site], strata=["site"], **more)


@pytest.mark.parametrize("arms", [("control", "treated"), ("control", "low", "high")])
def test_continuous_outcomes_agree(arms: tuple[str, ...]) -> None:
    people, scores = continuous(arms=arms)
    study = configuration(
        {"method": "mmrm", "covariance": "us"},
        {"method": "ancova", "standard_error": "HC3"},
        {**REPEAT, "analyses": ["mmrm", "ancova"]},
        arms=arms,
    )
    found = both(trials.trial(study, people, scores), people, scores)
    compared = as_results(compared_rows(study, found))
    assert len(compared) == 2 * 2 * (len(arms) - 1 + len(arms))
    assert set(compared["arm"]) == {"", *arms}
    assert compared["stat"].max() < 1e-7


def test_binary_and_nominal_outcomes_agree_with_and_without_separation() -> None:
    people = continuous()[0]
    rng = np.random.default_rng(8)
    parts = []
    for visit in ("month6", "month12"):
        yes = rng.integers(0, 2, 60).astype(float)
        # At 12 months nobody of the treated has the event: separated.
        yes[(people["arm"] == "treated").to_numpy() & (visit == "month12")] = 0.0
        parts.append(people[["unit"]].assign(visit=visit, score="form.yes", value=yes, level=None))
    study = configuration(
        {"method": "logistic", "baseline": False},
        {**REPEAT, "analyses": ["logistic"]},
        scores={"yes": "binary"},
        items={"count": 1, "range": {"min": 0, "max": 1}},
    )
    found = both(trials.trial(study, people, pd.concat(parts)), people, pd.concat(parts))
    assert {"logistic ml delta", "logistic firth profile delta"} <= set(found["method"])
    compared = as_results(compared_rows(study, found)).set_index(["visit", "context"])["stat"]
    assert len(compared) == 6
    assert compared.max() < 1e-4
    assert compared["month6"].max() < 1e-6


def test_a_changed_estimate_is_seen() -> None:
    people, scores = continuous()
    study = configuration({"method": "mmrm"}, {**REPEAT, "analyses": ["mmrm"]})
    found = both(trials.trial(study, people, scores), people, scores)
    se = trials.stat(
        found[found["context"] == ""], "std_error", analysis="mmrm", visit="month6", contrast="treated - control"
    )
    at = (found["analysis"] == "mmrm") & (found["visit"] == "month6") & (found["stat_name"] == "estimate")
    moved = found.assign(stat=found["stat"].where(~(at & (found["contrast"] != "")), found["stat"] + 0.25 * se))
    compared = as_results(compared_rows(study, moved)).set_index(["visit", "contrast", "arm"])["stat"]
    changed = ("month6", "treated - control", "")
    assert compared[changed] == pytest.approx(0.25, rel=1e-6)
    assert compared.drop(changed).max() < 1e-7


def test_a_changed_mean_and_one_of_one_program_alone_are_seen() -> None:
    people, scores = continuous()
    study = configuration({"method": "ancova"}, {**REPEAT, "analyses": ["ancova"]})
    found = both(trials.trial(study, people, scores), people, scores)
    of = (found["visit"] == "month6") & (found["arm"] == "treated") & (found["contrast"] == "")
    first = of & (found["analysis"] == "ancova")
    se = found.loc[first & (found["stat_name"] == "std_error"), "stat"].item()
    moved = found.assign(stat=found["stat"].where(~(first & (found["stat_name"] == "estimate")), found["stat"] - se))
    for changed in (moved, found[~first], found[~(of & (found["analysis"] == "again"))]):
        compared = as_results(compared_rows(study, changed)).set_index(["visit", "contrast", "arm"])
        assert len(compared) == 6
        seen, said = compared.loc[("month6", "", "treated"), ["stat", "warning"]]
        if changed is moved:
            assert seen == pytest.approx(1, rel=1e-6)
        else:
            assert np.isnan(seen)
            assert said == "not compared: one of the two programs has no value"
        assert compared["stat"].drop(("month6", "", "treated")).max() < 1e-7


def test_what_cannot_be_computed_says_so() -> None:
    people, scores = continuous()
    scores = scores[
        ~(scores["visit"].eq("month12") & scores["unit"].isin(people.loc[people["arm"] == "treated", "unit"]))
    ]
    study = configuration({"method": "mmrm"}, {**REPEAT, "analyses": ["mmrm"]})
    found = both(trials.trial(study, people, scores), people, scores)
    again = found[(found["analysis"] == "again") & (found["stat_name"] == "estimate")]
    assert again["stat"].isna().all()
    assert set(again["warning"]) == {"not computed a second time: fewer than 2 of Treated at month12"}
    compared = as_results(compared_rows(study, found))
    assert compared["stat"].isna().all()
    assert set(compared["warning"]) == {"not compared: one of the two programs has no value"}


@pytest.mark.parametrize(
    ("analyses", "said"),
    [
        ([{"method": "mmrm", "covariance": "cs"}], "mmrm: covariance cs, df kenward-roger"),
        ([{"method": "mmrm", "df": "satterthwaite"}], "mmrm: covariance us, df satterthwaite"),
        ([{"method": "mmrm", "subgroup": "site"}], "mmrm: by subgroup or moderator"),
        ([{"method": "ancova", "standard_error": "cluster", "cluster": "site"}], "ancova: standard errors robust"),
        ([{"method": "growth"}], "growth: method growth"),
    ],
)
def test_plans_that_the_second_program_cannot_repeat(analyses: list[dict[str, Any]], said: str) -> None:
    study = configuration(*analyses, {**REPEAT, "analyses": [analyses[0]["method"]]})
    found = [finding[2] for finding in check_options(study) if finding[1][2:3] == ("analyses",)]
    assert len(found) == 1
    assert found[0].startswith(said)


def test_names_of_analyses_to_repeat_are_checked() -> None:
    study = configuration({"method": "mmrm", "analyses": ["x"]}, {**REPEAT, "analyses": ["mmrm", "mmrm", "nothing"]})
    found = [finding[2] for finding in check_options(study)]
    assert found == ["analyses of method mmrm", "mmrm twice", "'nothing'"]
    empty = configuration({"method": "mmrm"}, REPEAT)
    assert [finding[2] for finding in check_options(empty)] == ["double_programming of nothing"]
