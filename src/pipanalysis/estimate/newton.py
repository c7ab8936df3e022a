"""The last steps to an optimum, which a general optimiser stops short of.

Where it stops depends on rounding, and so on the processor; results must not, to as many digits as there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
STEPS = 30
"""at most; Newton's take two or three, scoring steps more"""


def settled(
    gradient: Callable[[FloatArray], FloatArray], curvature: Callable[[FloatArray], FloatArray], near: FloatArray
) -> FloatArray:
    """Return the point at which a gradient is zero to rounding, from one near it.

    Steps are taken while each makes the largest element of the gradient smaller; where the first does not, as on a
    ridge, the point is returned as it is.

    Args:
        gradient: of what is optimised, at a point (k,).
        curvature: its second derivatives at a point or what stands for them, as the information, shape (k, k).
        near: shape (k,).
    """
    at, slope = near, gradient(near)
    for _ in range(STEPS):
        try:
            nearer = at - np.linalg.solve(curvature(at), slope)
            there = gradient(nearer)
        except np.linalg.LinAlgError:
            break
        if not np.abs(there).max() < np.abs(slope).max():
            break
        at, slope = nearer, there
    return at
