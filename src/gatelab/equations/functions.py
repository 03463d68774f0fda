"""The one table of element-wise functions: value, derivative, range and spelling of each."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "Function"]


def _sigmoid(u: Any) -> Any:
    # exp of a non-positive number only: no overflow at either end
    e = np.exp(-np.abs(u))
    return np.where(np.asarray(u) >= 0, 1 / (1 + e), e / (1 + e))


def _softplus(u: Any) -> Any:
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


@dataclass(frozen=True)
class Function:
    """One element-wise function.

    Attributes:
        name: how an equation spells it.
        arity: number of arguments.
        value: the function on numpy arrays, safe over the whole range of floats (except where it is infinite).
        derivatives: one per argument, written in the equation language itself over ``u`` (first argument), ``v``
            (second argument) and ``y`` (the value), so that every backend derives its own from this one.
        low, high: bounds of the value over all real arguments.
        increasing: whether the function never falls, so that bounds of arguments give bounds of values.
        latex: how it is typeset, ``{0}`` and ``{1}`` standing for the arguments.
        torch: its name in ``torch`` or, failing that, in ``torch.nn.functional``.
    """

    name: str
    arity: int
    value: Callable[..., Any]
    derivatives: tuple[str, ...]
    low: float
    high: float
    increasing: bool
    latex: str
    torch: str


# at a kink the derivatives are those PyTorch chooses: 0 for the clipped ones, half to each side for equal min and max
# fmt: off
_TABLE = (
    Function("sigmoid", 1, _sigmoid, ("y*(1 - y)",), 0.0, 1.0, True, r"\sigma({0})", "sigmoid"),
    Function("tanh", 1, np.tanh, ("1 - y*y",), -1.0, 1.0, True, r"\tanh({0})", "tanh"),
    Function(
        "relu", 1, lambda u: np.maximum(u, 0), ("step(u)",), 0.0, math.inf, True,
        r"\operatorname{{relu}}({0})", "relu",
    ),
    Function("exp", 1, np.exp, ("y",), 0.0, math.inf, True, r"\exp({0})", "exp"),
    Function("log", 1, np.log, ("1/u",), -math.inf, math.inf, True, r"\log({0})", "log"),
    Function("sqrt", 1, np.sqrt, ("0.5/y",), 0.0, math.inf, True, r"\sqrt{{{0}}}", "sqrt"),
    Function(
        "softplus", 1, _softplus, ("sigmoid(u)",), 0.0, math.inf, True, r"\operatorname{{softplus}}({0})", "softplus",
    ),
    Function(
        "log_sigmoid", 1, lambda u: -_softplus(-u), ("sigmoid(-u)",), -math.inf, 0.0, True,
        r"\log\sigma({0})", "logsigmoid",
    ),
    # PyTorch's form, min(max(u/6 + 1/2, 0), 1); Keras before version 3 used a slope of 1/5
    Function(
        "hard_sigmoid", 1, lambda u: np.clip(u / 6 + 0.5, 0, 1), ("step(u + 3)*step(3 - u)/6",), 0.0, 1.0, True,
        r"\operatorname{{hard}}\,\sigma({0})", "hardsigmoid",
    ),
    Function(
        "hard_tanh", 1, lambda u: np.clip(u, -1, 1), ("step(u + 1)*step(1 - u)",), -1.0, 1.0, True,
        r"\operatorname{{hard}}\tanh({0})", "hardtanh",
    ),
    Function(
        "silu", 1, lambda u: u * _sigmoid(u), ("sigmoid(u)*(1 + u*(1 - sigmoid(u)))",), -0.2784645427610738, math.inf,
        False, r"\operatorname{{silu}}({0})", "silu",
    ),
    Function("sin", 1, np.sin, ("cos(u)",), -1.0, 1.0, False, r"\sin({0})", "sin"),
    Function("cos", 1, np.cos, ("-sin(u)",), -1.0, 1.0, False, r"\cos({0})", "cos"),
    Function("abs", 1, np.abs, ("sign(u)",), 0.0, math.inf, False, r"\left|{0}\right|", "abs"),
    Function("sign", 1, np.sign, ("0",), -1.0, 1.0, True, r"\operatorname{{sign}}({0})", "sign"),
    # the Heaviside step, 0 at 0, with the derivative 0 that it has everywhere else
    Function(
        "step", 1, lambda u: (np.asarray(u) > 0) * 1.0, ("0",), 0.0, 1.0, True, r"\operatorname{{step}}({0})", "step",
    ),
    Function(
        "min", 2, np.minimum, ("(1 + sign(v - u))/2", "(1 + sign(u - v))/2"), -math.inf, math.inf, True,
        r"\min({0}, {1})", "minimum",
    ),
    Function(
        "max", 2, np.maximum, ("(1 + sign(u - v))/2", "(1 + sign(v - u))/2"), -math.inf, math.inf, True,
        r"\max({0}, {1})", "maximum",
    ),
)
# fmt: on

FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
"""Every element-wise function of the language, by name."""
