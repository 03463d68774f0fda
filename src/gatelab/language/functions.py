"""The one table of functions: value, derivative, range and spelling of each.

Element-wise functions act on every number of a vector; row functions, at the end, on the vector as a whole.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["COMPOSED", "ELEMENTARY", "FUNCTIONS", "ROW_FUNCTIONS", "SELECTIONS", "Function"]


def _sigmoid(u: Any) -> Any:
    # exp of a non-positive number only: no overflow at either end
    e = np.exp(-np.abs(u))
    return np.where(np.asarray(u) >= 0, 1 / (1 + e), e / (1 + e))


def _softplus(u: Any) -> Any:
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def _softmax(u: Any) -> Any:
    e = np.exp(u - np.max(u, -1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _layer_norm(u: Any) -> Any:
    centred = u - np.mean(u, -1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + 1e-5)


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: how an equation spells it.
        arity: number of arguments.
        value: the function on numpy arrays, safe over the whole range of floats (except where it is infinite).
        derivatives: one per argument, written in the equation language itself over ``u`` (first argument), ``v``
            (second argument) and ``y`` (the value), so that every backend derives its own from this one.
        handed_on: likewise, what it hands on of an adjoint ``g`` that arrives, where that is not just g times the
            derivative at infinite values and NaN; written with ``SELECTIONS`` too. PyTorch's autograd is the law.
        low, high: bounds of the value over all real arguments.
        increasing: whether the function never falls, so that bounds of arguments give bounds of values.
        latex: how it is typeset, ``{0}`` and ``{1}`` standing for the arguments.
        torch: its name in ``torch`` or, failing that, in ``torch.nn.functional``; empty for one with an expansion.
        expansion: the function in the equation language over ``u``, for one that is made of others; it needs no
            derivatives, and every backend computes its parts.
        rows: whether it acts on the whole vector, the last axis. Such a function runs on the loop path alone.
    """

    name: str
    arity: int
    value: Callable[..., Any]
    derivatives: tuple[str, ...]
    low: float
    high: float
    increasing: bool
    latex: str
    torch: str = ""
    expansion: str = ""
    rows: bool = False
    handed_on: tuple[str, ...] = ()


def _expanded(name: str, expansion: str, value: Callable[..., Any], high: float) -> Function:
    """Return a function that is made of others and grows from 0."""
    spelled = name.replace("_", r"\_")
    return Function(name, 1, value, (), 0.0, high, True, rf"\operatorname{{{{{spelled}}}}}({{0}})", expansion=expansion)


