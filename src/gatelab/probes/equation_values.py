"""Expressions of a variant evaluated on tensors: at one step, or at all steps at once, whatever axes come first."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor

from gatelab.compiler import Instruction
from gatelab.language import Variant
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read
from gatelab.paths.loop import evaluator

__all__ = ["Surroundings", "element_wise", "evaluated", "stepped"]

_OPERATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip


@dataclass(frozen=True)
class Surroundings:
    """What expressions read.

    Attributes:
        weights: parameter name -> tensor, every matrix whole.
        inputs: x_t, (…, input).
        previous: state -> its value before the step, (…, size).
        now: equation -> its value of this step; what has no vector may have no axes.
        beside: name -> what stands beside x_t, (…, input), or (…, 1) of one number.
    """

    weights: Mapping[str, Tensor]
    inputs: Tensor
    previous: Mapping[str, Tensor]
    now: Mapping[str, Tensor]
    beside: Mapping[str, Tensor] = field(default_factory=dict)


@cache
def element_wise(function: str) -> Callable[..., Tensor]:
    """Return a function of the table, element-wise or of rows, as the loop computes it."""
    return evaluator(Instruction("function", "step", name=function))


def evaluated(expression: Expression, given: Surroundings) -> Tensor:
    """Return the value of an expression."""
    match expression:
        case Number(value=value):
            return given.inputs.new_tensor(value)
        case Read(name=name, when="input"):
            return given.beside.get(name, given.inputs)
        case Read(name=name, when="previous"):
            return given.previous[name]
        case Read(name=name):
            return given.now[name]
        case Learned(parameter=parameter):
            return given.weights[parameter]
        case Negation(operand=operand):
            return -evaluated(operand, given)
        case Operation(symbol="**", left=left, right=Number(value=exponent)):
            return torch.pow(evaluated(left, given), exponent)
        case Operation(symbol=symbol, left=left, right=right):
            return _OPERATORS[symbol](evaluated(left, given), evaluated(right, given))
        case FunctionCall(function=function, arguments=arguments):
            return element_wise(function)(*torch.broadcast_tensors(*(evaluated(one, given) for one in arguments)))
        case Linear(sources=sources, weights=weights, bias=bias):
            total = given.inputs.new_zeros(()) if bias is None else given.weights[bias]
            for source, weight in zip(sources, weights, strict=True):
                matrix = given.weights[weight]
                read = evaluated(source, given)
                # a number or a scalar stands for a vector of its own repeated
                total = total + (read if read.dim() else read.expand(matrix.shape[-1])) @ matrix.T
            return total


def stepped(
    variant: Variant,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    previous: Mapping[str, Tensor],
    beside: Mapping[str, Tensor] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Return equation -> value, from x_t and the states before the step; all steps at once if the axes are there."""
    now: dict[str, Tensor] = {}
    for name, tree in variant.trees.items():
        now[name] = evaluated(tree, Surroundings(weights, inputs, previous, now, beside))
    return now
