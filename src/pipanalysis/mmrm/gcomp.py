"""Marginal standardisation (g-computation): means as if every subject had been in each arm.

The mean of arm a is the average over the subjects of their fitted value under a. Its variance has two parts: that of
the coefficients, and that of the average of covariates that are themselves a sample, S / n with S the covariance of
the subjects' fitted values over the cells (Ye, Shao, Yi and Zhao 2023, JASA 118:2370-2382; Bannick, Ye and Yi 2023).
Subjects without an observed response count too, since their covariates are known.
"""

from collections.abc import Mapping

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.columns import Categorical, Column
from pipanalysis.mmrm.design import Design
from pipanalysis.mmrm.emmeans import Target, counterfactual_designs
from pipanalysis.mmrm.frame import ModelFrame
from pipanalysis.mmrm.problems import OptionError


def standardise(
    design: Design, frame: ModelFrame, target: Target, kept: IntArray, beta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Contrast matrix (cells, columns) of the standardised means and the covariance S / n of their averages."""
    columns = subject_columns(design, frame, target)
    contrasts, fitted = [], []
    for X in counterfactual_designs(design, columns, target):
        contrasts.append(X.mean(axis=0))
        fitted.append(X[:, kept] @ beta)
    n = len(fitted[0])
    return np.vstack(contrasts), np.atleast_2d(np.cov(np.vstack(fitted))) / n


def subject_columns(design: Design, frame: ModelFrame, target: Target) -> Mapping[str, Column]:
    """One row per subject of the data: the covariates of its first row, coded as in the design.

    Raises OptionError where a covariate is missing for a subject, or varies within subjects without being set.
    """
    problems = []
    columns: dict[str, Column] = {}
    for name in design.formula.variables:
        column = frame.first_columns[name]
        if isinstance(column, Categorical):
            position = np.array([*(_position(v, design.levels[name]) for v in column.levels), -1], dtype=np.intp)
            column = Categorical(position[column.codes], design.levels[name])
        columns[name] = column
        if name in target.values or name in target.fixed:
            continue
        missing = int(np.count_nonzero(column.missing))
        if missing:
            n = column.missing.size
            problems.append(f"{name} is missing or has an unobserved level for {missing} of {n} subjects")
    if problems:
        raise OptionError(problems)
    return columns


def _position(level: str, levels: tuple[str, ...]) -> int:
    return levels.index(level) if level in levels else -1
