"""The design matrix: terms of a formula coded over data columns, with names as R gives them.

The coding rule is the one of R and formulaic: a factor is coded by contrasts where the margin that it would
otherwise repeat is already in the model, by one column per level where it is not, so that no column is redundant by
construction. Columns that the data make redundant (an empty cell, a covariate that another determines) are found
from left to right and reported as aliased.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, product
from typing import Any

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.mmrm.columns import Categorical, Column, Numeric
from pipanalysis.mmrm.formula import Expression, ModelFormula, Term
from pipanalysis.mmrm.problems import DesignError

# A factor of a term in one coding: its position in the term, and whether it is coded by contrasts.
type ScopedFactor = tuple[int, bool]

_ROWS_AT_ONCE = 4096  # rows whose columns stay in the processor's cache while they are written side by side
_MODERATE = 300  # exponents of 2 whose squares, summed over rows, stay far inside the range of doubles
_RANK_TOLERANCE = 1e-7  # R's lm: a column is aliased if what earlier columns leave of its norm is below this share


@dataclass(frozen=True, slots=True)
class Encoding:
    """Columns of one factor in one coding: names and a (levels, columns) matrix, None for numeric factors."""

    names: tuple[str, ...]
    contrasts: FloatArray | None

    @property
    def is_full(self) -> bool:
        """Whether a factor has one column per level."""
        return self.contrasts is not None and self.contrasts.shape[0] == self.contrasts.shape[1]


@dataclass(frozen=True)
class Design:
    """A design fixed by the data it was built on, to be applied to any rows with the same columns.

    parts: names of the columns of factors whose product each column is, none for the intercept, length p (aliased
    columns included). assign: index into `terms` per column.
    levels: levels of every factor variable. numeric: variables read as numbers. blocks: for each product of coded
    factors, in column order, the factors with their encodings.
    """

    formula: ModelFormula
    terms: tuple[Term, ...]
    parts: tuple[tuple[str, ...], ...]
    assign: IntArray
    levels: Mapping[str, tuple[str, ...]]
    numeric: tuple[str, ...]
    blocks: tuple[tuple[tuple[Expression, Encoding], ...], ...] = field(repr=False)
    _state: dict[str, dict[str, Any]] = field(repr=False)

    @classmethod
    def from_columns(
        cls, formula: ModelFormula, columns: Mapping[str, Column], *, omit: frozenset[str] = frozenset()
    ) -> "Design":
        """Fix the coding on the data.

        omit: labels of terms whose columns are left out although they still count as margins of higher terms; a
        constrained longitudinal model leaves out the arm effect at baseline this way.
        Raises DesignError for arithmetic on a factor, an unknown base level or a transform that fails.
        """
        builder = _Builder(columns)
        blocks = []
        kept_terms = []
        assign: list[int] = []
        parts: list[tuple[str, ...]] = []
        for term, scoped in _scope(formula.terms, columns):
            if term.label in omit:
                continue
            kept_terms.append(term)
            for factors in scoped:
                block = tuple((term.factors[i], builder.encoding(term.factors[i], reduced)) for i, reduced in factors)
                blocks.append(block)
                products = _products([e.names for _, e in block])
                parts.extend(products)
                assign.extend([len(kept_terms) - 1] * len(products))
        levels = {n: c.levels for n, c in columns.items() if isinstance(c, Categorical)}
        numeric = tuple(n for n, c in columns.items() if isinstance(c, Numeric))
        builder.raise_problems()
        return cls(
            formula,
            tuple(kept_terms),
            tuple(parts),
            np.array(assign, dtype=np.intp),
            levels,
            numeric,
            tuple(blocks),
            builder.state,
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, as R gives them."""
        return tuple(":".join(part) or "(Intercept)" for part in self.parts)

    def matrix(self, columns: Mapping[str, Column], n: int) -> FloatArray:
        """Design matrix of `n` rows, shape (n, p), C-ordered."""
        X = np.empty((n, len(self.names)))
        for start in range(0, n, _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, n))
            block = {name: column.take(rows) for name, column in columns.items()} if n > _ROWS_AT_ONCE else columns
            numbers = {k: c.values for k, c in block.items() if isinstance(c, Numeric)}
            self.assemble(X[rows], partial(self._factor_columns, columns=block, numbers=numbers))
        return X

    def assemble(
        self, X: FloatArray, factor_columns: Callable[[Expression, Encoding], list[FloatArray | BoolArray]]
    ) -> None:
        """Multiply the columns of the factors into the columns of the design X, shape (n, p)."""
        cache: dict[tuple[str, bool], list[FloatArray | BoolArray]] = {}
        at = 0
        for block in self.blocks:
            products: list[FloatArray | BoolArray] = [np.ones(len(X), dtype=bool)] if not block else []
            for expression, encoding in block:
                key = (expression.source, encoding.is_full)
                if key not in cache:
                    cache[key] = factor_columns(expression, encoding)
                # the first factor varies fastest, as in R
                these = cache[key]
                products = [_times(a, b) for b in these for a in products] if products else these
            for column in products:
                X[:, at] = column
                at += 1

    def _factor_columns(
        self,
        expression: Expression,
        encoding: Encoding,
        columns: Mapping[str, Column],
        numbers: Mapping[str, FloatArray],
    ) -> list[FloatArray | BoolArray]:
        if encoding.contrasts is None:
            return list(self._numeric_values(expression, numbers).T)
        column = columns[expression.column or ""]
        assert isinstance(column, Categorical)
        result: list[FloatArray | BoolArray] = []
        for weights in encoding.contrasts.T:
            hits = np.flatnonzero(weights)
            if hits.size == 1 and weights[hits[0]] == 1.0:
                result.append(column.codes == hits[0])
            else:
                result.append(weights[column.codes])
        return result

    def numeric_factor(self, expression: Expression, columns: Mapping[str, Column]) -> FloatArray:
        """Values of a numeric factor, shape (n, columns)."""
        return self._numeric_values(expression, {k: c.values for k, c in columns.items() if isinstance(c, Numeric)})

    def _numeric_values(self, expression: Expression, numbers: Mapping[str, FloatArray]) -> FloatArray:
        values = expression.evaluate(numbers, self._state)
        return values[:, None] if values.ndim == 1 else values

    def term_columns(self, index: int) -> IntArray:
        """Positions of the columns of term number `index`."""
        return np.flatnonzero(self.assign == index)


