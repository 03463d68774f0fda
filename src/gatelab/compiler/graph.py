"""Element-wise arithmetic as a graph: values that are read, what is computed from them, what is stored where."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from gatelab.language.functions import FUNCTIONS, INNER
from gatelab.language.parsing import parse_equation
from gatelab.language.tree import Expression, FunctionCall, Negation, Number, Operation, Read

__all__ = ["Block", "Graph", "Node", "Place", "PlaceWrite", "derivative", "derivative_trees", "handed_on", "hands_on"]


@dataclass(frozen=True)
class Place:
    """Somewhere a value is read from or stored to, at one step of one sequence.

    Attributes:
        kind: ``input`` x_t; ``beside`` what stands beside it; ``previous`` and ``next`` a state before and
            after the step; ``slot`` a column block of the
            tape; ``constant`` what no step changes; ``output`` what leaves (backwards: its arriving adjoint);
            ``arriving`` and ``leaving`` the adjoint of a state after and before the step; ``pending`` an adjoint on its
            way to an earlier block; ``input_adjoint``; ``constant_adjoint`` the sum over steps.
        name: of a state, or of what stands beside x.
        number: of a slot, an output, or the instruction of a constant or a pending adjoint.
    """

    kind: Literal[
        "input", "beside", "previous", "next", "slot", "constant", "output",
        "arriving", "leaving", "pending", "input_adjoint", "constant_adjoint",
    ]  # fmt: skip
    name: str = ""
    number: int = 0


@dataclass(frozen=True)
class Node:
    """One value: ``number``, ``read``, ``negate``, ``operation`` or ``function`` of earlier nodes."""

    kind: Literal["number", "read", "negate", "operation", "function"]
    name: str = ""
    arguments: tuple[int, ...] = ()
    value: float = 0.0
    place: Place | None = None


@dataclass(frozen=True)
class PlaceWrite:
    """A node's value goes to a place, or is added to what stands there."""

    place: Place
    node: int
    adds: bool = False


@dataclass(frozen=True)
class Block:
    """One element-wise block: every read happens before every store."""

    nodes: tuple[Node, ...]
    stores: tuple[PlaceWrite, ...]

    def live(self) -> list[int]:
        """Return the nodes that some store needs, in order."""
        needed = {store.node for store in self.stores}
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in needed:
                needed.update(self.nodes[index].arguments)
        return sorted(needed)

    def reads(self) -> set[Place]:
        """Return the places that are read."""
        return {place for index in self.live() if (place := self.nodes[index].place) is not None}


class Graph:
    """Builds a block. Equal expressions become one node.

    What changes no bit disappears: u*1, u/1, u - 0, u**1. Nothing else does, for the loop is the law: 0*u is no number
    where u is infinite, and u + 0 is no negative zero. (u**0 is 1 whatever u is, as in C and PyTorch.)
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.stores: list[PlaceWrite] = []
        self._known: dict[tuple[Node, bool], int] = {}

    def number(self, value: float) -> int:
        """Return the node of a constant."""
        return self._add(Node("number", value=value))

    def read(self, place: Place) -> int:
        """Return the node of a value that is read."""
        return self._add(Node("read", place=place))

    def negate(self, node: int) -> int:
        """Return minus a node."""
        inner = self.nodes[node]
        if inner.kind == "number":
            return self.number(-inner.value)
        return inner.arguments[0] if inner.kind == "negate" else self._add(Node("negate", arguments=(node,)))

    def operation(self, symbol: str, left: int, right: int) -> int:
        """Return left symbol right."""
        a, b = self._constant(left), self._constant(right)
        match symbol:
            case "-" if b == 0 and not _negative(b):
                return left
            case "*" if a == 1 or b == 1:
                return right if a == 1 else left
            case "*" if a == -1 or b == -1:
                return self.negate(right if a == -1 else left)
            case "/" if b == 1:
                return left
            case "**" if b == 1:
                return left
            case "**" if b == 0:
                return self.number(1.0)
            case "**" if b == 2:
                return self.operation("*", left, left)
        if a is not None and b is not None and symbol in "+-*":
            return self.number(a + b if symbol == "+" else a - b if symbol == "-" else a * b)
        if symbol in "+*" and left > right:
            left, right = right, left
        return self._add(Node("operation", symbol, (left, right)))

    def function(self, name: str, arguments: tuple[int, ...]) -> int:
        """Return a function of nodes, taken apart where the table of functions says how."""
        blocks = FUNCTIONS[name].blocks if name in FUNCTIONS else ""
        if blocks:
            return _lowered(self, _trees((blocks,))[0], dict(zip(FUNCTIONS[name].arguments, arguments, strict=True)))
        return self._add(Node("function", name, arguments))

    def sum(self, nodes: Iterable[int]) -> int:
        """Return the sum of nodes, the number 0 if there is none."""
        first, *others = [*nodes] or [self.number(0.0)]
        for node in others:
            first = self.operation("+", first, node)
        return first

    def store(self, place: Place, node: int, *, adds: bool = False) -> None:
        """Store a node's value, or add it to what stands at the place."""
        if not (adds and self.is_zero(node)):
            self.stores.append(PlaceWrite(place, node, adds))

    def block(self) -> Block:
        """Return what has been built, without the nodes that no store needs."""
        whole = Block(tuple(self.nodes), tuple(self.stores))
        live = {index: place for place, index in enumerate(whole.live())}
        nodes = (self.nodes[index] for index in live)
        return Block(
            tuple(replace(node, arguments=tuple(live[argument] for argument in node.arguments)) for node in nodes),
            tuple(replace(store, node=live[store.node]) for store in self.stores),
        )

    def is_zero(self, node: int) -> bool:
        """Return whether a node is the number 0."""
        return self._constant(node) == 0

    def _constant(self, node: int) -> float | None:
        return self.nodes[node].value if self.nodes[node].kind == "number" else None

    def _add(self, node: Node) -> int:
        # -0.0 equals 0.0
        key = node, _negative(node.value)
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(node)
        return self._known[key]


