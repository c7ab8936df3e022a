"""Multinomial logistic regression: maximum likelihood (statsmodels), or Jeffreys' penalty where that does not exist.

The penalty is the root of the determinant of the information, as Firth's for two levels: it removes the first-order
bias of the estimates and keeps them finite (Firth 1993, Biometrika 80:27-38; Kosmidis and Firth 2011, Biometrika
98:755-759).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.model_result import NotFittedError, python_warnings
from pipanalysis.estimate.newton import settled
from pipanalysis.estimate.separation import unbounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

LEVEL_SLOPE = 1e-6
"""slope of the penalised log-likelihood that counts as none"""


@dataclass(frozen=True)
class Multinomial:
    """A fit of K levels on p columns; level 0 is the reference.

    Attributes:
        beta: log relative risk ratios, shape (K - 1, p).
        vcov: inverse information of beta, row after row, shape ((K - 1) p, (K - 1) p).
        loglik: log-likelihood, penalised where the fit is.
    """

    beta: FloatArray
    vcov: FloatArray
    loglik: float

    def shares(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the mean probability of each level over the rows of X, and its gradient by beta.

        Returns:
            Shapes (K,) and (K, (K - 1) p).
        """
        p = probabilities(X, self.beta)
        levels = p.shape[1]
        slope = p[:, :, None] * (np.eye(levels)[:, 1:] - p[:, None, 1:])
        gradient = np.einsum("ikc,ij->kcj", slope, X) / len(X)
        return p.mean(axis=0), gradient.reshape(levels, -1)


def probabilities(X: FloatArray, beta: FloatArray) -> FloatArray:
    """Return the probability of each level for each row of X, shape (n, K)."""
    from scipy.special import softmax

    eta = np.concatenate([np.zeros((len(X), 1)), X @ beta.T], axis=1)
    return np.asarray(softmax(eta, axis=1), dtype=np.float64)


def separated(X: FloatArray, y: NDArray[np.intp]) -> bool:
    """Tell whether the columns of X tell levels apart without error, so that no estimate exists.

    Args:
        X: design, shape (n, p).
        y: level of each unit, 0 to K - 1, shape (n,).

    Moving the coefficients by b never lowers the likelihood where x_i'(b_y - b_k) is not negative for every other level
    k of every unit, y its own (Albert and Anderson 1984, Biometrika 71:1-10).
    """
    others, p = int(y.max()), X.shape[1]
    chosen = np.eye(others + 1)[:, 1:]
    rows = [
        (chosen[y] - chosen[k])[y != k, :, None] * X[y != k, None, :]  # x_i in the place of b_y, -x_i in that of b_k
        for k in range(others + 1)
    ]
    return unbounded(np.concatenate(rows).reshape(-1, others * p))


def maximum_likelihood(X: FloatArray, y: NDArray[np.intp]) -> Multinomial | None:
    """Fit by maximum likelihood; None where it does not converge.

    Args:
        X: design of full rank, shape (n, p), that does not separate the levels.
        y: level of each unit, 0 to K - 1, each of them taken, shape (n,).
    """
    from statsmodels.discrete.discrete_model import MNLogit

    with python_warnings():
        try:
            fit = MNLogit(y, X).fit(method="newton", maxiter=100, tol=1e-10, disp=False)
            vcov = np.asarray(fit.cov_params(), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
    if not fit.mle_retvals["converged"] or not np.isfinite(vcov).all():
        return None
    return Multinomial(np.asarray(fit.params, dtype=np.float64).T, vcov, float(fit.llf))


def penalised(X: FloatArray, y: NDArray[np.intp], absent: int | None = None) -> Multinomial:
    """Fit with Jeffreys' penalty.

    Args:
        X: design of full rank, shape (n, p).
        y: level of each unit, 0 to K - 1, each of them taken, shape (n,).
        absent: column of X whose coefficients are held at zero; the penalty stays that of all columns.

    Raises:
        NotFittedError: it did not converge.
    """
    from scipy.optimize import minimize

    others, p = int(y.max()), X.shape[1]
    free = np.ones((others, p), dtype=bool)
    if absent is not None:
        free[:, absent] = False

    def full(theta: FloatArray) -> FloatArray:
        beta = np.zeros((others, p))
        beta[free] = theta
        return beta

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        loglik, gradient = _penalised_likelihood(X, y, full(theta))
        return -loglik, -gradient[free]

    with np.errstate(all="ignore"):
        found = minimize(objective, np.zeros(int(free.sum())), jac=True, method="BFGS", options={"gtol": 1e-8})

    def information(theta: FloatArray) -> FloatArray:
        return np.asarray(_information(X, probabilities(X, full(theta)))[np.ix_(free.ravel(), free.ravel())])

    with np.errstate(all="ignore"):
        beta = full(settled(lambda theta: objective(theta)[1], information, np.asarray(found.x, dtype=np.float64)))
    loglik, gradient = _penalised_likelihood(X, y, beta)
    if not (np.isfinite(loglik) and float(np.abs(gradient[free]).max()) < LEVEL_SLOPE):
        raise NotFittedError("multinomial penalised likelihood did not converge")
    return Multinomial(beta, np.linalg.inv(_information(X, probabilities(X, beta))), loglik)


def _information(X: FloatArray, p: FloatArray) -> FloatArray:
    """Return the information of beta, row after row."""
    own = p[:, 1:]
    weight = own[:, :, None] * np.eye(own.shape[1]) - own[:, :, None] * own[:, None, :]
    blocks = np.einsum("iab,ij,ik->ajbk", weight, X, X)
    size = own.shape[1] * X.shape[1]
    return np.asarray(blocks.reshape(size, size), dtype=np.float64)


def _penalised_likelihood(X: FloatArray, y: NDArray[np.intp], beta: FloatArray) -> tuple[float, FloatArray]:
    """Return the log-likelihood plus half the log determinant of the information, and its gradient, shape of beta.

    Half the trace of the inverse information times its derivative needs, for each unit, Q_ab = x'(I^-1)_ab x.
    """
    n, cols = X.shape
    p = probabilities(X, beta)
    others = p.shape[1] - 1
    information = _information(X, p)
    sign, log_det = np.linalg.slogdet(information)
    if sign <= 0 or not np.isfinite(log_det):
        return -np.inf, np.zeros_like(beta)
    inverse = np.linalg.inv(information).reshape(others, cols, others, cols)
    own = p[:, 1:]
    Q = np.einsum("ij,ajbk,ik->iab", X, inverse, X)
    diagonal, cross = np.einsum("iaa->ia", Q), np.einsum("iab,ib->ia", Q, own)
    mean_diagonal, mean_cross = (diagonal * own).sum(axis=1), (cross * own).sum(axis=1)
    slope = own * (diagonal - mean_diagonal[:, None] - 2 * cross + 2 * mean_cross[:, None])
    taken = np.eye(others + 1)[y][:, 1:]
    loglik = float(np.log(p[np.arange(n), y]).sum())
    return loglik + float(log_det) / 2, (taken - own + slope / 2).T @ X