# at a kink the derivatives are those PyTorch chooses: 0 for the clipped ones, half to each side for equal min and max
# fmt: off
_TABLE = (
    Function("sigmoid", 1, _sigmoid, ("y*(1 - y)",), 0.0, 1.0, True, r"\sigma({0})", "sigmoid"),
    Function("tanh", 1, np.tanh, ("1 - y*y",), -1.0, 1.0, True, r"\tanh({0})", "tanh"),
    Function(
        "relu", 1, lambda u: np.maximum(u, 0), ("step(u)",), 0.0, math.inf, True,
        r"\operatorname{{relu}}({0})", "relu", handed_on=("if_above(g, u)",),
    ),
    Function("exp", 1, np.exp, ("y",), 0.0, math.inf, True, r"\exp({0})", "exp"),
    Function("log", 1, np.log, ("1/u",), -math.inf, math.inf, True, r"\log({0})", "log", handed_on=("g/u",)),
    Function(
        "sqrt", 1, np.sqrt, ("0.5/y",), 0.0, math.inf, True, r"\sqrt{{{0}}}", "sqrt", handed_on=("g/(2*y)",),
    ),
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
        r"\operatorname{{hard}}\,\sigma({0})", "hardsigmoid", handed_on=("if_between(g, u/6 + 0.5, 0, 1)/6",),
    ),
    Function(
        "hard_tanh", 1, lambda u: np.clip(u, -1, 1), ("step(u + 1)*step(1 - u)",), -1.0, 1.0, True,
        r"\operatorname{{hard}}\tanh({0})", "hardtanh", handed_on=("if_between(g, u, -1, 1)",),
    ),
    Function(
        "silu", 1, lambda u: u * _sigmoid(u), ("sigmoid(u)*(1 + u*(1 - sigmoid(u)))",), -0.2784645427610738, math.inf,
        False, r"\operatorname{{silu}}({0})", "silu",
    ),
    Function("sin", 1, np.sin, ("cos(u)",), -1.0, 1.0, False, r"\sin({0})", "sin"),
    Function("cos", 1, np.cos, ("-sin(u)",), -1.0, 1.0, False, r"\cos({0})", "cos"),
    Function(
        "abs", 1, np.abs, ("sign(u)",), 0.0, math.inf, False, r"\left|{0}\right|", "abs", handed_on=("g*side(u)",),
    ),
    Function("sign", 1, np.sign, ("0",), -1.0, 1.0, True, r"\operatorname{{sign}}({0})", "sign"),
    # the Heaviside step, 0 at 0, with the derivative 0 that it has everywhere else
    Function(
        "step", 1, lambda u: (np.asarray(u) > 0) * 1.0, ("0",), 0.0, 1.0, True, r"\operatorname{{step}}({0})", "step",
    ),
    Function("floor", 1, np.floor, ("0",), -math.inf, math.inf, True, r"\left\lfloor{0}\right\rfloor", "floor"),
    Function(
        "min", 2, np.minimum, ("(1 + sign(v - u))/2", "(1 + sign(u - v))/2"), -math.inf, math.inf, True,
        r"\min({0}, {1})", "minimum", handed_on=("unless_above(g, u, v)", "unless_above(g, v, u)"),
    ),
    Function(
        "max", 2, np.maximum, ("(1 + sign(u - v))/2", "(1 + sign(v - u))/2"), -math.inf, math.inf, True,
        r"\max({0}, {1})", "maximum", handed_on=("unless_above(g, v, u)", "unless_above(g, u, v)"),
    ),
    # How far one step of a differential equation goes, for a rate Δ = e^u, relu(u) or σ(u): backward Euler Δ/(1 + Δ),
    # trapezoid Δ/(1 + Δ/2) (there with Δ = 2σ(u)), exact hold 1 − exp(−Δ). Gates of Gu et al. 2021, "Combining
    # Recurrent, Convolutional, and Continuous-time Models with Linear State-Space Layers" (LSSL), and of the code of
    # S4. Backward Euler of e^u is the sigmoid itself, and the trapezoid rules of e^u and σ(u) are sigmoids shifted by
    # ln 2. Written so that nothing overflows.
    _expanded("backward_relu", "relu(u)/(1 + relu(u))", lambda u: 1 - 1 / (1 + np.maximum(u, 0)), 1.0),
    _expanded(
        "trapezoid_exp", "2*sigmoid(u - 0.6931471805599453)", lambda u: 2 * _sigmoid(np.asarray(u) - math.log(2)), 2.0,
    ),
    _expanded("trapezoid_relu", "relu(u)/(1 + relu(u)/2)", lambda u: 2 - 4 / (2 + np.maximum(u, 0)), 2.0),
    _expanded(
        "trapezoid_sigmoid", "sigmoid(u + 0.6931471805599453)", lambda u: _sigmoid(np.asarray(u) + math.log(2)), 1.0,
    ),
    # beyond 7, exp(−e^u) is below 1e-476
    _expanded("hold_exp", "1 - exp(-exp(min(u, 7)))", lambda u: -np.expm1(-np.exp(np.minimum(u, 7))), 1.0),
    _expanded("hold_relu", "1 - exp(-relu(u))", lambda u: -np.expm1(-np.maximum(u, 0)), 1.0),
    _expanded("hold_sigmoid", "1 - exp(-sigmoid(u))", lambda u: -np.expm1(-_sigmoid(u)), -math.expm1(-1.0)),
    Function("softmax", 1, _softmax, (), 0.0, 1.0, False, r"\operatorname{{softmax}}({0})", rows=True),
    # cumulative sum of the softmax: a soft step from 0 to 1 along the vector (Shen et al. 2019, ON-LSTM, equation 5)
    Function(
        "cumax", 1, lambda u: np.cumsum(_softmax(u), -1), (), 0.0, 1.0, False, r"\operatorname{{cumax}}({0})",
        rows=True,
    ),
    # zero mean and unit variance over the vector (Ba et al. 2016), without the learned gain and bias
    Function(
        "layer_norm", 1, _layer_norm, (), -math.inf, math.inf, False, r"\operatorname{{LN}}({0})", rows=True,
    ),
    Function(
        "roll", 1, lambda u: np.roll(u, 1, -1), (), -math.inf, math.inf, False, r"\operatorname{{roll}}({0})",
        rows=True,
    ),
)
# fmt: on

FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
"""Every function of the language, by name."""

ROW_FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if function.rows}
"""Those that act on a whole vector."""

COMPOSED = {name: function for name, function in FUNCTIONS.items() if function.expansion}
"""Those that are made of others."""

ELEMENTARY = {name: function for name, function in FUNCTIONS.items() if name not in (ROW_FUNCTIONS | COMPOSED)}
"""Those that every backend spells out, element by element."""

SELECTIONS: dict[str, Function] = {
    name: Function(name, arity, value, (), -math.inf, math.inf, False, "")
    for name, arity, value in (
        ("if_above", 2, lambda g, u: np.where(np.asarray(u) <= 0, 0.0, g)),
        ("if_between", 4, lambda g, u, low, high: np.where((np.asarray(u) > low) & (u < high), g, 0.0)),
        ("unless_above", 3, lambda g, u, v: np.where(np.asarray(u) > v, 0.0, np.where(np.asarray(u) == v, g / 2, g))),
        ("side", 1, lambda u: (np.asarray(u) > 0) * 1.0 - (np.asarray(u) < 0) * 1.0),
    )
}
"""What adjoints alone are written with, no function of the language: g where a condition holds, selected and never
multiplied, since an infinite g times 0 is no number; and the sign, 0 of what is no number."""
