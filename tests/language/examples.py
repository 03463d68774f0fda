"""Variants made for tests, random equations, and an evaluator of trees that owes nothing to the schedule."""

import numpy as np
from hypothesis import strategies as st

from gatelab.language import Variant
from gatelab.language.functions import COMPOSED, ELEMENTARY, FUNCTIONS
from gatelab.language.tree import FunctionCall, Learned, Linear, Negation, Number, Operation, Read

SHIPPED = ("cifg", "elman", "gru", "gru_v3", "janet", "lstm", "mgu", "peephole", "ur_lstm")


def variant(equations, state=("h",), **keys):
    """Return a variant of these equations; a text alone is the equation of h."""
    texts = {"h": equations} if isinstance(equations, str) else equations
    return Variant.from_mapping({"name": "example", "state": list(state), "equations": texts, **keys})


def evaluate(tree, values, states, parameters, x):
    """Return the value of a tree; all vectors are arrays of one length, a weight is an array to multiply with."""

    def value(node):
        return evaluate(node, values, states, parameters, x)

    match tree:
        case Number(value=number):
            return np.float64(number)
        case Read(when="input"):
            return x
        case Read(name=name, when="previous"):
            return states[name]
        case Read(name=name):
            return values[name]
        case Learned(parameter=parameter):
            return parameters[parameter]
        case Negation(operand=operand):
            return -value(operand)
        case FunctionCall(function=function, arguments=arguments):
            return FUNCTIONS[function].value(*map(value, arguments))
        case Linear(sources=sources, weights=weights, bias=bias):
            total = sum(
                parameters[weight] @ np.broadcast_to(value(source), x.shape)
                for weight, source in zip(weights, sources, strict=True)
            )
            return total if bias is None else total + parameters[bias]
        case Operation(symbol=symbol, left=left, right=right):
            operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power}
            return operations[symbol](value(left), value(right))


def draw_parameters(example, random, size):
    """Return random parameters, for vectors that all have one length."""
    shapes = {"weight": (size, size), "scalar": ()}
    return {p.name: random.normal(0, 2, shapes.get(p.kind, (size,))) for p in example.parameters}


def step(example, x, states, parameters):
    """Return the values of all equations in one step, in running order, as the definition of the language has it."""
    values: dict[str, np.ndarray] = {}
    for name, tree in example.trees.items():
        values[name] = evaluate(tree, values, states, parameters, x)
    return values


_NUMBERS = st.sampled_from(["0", "1", "2", "0.5", "-1", "3.25"])
_ONE = sorted(
    name for name, function in (ELEMENTARY | COMPOSED).items() if function.arity == 1 and name not in ("log", "sqrt")
)
_TWO = sorted(name for name, function in FUNCTIONS.items() if function.arity == 2)


def _larger(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(["2", "3", "-1", "-2", "1"])).map(lambda t: f"({t[0]})**{t[1]}"),
        inner.map("-({})".format),
        st.tuples(st.sampled_from(_ONE), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(_TWO), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(st.sampled_from(["linear", "project"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        inner.map("diag({})".format),
    )


def expressions(names=("x", "h")):
    """Return random right-hand sides over these names (no log and no sqrt, which are undefined below 0)."""
    leaves = st.one_of(st.sampled_from(names), _NUMBERS, st.sampled_from(["bias()", "vector(1)", "scalar(2)"]))
    return st.recursive(leaves, _larger, max_leaves=8)
