"""What the plan may ask for, and how it is told what it may not."""

from typing import Any

import pytest

from estimate import trials
from pipanalysis.errors import PlanError
from pipanalysis.estimate.planning import check_plan, compared_visits, suitable_outcomes
from pipanalysis.study.load import Study

VISITS = {"baseline": 0, "month6": 6, "month12": 12}
OUTCOMES = [
    {"name": "total", "label": "T", "domain": "health", "score": "form.total"},
    {"name": "case", "label": "C", "domain": "health", "score": "form.case"},
    {"name": "before", "label": "B", "domain": "health", "score": "form.total", "visits": ["baseline"]},
]


def study(*analyses: dict[str, Any], **options: Any) -> Study:
    options = {"visits": VISITS, "scores": {"total": "continuous", "case": "binary"}, "outcomes": OUTCOMES} | options
    return trials.study(list(analyses), **options)


@pytest.mark.parametrize("method", ["ancova", "mixed_model", "mmrm", "clda", "effect_size"])
def test_all_means_all_that_the_method_suits(method: str) -> None:
    configuration = study({"method": method})
    chosen = suitable_outcomes(configuration, trials.analysis(configuration))
    assert [outcome.name for outcome in chosen] == ["total"]
    assert compared_visits(configuration, trials.analysis(configuration), chosen[0]) == ["month6", "month12"]


def test_logistic_takes_binary_outcomes_only() -> None:
    configuration = study({"method": "logistic"})
    chosen = suitable_outcomes(configuration, trials.analysis(configuration))
    assert [outcome.name for outcome in chosen] == ["case"]
    said = refused("binary", {"method": "logistic", "outcomes": ["total"], "visits": ["baseline", "month6"]})
    assert "total: its score form.total is continuous, not binary" in said
    assert "visits after baseline" in said


def test_descriptives_take_every_outcome() -> None:
    configuration = study({"method": "descriptives"})
    chosen = suitable_outcomes(configuration, trials.analysis(configuration))
    assert [outcome.name for outcome in chosen] == ["total", "case", "before"]


def refused(family: str, *analyses: dict[str, Any], **options: Any) -> str:
    with pytest.raises(PlanError) as error:
        check_plan(study(*analyses, **options), family)
    assert error.value.exit_status == 12
    return str(error.value)


def test_every_unsuitable_outcome_that_is_listed_is_refused_in_one_pass() -> None:
    said = refused(
        "ancova",
        {"method": "ancova", "name": "one", "outcomes": ["case", "before"]},
        {"method": "ancova", "name": "two", "outcomes": ["total"], "visits": ["baseline", "month6"]},
    )
    assert "3 problems" in said
    assert "analysis one, outcomes" in said
    assert "case: its score form.case is binary" in said
    assert "before: none of the analysis's visits is a visit of the outcome after baseline" in said
    assert "analysis two, visits" in said


def test_constrained_analysis_needs_a_baseline() -> None:
    said = refused("mmrm", {"method": "clda", "outcomes": ["total"]}, instrument_visits=["month6", "month12"])
    assert "total: it is not measured at baseline" in said
    assert "no outcome of the plan suits it" in refused("mmrm", {"method": "clda"}, instrument_visits=["month12"])


def test_covariate_must_be_a_number_or_category() -> None:
    birth = {"name": "birth", "label": "Birth", "type": "date_of_birth", "age_name": "age"}
    said = refused("ancova", {"method": "ancova", "covariates": ["birth"]}, variables=[birth])
    assert "birth: a date of birth" in said
    assert "its age is 'age'" in said


def test_characteristics_are_known_at_baseline() -> None:
    variables = [
        {"name": "note", "label": "Note", "type": "text"},
        {"name": "later", "label": "Later", "type": "number", "measured": "after_randomisation"},
    ]
    said = refused(
        "describe",
        {"method": "baseline"},
        variables=variables,
        characteristics=["note", "later", "form.total"],
        instrument_visits=["month6"],
    )
    assert "note: a text" in said
    assert "later: not known before randomisation" in said
    assert "form.total: not given at baseline" in said
    assert "at least one" in refused("describe", {"method": "baseline"})
