"""What stands within an activation, as the sum of matrices, diagonals and vectors that a node of ONNX adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.exchange.onnx_out.polynomials import resolved
from gatelab.language.tree import Expression, Learned, Linear, Negation, Number, Operation, Read
from gatelab.language.variant import Variant

__all__ = ["NotAffineError", "Places", "Rows", "Term", "affine", "arrays", "negated"]

Places = Mapping[Expression, str]
"""Vector that a gate may see -> what the node calls it: x, h, or c, the cell of a peephole."""


class NotAffineError(Exception):
    """An expression is no sum that a node computes."""


@dataclass(frozen=True)
class Term:
    """One summand.

    Attributes:
        scale: its factor.
        parameter: what multiplies the source; None for the number 1.
        source: x, h, c, or "" for a bias.
        kind: whether the parameter is a full matrix, or multiplies element by element.
        gate: the reset gate that multiplies it; None for none.
        before: whether the gate multiplies the source, before the matrix.
    """

    scale: float
    parameter: str | None
    source: str
    kind: Literal["matrix", "elements"]
    gate: Expression | None = None
    before: bool = False


@dataclass(frozen=True)
class Rows:
    """The blocks of a gate: W (hidden, input), R (hidden, hidden), and vectors of hidden size."""

    w: NDArray[Any]
    r: NDArray[Any]
    w_bias: NDArray[Any]
    r_bias: NDArray[Any]
    peephole: NDArray[Any]


def negated(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return minus a sum."""
    return tuple(replace(term, scale=-term.scale) for term in terms)


def affine(tree: Expression, variant: Variant, places: Places, reset: str | None = None) -> tuple[Term, ...]:
    """Return an expression as a sum.

    Args:
        tree: the expression.
        variant: of the expression.
        places: the vectors that it may see.
        reset: the state that may be multiplied with a gate, or whose product may be.

    Raises:
        NotAffineError: it is another expression.
    """
    budget = [256]  # terms: names that are read twice double them

    def of(tree: Expression) -> tuple[Term, ...]:
        budget[0] -= 1
        tree = resolved(tree, variant)
        if budget[0] < 0:
            raise NotAffineError
        if tree in places:
            return (Term(1.0, None, places[tree], "elements"),)
        match tree:
            case Number(value=value):
                return (Term(value, None, "", "elements"),)
            case Learned(parameter=parameter):
                return (Term(1.0, parameter, "", "elements"),)
            case Negation(operand=operand):
                return negated(of(operand))
            case Operation(symbol="+", left=left, right=right):
                return of(left) + of(right)
            case Operation(symbol="-", left=left, right=right):
                return of(left) + negated(of(right))
            case Operation(symbol="/", left=left, right=Number(value=value)) if value:
                return scaled(of(left), 1 / value)
            case Operation(symbol="*", left=left, right=right):
                return product(left, right)
            case Linear():
                return mapped(tree)
        raise NotAffineError

    def scaled(terms: tuple[Term, ...], scale: float) -> tuple[Term, ...]:
        return tuple(replace(term, scale=term.scale * scale) for term in terms)

    def product(left: Expression, right: Expression) -> tuple[Term, ...]:
        left, right = resolved(left, variant), resolved(right, variant)
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Number):
                return scaled(of(other), one.value)
            if isinstance(one, Learned) and other in places:
                return (Term(1.0, one.parameter, places[other], "elements"),)
        if reset is None:
            raise NotAffineError
        for gate, other in ((left, right), (right, left)):
            if isinstance(other, Linear | Operation | Learned):
                terms = of(other)
                if all(term.gate is None and term.source in ("h", "") for term in terms):
                    return tuple(replace(term, gate=gate) for term in terms)
        raise NotAffineError

    def mapped(tree: Linear) -> tuple[Term, ...]:
        terms = [Term(1.0, tree.bias, "", "elements")] if tree.bias is not None else []
        for source, weight in zip((resolved(one, variant) for one in tree.sources), tree.weights, strict=True):
            if source in places:
                terms.append(Term(1.0, weight, places[source], "matrix"))
            else:
                terms.append(Term(1.0, weight, "h", "matrix", reset_of(source), before=True))
        return tuple(terms)

    def reset_of(source: Expression) -> Expression:
        if isinstance(source, Operation) and source.symbol == "*" and reset is not None:
            state = Read(reset, "previous", source.span)
            for gate, other in ((source.left, source.right), (source.right, source.left)):
                if resolved(other, variant) == state:
                    return resolved(gate, variant)
        raise NotAffineError

    return of(tree)


def arrays(terms: tuple[Term, ...], weights: Mapping[str, NDArray[Any]], input_size: int, hidden_size: int) -> Rows:
    """Return a sum as the blocks of a gate.

    Args:
        terms: the sum.
        weights: parameter -> its values; a matrix is (hidden, source).
        input_size, hidden_size: of the layer.
    """
    dtype = next(iter(weights.values())).dtype
    rows = Rows(
        np.zeros((hidden_size, input_size), dtype),
        np.zeros((hidden_size, hidden_size), dtype),
        *(np.zeros(hidden_size, dtype) for _ in range(3)),
    )
    for term in terms:
        value = np.asarray(1.0 if term.parameter is None else weights[term.parameter], dtype) * dtype.type(term.scale)
        match term.source, term.kind:
            case ("x" | "h") as source, kind:
                block = rows.w if source == "x" else rows.r
                block += value if kind == "matrix" else np.eye(hidden_size, dtype=dtype) * value
            case "c", _:
                rows.peephole[...] += value
            case _:
                (rows.w_bias if term.gate is None else rows.r_bias)[...] += value
    return rows
