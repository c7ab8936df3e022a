"""Rows of the subjects multiplied by the inverse root of their covariance: independent errors of variance one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.covariance import SpatialStructure
from pipanalysis.mmrm.crossproducts import CHUNK_ROWS
from pipanalysis.mmrm.spatial_likelihood import distances

if TYPE_CHECKING:
    from pipanalysis.mmrm.engine import EngineFit


@dataclass(frozen=True)
class Block:
    """Subjects with as many observations: positions (n,) in the layout, design x (n, m, p) and residuals r (n, m).

    Design and residuals are those of the engine's own coefficients and units.
    """

    positions: IntArray
    x: FloatArray
    r: FloatArray


def whitened(fit: "EngineFit") -> Iterator[Block]:
    """Give all subjects in blocks: by pattern, or by number of observations for a spatial structure."""
    layout, source, solution = fit.problem.layout, fit.problem.source, fit.state.solution
    spatial = isinstance(fit.structure, SpatialStructure)
    sizes = np.diff(layout.starts).astype(np.intp)
    label = sizes * fit.n_groups + layout.group[layout.pattern] if spatial else layout.pattern
    order = np.argsort(label, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        step = max(1, CHUNK_ROWS // int(sizes[members[0]]))
        for begin in range(0, members.size, step):
            positions = members[begin : begin + step]
            rows = layout.rows(positions)
            z = np.linalg.inv(np.linalg.cholesky(_covariance(fit, positions, rows))) @ source.z(rows)
            yield Block(positions, z[:, :, :-1], z @ solution.residual)


def _covariance(fit: "EngineFit", positions: IntArray, rows: IntArray) -> FloatArray:
    """Covariance of the unweighted observations in the engine's units, (n, m, m) or (m, m) for one pattern."""
    layout, scale = fit.problem.layout, fit.problem.source.scale
    pattern = layout.pattern[positions[0]]
    group = int(layout.group[pattern])
    if isinstance(fit.structure, SpatialStructure):
        assert fit.problem.times is not None
        own = fit.theta[2 * group : 2 * group + 2]
        return fit.structure.matrix(own, distances(fit.problem.times[rows])) / scale**2
    visits = np.flatnonzero(layout.observed[pattern])
    return fit.covariances[group][np.ix_(visits, visits)] / scale**2
