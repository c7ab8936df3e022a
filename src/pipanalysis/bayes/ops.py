"""The kernels as PyTensor operations: a likelihood is one node of the graph, whatever the numbers of units and visits.

Each operation hands out its value together with its gradients, so that one pass gives both and the graph that has to be
compiled stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from pipanalysis.bayes import kernels, kernels_joint
from pipanalysis.bayes.compiler import kernels_version


class _LikelihoodOp(Op):  # type: ignore[misc]
    """A scalar and its gradients by the first `n_parameters` inputs; the others are data."""

    __props__ = ()
    n_parameters = 0
    kernel: Any = None

    def make_node(self, *inputs: Any) -> Apply:
        """Make the node: parameters, then data."""
        variables = [pt.as_tensor_variable(each, dtype="float64") for each in inputs]
        outputs = [pt.dscalar(), *(variables[i].type() for i in range(self.n_parameters))]
        return Apply(self, variables, outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Compute without PyTensor's compilation."""
        for storage, value in zip(output_storage, type(self).kernel(*inputs), strict=True):
            storage[0] = value

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Only the value itself is differentiated, never its gradients."""
        value, *gradients = cotangents
        if not all(isinstance(each.type, DisconnectedType) for each in gradients):
            raise NotImplementedError(f"second derivatives of {type(self).__name__}")
        data = [disconnected_type() for _ in inputs[self.n_parameters :]]
        return [*(value * gradient for gradient in outputs[1:]), *data]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data are not connected to the outputs."""
        return [[i < self.n_parameters] * len(node.outputs) for i in range(len(node.inputs))]


class PatternLogLik(_LikelihoodOp):
    """`kernels.pattern_loglik`: parameters beta and covariance; data products, counts and observed."""

    n_parameters = 2
    kernel = kernels.pattern_loglik


class FactorLogLik(_LikelihoodOp):
    """`kernels_joint.factor_loglik`: parameters beta, loading, unique and lower; data z, observed, pattern, domain."""

    n_parameters = 4
    kernel = kernels_joint.factor_loglik


class CorrelationFactor(Op):  # type: ignore[misc]
    """`kernels.correlation`: partial correlations (m, t (t - 1) / 2) → Cholesky factors (m, t, t)."""

    __props__ = ()

    def make_node(self, partial: Any) -> Apply:
        """Make the node."""
        return Apply(self, [pt.as_tensor_variable(partial, dtype="float64")], [pt.dtensor3()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Compute without PyTensor's compilation."""
        output_storage[0][0] = kernels.correlation(inputs[0])

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Hand the gradient on."""
        return [CorrelationGradient()(inputs[0], outputs[0], cotangents[0])]


class CorrelationGradient(Op):  # type: ignore[misc]
    """`kernels.correlation_gradient`."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Make the node."""
        variables = [pt.as_tensor_variable(each, dtype="float64") for each in inputs]
        return Apply(self, variables, [pt.dmatrix()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Compute without PyTensor's compilation."""
        output_storage[0][0] = kernels.correlation_gradient(*inputs)


def _register(op: type[Op], kernel: Any) -> None:
    @register_funcify_default_op_cache_key(op)  # type: ignore[untyped-decorator]
    def funcify(op: Op, node: Apply, **kwargs: Any) -> tuple[Any, int]:
        return kernel, kernels_version()  # for the key of its cache of compiled code


_register(PatternLogLik, kernels.pattern_loglik)
_register(FactorLogLik, kernels_joint.factor_loglik)
_register(CorrelationFactor, kernels.correlation)
_register(CorrelationGradient, kernels.correlation_gradient)
