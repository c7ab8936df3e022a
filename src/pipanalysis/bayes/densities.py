"""The models' log densities on the unconstrained scale with their gradients, as nutpie calls them.

Each is the density of the PyMC model of the same name (`mmrm.build`, `joint.build`, `logistic.build`): the same free
parameters in the same order, standard deviations by their logarithm, what is between 0 and 1 by its logit. The tests
hold both against each other. They are written out since numba keeps these on disk: a model that goes from PyMC through
PyTensor to nutpie is compiled anew in every process, which took longer than to sample all outcomes.

Data come as one array: its length, sizes, then the arrays one after the other, as `packed` lays them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba.np.numpy_support import carray

from pipanalysis.bayes.arrays import FloatArray
from pipanalysis.bayes.density_joint import joint_density
from pipanalysis.bayes.density_logistic import logistic_density
from pipanalysis.bayes.density_mmrm import mmrm_density
from pipanalysis.bayes.kernels import njit

NOT_FINITE = 4
"""what tells nutpie that the trajectory diverged"""


def packed(sizes: Sequence[int], arrays: Sequence[FloatArray]) -> FloatArray:
    """Return sizes and arrays as one array that starts with its own length."""
    body = np.concatenate([np.asarray(sizes, dtype=np.float64), *(np.ravel(each) for each in arrays)])
    return np.concatenate([[len(body) + 1.0], body])


_pointer = numba.types.CPointer(numba.types.float64)  # type: ignore[no-untyped-call]
_density = numba.cfunc(
    numba.types.int64(numba.types.uint64, _pointer, _pointer, _pointer, _pointer), cache=True, error_model="numpy"
)


@njit
def _status(value: float, grad: FloatArray) -> int:
    return 0 if np.isfinite(value) and np.isfinite(grad).all() else NOT_FINITE


@_density
def mmrm_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`mmrm_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = mmrm_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@_density
def joint_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`joint_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = joint_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@_density
def logistic_callback(n: Any, x_: Any, grad_: Any, value_: Any, data_: Any) -> Any:
    """`logistic_density` as C calls it."""
    grad, value = carray(grad_, (n,)), carray(value_, (1,))
    data = carray(data_, (int(carray(data_, (1,))[0]),))
    value[0] = logistic_density(carray(x_, (n,)), data, grad)
    return _status(value[0], grad)


@numba.cfunc(numba.types.int64(numba.types.uint64, numba.types.uint64, _pointer, _pointer, _pointer), cache=True)
def identity_callback(n: Any, n_out: Any, x_: Any, out_: Any, data_: Any) -> Any:
    """Hand the unconstrained parameters on: they are turned back when the draws are read."""
    out, x = carray(out_, (n,)), carray(x_, (n,))
    for i in range(n):
        out[i] = x[i]
    return 0
