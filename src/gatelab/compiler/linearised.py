"""The derivative of one step, from the equations alone: what each equation hands on of a change, and by which path.

An equation e that reads y is linearised to ∂e/∂y, a product of *factors*: diagonal matrices, whose entries are
expressions made with the derivatives of the function table; learned matrices; and the derivatives of row functions.
Such a product is an :class:`Edge`. A *route* leads from a vector of step t along edges down to the states of step t-1
and to x_t, and ∂s_t/∂s_{t-1} is the sum over all routes of the products of their edges: the chain rule.

Each route belongs to one *path*, told by what it goes through:

- *through the gate g*: the value of a gate changes; g is the gate nearest to s_t on the route;
- *through the candidate z*: no gate changes, and a learned matrix, a row function or an inner function stands on the
  route; z is the equation where the one nearest to s_t stands. A function is inner unless it is taken of the whole
  right side of a state or the output, as in ``h: tanh(f*h + z)``, or of one vector by its name, as in ``o*tanh(c)``;
- *kept*: the rest, where a state is handed on element by element: the f of ``f*c + i*z``.

Of a surrogate (``stop``, ``scale_gradient``, ``straight_through``) the derivative is the one that the backward pass
takes, so that edges are those of the gradient in training. Those of the values are the edges of
:meth:`gatelab.language.Variant.values_only`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from gatelab.compiler.graph import derivative_trees
from gatelab.compiler.program import expansion
from gatelab.language.bounds import gates
from gatelab.language.functions import FUNCTIONS
from gatelab.language.sizes import BESIDE
from gatelab.language.tree import NOWHERE, Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read
from gatelab.language.variant import Variant

__all__ = ["KEPT", "Edge", "Factor", "Matrix", "PathName", "RowSlope", "edges", "followed", "gate_names", "product"]

_ONE = Number(1.0, NOWHERE)


@dataclass(frozen=True)
class Matrix:
    """A learned matrix on an edge, (hidden, source)."""

    weight: str


@dataclass(frozen=True)
class RowSlope:
    """The derivative of a row function, such as softmax, at its argument: a matrix."""

    function: str
    argument: Expression


Factor = Expression | Matrix | RowSlope
"""A factor of a derivative; an expression stands for the diagonal matrix of its values."""


@dataclass(frozen=True)
class Edge:
    """∂equation/∂source by one place where the source stands in the equation.

    Attributes:
        equation: what changes.
        source: what it reads: x_t, a state of the step before, or an earlier equation of this step.
        factors: the derivative, a product from the equation to the source.
        mixes: whether a matrix, a row function or an inner function is among them: what goes along it is not kept.
        straight: whether no function at all is among them, so that the source is multiplied and added to.
    """

    equation: str
    source: Read
    factors: tuple[Factor, ...]
    mixes: bool
    straight: bool


class PathName(NamedTuple):
    """A path through a step: ``kept``, ``through the candidate z`` or ``through the gate f``."""

    kind: Literal["kept", "candidate", "gate"]
    through: str = ""

    def __str__(self) -> str:
        return self.kind if not self.through else f"through the {self.kind} {self.through}"


KEPT = PathName("kept")


def followed(path: PathName, edge: Edge, gated: frozenset[str]) -> PathName:
    """Return the path of a route from s_t that has come along a path and goes on along an edge."""
    if path.kind == "gate":
        return path
    if edge.source.when == "now" and edge.source.name in gated:
        return PathName("gate", edge.source.name)
    return PathName("candidate", edge.equation) if edge.mixes and path == KEPT else path


@lru_cache(maxsize=256)
def edges(variant: Variant) -> dict[str, tuple[Edge, ...]]:
    """Return equation -> its edges, without those to what no state and no input changes.

    Raises:
        UserError: the variant is foreign.
    """
    variant.check_equations("linearise")
    found: dict[str, tuple[Edge, ...]] = {}
    for name, tree in variant.trees.items():
        walker = _Walker(name, tree)
        walker.descend(tree, (), outer=name in (*variant.states, variant.output), mixes=False, straight=True)
        # an equation reads only what stands above it
        found[name] = tuple(edge for edge in walker.edges if edge.source.when != "now" or found[edge.source.name])
    return found


@lru_cache(maxsize=256)
def gate_names(variant: Variant) -> frozenset[str]:
    """Return the gates of a variant, for :func:`followed`."""
    return frozenset(gates(variant))


def product(left: tuple[Factor, ...], right: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """Return the product of two derivatives, diagonals that meet made one."""
    if left and right and _is_diagonal(left[-1]) and _is_diagonal(right[0]):
        return (*left[:-1], *_diagonal(_times(left[-1], right[0])), *right[1:])
    return (*left, *right)


def _is_diagonal(factor: Factor) -> bool:
    return not isinstance(factor, Matrix | RowSlope)


def _diagonal(expression: Expression) -> tuple[Factor, ...]:
    return () if expression == _ONE else (expression,)


class _Walker:
    """Goes down one equation and collects its edges."""

    def __init__(self, equation: str, tree: Expression) -> None:
        self.equation, self.tree = equation, tree
        self.edges: list[Edge] = []

    def descend(
        self, node: Expression, factors: tuple[Factor, ...], *, outer: bool, mixes: bool, straight: bool
    ) -> None:
        """Add the edges below a node.

        Args:
            node: a part of the equation.
            factors: the derivative of the equation with respect to the node.
            outer: whether nothing but functions stands between the whole right side and the node, of a state or the
                output.
            mixes, straight: as an edge has them, of the way so far.
        """

        def on(child: Expression, slope: Expression) -> None:
            self.descend(child, product(factors, _diagonal(slope)), outer=False, mixes=mixes, straight=straight)

        match node:
            case Read(name=name, when="input") if name in BESIDE:
                pass  # data, like numbers
            case Read():
                self.edges.append(Edge(self.equation, node, factors, mixes, straight))
            case Negation(operand=operand):
                on(operand, Number(-1.0, NOWHERE))
            case Operation(symbol=symbol, left=left, right=right):
                for child, slope in _slopes(symbol, left, right):
                    on(child, slope)
            case Linear(sources=sources, weights=weights):
                for source, weight in zip(sources, weights, strict=True):
                    self.descend(source, (*factors, Matrix(weight)), outer=False, mixes=True, straight=False)
            case FunctionCall():
                self._call(node, factors, outer=outer, mixes=mixes, straight=straight)
            case _:
                pass  # numbers and what is learned do not change

    def _call(
        self, node: FunctionCall, factors: tuple[Factor, ...], *, outer: bool, mixes: bool, straight: bool
    ) -> None:
        row, arguments = FUNCTIONS[node.function], node.arguments
        if row.rows:
            slope = RowSlope(node.function, arguments[0])
            self.descend(arguments[0], (*factors, slope), outer=False, mixes=True, straight=False)
            return
        if row.surrogate:
            for argument, text in zip(arguments, derivative_trees(node.function), strict=True):
                slope_here = _with(text, dict(zip(row.arguments, arguments, strict=True)))
                if slope_here != Number(0.0, NOWHERE):
                    carried = product(factors, _diagonal(slope_here))
                    self.descend(argument, carried, outer=outer, mixes=mixes, straight=straight)
            return
        bends = mixes or not (outer or all(isinstance(argument, Read) for argument in arguments))
        if row.expansion:
            whole = _with(expansion(node.function), {"u": arguments[0]})
            self.descend(whole, factors, outer=outer, mixes=bends, straight=False)
            return
        # the value of a whole equation has a name
        value: Expression = Read(self.equation, "now", NOWHERE) if node is self.tree else node
        names = dict(zip(row.arguments, arguments, strict=True)) | {"y": value}
        for argument, text in zip(arguments, derivative_trees(node.function), strict=True):
            slope_here = _with(text, names)
            if slope_here != Number(0.0, NOWHERE):
                self.descend(
                    argument, product(factors, _diagonal(slope_here)), outer=outer, mixes=bends, straight=False
                )


def _slopes(symbol: str, left: Expression, right: Expression) -> list[tuple[Expression, Expression]]:
    """Return each side of an operation with the derivative with respect to it."""
    match symbol:
        case "+":
            return [(left, _ONE), (right, _ONE)]
        case "-":
            return [(left, _ONE), (right, Number(-1.0, NOWHERE))]
        case "*":
            return [(left, right), (right, left)]
        case "/" if isinstance(right, Number) and right.value:
            return [(left, Number(1 / right.value, NOWHERE))]
        case "/":
            square = Operation("*", right, right, NOWHERE)
            of_right = _times(Number(-1.0, NOWHERE), Operation("/", left, square, NOWHERE))
            return [(left, Operation("/", _ONE, right, NOWHERE)), (right, of_right)]
    assert isinstance(right, Number)  # the parser lets nothing else be an exponent
    lower = right.value - 1
    power = _ONE if lower == 0 else left if lower == 1 else Operation("**", left, Number(lower, NOWHERE), NOWHERE)
    return [(left, _times(Number(right.value, NOWHERE), power))]


def _times(left: Factor, right: Factor) -> Expression:
    """Return the product of two diagonals, its sign and its number in front."""
    assert not isinstance(left, Matrix | RowSlope)
    assert not isinstance(right, Matrix | RowSlope)
    (a, first), (b, second) = _number_and_rest(left), _number_and_rest(right)
    if first is None or second is None:
        rest = second if first is None else first
    else:
        rest = Operation("*", first, second, NOWHERE)
    if rest is None:
        return Number(a * b, NOWHERE)
    if a * b == 1:
        return rest
    return Negation(rest, NOWHERE) if a * b == -1 else Operation("*", Number(a * b, NOWHERE), rest, NOWHERE)


def _number_and_rest(expression: Expression) -> tuple[float, Expression | None]:
    match expression:
        case Number(value=value):
            return value, None
        case Negation(operand=operand):
            number, rest = _number_and_rest(operand)
            return -number, rest
        case Operation(symbol="*", left=Number(value=value), right=right):
            number, rest = _number_and_rest(right)
            return value * number, rest
    return 1.0, expression


def _with(tree: Expression, names: dict[str, Expression]) -> Expression:
    """Return a tree over u, v and y with what these stand for."""
    match tree:
        case Read(name=name):
            return names[name]
        case Negation(operand=operand):
            return _times(Number(-1.0, NOWHERE), _with(operand, names))
        case Operation(symbol=symbol, left=left, right=right):
            return Operation(symbol, _with(left, names), _with(right, names), NOWHERE)
        case FunctionCall(function=function, arguments=arguments):
            return FunctionCall(function, tuple(_with(argument, names) for argument in arguments), NOWHERE)
        case Learned() | Linear():
            raise AssertionError(tree)
        case _:
            return tree
