"""A whole model of ONNX: inputs and states, embedding, layers in both directions, readout, and what the file says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from gatelab import __version__
from gatelab.errors import UserError
from gatelab.exchange.onnx_out.foreign_scans import steps_of
from gatelab.exchange.onnx_out.graph_writer import OnnxGraph
from gatelab.exchange.onnx_out.node_forms import NodeForm, node_form
from gatelab.exchange.onnx_out.node_writer import as_node
from gatelab.exchange.onnx_out.scan_writer import as_scan, rows_shape
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN

__all__ = ["Wanted", "written_model"]

_EVERYWHERE = ("sigmoid", "tanh", "relu")
"""Activations of nodes that every engine has."""


@dataclass(frozen=True)
class Wanted:
    """What a file is to have.

    Attributes:
        engine: for which its nodes are chosen: onnxruntime, openvino or any.
        opset: version of the operators.
        lengths: whether it takes the lengths of sequences.
        states: whether it takes states and returns them.
    """

    engine: str
    opset: int
    lengths: bool
    states: bool


def written_model(module: RNN | Network, wanted: Wanted) -> onnx.ModelProto:
    """Return a module on the CPU, in evaluation mode, as a model.

    Raises:
        UserError: the opset is older than an operator that the model needs.
    """
    rnn = module.rnn if isinstance(module, Network) else module
    dtype = next(module.parameters()).detach().numpy().dtype
    graph = OnnxGraph(dtype, wanted.opset)
    writer = _Writer(graph, rnn, wanted)
    x = writer.inputs(module)
    output, finals = writer.layers(x)
    if isinstance(module, Network):
        output = writer.read(module, output, x)
    elif rnn.batch_first:
        output = graph.op("Transpose", output, perm=[1, 0, 2])
    outputs = [(output, "output"), *((value, f"final_{name}") for name, value in finals.items())]
    for value, name in outputs:
        graph.nodes.append(helper.make_node("Identity", [value], [name]))
    infos = [helper.make_tensor_value_info(name, graph.real, writer.shape(module, name)) for _, name in outputs]
    opset = helper.make_opsetid("", wanted.opset)
    finished = graph.finished("gatelab", writer.declared, infos)
    oldest, operator = graph.oldest
    if wanted.opset < oldest:
        raise UserError(f"opset={wanted.opset}: this model needs {oldest} or later, for its {operator}")
    model = helper.make_model(
        finished,
        opset_imports=[opset],
        # constants that are no inputs are of version 4 on
        ir_version=max(4, helper.find_min_ir_version_for([opset])),
        producer_name="gatelab",
        producer_version=__version__,
    )
    helper.set_model_props(model, _facts(module))
    return model


def _facts(module: RNN | Network) -> dict[str, str]:
    """Return what the file says of itself: version, equations as a variant file and as text, sizes."""
    content = module.content()
    facts = {
        "gatelab.version": __version__,
        "gatelab.variant": _json(content.variant.mapping()),
        "gatelab.equations": content.variant.plain(),
        "gatelab.rnn": content.rnn.model_dump_json(),
    }
    return facts if content.network is None else {**facts, "gatelab.network": content.network.model_dump_json()}


def _json(mapping: Mapping[str, Any]) -> str:
    return json.dumps(mapping, ensure_ascii=False)


class _Writer:
    """Writes one model.

    Attributes:
        declared: the inputs of the model.
    """

    def __init__(self, graph: OnnxGraph, rnn: RNN, wanted: Wanted) -> None:
        self._graph, self._rnn, self._wanted = graph, rnn, wanted
        self._directions = 2 if rnn.bidirectional else 1
        self._sizes = [layer.state_sizes() for layer in rnn.layers]
        self.declared: list[onnx.ValueInfoProto] = []
        self._lengths = "lengths" if wanted.lengths else None
        self._valid: str | None = None

    def inputs(self, module: RNN | Network) -> str:
        """Declare the inputs, and return what the first layer reads, (time, batch, features)."""
        graph, rnn = self._graph, self._rnn
        network = module if isinstance(module, Network) else None
        tokens = network is not None and network.tokens
        features = rnn.input_size
        if network is not None and network.embedding is not None:
            features = network.embedding.shape[0]
        time_and_batch = ["time", "batch"] if network is not None or not rnn.batch_first else ["batch", "time"]
        kind = int(onnx.TensorProto.INT64) if tokens else graph.real
        self._declare("input", kind, [*time_and_batch, *([] if tokens else [features])])
        if self._lengths is not None:
            self._declare("lengths", int(onnx.TensorProto.INT64), ["batch"])
        if self._wanted.states:
            for name in self._state_inputs():
                self._declare(f"initial_{name}", graph.real, self._state_shape(name))
        x = "input" if time_and_batch[0] == "time" else graph.op("Transpose", "input", perm=[1, 0, 2])
        if self._lengths is not None:
            steps = graph.apply("Range(0, Squeeze(Slice(Shape(x), [0], [1])), 1)", x=x)
            running = graph.apply("Less(Unsqueeze(steps, [1]), lengths)", steps=steps, lengths="lengths")
            self._valid = graph.op("Unsqueeze", running, graph.whole([2]))
            if tokens:
                x = graph.apply("Where(valid, x, 0)", valid=running, x=x)
        return x if network is None else self._embedded(network, x)

    def _embedded(self, network: Network, x: str) -> str:
        if network.embedding is None:
            return x
        table = self._graph.real_constant(network.embedding.detach().numpy(), "embedding")
        return self._graph.op("Gather", table, x, axis=0) if network.tokens else self._graph.op("MatMul", x, table)

    def layers(self, x: str) -> tuple[str, dict[str, str]]:
        """Write all layers; return the outputs, and the states that the file returns, by name."""
        finals: dict[str, list[str]] = {}
        form = self._form()
        for depth in range(self._rnn.num_layers):
            if form is None:
                x, states = self._scans(depth, x)
            else:
                x, states = self._node(form, depth, x)
            for name, values in states.items():
                finals.setdefault(name, []).extend(values)
        if not self._wanted.states:
            return x, {}
        returned: dict[str, str] = {}
        for name in self._rnn.variant.states:
            if name in self._alike():
                returned[name] = self._beside(finals[name], 0)
            else:
                returned |= {f"{name}.{place}": self._without_axis(value) for place, value in enumerate(finals[name])}
        return x, returned

    def _form(self) -> NodeForm | None:
        """Return the node that the engine runs as the equations say; None for a Scan."""
        form = node_form(self._rnn.variant)
        if form is None or self._graph.dtype != np.float32:
            return None
        if self._wanted.engine == "onnxruntime":
            return form
        # without a word, OpenVINO drops peepholes, and the reference of ONNX lengths
        if form.peepholes or not set(form.activations) <= set(_EVERYWHERE):
            return None
        return None if self._wanted.engine == "any" and self._lengths is not None else form

    def _node(self, form: NodeForm, depth: int, x: str) -> tuple[str, dict[str, list[str]]]:
        first = depth * self._directions
        layers = self._rnn.layers[first : first + self._directions]
        states = None
        if self._wanted.states:
            states = {name: self._initial_of(name, first, first + self._directions) for name in form.states}
        x, finals = as_node(self._graph, form, layers, x, states, self._lengths)
        return x, {name: [value] for name, value in finals.items()}

    def _scans(self, depth: int, x: str) -> tuple[str, dict[str, list[str]]]:
        outputs: list[str] = []
        finals: dict[str, list[str]] = {name: [] for name in self._rnn.variant.states}
        for direction in range(self._directions):
            index = depth * self._directions + direction
            layer = self._rnn.layers[index]
            states = {name: self._initial(name, index, size, x) for name, size in self._sizes[index].items()}
            steps = steps_of(self._graph, layer, x)
            output, after = as_scan(self._graph, steps, states, self._valid, backward=direction == 1)
            outputs.append(output)
            for name, value in after.items():
                finals[name].append(self._graph.apply("Unsqueeze(u, [0])", u=value))
        return self._beside(outputs, 2), finals

    def _initial(self, name: str, index: int, size: int, x: str) -> str:
        """Return a state of one layer and direction before the first step, (batch, size)."""
        if not self._wanted.states:
            return self._graph.op("Expand", self._graph.real_constant(0.0), rows_shape(self._graph, x, size))
        if name not in self._alike():
            return f"initial_{name}.{index}"
        return self._without_axis(self._initial_of(name, index, index + 1))

    def _initial_of(self, name: str, first: int, last: int) -> str:
        """Return a state of some layers and directions, (layers × directions, batch, size)."""
        if (first, last) == (0, len(self._sizes)):
            return f"initial_{name}"
        return self._graph.apply(f"Slice(u, [{first}], [{last}], [0])", u=f"initial_{name}")

    def read(self, network: Network, output: str, below: str) -> str:
        """Write the readout of a network: (batch, output) of the last steps, or (time, batch, output).

        Args:
            output: of the last layer.
            below: what the first layer reads.
        """
        graph = self._graph
        if network.predicts == "last":
            output = self._last(output)
        weight = graph.real_constant(network.readout.weight.detach().numpy().T, "readout")
        found = graph.apply("MatMul(u, weight)", u=output, weight=weight)
        if network.has_bias:
            bias = graph.real_constant(network.readout.bias.detach().numpy(), "readout_bias")
            found = graph.apply("Add(u, bias)", u=found, bias=bias)
        if network.direct is not None:
            weight = graph.real_constant(network.direct.weight.detach().numpy().T, "direct")
            if network.predicts == "last":
                below = self._at_the_end(below)
            elif self._valid is not None:
                below = graph.apply("Where(valid, u, 0.0)", valid=self._valid, u=below)
            further = graph.apply("MatMul(u, weight)", u=below, weight=weight)
            found = graph.apply("Add(u, v)", u=found, v=further)
        return found

    def _last(self, output: str) -> str:
        """Return the outputs after the whole sequence, (batch, features)."""
        graph, half = self._graph, self._rnn.hidden_size
        forward, backward = (
            graph.apply(f"Slice(u, [{first}], [{last}], [2])", u=output)
            for first, last in ((0, half), (half, 2 * half))
        )
        last = self._at_the_end(forward)
        if not self._rnn.bidirectional:
            return last
        first = graph.apply("Squeeze(Slice(u, [0], [1], [0]), [0])", u=backward)
        return graph.op("Concat", last, first, axis=1)

    def _at_the_end(self, values: str) -> str:
        """Return the values of each sequence's last step: (time, batch, features) gives (batch, features)."""
        graph = self._graph
        if self._lengths is None:
            return graph.apply("Squeeze(Slice(u, [-1], [2147483647], [0]), [0])", u=values)
        steps = graph.apply("Range(0, Squeeze(Slice(Shape(u), [0], [1])), 1)", u=values)
        is_last = graph.apply("Equal(Unsqueeze(t, [1]), Sub(lengths, 1))", t=steps, lengths="lengths")
        chosen = graph.op("Unsqueeze", is_last, graph.whole([2]))
        return graph.apply("ReduceSum(Where(chosen, u, 0.0), [0], keepdims=0)", chosen=chosen, u=values)

    def shape(self, module: RNN | Network, name: str) -> list[str | int]:
        """Return the shape of an output."""
        if name != "output":
            return self._state_shape(name.removeprefix("final_"))
        if not isinstance(module, Network):
            both = ["batch", "time"] if self._rnn.batch_first else ["time", "batch"]
            return [*both, self._rnn.output_size]
        size = module.readout.out_features
        return ["batch", size] if module.predicts == "last" else ["time", "batch", size]

    def _alike(self) -> list[str]:
        """Return the states that have one length in all layers, and are one tensor."""
        return [name for name in self._rnn.variant.states if len({sizes[name] for sizes in self._sizes}) == 1]

    def _state_inputs(self) -> list[str]:
        alike = self._alike()
        return [
            entry
            for name in self._rnn.variant.states
            for entry in ([name] if name in alike else [f"{name}.{index}" for index in range(len(self._sizes))])
        ]

    def _state_shape(self, name: str) -> list[str | int]:
        state, _, index = name.partition(".")
        if index:
            return ["batch", self._sizes[int(index)][state]]
        return [len(self._sizes), "batch", self._sizes[0][state]]

    def _declare(self, name: str, kind: int, shape: list[str | int]) -> None:
        self.declared.append(helper.make_tensor_value_info(name, kind, shape))

    def _without_axis(self, value: str) -> str:
        return self._graph.apply("Squeeze(u, [0])", u=value)

    def _beside(self, values: list[str], axis: int) -> str:
        return values[0] if len(values) == 1 else self._graph.op("Concat", *values, axis=axis)
