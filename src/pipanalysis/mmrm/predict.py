"""Predictions, residuals and simulated responses of a fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, CodeArray, FloatArray, IntArray
from pipanalysis.mmrm.columns import Categorical, Column, read_column, read_identifier
from pipanalysis.mmrm.distributions import t_quantile
from pipanalysis.mmrm.problems import ModelDataError, OptionError, checked_level

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.mmrm.fit import MMRMFit

RESIDUALS = ("response", "pearson", "normalized")
INTERVALS = ("confidence", "prediction")


@dataclass(frozen=True)
class Placement:
    """Where observations sit: subject, cell of the covariance matrix, group, weight, coordinates.

    known: rows with everything that is needed.
    """

    fit: "MMRMFit"
    subject: CodeArray
    cell: CodeArray
    group: CodeArray | None
    weights: FloatArray | None
    coordinates: FloatArray | None
    known: BoolArray

    def subjects(self) -> Iterator[IntArray]:
        """Known rows of each subject, in the order of the cells."""
        rows = np.flatnonzero(self.known)
        order = rows[np.lexsort((self.cell[rows], self.subject[rows]))]
        if order.size:
            yield from np.split(order, np.flatnonzero(np.diff(self.subject[order])) + 1)

    def covariance(self, rows: IntArray) -> FloatArray:
        """Covariance matrix of the observations of one subject at `rows`."""
        group = 0 if self.group is None else int(self.group[rows[0]])
        if self.coordinates is not None:
            sigma = self.fit.engine.covariance_at(self.coordinates[rows], group)
        else:
            sigma = self.fit.engine.covariances[group][np.ix_(self.cell[rows], self.cell[rows])]
        if self.weights is not None:
            root = np.sqrt(self.weights[rows])
            sigma = sigma / np.outer(root, root)
        return np.asarray(sigma)


@dataclass(frozen=True)
class NewRows:
    """Rows of a data frame as the fit sees them: their placement, design (n, p) and response (NaN if unknown)."""

    placement: Placement
    X: FloatArray
    response: FloatArray


def read_rows(fit: "MMRMFit", data: "pd.DataFrame", need_response: bool) -> NewRows:
    """Read new data for a fit.

    Raises ModelDataError for absent columns, levels that the fit does not know and text for numbers, all at once.
    """
    roles, design, frame = fit.frame.roles, fit.design, fit.frame
    response = design.formula.response
    wanted = [*design.formula.variables, *(n for role, n in roles.items() if role != "weights")]
    wanted += response.variables if need_response else ()
    absent = [n for n in dict.fromkeys(wanted) if n not in data.columns]
    if absent:
        raise ModelDataError([f"column {n!r} is not in the new data" for n in absent])
    problems: list[str] = []

    def read(name: str, levels: tuple[str, ...] | None) -> Column:
        try:
            column = read_column(data[name], levels=levels)
        except KeyError as error:
            allowed = ", ".join(levels or ())
            problems.append(f"{name} has no level {error.args[0]} in the fit; the levels are {allowed}")
            return Categorical(np.zeros(len(data), dtype=np.intp), levels or ("",))
        if levels is None and isinstance(column, Categorical):
            problems.append(f"{name} must be numeric, as in the fit")
        return column

    def codes(name: str | None, fitted: Categorical | None) -> CodeArray | None:
        if name is None or fitted is None:
            return None
        column = read(name, fitted.levels)
        assert isinstance(column, Categorical)
        return column.codes

    columns = {v: read(v, design.levels.get(v)) for v in design.formula.variables}
    visit, member, group = (
        codes(name, fitted)
        for name, fitted in ((roles.visit, frame.visit), (roles.member, frame.member), (roles.group, frame.group))
    )
    if problems:
        raise ModelDataError(problems)
    subject = read_identifier(data[roles.subject])[0]
    known = subject >= 0
    for identifier in (visit, member, group):
        known = known if identifier is None else known & (identifier >= 0)
    for column in columns.values():
        known = known & ~column.missing
    cell = np.zeros(len(data), dtype=np.intp) if visit is None else visit
    if member is not None:
        cell = member.astype(np.intp) * len(frame.visit.levels) + cell
    full = np.full((len(data), len(design.names)), np.nan)
    full[known] = design.matrix({v: c.take(known) for v, c in columns.items()}, int(known.sum()))
    if fit.null.shape[1]:
        known = known & (np.abs(full @ fit.null).max(axis=1) <= 1e-8 * np.linalg.norm(full, axis=1))
    placement = Placement(
        fit,
        subject,
        cell,
        group,
        data[roles.weights].to_numpy(float) if roles.weights in data.columns else None,
        data[list(roles.coords)].to_numpy(float) if roles.coords else None,
        known,
    )
    values = np.full(len(data), np.nan)
    if need_response:
        values = response.evaluate({v: data[v].to_numpy(float, na_value=np.nan) for v in response.variables}, {})
    return NewRows(placement, full[:, fit.kept], values)


def placement_of_fit(fit: "MMRMFit") -> Placement:
    """The complete rows that were fitted."""
    frame = fit.frame
    group = None if frame.group is None else frame.group.codes
    known = np.ones(frame.n, dtype=bool)
    return Placement(fit, frame.subject, frame.cell, group, frame.weights, frame.coordinates, known)


def predict(
    fit: "MMRMFit",
    new: "pd.DataFrame | None",
    conditional: bool,
    interval: str,
    df: str | None,
    vcov: str | None,
    level: float,
) -> "pd.DataFrame":
    """Predicted responses; see MMRMFit.predict."""
    import pandas as pd

    if interval not in INTERVALS:
        raise OptionError(f"interval {interval!r} is not known; the intervals are {', '.join(INTERVALS)}")
    data = fit.model.data if new is None else new
    if conditional:
        absent = [v for v in fit.design.formula.response.variables if v not in data.columns]
        if absent:
            raise ModelDataError(
                f"a conditional prediction needs the observed responses: no column {', '.join(absent)}"
            )
    rows = read_rows(fit, data, need_response=conditional)
    placement, known = rows.placement, rows.placement.known
    # prediction = A beta + offset, the offset being what the observed responses add; residual variance `noise`
    n = len(data)
    A, offset, noise = rows.X.copy(), np.zeros(n), np.full(n, np.nan)
    observed = known & np.isfinite(rows.response)
    for subject in placement.subjects():
        sigma = placement.covariance(subject)
        seen = observed[subject]
        noise[subject] = np.diag(sigma)
        if not seen.any():
            continue
        given, rest = subject[seen], subject[~seen]
        offset[given], A[given], noise[given] = rows.response[given], 0.0, 0.0
        if rest.size:
            slope = np.linalg.solve(sigma[np.ix_(seen, seen)], sigma[np.ix_(seen, ~seen)]).T
            offset[rest] = slope @ rows.response[given]
            A[rest] = rows.X[rest] - slope @ rows.X[given]
            noise[rest] -= np.einsum("ij,ji->i", slope, sigma[np.ix_(seen, ~seen)])
    estimate, se, freedom = (np.full(n, np.nan) for _ in range(3))
    inference = fit.inference(df, vcov)
    estimate[known] = A[known] @ fit.beta + offset[known]
    variance = np.einsum("ij,jk,ik->i", A[known], inference.vcov, A[known])
    uncertain = np.flatnonzero(known)[variance > 0.0]
    freedom[known] = np.inf
    if uncertain.size:
        freedom[uncertain] = inference.dfs(A[uncertain])
    se[known] = np.sqrt(variance + (noise[known] if interval == "prediction" else 0.0))
    half = t_quantile(0.5 + checked_level(level) / 2, freedom) * se
    table: dict[str, Any] = {
        n: data[n].to_numpy() for n in dict.fromkeys((fit.frame.roles.subject, fit.frame.roles.visit)) if n
    }
    table |= {"estimate": estimate, "se": se, "df": freedom, "lower": estimate - half, "upper": estimate + half}
    return pd.DataFrame(table, index=data.index)


def residuals(fit: "MMRMFit", kind: str) -> FloatArray:
    """Residuals of the complete rows; see MMRMFit.residuals."""
    if kind not in RESIDUALS:
        raise OptionError(f"residuals {kind!r} are not known; they are {', '.join(RESIDUALS)}")
    raw = fit.frame.response - fit.fitted
    if kind == "response":
        return raw
    result = np.empty_like(raw)
    placement = placement_of_fit(fit)
    for rows in placement.subjects():
        sigma = placement.covariance(rows)
        if kind == "pearson":
            result[rows] = raw[rows] / np.sqrt(np.diag(sigma))
        else:
            result[rows] = np.linalg.solve(np.linalg.cholesky(sigma), raw[rows])
    return result


def simulate(fit: "MMRMFit", n: int, seed: int) -> FloatArray:
    """Draw responses of the complete rows; see MMRMFit.simulate."""
    if n < 1:
        raise OptionError(f"n = {n} data sets cannot be simulated; it must be 1 or more")
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((fit.n_obs, n))
    placement = placement_of_fit(fit)
    for rows in placement.subjects():
        draws[rows] = np.linalg.cholesky(placement.covariance(rows)) @ draws[rows]
    return draws + fit.fitted[:, None]
