"""The checked expression tree that the right-hand side of an equation becomes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "NOWHERE",
    "Expression",
    "FunctionCall",
    "Learned",
    "Linear",
    "Negation",
    "Number",
    "Operation",
    "ParameterKind",
    "Read",
    "Span",
    "Symbol",
    "When",
    "children",
    "walk",
]  # fmt: skip

ParameterKind = Literal["weight", "diagonal", "bias", "vector", "scalar"]
When = Literal["input", "previous", "now"]
Symbol = Literal["+", "-", "*", "/", "**"]


@dataclass(frozen=True)
class Span:
    """Where an expression stands in its equation: columns, the first inclusive, the last exclusive."""

    start: int
    stop: int


NOWHERE = Span(0, 0)
"""Of an expression that stands in no equation: one that was derived."""


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Read:
    """A vector read by name: the input x_t, a state's previous value, or what an earlier equation has computed."""

    name: str
    when: When
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Learned:
    """A learned parameter as it is: ``bias()``, ``vector(v)``, ``scalar(v)``, the p of ``diag(a)``."""

    parameter: str
    kind: ParameterKind
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Negation:
    """Minus an expression."""

    operand: "Expression"
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Operation:
    """Element-wise ``left symbol right``; the exponent of ``**`` is always a number."""

    symbol: Symbol
    left: "Expression"
    right: "Expression"
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class FunctionCall:
    """A function of the table in functions.py."""

    function: str
    arguments: "tuple[Expression, ...]"
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Linear:
    """W_a a + W_b b + … (+ bias): one learned weight matrix per source."""

    sources: "tuple[Expression, ...]"
    weights: tuple[str, ...]
    bias: str | None
    span: Span = field(compare=False, repr=False)


Expression = Number | Read | Learned | Negation | Operation | FunctionCall | Linear


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct operands of an expression, left to right."""
    match expression:
        case Negation(operand=operand):
            return (operand,)
        case Operation(left=left, right=right):
            return (left, right)
        case FunctionCall(arguments=arguments):
            return arguments
        case Linear(sources=sources):
            return sources
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield every node of an expression, operands before what uses them."""
    for child in children(expression):
        yield from walk(child)
    yield expression
