"""Influence of each subject on the coefficients, exact for the fitted covariance.

The covariance parameters stay as fitted with everybody (a refit without the subject would change them too): what is
exact is the generalised least squares fit without the subject at that covariance.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.whitening import whitened

if TYPE_CHECKING:
    from pipanalysis.mmrm.engine import EngineFit


@dataclass(frozen=True)
class Influence:
    """Influence by subject, in the order of the subject codes `subjects` (n,).

    dfbeta (n, p): beta minus the beta without the subject. dfbetas: in standard errors. cooks_distance (n,):
    dfbeta' vcov^-1 dfbeta / p. leverage (n,): trace of the subject's block of the hat matrix; the sum is p. covratio
    (n,): determinant of the covariance of beta without the subject over that with it. NaN where the others do not
    determine all coefficients.
    """

    subjects: IntArray
    dfbeta: FloatArray
    dfbetas: FloatArray
    cooks_distance: FloatArray
    leverage: FloatArray
    covratio: FloatArray


@dataclass(frozen=True)
class Deletion:
    """Linear functions of beta without each subject, in the order of the subject codes `subjects` (n,).

    estimate (n, m) and se (n, m), model-based, at the fitted covariance; NaN where the others do not determine all
    coefficients.
    """

    subjects: IntArray
    estimate: FloatArray
    se: FloatArray


def deletion(fit: "EngineFit", L: FloatArray) -> Deletion:
    """Estimates and standard errors of `L` (m, p) times beta without each subject, without refitting.

    With C = x root' the subject's whitened design in coordinates where the covariance of beta is the identity, that
    covariance without the subject is (I - C'C)^-1 = I + C' (I - CC')^-1 C.
    """
    root = fit.state.solution.root
    n = fit.problem.layout.n_subjects
    rows = L @ (fit.problem.source.transform * fit.problem.source.scale) @ root.T
    estimate, se = np.full((n, len(L)), np.nan), np.full((n, len(L)), np.nan)
    for block in whitened(fit):
        half = block.x @ root.T
        rest = np.eye(half.shape[1]) - half @ half.transpose(0, 2, 1)
        sign, log_det = np.linalg.slogdet(rest)
        usable = (sign > 0) & (log_det > np.log(1e-12))
        where = block.positions[usable]
        w = half[usable] @ rows.T
        solved = np.linalg.solve(rest[usable], np.concatenate([w, block.r[usable][:, :, None]], axis=2))
        estimate[where] = L @ fit.beta - np.einsum("nmk,nm->nk", w, solved[:, :, -1])
        se[where] = np.sqrt((rows**2).sum(1) + np.einsum("nmk,nmk->nk", w, solved[:, :, :-1]))
    return Deletion(fit.problem.layout.subjects, estimate, se)


def influence(fit: "EngineFit") -> Influence:
    """Cook's distance, DFBETAS, leverage and covariance ratio of every subject."""
    root = fit.state.solution.root
    n, p = fit.problem.layout.n_subjects, fit.beta.size
    change = np.full((n, p), np.nan)
    leverage, covratio = np.zeros(n), np.full(n, np.nan)
    for block in whitened(fit):
        half = block.x @ root.T
        hat = half @ half.transpose(0, 2, 1)
        leverage[block.positions] = np.trace(hat, axis1=1, axis2=2)
        rest = np.eye(hat.shape[1]) - hat
        sign, log_det = np.linalg.slogdet(rest)
        usable = (sign > 0) & (log_det > np.log(1e-12))
        where = block.positions[usable]
        solved = np.linalg.solve(rest[usable], block.r[usable][:, :, None])
        change[where] = np.einsum("nmp,nm->np", half[usable], solved[:, :, 0])
        covratio[where] = np.exp(-log_det[usable])
    # change is in coordinates where the covariance of the coefficients is the identity
    dfbeta = change @ root @ (fit.problem.source.transform * fit.problem.source.scale).T
    return Influence(
        fit.problem.layout.subjects,
        dfbeta,
        dfbeta / np.sqrt(np.diagonal(fit.beta_vcov)),
        (change**2).sum(1) / p,
        leverage,
        covratio,
    )
