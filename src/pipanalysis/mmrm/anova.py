"""Tests of the terms of a model: type II and type III hypotheses.

Type III: each term is tested with the others in the model, averaging factors over their levels with equal weights,
whatever the numbers of observations; the hypothesis is the one of coefficients under sum-to-zero coding. Where a
factor interacts with a covariate its main effect depends on the covariate: it is tested at the covariate's mean over
the rows (as R's emmeans::joint_tests) or at zero (as SAS and R's car).
Type II: each term is tested against the model without the terms that contain it (SAS/STAT User's Guide, "The Four
Types of Estimable Functions").
"""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.mmrm.columns import Column
from pipanalysis.mmrm.design import Design, Encoding
from pipanalysis.mmrm.distributions import f_upper
from pipanalysis.mmrm.formula import Expression
from pipanalysis.mmrm.problems import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.mmrm.fit import MMRMFit


def type_three_contrasts(design: Design, numeric_means: dict[str, FloatArray] | None) -> list[FloatArray]:
    """Hypothesis matrices, one per term, each (columns of the term, p).

    numeric_means: mean of each column of every numeric factor, by source; None tests at zero.
    """
    rows = _anchored_rows(design)
    n = len(rows)

    def values(expression: Expression, encoding: Encoding) -> list[FloatArray]:
        width = len(encoding.names)
        cells = [row.get(expression.source) for row in rows]
        return [np.array([1.0 if c == k else 0.0 for c in cells]) for k in range(width)]

    def codes(expression: Expression) -> IntArray:
        return np.array([row.get(str(expression.column), 0) for row in rows], dtype=np.intp)

    def as_fitted(expression: Expression, encoding: Encoding) -> list[FloatArray | BoolArray]:
        if encoding.contrasts is None:
            return list(values(expression, encoding))
        return list(encoding.contrasts[codes(expression)].T)

    def sum_to_zero(expression: Expression, encoding: Encoding) -> list[FloatArray | BoolArray]:
        if encoding.contrasts is None:
            means = np.zeros(len(encoding.names)) if numeric_means is None else numeric_means[expression.source]
            return [v - m for v, m in zip(values(expression, encoding), means, strict=True)]
        if encoding.is_full:
            return as_fitted(expression, encoding)
        k = encoding.contrasts.shape[0]
        return list(np.vstack([np.eye(k - 1), -np.ones(k - 1)])[codes(expression)].T)

    ours, theirs = np.empty((2, n, len(design.names)))
    design.assemble(ours, sum_to_zero)
    design.assemble(theirs, as_fitted)
    transform = np.linalg.lstsq(ours, theirs, rcond=None)[0]
    transform[np.abs(transform) < 1e-12] = 0.0
    return [transform[design.term_columns(i)] for i in range(len(design.terms))]


def _anchored_rows(design: Design) -> list[dict[str, int]]:
    """Combinations that determine any function of the design: per term, all its cells, the rest at the first level.

    A row maps factor variables to levels and numeric factors (by source) to the column that is one, -1 for none.
    """
    rows: dict[tuple[tuple[str, int], ...], None] = {(): None}
    for block in design.blocks:
        axes: dict[str, range] = {}
        for expression, encoding in block:
            if encoding.contrasts is None:
                axes[expression.source] = range(-1, len(encoding.names))
            else:
                axes[str(expression.column)] = range(encoding.contrasts.shape[0])
        for cell in product(*axes.values()):
            rows[tuple(sorted(zip(axes, cell, strict=True)))] = None
    return [dict(row) for row in rows]


def type_two_contrasts(design: Design, cross: FloatArray) -> list[FloatArray]:
    """Hypothesis matrices, one per term, from the cross-products X'X, shape (p, p)."""
    result = []
    for index, term in enumerate(design.terms):
        own = design.term_columns(index)
        factors = {f.source for f in term.factors}
        containing = [i for i, t in enumerate(design.terms) if i != index and factors < {f.source for f in t.factors}]
        later = np.flatnonzero(np.isin(design.assign, containing)) if term.factors else np.empty(0, dtype=np.intp)
        before = np.setdiff1d(np.arange(len(design.names)), np.concatenate([own, later]))
        adjusted = (
            cross - cross[:, before] @ np.linalg.lstsq(cross[np.ix_(before, before)], cross[before], rcond=None)[0]
        )
        contrast = np.zeros((own.size, len(design.names)))
        contrast[:, own] = np.eye(own.size)
        if later.size:
            contrast[:, later] = np.linalg.lstsq(adjusted[np.ix_(own, own)], adjusted[np.ix_(own, later)], rcond=None)[
                0
            ]
        result.append(contrast)
    return result


def numeric_factor_means(design: Design, columns: Mapping[str, Column]) -> dict[str, FloatArray]:
    """Mean over the rows of each column of every numeric factor, by the factor's source."""
    factors = {e.source: e for block in design.blocks for e, encoding in block if encoding.contrasts is None}
    return {source: design.numeric_factor(e, columns).mean(axis=0) for source, e in factors.items()}


def estimable_part(contrast: FloatArray, null: FloatArray) -> FloatArray:
    """Rows that span the estimable part of a hypothesis; `null` is the null basis of the design."""
    if not null.shape[1]:
        return contrast
    outside = contrast @ null
    left, size, _ = np.linalg.svd(outside)
    rank = int(np.count_nonzero(size > 1e-8 * max(1.0, float(np.abs(contrast).max()))))
    return np.asarray(left[:, rank:].T @ contrast)


def term_tests(
    fit: "MMRMFit", kind: int, df: str | None, vcov: str | None, covariates: Literal["mean", "zero"]
) -> "pd.DataFrame":
    """F tests of the terms; see MMRMFit.anova."""
    import pandas as pd

    if kind not in (2, 3):
        raise OptionError(f"type {kind!r} is not known; the types are 2 and 3")
    if covariates not in ("mean", "zero"):
        raise OptionError(f"covariates {covariates!r} is not known; it is mean or zero")
    if kind == 2:
        contrasts = type_two_contrasts(fit.design, _cross_products(fit))
    else:
        means = numeric_factor_means(fit.design, fit.frame.columns) if covariates == "mean" else None
        contrasts = type_three_contrasts(fit.design, means)
    inference = fit.inference(df, vcov)
    rows = []
    for term, hypothesis in zip(fit.design.terms, contrasts, strict=True):
        if not term.factors:
            continue
        estimable = estimable_part(hypothesis, fit.null)[:, fit.kept]
        if not len(estimable):
            rows.append((term.label, 0, np.nan, np.nan, np.nan, np.nan))
            continue
        num_df, den_df, f, scale = inference.test(estimable)
        p = f_upper(float(f), float(num_df), float(den_df))
        rows.append((term.label, int(num_df), float(den_df), float(f), p, float(scale)))
    return pd.DataFrame(rows, columns=["term", "num_df", "den_df", "f", "p", "scale"])


def _cross_products(fit: "MMRMFit") -> FloatArray:
    """X'X over all columns of the design; aliased ones follow from the estimated ones."""
    cross = fit.X.T @ fit.X
    if not fit.null.shape[1]:
        return cross
    expand = np.zeros((fit.kept.size, len(fit.design.names)))
    expand[:, fit.kept] = np.eye(fit.kept.size)
    aliased = np.setdiff1d(np.arange(len(fit.design.names)), fit.kept)
    expand[:, aliased] = -fit.null[fit.kept]
    return expand.T @ cross @ expand