def _times(a: FloatArray | BoolArray, b: FloatArray | BoolArray) -> FloatArray | BoolArray:
    if a.dtype == np.bool_ and b.dtype == np.bool_:
        return np.logical_and(a, b)
    return np.multiply(a, b)


def _products(names: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return every choice of one name a factor; the first factor varies fastest, as in R."""
    return [choice[::-1] for choice in product(*reversed(names))]


class _Builder:
    """Collects the encodings of the factors of a formula, and what is wrong with them."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = columns
        self.numbers = {k: c.values for k, c in columns.items() if isinstance(c, Numeric)}
        self.state: dict[str, dict[str, Any]] = {}
        self.problems: dict[str, None] = {}
        self.encodings: dict[tuple[str, bool], Encoding] = {}

    def raise_problems(self) -> None:
        if self.problems:
            raise DesignError(list(self.problems))

    def encoding(self, expression: Expression, reduced: bool) -> Encoding:
        key = (expression.source, reduced)
        if key not in self.encodings:
            column = self.columns.get(expression.column or "")
            self.encodings[key] = (
                self._categorical(expression, column.levels, reduced)
                if isinstance(column, Categorical)
                else self._numeric(expression)
            )
        return self.encodings[key]

    def _categorical(self, expression: Expression, levels: tuple[str, ...], reduced: bool) -> Encoding:
        k = len(levels)
        coding = expression.coding
        if not reduced:
            return Encoding(tuple(expression.source + v for v in levels), np.eye(k))
        if coding is not None and coding.kind == "sum":
            matrix = np.vstack([np.eye(k - 1), -np.ones(k - 1)])
            return Encoding(tuple(f"{expression.source}{i + 1}" for i in range(k - 1)), matrix)
        base = 0
        if coding is not None and coding.base is not None:
            if coding.base not in levels:
                allowed = ", ".join(levels)
                self.problems[f"{expression.source}: {coding.base!r} is not a level; the levels are {allowed}"] = None
            else:
                base = levels.index(coding.base)
        others = [i for i in range(k) if i != base]
        return Encoding(tuple(expression.source + levels[i] for i in others), np.eye(k)[:, others])

    def _numeric(self, expression: Expression) -> Encoding:
        factors = [v for v in expression.variables if v not in self.numbers]
        if factors:
            named = ", ".join(factors)
            self.problems[f"{expression.source}: arithmetic needs numbers, but {named} is text or a factor"] = None
            return Encoding((expression.source,), None)
        try:
            values = expression.evaluate(self.numbers, self.state)
        except (ValueError, TypeError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            self.problems[f"{expression.source} cannot be computed: {error}"] = None
            return Encoding((expression.source,), None)
        if values.ndim == 0 or not np.isfinite(values).all():
            self.problems[f"{expression.source} is not finite in every row (of a logarithm, root or quotient?)"] = None
        if values.ndim == 1:
            return Encoding((expression.source,), None)
        return Encoding(tuple(f"{expression.source}{i + 1}" for i in range(values.shape[1])), None)


def _scope(terms: Sequence[Term], columns: Mapping[str, Column]) -> list[tuple[Term, list[tuple[ScopedFactor, ...]]]]:
    """Decide the coding of every factor of every term.

    A term with factors F spans one subspace per subset of F (each subset coded by contrasts); those that an earlier
    term already spans are left out and the rest is put together again, contrasts plus margin making a full coding.
    """
    spanned: set[frozenset[str]] = set()
    result = []
    for term in terms:
        categorical = [i for i, f in enumerate(term.factors) if isinstance(columns.get(f.column or ""), Categorical)]
        numeric = [i for i in range(len(term.factors)) if i not in categorical]
        subsets = [
            frozenset(subset) for size in range(len(categorical) + 1) for subset in combinations(categorical, size)
        ]
        new = []
        for subset in subsets:
            key = frozenset(term.factors[i].source for i in (*numeric, *subset))
            if key not in spanned:
                spanned.add(key)
                new.append(subset)
        scoped = [
            tuple(sorted([(i, False) for i in numeric] + [(i, reduced) for i, reduced in factors.items()]))
            for factors in _recombine(new)
        ]
        result.append((term, scoped))
    return result


def _recombine(subsets: Sequence[frozenset[int]]) -> list[dict[int, bool]]:
    """Fewest products of contrast (True) and full (False) codings that span the given contrast subspaces."""
    products: list[dict[int, bool]] = []
    for subset in subsets:
        _add_product(products, dict.fromkeys(sorted(subset), True))
    return products


def _add_product(products: list[dict[int, bool]], product: dict[int, bool]) -> None:
    for existing in products:
        extra = [i for i in product if i not in existing]
        same = all(product.get(i) == reduced for i, reduced in existing.items())
        if same and len(extra) == 1 and product[extra[0]]:
            products.remove(existing)
            _add_product(products, {**product, extra[0]: False})
            return
    products.append(product)


def find_aliased(X: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Columns of X that earlier columns determine.

    Returns (kept, aliased, null): positions, and the basis of the null space of X, shape (p, aliased). A linear
    function l'b is estimable when l is orthogonal to that basis.
    """
    p = X.shape[1]
    # By powers of two, which cost no digit: squares of very small or large columns would leave the range of doubles.
    exponent = np.frexp(np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0)))[1]
    moderate = bool((np.abs(exponent) < _MODERATE).all())
    unit: FloatArray = np.ldexp(1.0, exponent)
    if _clearly_full_rank(X if moderate else X / unit):
        return np.arange(p), np.empty(0, dtype=np.intp), np.empty((p, 0))
    X = X / unit
    norms = np.linalg.norm(X, axis=0)
    kept: list[int] = []
    aliased: list[int] = []
    # One QR of all columns settles nothing after its first redundant column, so columns are taken one by one.
    basis = np.empty((X.shape[0], 0))
    for j in range(p):
        residual = X[:, j]
        for _ in range(2):  # twice is enough for orthogonality to working precision
            residual = residual - basis @ (basis.T @ residual)
        size = float(np.linalg.norm(residual))
        if norms[j] == 0.0 or size < _RANK_TOLERANCE * norms[j] or len(kept) == X.shape[0]:
            aliased.append(j)
        else:
            kept.append(j)
            basis = np.column_stack([basis, residual / size])
    null = np.zeros((p, len(aliased)))
    if aliased:
        null[aliased, np.arange(len(aliased))] = 1.0
        null[kept] = -np.linalg.lstsq(X[:, kept], X[:, aliased], rcond=None)[0] * unit[aliased] / unit[kept][:, None]
    return np.array(kept, dtype=np.intp), np.array(aliased, dtype=np.intp), null


def _clearly_full_rank(X: FloatArray) -> bool:
    """Whether the cross-products alone show full rank, with a margin that rounding cannot cross."""
    cross = X.T @ X
    scale = np.sqrt(np.diag(cross))
    if X.shape[0] < X.shape[1] or not (scale > 0).all():
        return False
    try:
        factor = np.linalg.cholesky(cross / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return False
    return bool(np.diag(factor).min() > 1e-5)
