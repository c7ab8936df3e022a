"""Model formulas: parsed by formulaic, restricted to columns, operators and a short list of transforms.

A formula is text that may come from a configuration file, so nothing in it is ever run as Python. formulaic
turns the text into terms; each factor of a term is then read as an expression over column names, numbers,
arithmetic and the transforms named in `TRANSFORMS`. Everything else is refused.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.problems import FormulaError

ELEMENTWISE = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
STATEFUL = ("center", "scale", "poly")  # formulaic's own; they remember the data of the fit
TRANSFORMS = (*ELEMENTWISE, *STATEFUL, "I", "C")
_CONTRASTS = {"contr.treatment": "treatment", "Treatment": "treatment", "contr.sum": "sum", "Sum": "sum"}
MAX_LENGTH = 4000  # characters; a longer formula takes the parser minutes
MAX_TERMS = 4096  # that a formula may expand to
MAX_POWER = 20
_OPERATORS = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power}


@dataclass(frozen=True, slots=True)
class Coding:
    """How a factor becomes columns: `treatment` (against `base`, by default the first level) or `sum`."""

    kind: str = "treatment"
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """One factor of a term, e.g. `AVISIT`, `log(age)` or `C(site, contr.treatment("B"))`.

    `column` names the data column where the factor is a column as it stands or inside `C(...)`;
    `node` is the checked syntax tree otherwise. `variables` lists every column that is read.
    """

    source: str
    variables: tuple[str, ...]
    column: str | None = None
    coding: Coding | None = None
    node: ast.expr | None = None

    def evaluate(self, columns: Mapping[str, FloatArray], state: dict[str, dict[str, Any]]) -> FloatArray:
        """Values of a numeric expression, shape (n,) or (n, k); `state` keeps what stateful transforms learnt."""
        if self.node is None:
            return columns[self.variables[0]]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(_evaluate(self.node, columns, state), dtype=float)


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors; no factors is the intercept."""

    factors: tuple[Expression, ...]

    @property
    def label(self) -> str:
        """Name of the term as R prints it, e.g. `ARMCD:AVISIT`."""
        return ":".join(f.source for f in self.factors) or "(Intercept)"

    @property
    def variables(self) -> frozenset[str]:
        """Every column the term reads."""
        return frozenset(v for f in self.factors for v in f.variables)


