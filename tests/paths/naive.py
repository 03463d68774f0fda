"""The equations read straight from their trees, step by step: no schedule, nothing hoisted, nothing joined."""

import operator
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gatelab.language import Variant
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read

OPERATORS: dict[str, Callable[..., Tensor]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "sigmoid": lambda u: 1 / (1 + torch.exp(-u)),
    "tanh": torch.tanh,
    "relu": lambda u: u.clamp(min=0),
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "softplus": lambda u: torch.logaddexp(u, torch.zeros_like(u)),
    "log_sigmoid": lambda u: -torch.logaddexp(-u, torch.zeros_like(u)),
    "hard_sigmoid": lambda u: (u / 6 + 0.5).clamp(0, 1),
    "hard_tanh": lambda u: u.clamp(-1, 1),
    "silu": lambda u: u / (1 + torch.exp(-u)),
    "sin": torch.sin,
    "cos": torch.cos,
    "abs": torch.abs,
    "sign": torch.sign,
    "step": lambda u: functional.relu(u.sign()),
    "floor": torch.floor,
    "backward_relu": lambda u: u.clamp(min=0) / (1 + u.clamp(min=0)),
    "trapezoid_exp": lambda u: torch.exp(u) / (1 + torch.exp(u) / 2),
    "trapezoid_relu": lambda u: u.clamp(min=0) / (1 + u.clamp(min=0) / 2),
    "trapezoid_sigmoid": lambda u: 2 / (2 + torch.exp(-u)),
    "hold_exp": lambda u: 1 - torch.exp(-torch.exp(u)),
    "hold_relu": lambda u: 1 - torch.exp(-u.clamp(min=0)),
    "hold_sigmoid": lambda u: 1 - torch.exp(-torch.sigmoid(u)),
    "softmax": lambda u: torch.exp(u) / torch.exp(u).sum(-1, keepdim=True),
    "cumax": lambda u: torch.exp(u) @ torch.ones_like(u[0].outer(u[0])).triu() / torch.exp(u).sum(-1, keepdim=True),
    "layer_norm": lambda u: (u - u.mean(-1, keepdim=True)) / (u.var(-1, correction=0, keepdim=True) + 1e-5).sqrt(),
    "roll": lambda u: torch.cat([u[..., -1:], u[..., :-1]], -1),
    "min": torch.minimum,
    "max": torch.maximum,
    "stop": lambda u: u.detach(),
    # what is added is 0 but for rounding, and has the gradient
    "scale_gradient": lambda u, v: u.detach() + v.detach() * (u - u.detach()),
    "straight_through": lambda u, v: u.detach() + (v - v.detach()),
}


def value_of(tree: Expression, names: Mapping[str, Tensor], weights: Mapping[str, Tensor], batch: int) -> Tensor:
    """Return the value of a tree at one step: (batch, size), or anything that broadcasts to it."""
    match tree:
        case Number(value=value):
            return torch.tensor(value, dtype=torch.float64)
        case Read(name=name):
            return names[name]
        case Learned(parameter=parameter):
            return weights[parameter]
        case Negation(operand=operand):
            return -value_of(operand, names, weights, batch)
        case Operation(symbol=symbol, left=left, right=right):
            operands = (value_of(operand, names, weights, batch) for operand in (left, right))
            return OPERATORS[symbol](*operands)
        case FunctionCall(function=function, arguments=arguments):
            operands = (value_of(argument, names, weights, batch) for argument in arguments)
            return FUNCTIONS[function](*torch.broadcast_tensors(*operands))
        case Linear(sources=sources, weights=matrices, bias=bias):
            total = torch.zeros((), dtype=torch.float64) if bias is None else weights[bias]
            for source, matrix in zip(sources, matrices, strict=True):
                vector = value_of(source, names, weights, batch).expand(batch, weights[matrix].shape[1])
                total = total + vector @ weights[matrix].T
            return total


def run_naively(
    variant: Variant, weights: Mapping[str, Tensor], inputs: Tensor, states: Mapping[str, Tensor], hidden_size: int
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return outputs, final states and the values of all equations, as the loop does."""
    lengths = {"input": inputs.shape[-1], "hidden": hidden_size}
    names = dict(states)
    values: dict[str, list[Tensor]] = {name: [] for name in variant.trees}
    for x in inputs:
        # without intervals and a mask given, all of them are 1
        names |= {"x": x, "dt": torch.ones_like(x[:, :1]), "mask": torch.ones_like(x)}
        for name, tree in variant.trees.items():
            value = value_of(tree, names, weights, len(x))
            names[name] = value.expand(len(x), lengths[variant.sizes[name]])
            values[name].append(names[name])
    stacked = {name: torch.stack(steps) for name, steps in values.items()}
    return stacked[variant.output], {state: names[state] for state in variant.states}, stacked
