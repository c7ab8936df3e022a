"""Sandwich covariance of the coefficients, clustered by subject, with Satterthwaite degrees of freedom.

Liang and Zeger (1986) for CR0; Bell and McCaffrey (2002) for CR2 and the degrees of freedom, with the fitted
covariance as the working model (Pustejovsky and Tipton 2018); CR3 is the jackknife.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.whitening import whitened

if TYPE_CHECKING:
    from pipanalysis.mmrm.engine import EngineFit


@dataclass(frozen=True)
class Sandwich:
    """A sandwich estimate: vcov (p, p) of beta, and what its degrees of freedom need.

    blocks: whitened design x and adjusted design a x of the subjects. root: of Phi. transform: contrasts of beta to
    those of the engine's coefficients.
    """

    vcov: FloatArray
    blocks: list[tuple[FloatArray, FloatArray]]
    root: FloatArray
    transform: FloatArray

    def contrast_df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom (tr G)^2 / tr(G^2) of each row of L, G the covariance of the subjects' contributions.

        G = diag(d) - K' Phi K with d_i = |v_i|^2, K_i = x_i' v_i and v_i = a_i x_i Phi l, so that no matrix of the size
        of the number of subjects is made.
        """
        c = (L @ self.transform @ self.root.T) @ self.root  # Phi l
        trace, squares = np.zeros(len(c)), np.zeros(len(c))
        outer = np.zeros((len(c), c.shape[1], c.shape[1]))
        for x, ax in self.blocks:
            v = ax @ c.T  # (n, m, rows)
            d = np.einsum("nmr,nmr->nr", v, v)
            k = np.einsum("nmp,nmr->nrp", x, v) @ self.root.T
            h = np.einsum("nrp,nrp->nr", k, k)
            trace += (d - h).sum(0)
            squares += (d * d - 2.0 * d * h).sum(0)
            outer += np.einsum("nrp,nrs->rps", k, k, optimize=True)
        return np.asarray(trace**2 / (squares + np.einsum("rps,rps->r", outer, outer)))


def sandwich(fit: "EngineFit", kind: str) -> Sandwich:
    """Sandwich estimate of `kind`: empirical, empirical-bias-reduced or empirical-jackknife."""
    solution = fit.state.solution
    phi, transform = solution.phi, fit.problem.source.transform * fit.problem.source.scale
    meat = np.zeros_like(phi)
    blocks = []
    for block in whitened(fit):
        x = block.x
        ax = x if kind == "empirical" else _adjust(x, solution.root, kind)
        score = np.einsum("nmp,nm->np", ax, block.r)
        meat += score.T @ score
        blocks.append((x, ax))
    bread = transform @ phi
    return Sandwich(bread @ meat @ bread.T, blocks, solution.root, transform)


def _adjust(x: FloatArray, root: FloatArray, kind: str) -> FloatArray:
    """(I - H_i)^(-1/2) x_i for CR2 and (I - H_i)^(-1) x_i for CR3, with generalised inverses."""
    half = x @ root.T
    values, vectors = np.linalg.eigh(np.eye(x.shape[1]) - half @ half.transpose(0, 2, 1))
    power = -0.5 if kind == "empirical-bias-reduced" else -1.0
    safe = np.where(values > 1e-10, values, 1.0)
    scaled = np.where(values > 1e-10, safe**power, 0.0)
    return np.asarray(vectors @ (scaled[:, :, None] * (vectors.transpose(0, 2, 1) @ x)))
