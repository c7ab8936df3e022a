"""Estimated marginal means (least-squares means) and their contrasts.

A marginal mean is a linear function of the coefficients: the fitted value over a reference grid, averaged over the
factors that are not of interest. Definitions follow R's emmeans (Lenth): numeric covariates at their mean over the
rows of the model frame; `equal` weights for the levels averaged over, `proportional` weights by how often they occur
in those rows, or `counterfactual`, the mean over the rows with the factors of interest set to each level in turn.
A numeric covariate with two values stays numeric (emmeans treats it as a factor: write C(x) for that).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.columns import Categorical, Column, Numeric, label
from pipanalysis.mmrm.design import Design
from pipanalysis.mmrm.distributions import t_quantile, t_two_sided
from pipanalysis.mmrm.frame import ModelFrame
from pipanalysis.mmrm.linear import LinearFunctions
from pipanalysis.mmrm.multiplicity import adjust_p, interval_level
from pipanalysis.mmrm.problems import OptionError, checked_level

if TYPE_CHECKING:
    import pandas as pd

type Weights = Literal["equal", "proportional", "counterfactual"]
type Over = Literal["rows", "subjects"]


@dataclass(frozen=True, slots=True)
class MarginalMeans:
    """Marginal means of `factors` within the levels of `by`.

    cells: the levels of factors then by, one tuple per mean, the first factor varying fastest.
    """

    factors: tuple[str, ...]
    by: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    functions: LinearFunctions

    def table(self, level: float = 0.95) -> "pd.DataFrame":
        """One row per mean: the levels, estimate, se, df, lower, upper, estimable."""
        import pandas as pd

        estimate, se, df = self.functions.estimates()
        half = t_quantile(0.5 + checked_level(level) / 2, df) * se
        names = (*self.factors, *self.by)
        columns: dict[str, Any] = {n: [cell[i] for cell in self.cells] for i, n in enumerate(names)}
        columns |= {"estimate": estimate, "se": se, "df": df, "lower": estimate - half, "upper": estimate + half}
        columns["estimable"] = self.functions.estimable
        return pd.DataFrame(columns)

    def contrasts(
        self,
        method: Literal["pairwise", "reference"] | Mapping[str, Sequence[float]] = "pairwise",
        *,
        reference: str | None = None,
        adjust: str = "none",
        family: Literal["all", "by"] = "all",
        level: float = 0.95,
    ) -> "pd.DataFrame":
        """Differences of the means within each level of `by`.

        method: `pairwise`, every later level minus every earlier one; `reference`, every other level minus
        `reference` (by default the first); or weights by name. adjust: none, bonferroni, sidak, holm or hochberg,
        over all rows of the table or (`family="by"`) within each level of `by`.
        Returns contrast, the by levels, estimate, se, df, t, p, lower, upper, estimable.
        """
        import pandas as pd

        if family not in ("all", "by"):
            raise OptionError(f"family {family!r} is not known; the families are all, by")
        width = len(self.factors)
        by_levels = list(dict.fromkeys(cell[width:] for cell in self.cells))
        own_levels = list(dict.fromkeys(cell[:width] for cell in self.cells))
        labels = [" ".join(cell) for cell in own_levels]
        within = _contrast_weights(labels, method, reference)
        k = len(labels)
        weights = np.zeros((len(by_levels) * len(within), len(self.cells)))
        for b in range(len(by_levels)):
            for c, row in enumerate(within.values()):
                weights[b * len(within) + c, b * k : (b + 1) * k] = row
        functions = self.functions.combine(weights)
        estimate, se, df = functions.estimates()
        with np.errstate(divide="ignore", invalid="ignore"):
            t = estimate / se
        p = t_two_sided(t, df)
        groups = (
            [slice(None)]
            if family == "all"
            else [slice(b * len(within), (b + 1) * len(within)) for b in range(len(by_levels))]
        )
        half = np.empty(len(p))
        for group in groups:
            comparisons = int(np.count_nonzero(~np.isnan(p[group])))
            each = interval_level(checked_level(level), comparisons, adjust)
            half[group] = t_quantile(0.5 + each / 2, df[group]) * se[group]
            p[group] = adjust_p(p[group], adjust)
        columns: dict[str, Any] = {"contrast": list(within) * len(by_levels)}
        for i, name in enumerate(self.by):
            columns[name] = [levels[i] for levels in by_levels for _ in within]
        columns |= {"estimate": estimate, "se": se, "df": df, "t": t, "p": p}
        columns |= {"lower": estimate - half, "upper": estimate + half, "estimable": functions.estimable}
        return pd.DataFrame(columns)


def _contrast_weights(
    labels: Sequence[str], method: str | Mapping[str, Sequence[float]], reference: str | None
) -> dict[str, FloatArray]:
    unit = np.eye(len(labels))
    if isinstance(method, Mapping):
        wrong = [name for name, w in method.items() if len(w) != len(labels)]
        if wrong:
            raise OptionError(f"contrast {', '.join(wrong)} needs {len(labels)} weights, for {', '.join(labels)}")
        return {name: np.asarray(w, dtype=float) for name, w in method.items()}
    if len(labels) < 2:
        raise OptionError(f"a contrast needs two levels, found only {', '.join(labels)}")
    if method == "pairwise":
        return {
            f"{labels[j]} - {labels[i]}": unit[j] - unit[i]
            for i in range(len(labels))
            for j in range(i + 1, len(labels))
        }
    if method == "reference":
        if reference is not None and reference not in labels:
            raise OptionError(f"reference {reference!r} is not a level; the levels are {', '.join(labels)}")
        base = 0 if reference is None else labels.index(reference)
        return {f"{labels[j]} - {labels[base]}": unit[j] - unit[base] for j in range(len(labels)) if j != base}
    raise OptionError(f"contrasts {method!r} are not known; the methods are pairwise, reference, or weights by name")


@dataclass(frozen=True, slots=True)
class Target:
    """What the means are of: the cells, and for each variable its value in each cell (a code or a number)."""

    factors: tuple[str, ...]
    by: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    values: Mapping[str, FloatArray | IntArray]
    fixed: Mapping[str, float | int]


def find_target(design: Design, factors: Sequence[str], by: Sequence[str], at: Mapping[str, Any] | None) -> Target:
    """Lay out the cells; `at` limits factors to levels, or sets covariates to values.

    Raises OptionError for variables that are not in the model and levels that do not exist, all of them at once.
    """
    names = (*factors, *by)
    at = dict(at or {})
    problems = []
    for name in dict.fromkeys((*names, *at)):
        if name not in design.levels and name not in design.numeric:
            problems.append(f"{name!r} is not a variable of the model; they are {', '.join(design.formula.variables)}")
        elif name in names and name in design.numeric and name not in at:
            problems.append(f"{name!r} is a covariate: give its values by at={{{name!r}: [...]}}")
    if not factors or len(set(names)) < len(names):
        problems.append("marginal means need at least one factor, and each factor once")
    axes: list[list[tuple[str, float | int]]] = []
    fixed: dict[str, float | int] = {}
    for name in (*names, *(n for n in at if n not in names)):
        if problems:
            break
        wanted = at.get(name)
        listed: list[Any] = list(wanted) if np.iterable(wanted) and not isinstance(wanted, str) else [wanted]
        if name in design.levels:
            levels = design.levels[name]
            chosen = list(levels) if wanted is None else [label(v) for v in listed]
            unknown = [v for v in chosen if v not in levels]
            if unknown:
                problems.append(f"{name} has no level {', '.join(unknown)}; the levels are {', '.join(levels)}")
                continue
            axis: list[tuple[str, float | int]] = [(v, levels.index(v)) for v in chosen]
        else:
            axis = [(label(v), float(v)) for v in listed]
        if name in names:
            axes.append(axis)
        elif len(axis) == 1:
            fixed[name] = axis[0][1]
        else:
            problems.append(f"{name} is averaged over: at={{{name!r}: ...}} takes one value, or name it as a factor")
    if problems:
        raise OptionError(problems)
    # by varies slowest and the first factor fastest, as in R
    cells = [cell[::-1] for cell in product(*axes[::-1])]
    values = {
        n: np.array([cell[i][1] for cell in cells], dtype=np.intp if n in design.levels else float)
        for i, n in enumerate(names)
    }
    return Target(tuple(factors), tuple(by), tuple(tuple(v for v, _ in c) for c in cells), values, fixed)


def mean_contrasts(
    design: Design, frame: ModelFrame, target: Target, weights: Weights = "equal", covariates_at: Over = "rows"
) -> FloatArray:
    """Matrix that turns coefficients into marginal means, shape (cells, columns of the design)."""
    if covariates_at not in ("rows", "subjects"):
        raise OptionError(f"covariates_at {covariates_at!r} is not known; it is rows or subjects")
    if weights == "counterfactual":
        rows = slice(None) if covariates_at == "rows" else np.unique(frame.subject, return_index=True)[1]
        observed = {name: column.take(rows) for name, column in frame.columns.items()}
        return np.vstack([X.mean(axis=0) for X in counterfactual_designs(design, observed, target)])
    if weights not in ("equal", "proportional"):
        raise OptionError(f"weights {weights!r} are not known; they are equal, proportional, counterfactual")
    averaged = [n for n in design.levels if n not in target.values and n not in target.fixed]
    combinations, share = _averaged_over(design, frame, averaged, weights)
    m, k = len(target.cells), len(share)
    columns: dict[str, Column] = {}
    for name in design.formula.variables:
        if name in target.values:
            values = np.tile(target.values[name], k)
        elif name in averaged:
            values = np.repeat(combinations[averaged.index(name)], m)
        else:
            value = target.fixed.get(name)
            values = np.full(m * k, _covariate_mean(frame, name, covariates_at) if value is None else value)
        columns[name] = _column(design, name, values)
    grid = design.matrix(columns, m * k).reshape(k, m, -1)
    return np.asarray(np.tensordot(share, grid, axes=1))


def _column(design: Design, name: str, values: np.ndarray[Any, Any]) -> Column:
    if name in design.levels:
        return Categorical(values.astype(np.intp), design.levels[name])
    return Numeric(values.astype(float))


def _covariate_mean(frame: ModelFrame, name: str, over: Over) -> float:
    column = frame.columns[name]
    assert isinstance(column, Numeric)
    if over == "rows":
        return float(column.values.mean())
    counts = np.bincount(frame.subject)
    return float((np.bincount(frame.subject, weights=column.values) / counts).mean())


def _averaged_over(
    design: Design, frame: ModelFrame, averaged: Sequence[str], weights: Weights
) -> tuple[list[IntArray], FloatArray]:
    """Combinations of levels of the factors averaged over (codes per factor) and their shares."""
    if not averaged:
        return [], np.ones(1)
    shape = tuple(len(design.levels[n]) for n in averaged)
    size = int(np.prod(shape))
    if weights == "equal":
        return [c.astype(np.intp) for c in np.unravel_index(np.arange(size), shape)], np.full(size, 1.0 / size)
    codes = []
    for name in averaged:
        column = frame.columns[name]
        assert isinstance(column, Categorical)
        codes.append(column.codes)
    found, counts = np.unique(np.ravel_multi_index(codes, shape), return_counts=True)
    return [c.astype(np.intp) for c in np.unravel_index(found, shape)], counts / counts.sum()


def counterfactual_designs(design: Design, columns: Mapping[str, Column], target: Target) -> Iterator[FloatArray]:
    """Yield, for each cell of the target, the design of all rows as if they were in that cell."""
    n = next(iter(columns.values())).missing.size
    for cell in range(len(target.cells)):
        changed = {name: values[cell] for name, values in target.values.items()} | dict(target.fixed)
        altered = {
            name: _column(design, name, np.full(n, changed[name])) if name in changed else column
            for name, column in columns.items()
        }
        yield design.matrix(altered, n)
