"""An ONNX file, parsed by protobuf alone: its graphs, their nodes in order, and what is constant in them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gatelab.errors import UserError, one_line
from gatelab.exchange.onnx_in.wire_bounds import check_wire
from gatelab.reading import Limits, read_bytes, shown

__all__ = ["OPERATORS", "ModelFile", "Scope", "read_model"]

OPERATORS = ("LSTM", "GRU", "RNN")
DOMAINS = ("", "ai.onnx")
_MOST_BYTES = 2**30  # more than that are weights, which large models have beside the file
_OLDEST = 7
_MOST_NODES = 1000  # LSTM, GRU and RNN


@dataclass
class Scope:
    """A graph, and what its names mean.

    Attributes:
        graph: the GraphProto.
        outer: the graph around it; None for the model's own.
        producers: name of a value -> the node that gives it.
        tensors: name -> TensorProto of an initializer.
        inputs: names that the graph is given.
        opaque: initializers that are not read here, which are sparse.
        known: all its names.
    """

    graph: Any
    outer: "Scope | None" = None
    producers: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Any] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def knows(self, name: str) -> bool:
        """Return whether a node may read a name here: one of this graph so far, or of a graph around it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.known:
                return True
            scope = scope.outer
        return False

    def constant(self, name: str) -> tuple[Any | None, str]:
        """Return the TensorProto that a name means, through Constant and Identity; else None and what it is."""
        scope: Scope | None = self
        while scope is not None:
            # nodes are in order, so that Identity nodes have an end
            if name in scope.tensors:
                return scope.tensors[name], ""
            if name in scope.opaque:
                return None, "is a sparse tensor"
            node = scope.producers.get(name)
            if node is None:
                if name in scope.inputs:
                    return None, "is an input of the graph"
                scope = scope.outer
            elif node.op_type == "Identity" and node.domain in DOMAINS and len(node.input) == 1:
                name = node.input[0]
            elif node.op_type == "Constant" and node.domain in DOMAINS:
                tensor = _value_of(node)
                return tensor, "" if tensor is not None else "is a Constant without a tensor"
            else:
                return None, f"is computed by the {one_line(node.op_type)} node '{one_line(node.name)}'"
        return None, "is nowhere in the graph"


@dataclass(frozen=True)
class ModelFile:
    """A file that was parsed.

    Attributes:
        where: the file in errors.
        folder: in which tensors may lie beside it.
        opset: version of ONNX's operators.
        scopes: its graphs, each before those within it.
    """

    where: str
    folder: Path
    opset: int
    scopes: tuple[Scope, ...]

    def nodes(self) -> Iterator[tuple[str, Any, Scope]]:
        """Yield name, NodeProto and graph of every LSTM, GRU and RNN; a node without a name gets its operator's."""
        found = [(node, scope) for scope in self.scopes for node in scope.graph.node if node.op_type in OPERATORS]
        if len(found) > _MOST_NODES:
            raise UserError(f"{self.where}: {len(found)} recurrent nodes; at most {_MOST_NODES}")
        times = Counter(node.name for node, _ in found)
        for place, (node, scope) in enumerate(found):
            name = node.name
            if not name or times[name] > 1:
                name = f"{name or node.op_type}_{place}"
                while name in times:
                    name += "_"
            yield name, node, scope


def read_model(path: str | Path) -> ModelFile:
    """Return a file that protobuf has parsed. No engine and no checker of ONNX sees it.

    Raises:
        UserError: onnx is not installed; no such file, damaged, too large; a version of the operators that is not
            known; a graph whose nodes are not in order, or that has a name twice.
    """
    where = shown(path)
    if find_spec("onnx") is None:
        raise UserError(f"{where}: needs onnx: pip install 'gatelab[onnx]'")
    content = read_bytes(path, limits=Limits(size=_MOST_BYTES))
    import onnx

    check_wire(content, onnx.ModelProto.DESCRIPTOR, where)
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # the error of protobuf, which is a package of onnx's and not of ours
        raise UserError(f"{where}: damaged or no ONNX file: {one_line(error, 120)}") from None
    if not model.graph.node:
        raise UserError(f"{where}: damaged or no ONNX file: it has no graph")
    opset = _opset(model, onnx.defs.onnx_opset_version(), where)
    for function in model.functions:
        for node in function.node:
            if node.op_type in OPERATORS and node.domain in DOMAINS:
                raise UserError(
                    f"{where}: {node.op_type} node '{one_line(node.name)}' is within the function "
                    f"'{one_line(function.name)}': onnx.inliner puts functions into the graph"
                )
    return ModelFile(where, Path(path).parent, opset, tuple(_scopes(model.graph, where)))


def _opset(model: Any, newest: int, where: str) -> int:
    versions = {entry.version for entry in model.opset_import if entry.domain in DOMAINS}
    if len(versions) != 1:
        raise UserError(f"{where}: versions {sorted(versions)} of ONNX's operators: must be one")
    (version,) = versions
    if not _OLDEST <= version <= newest:
        raise UserError(f"{where}: opset {version}: must be from {_OLDEST} to {newest}, the newest of this onnx")
    return int(version)


def _scopes(graph: Any, where: str) -> Iterator[Scope]:
    """Yield a graph and those within it. A stack, not recursion: how deep was checked on the bytes."""
    waiting: list[tuple[Any, Scope | None]] = [(graph, None)]
    while waiting:
        scope = Scope(*waiting.pop())
        within = _fill(scope, where)
        yield scope
        waiting += [(inner, scope) for inner in within]


def _fill(scope: Scope, where: str) -> list[Any]:
    """Give a graph its names, and return the graphs within its nodes."""
    graph = scope.graph
    scope.inputs = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.name in scope.tensors:
            raise UserError(f"{where}: two initializers are called '{one_line(tensor.name)}'")
        scope.tensors[tensor.name] = tensor
    scope.opaque = {sparse.values.name for sparse in graph.sparse_initializer}
    scope.known = scope.inputs | set(scope.tensors) | scope.opaque
    within: list[Any] = []
    for node in graph.node:
        for name in node.input:
            if name and not scope.knows(name):
                raise UserError(
                    f"{where}: node '{one_line(node.name or node.op_type)}' reads '{one_line(name)}' before it exists: "
                    "a cycle, or nodes that are not in order"
                )
        within += [one for attribute in node.attribute for one in (attribute.g, *attribute.graphs) if one.node]
        for name in filter(None, node.output):
            if name in scope.known:
                raise UserError(f"{where}: two values are called '{one_line(name)}'")
            scope.known.add(name)
            scope.producers[name] = node
    return within


def _value_of(node: Any) -> Any | None:
    """Return the tensor of a Constant node."""
    attributes: Mapping[str, Any] = {attribute.name: attribute for attribute in node.attribute}
    value = attributes.get("value")
    return value.t if len(attributes) == 1 and value is not None and value.HasField("t") else None
