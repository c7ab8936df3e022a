"""The design matrix equals formulaic's own, carries R's names, and finds redundant columns from left to right."""

import re

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from pipanalysis.mmrm.columns import read_column
from pipanalysis.mmrm.design import Design, find_aliased
from pipanalysis.mmrm.formula import parse_formula
from pipanalysis.mmrm.problems import DesignError

RNG = np.random.default_rng(20240611)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=120),
        "a": RNG.choice(["lo", "mid", "up"], 120),
        "b": pd.Categorical(RNG.choice(["TRT", "PBO"], 120), ["PBO", "TRT"]),
        "c": RNG.choice(["1", "2", "3", "4"], 120),
        "x": RNG.normal(50, 10, 120),
        "z": RNG.uniform(1, 5, 120),
    }
)


def build(text: str, data: pd.DataFrame = DATA) -> tuple[Design, np.ndarray]:
    formula = parse_formula(text)
    columns = {v: read_column(data[v]) for v in formula.variables}
    design = Design.from_columns(formula, columns)
    return design, design.matrix(columns, len(data))


def comparable(name: str) -> str:
    """A column name without the brackets of formulaic and without regard to the order of its factors."""
    plain = re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", name)
    return ":".join(sorted(plain.split(":"))).replace("(Intercept)", "Intercept")


def assert_equals_formulaic(text: str) -> None:
    design, X = build(text)
    theirs = model_matrix(text, DATA).rhs
    ours = dict(zip(map(comparable, design.names), X.T, strict=True))
    assert sorted(ours) == sorted(comparable(c) for c in theirs.columns)
    for column in theirs.columns:
        np.testing.assert_allclose(ours[comparable(column)], theirs[column], rtol=1e-13, atol=1e-13)


TERMS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "x", "z"]), min_size=1, max_size=3, unique=True), min_size=1, max_size=5
)


@settings(max_examples=100, deadline=None)
@given(TERMS, st.sampled_from(["", "0 + "]))
def test_hierarchical_products_equal_formulaic(terms: list[list[str]], intercept: str) -> None:
    assert_equals_formulaic("y ~ " + intercept + " + ".join("*".join(t) for t in terms))


@settings(max_examples=100, deadline=None)
@given(TERMS, st.sampled_from(["", "0 + "]))
def test_products_without_their_margins_span_what_formulaic_spans(terms: list[list[str]], intercept: str) -> None:
    # which factor of such a term gets a column per level depends on the order of factors, which is R's here
    text = "y ~ " + intercept + " + ".join(":".join(t) for t in terms)
    _, X = build(text)
    theirs = model_matrix(text, DATA).rhs.to_numpy()
    scale = np.abs(theirs).max(axis=0)
    assert X.shape == theirs.shape
    ours = X / np.maximum(np.abs(X).max(axis=0), 1e-300)
    rank = np.linalg.matrix_rank
    assert rank(np.hstack([ours, theirs / np.maximum(scale, 1e-300)])) == rank(ours)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ log(x) + center(z)",
        "y ~ poly(x, 3) * b",
        "y ~ scale(x):a + exp(z)",
        "y ~ I(x ** 2 / 10) + I(-x + z)",
        "y ~ 1",
    ],
)
def test_transforms_equal_formulaic(text: str) -> None:
    assert_equals_formulaic(text)


def test_names_are_those_of_r() -> None:
    design, _ = build("y ~ x * a + b * a")
    assert design.names == (
        "(Intercept)", "x", "amid", "aup", "bTRT", "x:amid", "x:aup", "amid:bTRT", "aup:bTRT",
    )  # fmt: skip
    assert [design.parts[i] for i in (0, 1, 6, 8)] == [(), ("x",), ("x", "aup"), ("aup", "bTRT")]