def _negative(value: float) -> bool:
    return math.copysign(1.0, value) < 0


@cache
def _trees(texts: tuple[str, ...]) -> tuple[Expression, ...]:
    """Return the trees of derivatives, or of what is handed on."""
    scope = dict.fromkeys(("u", "v", "y", "g"), "now")
    return tuple(
        parse_equation(text, "adjoint", scope, frozenset(), "adjoint", functions=FUNCTIONS | INNER)[0]  # type: ignore[arg-type]
        for text in texts
    )


def derivative_trees(function: str) -> tuple[Expression, ...]:
    """Return the derivative of a function by each of its arguments, over u, v and its value y."""
    return _trees(FUNCTIONS[function].derivatives)


def derivative(graph: Graph, function: str, argument: int, arguments: tuple[int, ...], value: int) -> int:
    """Return the node of ∂function/∂argument, from the table in functions.py."""
    names = dict(zip(FUNCTIONS[function].arguments, arguments, strict=True)) | {"y": value}
    return _lowered(graph, _trees(FUNCTIONS[function].derivatives)[argument], names)


def handed_on(
    graph: Graph, function: str, argument: int, arguments: tuple[int, ...], value: int, adjoint: int
) -> int | None:
    """Return the node of what a function hands on to an argument of the adjoint that arrives; None for nothing."""
    texts = FUNCTIONS[function].handed_on
    if texts:
        names = dict(zip(FUNCTIONS[function].arguments, arguments, strict=True)) | {"y": value, "g": adjoint}
        return _lowered(graph, _trees(texts)[argument], names)
    slope = derivative(graph, function, argument, arguments, value)
    # a derivative that is 0 everywhere ends the backward pass, even of an adjoint that is no number
    return None if graph.is_zero(slope) else graph.operation("*", adjoint, slope)


def hands_on(function: str, argument: int) -> bool:
    """Say whether a function hands anything on to an argument."""
    return (FUNCTIONS[function].handed_on or FUNCTIONS[function].derivatives)[argument] != "0"


def _lowered(graph: Graph, tree: Expression, names: Mapping[str, int]) -> int:
    match tree:
        case Number(value=number):
            return graph.number(number)
        case Read(name=name):
            return names[name]
        case Negation(operand=operand):
            return graph.negate(_lowered(graph, operand, names))
        case Operation(symbol=symbol, left=left, right=right):
            return graph.operation(symbol, _lowered(graph, left, names), _lowered(graph, right, names))
        case FunctionCall(function=inner, arguments=arguments):
            return graph.function(inner, tuple(_lowered(graph, argument, names) for argument in arguments))
        case _:
            raise AssertionError(tree)
