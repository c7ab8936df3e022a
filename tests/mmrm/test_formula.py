"""Formulas are read as R reads them, and nothing in them is run."""

import pytest

from pipanalysis.mmrm.formula import parse_formula
from pipanalysis.mmrm.problems import FormulaError


def labels(text: str) -> list[str]:
    return [term.label for term in parse_formula(text).terms]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ a * b", ["(Intercept)", "a", "b", "a:b"]),
        ("y ~ a:b + b", ["(Intercept)", "b", "a:b"]),  # lower degree first, as R's terms()
        ("y ~ b + a:b", ["(Intercept)", "b", "b:a"]),  # factors in order of first appearance, as R's terms()
        ("y ~ x * v + g * v", ["(Intercept)", "x", "v", "g", "x:v", "v:g"]),
        ("y ~ 0 + a", ["a"]),
        ("y ~ a - 1", ["a"]),
        ("y ~ (a + b + c) ** 2 - a:c", ["(Intercept)", "a", "b", "c", "a:b", "b:c"]),
        ("y ~ a / b", ["(Intercept)", "a", "a:b"]),
        ("y ~ a + a + b:a + a:b", ["(Intercept)", "a", "a:b"]),
        ("y ~ bdi.pre + `two words`", ["(Intercept)", "bdi.pre", "two words"]),
        ("y ~ log(x) + I(x ** 2) + poly(x, 2)", ["(Intercept)", "log(x)", "I(x ** 2)", "poly(x, 2)"]),
    ],
)
def test_terms_are_ordered_as_in_r(text: str, expected: list[str]) -> None:
    assert labels(text) == expected


def test_variables_of_nested_and_quoted_expressions_are_found() -> None:
    formula = parse_formula("log(y.one) ~ log(1 + `base line`):C(arm, contr.treatment('TAU')) + I(bdi.pre - x)")
    assert formula.response.variables == ("y.one",)
    assert set(formula.variables) == {"base line", "arm", "bdi.pre", "x"}


def test_base_level_of_a_factor() -> None:
    (_, term) = parse_formula("y ~ C(arm, contr.treatment('TAU'))").terms
    assert term.factors[0].column == "arm"
    assert term.factors[0].coding is not None
    assert term.factors[0].coding.base == "TAU"


@pytest.mark.parametrize(
    "text",
    [
        "y ~ __import__('os').system('true')",
        "y ~ eval('1')",
        "y ~ hash(a)",
        "y ~ a.mean()",
        "y ~ I(a.__class__)",
        "y ~ I((lambda: 1)())",
        "y ~ {[i for i in a]}",
        "y ~ {a[0]}",
        "y ~ a[0]",
        "y ~ I(a if b else c)",
        "y ~ I(a and b)",
        "y ~ I(f'{a}')",
        "y ~ log(a, base=2)",
        "y ~ poly(a, _state=1)",
        "y ~ poly(a, b)",
        "y ~ log(log)(a)",
        "y ~ np.log(a)",
        "y ~ C(a + b)",
        "y ~ C(a, eval('1'))",
        "y ~ C(a, contr.treatment(b))",
        "y ~ I(3)",
        "y ~ I(a := 3)",
        "eval(y) ~ a",
        "C(y) ~ a",
    ],
)
def test_anything_but_columns_operators_and_listed_transforms_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("y", "response ~ terms"),
        ("~ a", "response ~ terms"),
        ("y + z ~ a", "exactly one response"),
        ("y ~ a | b", "one part on each side"),
        ("y ~ .", "name the columns"),
        ("y ~ 2:a", "numeric multiples"),
        ("y ~ a b", "cannot be read"),
        ("y ~ log(a", "cannot be read"),
        ("", "response ~ terms"),
        ("y ~ " + "(" * 3000, "cannot be read"),
    ],
)
def test_unreadable_formulas_say_why(text: str, said: str) -> None:
    with pytest.raises(FormulaError, match=said):
        parse_formula(text)
