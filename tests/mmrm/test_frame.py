"""Rows that enter a model: what is dropped is counted, what is wrong is named, all of it at once."""

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm.columns import Categorical
from pipanalysis.mmrm.formula import parse_formula
from pipanalysis.mmrm.frame import ModelFrame, Roles, build_frame
from pipanalysis.mmrm.problems import ModelDataError


def trial() -> pd.DataFrame:
    """Six subjects at three visits."""
    rows = [
        {"id": f"S{i}", "visit": v, "arm": "AB"[i % 2], "age": 20.0 + i, "w": 1.0, "y": i + k * 1.5}
        for i in range(6)
        for k, v in enumerate(["base", "m06", "m12"])
    ]
    return pd.DataFrame(rows)


def frame(data: pd.DataFrame, formula: str = "y ~ age + arm * visit", **roles: str) -> ModelFrame:
    return build_frame(parse_formula(formula), data, Roles("id", "visit", **roles))  # type: ignore[arg-type]


def problems(data: pd.DataFrame, formula: str = "y ~ age + arm * visit", **roles: str) -> str:
    with pytest.raises(ModelDataError) as caught:
        frame(data, formula, **roles)
    return "\n".join(caught.value.problems)


def test_rows_without_response_or_covariate_are_dropped_and_counted() -> None:
    data = trial()
    data.loc[[1, 2], "y"] = np.nan
    data.loc[[2, 5], "age"] = np.nan
    data.loc[9, "arm"] = None
    found = frame(data)
    assert found.n == 14
    assert found.n_rows_dropped == 4
    assert found.n_dropped == {"y": 2, "age": 2, "arm": 1}
    assert found.rows.tolist() == [i for i in range(18) if i not in (1, 2, 5, 9)]


def test_subjects_without_an_observation_do_not_count() -> None:
    data = trial()
    data.loc[data["id"] == "S0", "y"] = np.nan
    found = frame(data)
    assert found.subjects == ("S1", "S2", "S3", "S4", "S5")
    assert found.subject.max() == 4
    assert all(column.missing.size == 6 for column in found.first_columns.values())  # S0 is of the data all the same


def test_unobserved_levels_are_left_out_and_noted() -> None:
    data = trial()
    data["visit"] = pd.Categorical(data["visit"], ["screen", "base", "m06", "m12"])
    data["arm"] = pd.Categorical(data["arm"], ["A", "B", "C"])
    data.loc[data["visit"] == "m12", "y"] = np.nan
    found = frame(data)
    assert found.visit.levels == ("base", "m06")
    assert set(found.notes) == {
        "visit screen has no observation and is left out",
        "visit m12 has no observation and is left out",
        "level of arm C has no observation and is left out",
    }


def test_a_numeric_visit_is_a_factor_in_numeric_order() -> None:
    data = trial()
    data["visit"] = data["visit"].map({"base": 10, "m06": 9, "m12": 100})
    found = frame(data)
    assert found.visit.levels == ("9", "10", "100")
    assert found.columns["visit"] is found.visit


def test_absent_columns_are_named_with_the_nearest() -> None:
    said = problems(trial().rename(columns={"age": "Age_", "visit": "vist"}), weights="weight")
    assert "'vist'" in said
    assert "'Age_'" in said or "age" in said
    assert "column 'weight' (weights) is not in the data" in said


def test_a_column_that_occurs_twice_is_refused() -> None:
    data = pd.concat([trial(), trial()[["age"]]], axis=1)
    assert "'age' (formula) occurs 2 times" in problems(data)


def test_everything_wrong_with_the_rows_is_reported_at_once() -> None:
    data = trial()
    data.loc[4, "age"] = np.inf
    data.loc[7, "visit"] = None
    data.loc[8, "w"] = 0.0
    data.loc[10, "w"] = np.nan
    data.loc[12, "id"] = None
    said = problems(data, weights="w")
    assert "age is infinite at id S1, visit m06, row 5" in said
    assert "visit is missing at id S2, row 8" in said
    assert "weight w is not positive at id S2, visit m12, row 9" in said
    assert "weight w is missing at id S3, visit m06, row 11" in said
    assert "id is missing at visit base, row 13" in said


def test_a_text_response_is_refused_with_its_values() -> None:
    data = trial().assign(y=["12", "n/a", "13"] * 6)
    assert "response 'y' must be numeric, found '12', '13', 'n/a'" in problems(data)


def test_a_second_observation_at_a_visit_names_subject_visit_and_rows() -> None:
    data = pd.concat([trial(), trial().iloc[[4]]])
    assert "id S1, visit m06 (rows 5, 19)" in problems(data)


def test_rows_are_named_by_their_number_in_a_table_of_any_length() -> None:
    data = pd.concat([trial().assign(id=lambda d, i=i: f"T{i}" + d["id"]) for i in range(8)], ignore_index=True)[:127]
    data = pd.concat([data, data.iloc[[126]]], ignore_index=True)
    assert "(rows 127, 128)" in problems(data)


def test_a_second_row_without_a_response_does_no_harm() -> None:
    extra = trial().iloc[[4]].assign(y=np.nan)
    assert frame(pd.concat([trial(), extra])).n == 18


def test_members_of_a_dyad_share_subject_and_visit() -> None:
    data = pd.concat([trial().assign(who="mother"), trial().assign(who="infant")])
    found = frame(data, "y ~ who * visit", member="who")
    assert found.cells == ("infant:base", "infant:m06", "infant:m12", "mother:base", "mother:m06", "mother:m12")
    assert found.cell[:3].tolist() == [3, 4, 5]
    assert "who and visit" in problems(pd.concat([data, data.iloc[[0]]]), "y ~ who * visit", member="who")


def test_a_group_that_changes_within_a_subject_is_refused() -> None:
    data = trial()
    data.loc[[4, 10], "arm"] = ["A", "A"]
    assert "group arm is not constant within id S1, S3" in problems(data, group="arm")


def test_degenerate_data_are_refused() -> None:
    assert "factor arm has one level only (A)" in problems(trial().query("arm == 'A'"))
    assert "of one id only" in problems(trial().query("id == 'S1'"), "y ~ age")
    assert "no row is complete" in problems(trial().assign(y=np.nan))
    assert "the data have no rows" in problems(trial().iloc[:0])


def test_a_transformed_response_must_stay_finite() -> None:
    assert "log(y) is not finite at id S0, visit base, row 1" in problems(trial(), "log(y) ~ arm")
    found = frame(trial().assign(y=lambda d: d["y"] + 1), "log(y) ~ arm")
    np.testing.assert_allclose(found.response, np.log(trial()["y"] + 1))


def test_a_number_inside_c_is_a_factor() -> None:
    data = trial().assign(site=lambda d: d["id"].factorize()[0] % 3 + 9)
    site = frame(data, "y ~ C(site) * visit").columns["site"]
    assert isinstance(site, Categorical)
    assert site.levels == ("9", "10", "11")  # the order of numbers, not of text
    np.testing.assert_array_equal(site.codes, data["site"] - 9)


def test_a_number_that_is_also_a_factor_needs_a_column_for_each() -> None:
    data = trial().assign(site=lambda d: d["id"].factorize()[0] % 3)
    assert "'site' is numeric" in problems(data, "y ~ site + C(site):visit")
    frame(data.assign(site=data["site"].astype(str)), "y ~ site + C(site):visit")