@dataclass(frozen=True, slots=True)
class ModelFormula:
    """Response and terms of a model; terms are ordered by degree, factors by first appearance, as in R."""

    text: str
    response: Expression
    terms: tuple[Term, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns on the right-hand side, in order of first appearance."""
        return tuple(dict.fromkeys(v for t in self.terms for f in t.factors for v in f.variables))

    @property
    def declared_factors(self) -> frozenset[str]:
        """Columns inside `C(...)`: factors, numbers or not."""
        return frozenset(v for t in self.terms for f in t.factors if f.coding for v in f.variables)

    @property
    def plain_variables(self) -> frozenset[str]:
        """Columns on the right-hand side that stand outside `C(...)` somewhere."""
        return frozenset(v for t in self.terms for f in t.factors if not f.coding for v in f.variables)


@lru_cache(maxsize=512)
def parse_formula(text: str) -> ModelFormula:
    """Read `response ~ terms`.

    Raises FormulaError when the formula cannot be parsed, has no single response, several parts, numeric
    multiples of terms, or anything other than columns, operators and the transforms of `TRANSFORMS`.
    """
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    if len(text) > MAX_LENGTH:
        raise FormulaError(f"formula of {len(text)} characters: at most {MAX_LENGTH} are read")
    if re.search(r"(^|[~+\-*/:(\s])\.($|[~+\-*/:)\s])", text):
        raise FormulaError(f"formula {text!r}: '.' for all other columns is not allowed; name the columns")
    if "``" in text:
        raise FormulaError(f"formula {text!r}: no name between two backquotes")
    try:
        parser = DefaultFormulaParser()
        if _expansion(parser.get_ast(text)) > MAX_TERMS:
            raise FormulaError(f"formula {text!r} expands to more than {MAX_TERMS} terms")
        parts = parser.get_terms(text)
    except (FormulaicError, SyntaxError, AttributeError, RecursionError) as error:
        raise FormulaError(f"formula {text!r} cannot be read: {_first_line(error)}") from None
    structure = getattr(parts, "_structure", {})
    left, right = structure.get("lhs"), structure.get("rhs")
    if left is None or right is None or isinstance(left, tuple) or isinstance(right, tuple):
        raise FormulaError(f"formula {text!r} must have the form 'response ~ terms' with one part on each side")
    responses = list(left)
    if len(responses) != 1 or len(responses[0].factors) != 1:
        raise FormulaError(f"formula {text!r} must have exactly one response on its left-hand side")
    (response,) = (_expression(f, text) for f in responses[0].factors)
    if response.coding is not None:
        raise FormulaError(f"formula {text!r}: the response cannot be a factor, found {response.source}")
    terms = [_term(term, text) for term in right]
    order = {source: i for i, source in enumerate(dict.fromkeys(f.source for t in terms for f in t.factors))}
    in_r_order = [Term(tuple(sorted(t.factors, key=lambda f: order[f.source]))) for t in terms]
    unique = dict.fromkeys(in_r_order)
    return ModelFormula(text, response, tuple(sorted(unique, key=lambda t: len(t.factors))))


def _expansion(node: Any) -> int:
    """Return a bound on the number of terms that a syntax tree expands to, before it is expanded."""
    operator = getattr(node, "operator", None)
    if operator is None:
        return 1
    if operator.symbol in ("**", "^") and len(node.args) == 2:
        power = str(getattr(node.args[1], "token", "1"))
        if not power.isdecimal():  # refused by the parser, in its own words
            return 1
        return MAX_TERMS + 1 if len(power) > 2 or int(power) > MAX_POWER else _expansion(node.args[0]) ** int(power)
    sizes = [_expansion(argument) for argument in node.args]
    product = prod(sizes)
    return {":": product, "*": sum(sizes) + product, "/": sum(sizes) + product}.get(operator.symbol, sum(sizes))


def _first_line(error: Exception) -> str:
    lines = [line for line in re.sub(r"⧛(\[[0-9;]*m)?|⧚", "", str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _term(term: Any, text: str) -> Term:
    factors = [f for f in term.factors if f.expr != "1"]
    if any(f.eval_method.value == "literal" for f in factors):
        raise FormulaError(f"formula {text!r}: numeric multiples of a term are not allowed, found {term!s}")
    return Term(tuple(_expression(f, text) for f in factors))


def _expression(factor: Any, text: str) -> Expression:
    source = str(factor.expr)
    if factor.eval_method.value == "lookup":
        return Expression(source, (source,), column=source)
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        name = f"quoted_{len(quoted)}_"
        quoted[name] = match.group(1)
        return name

    try:
        tree = ast.parse(re.sub(r"`([^`]+)`", placeholder, source), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"formula {text!r}: cannot read {source!r}") from None
    return _Reader(text, quoted).expression(tree, source)


class _Reader:
    """Checks a syntax tree against the allowed grammar and replaces column references by plain names."""

    def __init__(self, text: str, quoted: dict[str, str]) -> None:
        self.text = text
        self.quoted = quoted
        self.variables: dict[str, None] = {}

    def expression(self, tree: ast.expr, source: str) -> Expression:
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "C":
            return self._factor(tree, source)
        node = self._numeric(tree)
        if not self.variables:
            raise self._refuse(tree, "it uses no column")
        return Expression(source, tuple(self.variables), node=node)

    def _refuse(self, tree: ast.AST, why: str = "") -> FormulaError:
        found = ast.unparse(tree)
        for name, column in self.quoted.items():
            found = found.replace(name, f"`{column}`")
        because = f" ({why})" if why else ""
        allowed = ", ".join(TRANSFORMS)
        return FormulaError(
            f"formula {self.text!r}: {found!r} is not allowed{because}; "
            f"a term may hold column names, numbers, + - * / ** and the transforms {allowed}"
        )

    def _column(self, tree: ast.expr) -> str | None:
        """Column name of a name, a backquoted name or a name with dots (bdi.pre), which is never an attribute."""
        if isinstance(tree, ast.Name):
            return self.quoted.get(tree.id, tree.id)
        if isinstance(tree, ast.Attribute):
            head = self._column(tree.value)
            return None if head is None else f"{head}.{tree.attr}"
        return None

    def _numeric(self, tree: ast.expr) -> ast.expr:
        column = self._column(tree)
        if column is not None:
            if re.search(r"(^|\.)__", column):
                raise self._refuse(tree)
            self.variables[column] = None
            return ast.Name(column)
        match tree:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if abs(value) > 1e300:
                    raise self._refuse(tree, "a number out of range")
                return ast.Constant(float(value))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return ast.UnaryOp(ast.USub(), self._numeric(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return ast.BinOp(self._numeric(left), op, self._numeric(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name == "I":
                return self._numeric(argument)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in ELEMENTWISE:
                return ast.Call(ast.Name(name), [self._numeric(argument)], [])
            case ast.Call(func=ast.Name(id=name), args=[argument, *rest], keywords=options) if name in STATEFUL:
                named = {o.arg: o.value for o in options}
                constants = [o.value for o in (*rest, *named.values()) if isinstance(o, ast.Constant)]
                if len(constants) < len(rest) + len(options) or not all(isinstance(c, int | float) for c in constants):
                    raise self._refuse(tree, "options of a transform must be numbers, True or False")
                if any(key is None or key.startswith("_") for key in named):
                    raise self._refuse(tree)
                degree = constants[0] if rest else getattr(named.get("degree"), "value", 1)
                if name == "poly" and not (type(degree) is int and 1 <= degree <= MAX_POWER):
                    raise self._refuse(tree, f"the degree of a polynomial is a whole number from 1 to {MAX_POWER}")
                return ast.Call(ast.Name(name), [self._numeric(argument), *rest], options)
        raise self._refuse(tree)

    def _factor(self, tree: ast.Call, source: str) -> Expression:
        options = {k.arg: k.value for k in tree.keywords}
        arguments = list(tree.args)
        if len(arguments) > 2 or set(options) - {"contrasts"} or (len(arguments) == 2 and options):
            raise self._refuse(tree, "write C(column), C(column, contr.treatment('level')) or C(column, contr.sum)")
        column = self._column(arguments[0]) if arguments else None
        if column is None:
            raise self._refuse(tree, "C() takes a column")
        chosen = arguments[1] if len(arguments) == 2 else options.get("contrasts")
        return Expression(source, (column,), column=column, coding=self._coding(tree, chosen))

    def _coding(self, tree: ast.Call, chosen: ast.expr | None) -> Coding:
        match chosen:
            case None:
                return Coding()
            case ast.Constant(value=str() | int() as base):
                return Coding("treatment", str(base))
            case ast.Call(func=function, args=arguments, keywords=options):
                kind = _CONTRASTS.get(self._column(function) or "")
                values = [*arguments, *(o.value for o in options if o.arg in ("base", "reference"))]
                constants = [v.value for v in values if isinstance(v, ast.Constant)]
                if kind == "treatment" and len(constants) == len(arguments) + len(options) <= 1:
                    return Coding(kind, str(constants[0]) if constants else None)
                if kind == "sum" and not values and not options:
                    return Coding(kind)
            case ast.Name() | ast.Attribute():
                kind = _CONTRASTS.get(self._column(chosen) or "")
                if kind is not None:
                    return Coding(kind)
        raise self._refuse(tree, "contrasts are contr.treatment('level') or contr.sum")


def _evaluate(node: ast.expr, columns: Mapping[str, FloatArray], state: dict[str, dict[str, Any]]) -> Any:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(operand=operand):
            return np.negative(_evaluate(operand, columns, state))
        case ast.BinOp(left=left, op=op, right=right):
            operator: Any = _OPERATORS[type(op)]
            return operator(_evaluate(left, columns, state), _evaluate(right, columns, state))
        case ast.Call(func=ast.Name(id=name), args=[argument, *rest], keywords=options):
            value = _evaluate(argument, columns, state)
            if name in ELEMENTWISE:
                return ELEMENTWISE[name](value)
            from formulaic.transforms import TRANSFORMS as FORMULAIC

            positional = [c.value for c in rest if isinstance(c, ast.Constant)]
            named = {str(o.arg): o.value.value for o in options if isinstance(o.value, ast.Constant)}
            memory = state.setdefault(ast.unparse(node), {})
            return np.asarray(FORMULAIC[name](value, *positional, _state=memory, **named), dtype=float)
    raise AssertionError(f"unchecked node {ast.dump(node)}")
