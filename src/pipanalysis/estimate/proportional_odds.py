"""Proportional odds: an ordered outcome by cumulative logits with one effect of each covariate (statsmodels).

The logit of the probability of level k or lower is t_k - x'b (McCullagh 1980, JRSS B 42:109-142), so that a positive
coefficient moves units to higher levels by the same odds ratio at every cut between levels. That assumption is tested
for single columns by the score test against a coefficient for each cut (Peterson and Harrell 1990, Applied Statistics
39:205-217), which needs no fit of the larger model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.model_result import NotFittedError, python_warnings
from pipanalysis.estimate.separation import unbounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import FloatArray

NEWTON_STEPS = 20
SHORTEST_STEP = 1e-10


@dataclass(frozen=True)
class ProportionalOdds:
    """A fit of K levels on p columns.

    Attributes:
        cuts: t_k, increasing, shape (K - 1,).
        beta: log odds ratios of a higher level, shape (p,).
        vcov: inverse of the observed information of cuts and beta, shape (K - 1 + p, K - 1 + p).
        loglik: log-likelihood.
    """

    cuts: FloatArray
    beta: FloatArray
    vcov: FloatArray
    loglik: float

    def shares(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the mean probability of each level over the rows of X, and its gradient by cuts and beta.

        Returns:
            Shapes (K,) and (K, K - 1 + p).
        """
        link = _link(X, len(self.cuts))
        p, slope = _probabilities(link @ np.concatenate([self.cuts, self.beta]))
        return p.mean(axis=0), np.einsum("ikc,icq->kq", slope, link) / len(X)


def separated(X: FloatArray, y: NDArray[np.intp]) -> bool:
    """Tell whether the covariates order the levels without error somewhere, so that no estimate exists.

    Args:
        X: columns beside the cuts, shape (n, p).
        y: level of each unit, 0 to K - 1, each of them taken, shape (n,).

    Moving the cuts by d and the coefficients by b never lowers the likelihood where d_k - x_i'b is not negative for the
    cut above each unit's level and not positive for the cut below (Haberman 1980, in the discussion of McCullagh).
    """
    link = _link(X, int(y.max()))
    unit = np.arange(len(y))
    above, below = y < y.max(), y > 0
    return unbounded(np.concatenate([link[unit[above], y[above]], -link[unit[below], y[below] - 1]]))


def proportional_odds(X: FloatArray, y: NDArray[np.intp]) -> ProportionalOdds:
    """Fit by maximum likelihood.

    Args:
        X: columns beside the cuts, shape (n, p), that do not separate the levels.
        y: level of each unit, 0 to K - 1, each of them taken, shape (n,).

    The optimiser of statsmodels stops a little short of the maximum; Newton steps on the concave likelihood finish.

    Raises:
        NotFittedError: it did not converge.
    """
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    with python_warnings():
        model = OrderedModel(y, X, distr="logit")
        fit = model.fit(method="bfgs", maxiter=500, disp=False, skip_hessian=True)
        cuts = np.asarray(model.transform_threshold_params(fit.params)[1:-1], dtype=np.float64)
    theta = np.concatenate([cuts, np.asarray(fit.params, dtype=np.float64)[: X.shape[1]]])
    link = _link(X, len(cuts))
    for _ in range(NEWTON_STEPS):
        try:
            loglik, score, information = _observed(link, theta, y)
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError as error:
            raise NotFittedError(f"proportional odds: {error}") from None
        if not np.isfinite(step).all():
            break
        if float(np.abs(step).max()) < SHORTEST_STEP:
            return ProportionalOdds(theta[: len(cuts)], theta[len(cuts) :], np.linalg.inv(information), loglik)
        theta = theta + step
    raise NotFittedError("proportional odds: maximum likelihood did not converge")


def proportionality(X: FloatArray, y: NDArray[np.intp], fit: ProportionalOdds, column: int) -> tuple[float, int]:
    """Return the score statistic, chi-squared, that a column's odds ratio is the same at every cut; and its df.

    Args:
        X: columns beside the cuts, shape (n, p).
        y: level of each unit, shape (n,).
        fit: of them, with three levels or more.
        column: of X.

    The expected information is taken, as in SAS and Peterson and Harrell.
    """
    cuts = len(fit.cuts)
    further = np.zeros((len(y), cuts, cuts - 1))
    further[:, 1:, :] = -X[:, column, None, None] * np.eye(cuts - 1)
    link = _link(X, cuts)
    p, slope = _probabilities(link @ np.concatenate([fit.cuts, fit.beta]))
    link = np.concatenate([link, further], axis=2)
    taken = np.zeros_like(p)
    taken[np.arange(len(y)), y] = 1.0
    score = np.einsum("ik,ikc,icq->q", taken / p, slope, link)
    by_level = np.einsum("ikc,icq->ikq", slope, link)
    information = np.einsum("ikq,ik,ikr->qr", by_level, 1 / p, by_level)
    return float(score @ np.linalg.solve(information, score)), cuts - 1


def _link(X: FloatArray, cuts: int) -> FloatArray:
    """Return the matrix of each unit that takes cuts and coefficients to its cumulative logits, (n, cuts, cuts + p)."""
    n, p = X.shape
    link = np.zeros((n, cuts, cuts + p))
    link[:, :, :cuts] = np.eye(cuts)
    link[:, :, cuts:] = -X[:, None, :]
    return link


def _probabilities(gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities of the levels from cumulative logits (n, cuts), and their slopes (n, levels, cuts)."""
    from scipy.special import expit

    n, cuts = gamma.shape
    upper = np.concatenate([expit(gamma), np.ones((n, 1))], axis=1)
    density = expit(gamma) * expit(-gamma)
    slope = np.zeros((n, cuts + 1, cuts))
    here = np.arange(cuts)
    slope[:, here, here] = density
    slope[:, here + 1, here] = -density
    return np.diff(upper, axis=1, prepend=0.0), slope


def _observed(link: FloatArray, theta: FloatArray, y: NDArray[np.intp]) -> tuple[float, FloatArray, FloatArray]:
    """Return the log-likelihood, its gradient and minus its second derivative by cuts and coefficients."""
    from scipy.special import expit

    gamma = link @ theta
    p, slope = _probabilities(gamma)
    unit = np.arange(len(y))
    own = p[unit, y]
    gradient = slope[unit, y] / own[:, None]
    curve = expit(gamma) * expit(-gamma) * (1 - 2 * expit(gamma))
    cut = np.arange(gamma.shape[1])
    second = ((cut == y[:, None]) * 1.0 - (cut == y[:, None] - 1)) * curve / own[:, None]
    inner = gradient[:, :, None] * gradient[:, None, :] - second[:, :, None] * np.eye(len(cut))
    with np.errstate(invalid="ignore", divide="ignore"):
        loglik = float(np.log(own).sum())
    score = np.einsum("ic,icq->q", gradient, link)
    return loglik, score, np.einsum("icq,icd,idr->qr", link, inner, link)
