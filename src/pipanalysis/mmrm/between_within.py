"""Between-within degrees of freedom (Schluchter and Elashoff 1990), as SAS and R mmrm divide them."""

from dataclasses import dataclass

import numpy as np

from pipanalysis.mmrm.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class BetweenWithin:
    """Degrees of freedom of coefficients that vary between or within subjects; `within` (p,) says which do."""

    within: BoolArray
    between_df: float
    within_df: float

    def contrast_df(self, L: FloatArray) -> FloatArray:
        """The smaller of the degrees of freedom of the coefficients in each row of L."""
        by_coefficient = np.where(self.within, self.within_df, self.between_df)
        return np.where(L != 0.0, by_coefficient, np.inf).min(axis=1)


def between_within(X: FloatArray, first_row: np.ndarray, n_subjects: int) -> BetweenWithin:
    """Divide the coefficients.

    X (n, p); first_row (n,): row of X at which the subject of each row begins. A constant column is the intercept; it
    counts for the subjects, and has the degrees of freedom of effects within subjects when tested alone.
    """
    n = len(X)
    varies = np.array([bool(np.any(column != column[first_row])) for column in X.T])
    intercept = np.array([bool(np.all(column == column[0])) for column in X.T])
    between = n_subjects - int(np.sum(~varies & ~intercept)) - int(intercept.any())
    within = n - n_subjects - int(varies.sum())
    return BetweenWithin(varies | intercept, float(between), float(within))
