"""ONNX files of one recurrent node, random ones too, and what ONNX Runtime computes of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

import gatelab
from gatelab.exchange.onnx_in import OnnxNode

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
OPTIONAL = ("B", "sequence_lens", "initial_h", "initial_c", "P")
INPUTS = {"LSTM": ("B", "sequence_lens", "initial_h", "initial_c", "P"), "GRU": ("B", "sequence_lens", "initial_h")}
INPUTS["RNN"] = INPUTS["GRU"]
# function -> how many of alpha and beta it takes, and whether they may be left out
PARAMETERS = {
    "Sigmoid": (0, 0, True), "Tanh": (0, 0, True), "Relu": (0, 0, True), "Softsign": (0, 0, True),
    "Softplus": (0, 0, True), "LeakyRelu": (1, 0, True), "Elu": (1, 0, True), "HardSigmoid": (1, 1, True),
    "ThresholdedRelu": (1, 0, False), "Affine": (1, 1, False), "ScaledTanh": (1, 1, False),
}  # fmt: skip


@dataclass
class Case:
    """A node: its attributes, its tensors in layout 0, and which of them the file holds."""

    operator: str
    attributes: dict[str, Any]
    tensors: dict[str, np.ndarray]
    x: np.ndarray
    fixed: set[str] = field(default_factory=lambda: {"W", "R", "B", "P"})
    opset: int = 14

    @property
    def directions(self) -> int:
        return 2 if self.attributes.get("direction") == "bidirectional" else 1


def case(operator: str, rng: np.random.Generator, features=3, hidden=4, steps=6, batch=3, **attributes: Any) -> Case:
    """Return a node with B and nothing else; every attribute as given."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[operator] * hidden

    def drawn(*shape: int) -> np.ndarray:
        return rng.uniform(-0.5, 0.5, shape).astype(np.float32)

    tensors = {
        "W": drawn(directions, rows, features),
        "R": drawn(directions, rows, hidden),
        "B": drawn(directions, 2 * rows),
    }
    return Case(operator, {"hidden_size": hidden, **attributes}, tensors, drawn(steps, batch, features))


def with_states(one: Case, rng: np.random.Generator) -> Case:
    """Give a node initial states."""
    shape = (one.directions, one.x.shape[1], one.tensors["R"].shape[2])
    for key in ("initial_h", "initial_c")[: 2 if one.operator == "LSTM" else 1]:
        one.tensors[key] = rng.uniform(-1, 1, shape).astype(np.float32)
    return one


def random_case(seed: int) -> Case:
    """Return a node from anywhere in the space of attributes."""
    rng = np.random.default_rng(seed)
    operator = str(rng.choice(list(GATES)))
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    features, hidden, batch = (int(rng.integers(1, 6)) for _ in range(3))
    directions = 2 if direction == "bidirectional" else 1
    chosen = activations(rng, FUNCTIONS[operator] * directions) if rng.random() < 0.7 else {}
    # a gate that leaves [0, 1] makes states grow beyond what float32 tells apart to 1e-5
    gates = chosen.get("activations", ())[:: FUNCTIONS[operator]]
    longest = 7 if set(gates) <= {"Sigmoid", "HardSigmoid"} or operator == "RNN" else 3
    steps = int(rng.integers(1, longest + 1))
    one = case(operator, rng, features, hidden, steps, batch, direction=direction, **chosen)
    one.opset = int(rng.choice([7, 11, 13, 14, 17, 21, 22]))
    if rng.random() < 0.4:
        one.attributes["clip"] = float(np.float32(rng.uniform(0.1, 2)))
    if operator == "LSTM" and rng.random() < 0.4:
        one.attributes["input_forget"] = int(rng.integers(0, 2))
    if operator == "GRU" and rng.random() < 0.6:
        one.attributes["linear_before_reset"] = int(rng.integers(0, 2))
    if rng.random() < 0.3:
        del one.tensors["B"]
    if operator == "LSTM" and rng.random() < 0.5:
        one.tensors["P"] = rng.uniform(-0.5, 0.5, (one.directions, 3 * hidden)).astype(np.float32)
    if rng.random() < 0.5:
        with_states(one, rng)
    if rng.random() < 0.5:
        one.tensors["sequence_lens"] = rng.integers(0, len(one.x) + 1, batch).astype(np.int32)
    if rng.random() < 0.3:
        one.fixed |= {"sequence_lens", "initial_h", "initial_c"}
    if one.opset >= 14 and rng.random() < 0.3:
        one.attributes["layout"] = 1
    return one


