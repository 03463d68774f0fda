"""Collects the operators of an ONNX model: one call adds one operator, and an equal call returns the same value."""

import ast
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from gatelab.exchange.onnx_out.older_operators import in_opset, since

__all__ = ["OnnxGraph"]

_LARGEST = 2**31 - 1


class OnnxGraph:
    """A graph that is being written: of a model, or the body of one of its Scans.

    Constants are held by the model's graph; a body reads them, and all other values of the model, by their names.

    Args:
        dtype: of all real numbers.
        opset: version of the operators.
        outer: of a body, the graph of the model.

    Attributes:
        oldest: of the model's graph, the oldest opset in which all that was finished can be written, and the operator
            that needs it.
        nodes: in running order.
        initializers: name -> constant; of the model's graph alone.
    """

    def __init__(self, dtype: np.dtype[Any], opset: int, outer: "OnnxGraph | None" = None) -> None:
        self.dtype = dtype
        self.opset = opset
        self.oldest = (0, "")
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._root: OnnxGraph = self if outer is None else outer._root
        self._known: dict[Any, tuple[str, ...]] = {}
        self._count = 0
        self._since: dict[str, int] = {}

    @property
    def real(self) -> int:
        """The dtype as ONNX counts it."""
        return int(helper.np_dtype_to_tensor_dtype(self.dtype))

    def name(self, kind: str) -> str:
        """Return a name that nothing in the model has."""
        self._root._count += 1
        return f"{kind}_{self._root._count}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Return the value of an operator with one output."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, count: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Return the values of an operator."""
        key = kind, count, inputs, tuple((name, str(value)) for name, value in attributes.items())
        if key not in self._known:
            self._known[key] = tuple(self.name(kind) for _ in range(count))
            constants = self._root.initializers
            self._since[self._known[key][0]] = since(kind, inputs, attributes, constants)
            inputs, attributes = in_opset(self.opset, kind, inputs, attributes, constants)
            self.nodes.append(helper.make_node(kind, inputs, self._known[key], **attributes))
        return self._known[key]

    def constant(self, values: NDArray[Any], kind: str = "constant") -> str:
        """Return a constant as it is."""
        root = self._root
        key = kind, values.dtype.str, values.shape, values.tobytes()
        if key not in root._known:
            name = self.name(kind)
            root.initializers[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
            root._known[key] = (name,)
        return root._known[key][0]

    def real_constant(self, values: Any, kind: str = "constant") -> str:
        """Return a constant in the model's dtype."""
        return self.constant(np.asarray(values, self.dtype), kind)

    def whole(self, values: int | Sequence[int]) -> str:
        """Return a constant of int64."""
        return self.constant(np.asarray(values, np.int64))

    def apply(self, text: str, **values: str) -> str:
        """Return the value of nested calls of operators, as the column ``onnx`` of the functions has them."""
        return self._applied(_parsed(text), values)

    def _applied(self, tree: ast.expr, values: dict[str, str]) -> str:
        match tree:
            case ast.Name(id=name):
                return values[name]
            case ast.Call(func=ast.Name(id=kind), args=arguments, keywords=keywords):
                attributes = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
                return self.op(kind, *(self._applied(argument, values) for argument in arguments), **attributes)
        number = ast.literal_eval(tree)
        return self.real_constant(number) if isinstance(number, float) else self.whole(number)

    def backwards(self, value: str) -> str:
        """Return a sequence from its end."""
        return self.apply(f"Slice(u, [-1], [{-_LARGEST}], [0], [-1])", u=value)

    def finished(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """Return the graph without the operators whose values nothing reads."""
        needed = {output.name for output in outputs}
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                older = self._since.get(node.output[0], 0), node.op_type
                self._root.oldest = max(self._root.oldest, older, key=lambda one: one[0])
                needed.update(node.input)
                needed.update(_read_within(node))
        constants = [constant for name, constant in self.initializers.items() if name in needed]
        return helper.make_graph(kept[::-1], name, inputs, outputs, constants)


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _read_within(node: onnx.NodeProto) -> set[str]:
    """Return the names that the body of a node reads."""
    return {name for attribute in node.attribute for inner in attribute.g.node for name in inner.input}
