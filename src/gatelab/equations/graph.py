"""Element-wise arithmetic as a graph: values that are read, what is computed from them, what is stored where."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from gatelab.equations.functions import FUNCTIONS
from gatelab.equations.parsing import parse_equation
from gatelab.equations.tree import Call, Expression, Negation, Number, Operation, Read

__all__ = ["Block", "Graph", "Node", "Place", "Store", "derivative"]


@dataclass(frozen=True)
class Place:
    """Somewhere a value is read from or stored to, at one step of one sequence.

    Attributes:
        kind: ``input`` x_t; ``previous`` and ``next`` a state before and after the step; ``slot`` a column block of the
            tape; ``constant`` what no step changes; ``output`` what leaves (on the way back: its arriving adjoint);
            ``arriving`` and ``leaving`` the adjoint of a state after and before the step; ``pending`` an adjoint on its
            way to an earlier block; ``input_adjoint``; ``constant_adjoint`` the sum over steps.
        name: of a state.
        number: of a slot, an output, or the instruction of a constant or a pending adjoint.
    """

    kind: Literal[
        "input", "previous", "next", "slot", "constant", "output",
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
class Store:
    """A node's value goes to a place, or is added to what stands there."""

    place: Place
    node: int
    adds: bool = False


@dataclass(frozen=True)
class Block:
    """One element-wise block: every read happens before every store."""

    nodes: tuple[Node, ...]
    stores: tuple[Store, ...]

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
    """Builds a block. Equal expressions become one node; what multiplies or adds a plain 0 or 1 disappears."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.stores: list[Store] = []
        self._known: dict[Node, int] = {}

    def number(self, value: float) -> int:
        """Return the node of a constant."""
        # -0.0 equals 0.0 and would share its node: a zero's sign is lost, as it is in the language
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
            case "+" if a == 0 or b == 0:
                return right if a == 0 else left
            case "-" if b == 0:
                return left
            case "-" if a == 0:
                return self.negate(right)
            case "*" if a == 0 or b == 0:
                return self.number(0.0)
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
        """Return a function of nodes."""
        return self._add(Node("function", name, arguments))

    def sum(self, nodes: Iterable[int]) -> int:
        """Return the sum of nodes, 0 if there is none."""
        total = self.number(0.0)
        for node in nodes:
            total = self.operation("+", total, node)
        return total

    def store(self, place: Place, node: int, *, adds: bool = False) -> None:
        """Store a node's value, or add it to what stands at the place."""
        if not (adds and self._constant(node) == 0):
            self.stores.append(Store(place, node, adds))

    def block(self) -> Block:
        """Return what has been built."""
        return Block(tuple(self.nodes), tuple(self.stores))

    def _constant(self, node: int) -> float | None:
        return self.nodes[node].value if self.nodes[node].kind == "number" else None

    def _add(self, node: Node) -> int:
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]


@cache
def _derivative_trees(function: str) -> tuple[Expression, ...]:
    scope = dict.fromkeys(("u", "v", "y"), "now")
    return tuple(
        parse_equation(text, "derivative", scope, frozenset(), f"derivative of {function}")[0]  # type: ignore[arg-type]
        for text in FUNCTIONS[function].derivatives
    )


def derivative(graph: Graph, function: str, argument: int, arguments: tuple[int, ...], value: int) -> int:
    """Return the node of ∂function/∂argument, from the table in functions.py."""
    names = dict(zip(("u", "v"), arguments, strict=False)) | {"y": value}

    def lower(tree: Expression) -> int:
        match tree:
            case Number(value=number):
                return graph.number(number)
            case Read(name=name):
                return names[name]
            case Negation(operand=operand):
                return graph.negate(lower(operand))
            case Operation(symbol=symbol, left=left, right=right):
                return graph.operation(symbol, lower(left), lower(right))
            case Call(function=inner, arguments=inner_arguments):
                return graph.function(inner, tuple(map(lower, inner_arguments)))
            case _:
                raise AssertionError(tree)

    return lower(_derivative_trees(function)[argument])