def activations(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Return random activations, their parameters packed, those at the end perhaps left out."""
    names = [str(name) for name in rng.choice(list(PARAMETERS), count)]
    found: dict[str, Any] = {"activations": names}
    omitted = rng.random() < 0.3 and all(PARAMETERS[name][2] for name in names)
    for place, key in enumerate(("activation_alpha", "activation_beta")):
        numbers = sum(PARAMETERS[name][place] for name in names)
        if numbers and not omitted:
            found[key] = [float(np.float32(one)) for one in rng.uniform(-1, 1, numbers)]
    return found


def model(one: Case, *, layout: int = 0, name: str = "cell", form: str = "initializer") -> onnx.ModelProto:
    """Return the file of a node, in one of the layouts.

    Args:
        form: how constants are there: as an initializer, a Constant node, or behind an Identity.
    """
    attributes = {key: value for key, value in one.attributes.items() if key != "layout"}
    attributes |= {"layout": 1} if layout else {}
    tensors = {key: moved(key, array, layout) for key, array in one.tensors.items()}
    x = moved("X", one.x, layout)
    given = ["W", "R", *INPUTS[one.operator]]
    names = ["X", *(key if key in tensors else "" for key in given)]
    while not names[-1]:
        names.pop()
    outputs = ["Y", "Y_h", "Y_c"][: 3 if one.operator == "LSTM" else 2]
    nodes, initializers, inputs = [], [], [_info("X", x)]
    for key, array in tensors.items():
        if key not in one.fixed:
            inputs.append(_info(key, array))
            continue
        stored = numpy_helper.from_array(array, f"{key}_stored" if form == "identity" else key)
        if form == "constant":
            nodes.append(helper.make_node("Constant", [], [key], value=stored))
        else:
            initializers.append(stored)
        if form == "identity":
            nodes.append(helper.make_node("Identity", [stored.name], [key]))
    nodes.append(helper.make_node(one.operator, names, outputs, name=name, **attributes))
    results = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
    graph = helper.make_graph(nodes, "graph", inputs, results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", one.opset)], ir_version=8)


def moved(key: str, array: np.ndarray, layout: int) -> np.ndarray:
    """Return a tensor with the batch as the first axis, in layout 1."""
    return array.swapaxes(0, 1) if layout and key in ("X", "initial_h", "initial_c") else array


def _info(key: str, array: np.ndarray) -> onnx.ValueInfoProto:
    kind = TensorProto.INT32 if key == "sequence_lens" else TensorProto.FLOAT
    return helper.make_tensor_value_info(key, kind, list(array.shape))


def engine(one: Case) -> list[np.ndarray]:
    """Return what ONNX Runtime computes, in layout 0: Y (time, batch, directions × hidden), Y_h and Y_c."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = model(one).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    fed = {"X": one.x, **{key: array for key, array in one.tensors.items() if key not in one.fixed}}
    y, *states = session.run(None, fed)
    return [y.transpose(0, 2, 1, 3).reshape(*y.shape[:1], y.shape[2], -1), *states]


def ours(one: Case, nodes: list[OnnxNode]) -> list[np.ndarray]:
    """Return what nodes compute, one or a direction each, in the form of :func:`engine`."""
    layout = one.attributes.get("layout", 0)
    x = torch.from_numpy(moved("X", one.x, layout).copy())
    lengths = None if "sequence_lens" in one.fixed else one.tensors.get("sequence_lens")
    names = [key for key in ("initial_h", "initial_c") if key in one.tensors and key not in one.fixed]
    found = []
    for place, node in enumerate(nodes):
        part = slice(None) if len(nodes) == 1 else slice(place, place + 1)
        parts = tuple(torch.from_numpy(one.tensors[key][part]) for key in names)
        for layer in node.rnn.layers:
            layer.path = "loop"
        with torch.no_grad():
            y, state = node.run(x, (parts if len(parts) > 1 else parts[0]) if parts else None, lengths=lengths)
        states = state if isinstance(state, tuple) else (state,)
        found.append([y.transpose(0, 1) if layout else y, *states])
    joined = zip(*found, strict=True)
    return [torch.cat(parts, 0 if place else -1).numpy() for place, parts in enumerate(joined)]


def imported(one: Case, path: Path, **options: Any) -> list[OnnxNode]:
    """Return the nodes of a case's file, in its layout."""
    path.write_bytes(model(one, layout=one.attributes.get("layout", 0), **options).SerializeToString())
    return list(gatelab.from_onnx(path).values())
