"""What is done with the arrays before a fit: checked, and brought to units in which the likelihood is well scaled."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import lapack

from pipanalysis.mmrm.arrays import CodeArray, DesignMatrix, FloatArray
from pipanalysis.mmrm.covariance import CovarianceStructure, SpatialStructure
from pipanalysis.mmrm.crossproducts import Layout, Source
from pipanalysis.mmrm.errors import InvalidArrays, SingularData


def check(
    X: FloatArray,
    y: FloatArray,
    subject: CodeArray,
    visit: CodeArray,
    n_visits: int,
    structure: CovarianceStructure | SpatialStructure,
    group: CodeArray | None,
    n_groups: int,
    weights: FloatArray | None,
    times: FloatArray | None,
) -> tuple[Any, ...]:
    """Give y, subject, visit, group, weights and times as arrays of the types that the fit needs.

    Raises InvalidArrays with every problem, those of X included.
    """
    problems = []
    if X.ndim != 2:
        raise InvalidArrays([f"X has {X.ndim} dimensions, not 2"])
    n, p = X.shape

    def column(name: str, values: Any, dtype: type, codes: int | None = None) -> Any:
        array = np.asarray(values)
        if array.shape != (n,):
            problems.append(f"{name} has shape {array.shape}, not ({n},)")
            return None
        if dtype is float:
            array = array.astype(float, copy=False)
            if not np.isfinite(array).all():
                problems.append(f"{name} has missing or infinite values")
        else:
            if not np.issubdtype(array.dtype, np.integer):
                problems.append(f"{name} has {array.dtype} values, not integer codes")
                return None
            if n and (array.min() < 0 or (codes is not None and array.max() >= codes)):
                upper = "" if codes is None else f" to {codes - 1}"
                problems.append(f"{name} has codes outside 0{upper}")
        return array

    y = column("y", y, float)
    subject = column("subject", subject, int)
    visit = column("visit", visit, int, n_visits)
    if group is not None:
        group = column("group", group, int, n_groups)
    if weights is not None:
        weights = column("weights", weights, float)
        if weights is not None and np.any(weights <= 0.0):
            problems.append("weights must be positive")
    if not np.isfinite(X).all():
        problems.append("X has missing or infinite values")
    if n <= p:
        problems.append(f"{n} rows are too few for {p} coefficients")
    if p == 0:
        problems.append("X has no columns")
    if isinstance(structure, SpatialStructure):
        if times is None:
            problems.append(f"{structure.name} needs times, the coordinates of the rows")
        else:
            times = np.asarray(times, dtype=float).reshape(n, -1)
            if not np.isfinite(times).all():
                problems.append("times has missing or infinite values")
    elif structure.n_visits != n_visits:
        problems.append(f"the covariance structure is for {structure.n_visits} visits, the data have {n_visits}")
    if problems:
        raise InvalidArrays(problems)
    return y, subject, visit, group, weights, times


def standardise(design: DesignMatrix, y: FloatArray, root: FloatArray | None) -> tuple[Source, float]:
    """Columns made orthonormal, response to its least squares residual over its root mean square.

    Returns the transformation and the log determinant of the one of X. The likelihood is then well scaled whatever the
    units, and the digits that a large mean would cost are kept.
    """
    X = design.values
    n, p = X.shape
    gram = X.T @ X
    norms = np.sqrt(np.diagonal(gram))
    if not norms.all():
        raise SingularData(f"column {int(np.argmin(norms))} of the design matrix is zero")
    gram = gram / np.multiply.outer(norms, norms)
    factor, info = lapack.dpotrf(gram, lower=0, clean=1)
    if info or factor.diagonal().min() < 1e-5:  # squaring the condition would cost too many digits
        factor = np.linalg.qr(X / norms, mode="r")
        factor *= np.where(factor.diagonal() < 0.0, -1.0, 1.0)[:, None]
        if factor.diagonal().min() < 1e-11:
            raise SingularData(
                f"column {int(np.argmin(factor.diagonal()))} of the design matrix is a combination of earlier ones"
            )
    inverse, _ = lapack.dtrtri(factor, lower=0)
    transform = inverse * (np.sqrt(n) / norms)[:, None]
    offset = np.zeros(p)
    residual = y
    for _ in range(2):
        offset = offset + transform @ (transform.T @ (X.T @ residual)) / n
        residual = y - X @ offset
    weighted = residual if root is None else residual * root
    size = float(np.abs(y).max())
    scale = float(np.sqrt(weighted @ weighted / n))
    if not scale > 0.0 or float(np.abs(residual).max()) <= 1e-12 * size:
        raise SingularData("the fixed effects fit the response without error: there is no variance to estimate")
    return Source(design, y, root, transform, offset, scale), float(np.log(transform.diagonal()).sum())


def check_coverage(
    layout: Layout, structure: CovarianceStructure, n_groups: int, labels: Mapping[str, Sequence[str]]
) -> None:
    """Refuse visits, and pairs or distances of visits that have a parameter of their own, that no subject has.

    Of a direct product the same holds for each factor: over members (at whatever visits), over visits (of whatever
    members). labels: what messages call each "visit", "member" and "group" (by default their codes).
    """
    for g in range(n_groups):
        observed = layout.observed[layout.group == g].astype(float)
        where = f" in group {labels['group'][g] if 'group' in labels else g}" if n_groups > 1 else ""
        for what, factor, together in structure.factors(observed.T @ observed):
            if factor.needs_all_visits:
                _check_factor(what, factor, together, labels.get(what, [str(i) for i in range(len(together))]), where)


def _check_factor(
    what: str, factor: CovarianceStructure, together: FloatArray, labels: Sequence[str], where: str
) -> None:
    """Refuse what has a parameter of its own and no subject; together (t, t): in how many cells two are observed."""
    absent = np.flatnonzero(np.diagonal(together) == 0.0)
    if absent.size:
        named = ", ".join(labels[i] for i in absent.tolist())
        raise SingularData(f"no observation at {what} {named}{where}: its variance cannot be estimated")
    if factor.name in ("toep", "toeph"):
        apart = [str(lag) for lag in range(1, len(together)) if not np.diagonal(together, lag).any()]
        if apart:
            raise SingularData(
                f"no subject{where} was observed at two {what}s {', '.join(apart)} apart: with a Toeplitz covariance "
                "their correlation cannot be estimated"
            )
    if factor.name == "us":
        j, k = np.nonzero(np.triu(together == 0.0, 1))
        if j.size:
            pairs = ", ".join(f"{labels[a]} and {labels[b]}" for a, b in zip(j.tolist(), k.tolist(), strict=True))
            raise SingularData(
                f"no subject{where} was observed at both {what}s {pairs}: with an unstructured covariance their "
                "covariance cannot be estimated"
            )
