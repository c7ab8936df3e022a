"""Whether a maximum likelihood estimate exists, decided before anything is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from pipanalysis.estimate.model_result import NotFittedError

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray

MARGIN = 1e-6
"""what counts as a positive margin; the linear programme meets its constraints to 1e-7"""

Separation = Literal["none", "quasi-complete", "complete"]


def separation(X: FloatArray, y: FloatArray) -> Separation:
    """Tell whether a linear combination of the columns of X separates the zeros of y from the ones.

    Args:
        X: design of full rank, shape (n, p), its columns of comparable scale.
        y: zeros and ones, shape (n,).

    With s = 2y - 1, the estimate is finite if and only if no b has s_i x_i'b >= 0 for all i with one of them positive
    (Albert and Anderson 1984, Biometrika 71:1-10). The b with -1 <= b_j <= 1 and the largest sum of s_i x_i'b is found
    by a linear programme (Konis 2007, thesis, University of Oxford, section 4.3); a second one, for the largest least
    s_i x_i'b, tells complete separation from quasi-complete.

    Raises:
        NotFittedError: the linear programme has no answer.
    """
    signed = (2 * y - 1)[:, None] * X
    p = X.shape[1]
    if not unbounded(signed):
        return "none"
    # b'x_i s_i >= t, with t the last variable
    with_least = np.column_stack([signed, -np.ones(len(y))])
    found = _largest(np.eye(p + 1)[p], with_least, [*[(-1.0, 1.0)] * p, (0.0, 1.0)])
    return "complete" if float(found[p]) > MARGIN else "quasi-complete"


def unbounded(directions: FloatArray) -> bool:
    """Tell whether a likelihood rises for ever along some direction of its parameters.

    Args:
        directions: rows d, shape (m, q): moving the q parameters by b never lowers the likelihood, however far, where
            d'b >= 0 for all rows, and raises it where one of them is positive.

    Raises:
        NotFittedError: the linear programme has no answer.
    """
    b = _largest(directions.sum(axis=0), directions, [(-1.0, 1.0)] * directions.shape[1])
    return float((directions @ b).max()) > MARGIN


def _largest(objective: FloatArray, at_least_zero: FloatArray, bounds: list[tuple[float, float]]) -> FloatArray:
    """Return the b within bounds that maximises objective'b where all of at_least_zero @ b >= 0."""
    from scipy.optimize import linprog

    found = linprog(-objective, A_ub=-at_least_zero, b_ub=np.zeros(len(at_least_zero)), bounds=bounds, method="highs")
    if found.status != 0:
        raise NotFittedError(f"separation could not be decided: {found.message}")
    return np.asarray(found.x, dtype=np.float64)
