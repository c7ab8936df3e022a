"""Design matrix of a linear model in which the differences between arms are coefficients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.estimate.model_result import Effect, NotFittedError, Status
from pipanalysis.mmrm.design import find_aliased

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from pipanalysis.estimate.analysis_data import AnalysisFrame, Covariate
    from pipanalysis.estimate.trial_data import FloatArray

NO_VARIANCE = 1e-12
"""share of the total sum of squares below which a residual sum of squares is rounding error"""


ESTIMABLE = 1e-8
"""share of a coefficient in the null space of a design that is rounding error"""


@dataclass(frozen=True)
class LinearDesign:
    """Design and response of the complete rows of a frame.

    Attributes:
        y: response, shape (n,).
        X: columns of full rank, shape (n, p): a mean for each visit, baseline, covariates, and last the difference
            between each arm and the reference at each visit.
        names: of the columns of X.
        aliased: columns left out because earlier ones determine them, in words.
        effects: (arm, visit) → column of X; only differences that the data determine.
        means: (arm, visit) → coefficients whose sum weighted so is the adjusted mean, shape (p,): at the mean of the
            baseline and of numeric covariates, factors averaged over their levels with equal weights; only means that
            the data determine.
        baseline: centred baseline in standard deviations, shape (n,); zeros where it is not adjusted for.
        unit: code of the unit of each row, shape (n,).
        between_rank: rank of the design of the units (arm, baseline, covariates), the intercept included.
    """

    y: FloatArray
    X: FloatArray
    names: tuple[str, ...]
    aliased: tuple[str, ...]
    effects: dict[tuple[str, str], int]
    means: dict[tuple[str, str], FloatArray]
    baseline: FloatArray
    unit: NDArray[np.intp]
    between_rank: int

    @property
    def n_units(self) -> int:
        """Units with a row."""
        return int(self.unit.max()) + 1 if self.unit.size else 0

    @property
    def mean_weights(self) -> FloatArray:
        """Weights of the adjusted means in the order of `means`, shape (k, p)."""
        return np.array([*self.means.values()]).reshape(len(self.means), self.X.shape[1])

    def determined_by(self, X: FloatArray) -> LinearDesign:
        """Return the design with those means alone that other rows of it determine too; X: these rows, shape (m, p)."""
        null = find_aliased(X)[2]
        return replace(self, means={key: row for key, row in self.means.items() if estimable(row, null)})

    def as_if_at(self, visit: str) -> FloatArray:
        """Return the rows of all units had they been observed at a visit in the reference arm, shape (n_units, p)."""
        first = np.unique(self.unit, return_index=True)[1]
        X = self.X[first].copy()
        X[:, list(self.effects.values())] = 0.0
        for j, name in enumerate(self.names):
            if name.startswith("visit "):
                X[:, j] = name == f"visit {visit}"
            elif name.startswith("baseline at "):
                X[:, j] = self.baseline[first] * (name == f"baseline at {visit}")
        return X


def linear_design(frame: AnalysisFrame, *, baseline_by_visit: bool) -> LinearDesign:
    """Return the design of ``value ~ visit + baseline (by visit) + covariates + arm within visit``.

    Args:
        frame: complete rows.
        baseline_by_visit: a slope of the baseline for each visit.

    The baseline and numeric covariates are centred and in standard deviations, which leaves the differences between
    arms as they are.
    """
    data, visits = frame.data, frame.model_visits
    indicator = {visit: _is(data["visit"], visit) for visit in visits}
    terms = frame.terms
    columns: dict[str, FloatArray] = {f"visit {visit}": column for visit, column in indicator.items()}
    said = {f"visit {visit}": terms.visit(visit) for visit in visits} | covariate_words(frame.varying)
    units: dict[str, FloatArray] = {"intercept": np.ones(len(data))}
    baseline = np.zeros(len(data))
    if frame.baseline_varies:
        baseline = _standardised(data["baseline"].to_numpy(dtype=np.float64))
        units["baseline"] = baseline
        if baseline_by_visit and len(visits) > 1:
            columns |= {f"baseline at {visit}": baseline * column for visit, column in indicator.items()}
            said |= {f"baseline at {visit}": f"baseline {terms.at(visit)}" for visit in visits}
        else:
            columns["baseline"] = baseline
    added = covariate_columns(data, frame.varying)
    columns |= added
    units |= added
    first_effect = len(columns)
    keys: list[tuple[str, str]] = []
    for arm in frame.arms[1:]:
        in_arm = _is(data["arm"], arm)
        units[f"arm {arm}"] = in_arm
        for visit in visits:
            if (arm, visit) not in frame.not_compared:
                columns[f"{arm} at {visit}"] = in_arm * indicator[visit]
                said[f"{arm} at {visit}"] = f"{terms.arm(arm)} {terms.at(visit)}"
                keys.append((arm, visit))
    X = np.column_stack(list(columns.values()))
    kept, aliased, null = find_aliased(X)
    determined = np.abs(null).max(axis=1, initial=0.0) < ESTIMABLE
    position = {int(j): i for i, j in enumerate(kept)}
    names = list(columns)
    code = np.unique(data["unit"].to_numpy(dtype=str), return_inverse=True)[1]
    first_rows = np.unique(code, return_index=True)[1]
    return LinearDesign(
        y=data["value"].to_numpy(dtype=np.float64),
        X=np.ascontiguousarray(X[:, kept]),
        names=tuple(names[j] for j in kept),
        aliased=tuple(said.get(names[j], names[j]) for j in aliased),
        effects={
            key: position[first_effect + i]
            for i, key in enumerate(keys)
            if determined[first_effect + i] and first_effect + i in position
        },
        means={key: row[kept] for key, row in _mean_weights(frame, names).items() if estimable(row, null)},
        baseline=baseline,
        unit=code,
        between_rank=int(np.linalg.matrix_rank(np.column_stack(list(units.values()))[first_rows])),
    )


def covariate_columns(data: pd.DataFrame, covariates: Sequence[Covariate]) -> dict[str, FloatArray]:
    """Return the columns of covariates: an indicator for each level but the first, numbers in standard deviations."""
    columns: dict[str, FloatArray] = {}
    for covariate in covariates:
        values = data[covariate.column]
        if covariate.factor:
            columns |= {f"{covariate.name} {level}": _is(values, level) for level in _levels(values)[1:]}
        else:
            columns[covariate.name] = _standardised(values.to_numpy(dtype=np.float64))
    return columns


def _levels(values: pd.Series) -> list[str]:
    """Return the levels of a factor that occur."""
    return [level for level in values.cat.categories if (values == level).any()]


def _mean_weights(frame: AnalysisFrame, names: Sequence[str]) -> dict[tuple[str, str], FloatArray]:
    """Return (arm, visit) → the weights of the coefficients in its adjusted mean, in the order of their names.

    The levels of a factor weigh alike; the baseline and numeric covariates are centred, and weigh nothing.
    """
    factors = {c.name: _levels(frame.data[c.column]) for c in frame.varying if c.factor}
    shared = {f"{name} {level}": 1 / len(levels) for name, levels in factors.items() for level in levels[1:]}
    means = {}
    for arm in frame.arms:
        for visit in frame.model_visits:
            if (arm, visit) not in frame.not_compared:
                weight = shared | {f"visit {visit}": 1.0, f"{arm} at {visit}": 1.0}
                means[arm, visit] = np.array([weight.get(name, 0.0) for name in names])
    return means


def estimable(weights: FloatArray, null: FloatArray) -> bool:
    """Tell whether a weighted sum of coefficients is determined; `null` spans the null space of the design."""
    return bool((np.abs(weights @ null) < ESTIMABLE).all())


def covariate_words(covariates: Sequence[Covariate]) -> dict[str, str]:
    """Return the name of each column that covariates can have → what sentences call it."""
    words = {covariate.name: covariate.said for covariate in covariates}
    return words | {f"{c.name} {level}": c.at(level) for c in covariates for level in c.levels}


def checked_design(
    frame: AnalysisFrame, notes: list[str], *, baseline_by_visit: bool = False
) -> tuple[LinearDesign, Status]:
    """Return the design of a frame that determines every difference to be compared, and the status it begins with.

    Args:
        frame: complete rows.
        notes: get what was left out.
        baseline_by_visit: a slope of the baseline for each visit.

    Raises:
        NotFittedError: a difference cannot be told apart from a covariate.
    """
    design = linear_design(frame, baseline_by_visit=baseline_by_visit)
    for arm in frame.arms[1:]:
        for visit in frame.visits:
            if (arm, visit) not in frame.not_compared and (arm, visit) not in design.effects:
                raise NotFittedError(f"{frame.terms.arm(arm)} cannot be told apart from a covariate")
    return design, initial_status(frame, design.aliased, notes)


def initial_status(frame: AnalysisFrame, aliased: Sequence[str], notes: list[str]) -> Status:
    """Return the status that a fit begins with: reduced where arms are not compared, or terms left out.

    Args:
        frame: complete rows.
        aliased: terms that others determine.
        notes: get what was left out.
    """
    notes += aliased_notes(aliased)
    return Status.reduced if frame.not_compared or aliased else Status.ok


def aliased_notes(aliased: Sequence[str]) -> list[str]:
    """Return, as a note, the terms that are left out because others determine them; none where there are none."""
    return [f"left out, determined by other terms: {', '.join(aliased)}"] if aliased else []


def in_arm(X: FloatArray, column: Mapping[str, int], arm: str) -> FloatArray:
    """Return the rows of a design had its units been in an arm.

    Args:
        X: design, shape (n, p).
        column: arm other than the reference → its column of X.
        arm: the arm; one that is not in `column` is the reference.
    """
    X = X.copy()
    X[:, list(column.values())] = 0.0
    if arm in column:
        X[:, column[arm]] = 1.0
    return X


def _is(column: Any, level: str) -> FloatArray:
    return np.asarray(column == level, dtype=np.float64)


def _standardised(values: FloatArray) -> FloatArray:
    return (values - values.mean()) / values.std()


def check_residual(design: LinearDesign) -> None:
    """Raise NotFittedError where nothing is left to estimate a residual variance from."""
    n, p = design.X.shape
    if n <= p:
        raise NotFittedError(f"{n} observations for {p} coefficients")
    total = float(((design.y - design.y.mean()) ** 2).sum())
    if float((ols_residual(design.y, design.X) ** 2).sum()) <= NO_VARIANCE * total:
        raise NotFittedError("perfect fit: no residual variance")


def design_effects(
    frame: AnalysisFrame, design: LinearDesign, beta: FloatArray, vcov: FloatArray, df: float | FloatArray
) -> list[Effect]:
    """Return the difference of every arm from the reference at every visit, with the reason where there is none.

    df: degrees of freedom, of all differences or of each coefficient, shape (p,).
    """
    of_column = np.broadcast_to(np.asarray(df, dtype=np.float64), (design.X.shape[1],))
    found = []
    for arm in frame.arms[1:]:
        for visit in frame.visits:
            if (arm, visit) in design.effects:
                j = design.effects[arm, visit]
                se = float(np.sqrt(vcov[j, j]))
                found.append(Effect(visit, arm, frame.reference, float(beta[j]), se, float(of_column[j])))
            else:
                why = frame.not_compared.get((arm, visit), "cannot be told apart from a covariate")
                found.append(Effect(visit, arm, frame.reference, error=why))
    return found


def adjusted_means(
    frame: AnalysisFrame, design: LinearDesign, beta: FloatArray, variances: FloatArray, df: float | FloatArray
) -> list[Effect]:
    """Return the adjusted mean of every arm at every visit, with the reason where there is none.

    Args:
        frame: what the design was made of.
        design: of k means that are determined.
        beta: coefficients, shape (p,).
        variances: of the means, shape (k,).
        df: degrees of freedom, of all means or of each, shape (k,).
    """
    values = design.mean_weights @ beta
    of_mean = np.broadcast_to(np.asarray(df, dtype=np.float64), values.shape)
    found = dict(zip(design.means, zip(values, np.sqrt(variances), of_mean, strict=True), strict=True))
    means = []
    for arm in frame.arms:
        for visit in frame.visits:
            if (arm, visit) in found:
                estimate, std_error, own_df = map(float, found[arm, visit])
                means.append(Effect(visit, arm, "", estimate, std_error, own_df))
            else:
                why = frame.not_compared.get((arm, visit), "cannot be told apart from a covariate")
                means.append(Effect(visit, arm, error=why))
    return means


def combined_variances(weights: FloatArray, vcov: FloatArray) -> FloatArray:
    """Return the variances of weighted sums of coefficients: weights of shape (k, p), vcov of shape (p, p)."""
    return np.asarray(((weights @ vcov) * weights).sum(axis=1))


def ols_residual(y: FloatArray, X: FloatArray) -> FloatArray:
    """Return the residuals of the least-squares fit of y on X."""
    return np.asarray(y - X @ np.linalg.lstsq(X, y, rcond=None)[0])