def test_base_level_and_sum_coding() -> None:
    design, X = build("y ~ C(a, contr.treatment('up')) + C(c, contr.sum)")
    assert design.names[1:3] == ("C(a, contr.treatment('up'))lo", "C(a, contr.treatment('up'))mid")
    np.testing.assert_array_equal(X[:, 1], DATA["a"] == "lo")
    np.testing.assert_array_equal(X[:, 3], (DATA["c"] == "1") * 1.0 - (DATA["c"] == "4"))


def test_stateful_transforms_keep_the_state_of_the_fit() -> None:
    design, X = build("y ~ poly(x, 2) + scale(z)")
    some = DATA.iloc[[5, 17]]
    columns = {v: read_column(some[v]) for v in ("x", "z")}
    np.testing.assert_allclose(design.matrix(columns, 2), X[[5, 17]], rtol=1e-12)


def test_every_misfit_of_formula_and_data_is_reported_at_once() -> None:
    with pytest.raises(DesignError) as caught:
        build("y ~ log(a) + C(c, contr.treatment('9')) + I(1 / (x - x))")
    assert len(caught.value.problems) == 3
    assert "1, 2, 3, 4" in str(caught.value)


def test_levels_follow_the_categorical_then_the_alphabet_then_the_number() -> None:
    assert read_column(pd.Series(pd.Categorical(["m", "f"], ["m", "f"]))).levels == ("m", "f")
    assert read_column(pd.Series(["m", "f"])).levels == ("f", "m")
    assert read_column(pd.Series([10, 9, 8]), factor=True).levels == ("8", "9", "10")
    assert read_column(pd.Series([10.0, np.nan, 8.0]), factor=True).levels == ("8", "10")
    assert read_column(pd.Series([True, False])).levels == ("False", "True")


def test_missing_values_are_coded_as_missing_in_every_kind_of_column() -> None:
    for series in (
        pd.Series(["u", None, "v"]),
        pd.Series(["u", None, "v"], dtype=object),
        pd.Series(["u", None, "v"], dtype="category"),
        pd.Series([1.0, None, 2.0]),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([1, None, 2.5], dtype=object),
    ):
        np.testing.assert_array_equal(read_column(series).missing, [False, True, False])


def test_aliased_columns_are_found_from_left_to_right() -> None:
    x = RNG.normal(size=(30, 3))
    X = np.column_stack([np.ones(30), x[:, 0], 2 * x[:, 0] - 3, x[:, 1], x[:, 2], x[:, 1] + x[:, 2]])
    kept, aliased, null = find_aliased(X)
    assert kept.tolist() == [0, 1, 3, 4]
    assert aliased.tolist() == [2, 5]
    np.testing.assert_allclose(X @ null, 0.0, atol=1e-12)


def test_large_offsets_are_not_taken_for_redundancy() -> None:
    year = RNG.integers(2015, 2020, 50) + RNG.uniform(size=50)
    kept, aliased, _ = find_aliased(np.column_stack([np.ones(50), year, 1e9 * RNG.normal(size=50)]))
    assert kept.tolist() == [0, 1, 2]
    assert aliased.size == 0


@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160])
def test_aliased_columns_are_found_in_any_unit(scale: float) -> None:
    X = RNG.normal(size=(30, 3))
    X = np.column_stack([X, scale * (2.0 * X[:, 0] - X[:, 2])])
    kept, aliased, null = find_aliased(X)
    assert (kept.tolist(), aliased.tolist()) == ([0, 1, 2], [3])
    np.testing.assert_allclose(null[:, 0] / scale, [-2.0, 0.0, 1.0, 1.0 / scale], rtol=1e-12, atol=1e-12)


def test_an_empty_cell_makes_its_interaction_aliased() -> None:
    some = DATA[~((DATA["a"] == "up") & (DATA["b"] == "TRT"))]
    design, X = build("y ~ a * b", some)
    _, aliased, _ = find_aliased(X)
    assert [design.names[i] for i in aliased] == ["aup:bTRT"]
