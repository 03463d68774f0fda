"""A layer as a Scan of ONNX: its steps, written from the program, and the loop around them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from onnx import TensorProto, helper
from torch import Tensor

from gatelab.compiler import Instruction, Program, program
from gatelab.exchange.onnx_out.graph_writer import OnnxGraph
from gatelab.language.functions import FUNCTIONS
from gatelab.layers.layer import RecurrentLayer
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths.loop import joined, known_values, step_plan

__all__ = ["EquationSteps", "ScanSteps", "as_scan"]

_OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "**": "Pow"}


class ScanSteps(ABC):
    """The steps of a layer.

    Attributes:
        sequences: values of the model's graph, (time, batch, size), of which each step reads its own.
    """

    sequences: Sequence[str]

    @abstractmethod
    def step(self, body: OnnxGraph, now: Sequence[str], states: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Write one step into a body.

        Args:
            body: the body.
            now: the sequences at this step, (batch, size).
            states: state -> its value before the step.

        Returns:
            The output (batch, hidden), and the new states.
        """


class EquationSteps(ScanSteps):
    """The steps of a variant of equations.

    What no step changes becomes a constant, what is known from x alone is computed for the whole sequence first.

    Args:
        graph: of the model.
        layer: its weights are read.
        x: the input, (time, batch, input).
    """

    def __init__(self, graph: OnnxGraph, layer: RecurrentLayer, x: str) -> None:
        self._graph, self._x, self._layer = graph, x, layer
        self._program: Program = program(layer.variant.values_only())
        self._weights = whole_weights(layer.variant, layer.learned())
        self._plan = step_plan(self._program)
        empty = next(layer.parameters()).new_zeros(1, 1, layer.input_size)
        self._known: list[Any] = known_values(self._program, self._weights, empty, layer.hidden_size)
        self._outside: dict[int, str] = {}
        for index in self._plan.sequence:
            instruction = self._program.instructions[index]
            if instruction.kind == "input":
                self._outside[index] = x
            else:
                self._write(graph, index, instruction.arguments, self._outside)
        self._handed = self._plan.handed_to_steps
        # a Scan takes the number of its steps from what it reads
        self.sequences = [self._outside[index] for index in self._handed] or [x]

    def step(self, body: OnnxGraph, now: Sequence[str], states: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        values = dict(zip(self._handed, now, strict=False))
        for index, kind, arguments, function in self._plan.step:
            if kind == "state":
                values[index] = states[function]
            else:
                self._write(body, index, arguments, values)
        instructions, sizes = self._program.instructions, self._layer.state_sizes()

        def full(index: int, size: int) -> str:
            value = self._value(index, values)
            if instructions[index].phase != "once":
                return value
            return body.op("Expand", value, rows_shape(self._graph, self._x, size))

        fresh = {name: full(index, sizes[name]) for name, index in self._program.states.items()}
        return full(self._program.output, self._layer.hidden_size), fresh

    def _write(self, graph: OnnxGraph, index: int, arguments: Sequence[int], values: dict[int, str]) -> None:
        instruction = self._program.instructions[index]
        if instruction.kind == "product":
            values[index] = self._product(graph, instruction, arguments, values)
            parts = self._plan.parts.get(index, ())
            if parts:
                cut = graph.whole([self._layer.hidden_size] * len(parts))
                pieces = graph.ops("Split", len(parts), values[index], cut, axis=self._features(graph))
                values.update(zip(parts, pieces, strict=True))
            return
        names = [self._value(argument, values) for argument in arguments]
        match instruction.kind:
            case "negate":
                values[index] = graph.op("Neg", *names)
            case "operation":
                values[index] = graph.op(_OPERATORS[instruction.name], *names)
            case "join":
                values[index] = graph.op("Concat", *names, axis=self._features(graph))
            case "function":
                row = FUNCTIONS[instruction.name]
                values[index] = graph.apply(row.onnx, **dict(zip(row.arguments, names, strict=True)))
            case kind:
                raise AssertionError(kind)

    def _features(self, graph: OnnxGraph) -> int:
        """Return the axis of the features: of (time, batch, size) in the model's graph, of (batch, size) in a step."""
        return 2 if graph is self._graph else 1

    def _product(
        self, graph: OnnxGraph, instruction: Instruction, arguments: Sequence[int], values: dict[int, str]
    ) -> str:
        weight, bias = joined(instruction, self._weights)
        if self._program.instructions[arguments[0]].phase == "once":
            known = self._known[arguments[0]]
            row = (1, weight.shape[0])
            rows = known.expand(row) if isinstance(known, Tensor) else torch.full(row, known)
            source = graph.real_constant(_numbers(rows))
        else:
            source = values[arguments[0]]
        total = graph.op("MatMul", source, graph.real_constant(_numbers(weight), "weight"))
        if len(arguments) > 1:
            return graph.op("Add", total, self._value(arguments[1], values))
        return total if bias is None else graph.op("Add", total, graph.real_constant(_numbers(bias), "bias"))

    def _value(self, index: int, values: Mapping[int, str]) -> str:
        if self._program.instructions[index].phase != "once":
            return values[index]
        known = self._known[index]
        return self._graph.real_constant(_numbers(known) if isinstance(known, Tensor) else known)


def as_scan(
    graph: OnnxGraph, steps: ScanSteps, states: Mapping[str, str], valid: str | None, *, backward: bool
) -> tuple[str, dict[str, str]]:
    """Write the loop over time into the graph of a model.

    Args:
        graph: of the model.
        steps: of the layer.
        states: state -> its value before the first step, (batch, size).
        valid: (time, batch, 1), whether a sequence has a step there; None if all have. After its last one a sequence
            keeps its states, and its outputs are zero.
        backward: whether the sequence is read from its end.

    Returns:
        The outputs (time, batch, hidden), and the states after the last step.
    """
    body = OnnxGraph(graph.dtype, graph.opset, graph)
    old = {name: graph.name(f"old_{name}") for name in states}
    sequences = [*steps.sequences, *([] if valid is None else [valid])]
    now = [graph.name("now") for _ in sequences]
    output, fresh = steps.step(body, now[: len(steps.sequences)], old)
    if valid is not None:
        fresh = {name: body.op("Where", now[-1], value, old[name]) for name, value in fresh.items()}
        output = body.op("Where", now[-1], output, body.real_constant(0.0))
    results = [graph.name("result") for _ in (*fresh, output)]
    for result, value in zip(results, (*fresh.values(), output), strict=True):
        body.nodes.append(helper.make_node("Identity", [value], [result]))
    kinds = [graph.real] * len(steps.sequences) + [int(TensorProto.BOOL)] * (valid is not None)
    inputs = [
        *(helper.make_tensor_value_info(name, graph.real, None) for name in old.values()),
        *(helper.make_tensor_value_info(name, kind, None) for name, kind in zip(now, kinds, strict=True)),
    ]
    outputs = [helper.make_tensor_value_info(result, graph.real, None) for result in results]
    turned = [graph.backwards(sequence) if backward else sequence for sequence in sequences]
    *finals, outputs_in_time = graph.ops(
        "Scan", len(results), *states.values(), *turned, body=body.finished("step", inputs, outputs),
        num_scan_inputs=len(sequences),
    )  # fmt: skip
    return (
        graph.backwards(outputs_in_time) if backward else outputs_in_time,
        dict(zip(fresh, finals, strict=True)),
    )


def rows_shape(graph: OnnxGraph, x: str, size: int) -> str:
    """Return the shape (batch, size) as a value."""
    return graph.op("Concat", graph.apply("Slice(Shape(u), [1], [2])", u=x), graph.whole([size]), axis=0)


def _numbers(values: Tensor) -> Any:
    return values.detach().cpu().numpy()
