"""The one table of functions: a row is all that is known of a function, and adding one is adding a row.

Element-wise functions act on every number of a vector; row functions, at the end, on the vector as a whole.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["COMPOSED", "ELEMENTARY", "FUNCTIONS", "INNER", "ROW_FUNCTIONS", "SURROGATES", "Function"]


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


_SHARES = "exp(u - largest(u))/sum(exp(u - largest(u)))"
_SCALE = "(1/sqrt(mean((u - mean(u))**2) + 0.00001))"
_CENTRED = "Sub(u, ReduceMean(u, [-1]))"


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function.

    Attributes:
        name: how an equation spells it.
        arguments: what derivatives and C call its arguments.
        value: the function on numpy arrays, safe over the whole range of floats (except where it is infinite).
        derivatives: one per argument, written in the equation language itself over the arguments and ``y`` (the value),
            so that every backend derives its own from this one.
        handed_on: likewise, what it hands on of an adjoint ``g`` that arrives, where that is not just g times the
            derivative at infinite values and NaN; written with ``INNER`` too. PyTorch's autograd is the law.
        low, high: bounds of the value over all real arguments.
        increasing: whether the function never falls, so that bounds of arguments give bounds of values.
        even: whether it has the same value at u and -u, and never falls with the size of u.
        latex: how it is typeset, ``{0}`` and ``{1}`` standing for the arguments.
        plain: what lines of text call it, if not by its name.
        torch: what :mod:`gatelab.paths.loop` looks up: one of its own functions or, failing that, one of ``torch`` or
            ``torch.nn.functional``; empty for one with an expansion.
        rounded_by_place: whether torch rounds it in a way that depends on the place of a number in its tensor.
        c: its C, an expression over vectors of the arguments' names, written with what c/functions.h has, and with
            ``f_<name>`` of the rows above; a single name is a function of the C library, taken lane by lane. Empty for
            one with an expansion or ``blocks``; a row function is ``row_<name>`` of c/rows.h.
        cheap: whether it costs no more than sums and products, and is computed again in the backward pass, not kept.
        activation: whether random edits put it in and take it out. One more changes what each seed draws.
        expansion: the function in the equation language over ``u``, for one that is made of others; it needs no
            derivatives, and every backend computes its parts.
        rows: whether it acts on the whole vector, the last axis.
        surrogate: whether its value is its first argument, and only its gradient, ``derivatives``, is its own: not that
            of the value. No backend computes anything for it, and bounds see its first argument.
        blocks: how compiled code takes it apart, over its arguments and with ``INNER``; empty where it does not.
        reduces: of one of ``INNER``: whether it makes one number of a vector.
        onnx: its operators of ONNX, as nested calls over the arguments: attributes by their names, a number with a
            point a constant of the dtype, one without a point, or a list of such, one of int64. Empty for one with an
            expansion.
        triton: as ``c``, over blocks of the arguments' names, written with what triton/device_functions.py
            has; a function of a whole row stands in triton/block_lines.py.
    """

    name: str
    arguments: tuple[str, ...] = ("u",)
    value: Callable[..., Any]
    derivatives: tuple[str, ...] = ()
    handed_on: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    increasing: bool = False
    even: bool = False
    latex: str = ""
    plain: str = ""
    torch: str = ""
    rounded_by_place: bool = False
    c: str = ""
    cheap: bool = False
    activation: bool = False
    expansion: str = ""
    rows: bool = False
    surrogate: bool = False
    blocks: str = ""
    reduces: bool = False
    triton: str = ""
    onnx: str = ""

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.arguments)


def _expanded(name: str, expansion: str, value: Callable[..., Any], high: float) -> Function:
    """Return a function that is made of others and grows from 0."""
    spelled = name.replace("_", r"\_")
    latex = rf"\operatorname{{{{{spelled}}}}}({{0}})"
    return Function(name=name, value=value, low=0.0, high=high, increasing=True, latex=latex, expansion=expansion)


def _surrogate(name: str, arguments: tuple[str, ...], derivatives: tuple[str, ...]) -> Function:
    """Return a function whose value is its first argument."""
    places = ", ".join(f"{{{place}}}" for place in range(len(arguments)))
    latex = rf"\operatorname{{{{{name.replace('_', chr(92) + '_')}}}}}({places})"
    return Function(
        name=name, arguments=arguments, value=lambda u, *_: u, derivatives=derivatives, increasing=True, latex=latex,
        torch=name, cheap=True, surrogate=True, blocks="u",
    )  # fmt: skip


# at a kink the derivatives are those PyTorch chooses: 0 for the clipped ones, half to each side for equal min and max
# fmt: off
_TABLE = (
    Function(
        name="sigmoid", value=_sigmoid, derivatives=("y*(1 - y)",), low=0.0, high=1.0, increasing=True,
        latex=r"\sigma({0})", plain="σ", torch="sigmoid", rounded_by_place=True, c="logistic(u)", activation=True,
        triton="logistic(u)",
        onnx="Sigmoid(u)",
    ),
    Function(
        name="tanh", value=np.tanh, derivatives=("1 - y*y",), low=-1.0, high=1.0, increasing=True,
        latex=r"\tanh({0})", torch="tanh", c="hyperbolic_tangent(u)", activation=True,
        triton="hyperbolic_tangent(u)",
        onnx="Tanh(u)",
    ),
    Function(
        name="relu", value=lambda u: np.maximum(u, 0), derivatives=("step(u)",), handed_on=("if_above(g, u)",), low=0.0,
        increasing=True, latex=r"\operatorname{{relu}}({0})", torch="relu", c="keep(~(u < (R)0), u)", cheap=True,
        activation=True,
        triton="tl.where(u < 0, 0.0, u)",
        onnx="Relu(u)",
    ),
    # PyTorch's form, min(max(u/6 + 1/2, 0), 1); Keras before version 3 used a slope of 1/5
    Function(
        name="hard_sigmoid", value=lambda u: np.clip(u / 6 + 0.5, 0, 1), derivatives=("step(u + 3)*step(3 - u)/6",),
        handed_on=("if_between(g, u/6 + 0.5, 0, 1)/6",), low=0.0, high=1.0, increasing=True,
        latex=r"\operatorname{{hard}}\,\sigma({0})", torch="hardsigmoid",
        c="clipped(u / (R)6 + (R)0.5, (R)0, (R)1)", cheap=True, activation=True,
        triton="clipped(u / 6 + 0.5, 0.0, 1.0)",
        onnx="Clip(Add(Div(u, 6.0), 0.5), 0.0, 1.0)",
    ),
    Function(
        name="hard_tanh", value=lambda u: np.clip(u, -1, 1), derivatives=("step(u + 1)*step(1 - u)",),
        handed_on=("if_between(g, u, -1, 1)",), low=-1.0, high=1.0, increasing=True,
        latex=r"\operatorname{{hard}}\tanh({0})", torch="hardtanh", c="clipped(u, (R)-1, (R)1)", cheap=True,
        activation=True,
        triton="clipped(u, -1.0, 1.0)",
        onnx="Clip(u, -1.0, 1.0)",
    ),
    Function(
        name="softplus", value=_softplus, derivatives=("sigmoid(u)",), low=0.0, increasing=True,
        latex=r"\operatorname{{softplus}}({0})", torch="softplus", rounded_by_place=True,
        c="larger(u, splat((R)0)) + log_of_one_plus(exp_below(-magnitude(u)))", activation=True,
        triton="tl.where(u < 0, 0.0, u) + log_of_one_plus(tl.exp(-tl.abs(u)))",
        onnx="Softplus(u)",
    ),
    Function(
        name="silu", value=lambda u: u * _sigmoid(u), derivatives=("sigmoid(u)*(1 + u*(1 - sigmoid(u)))",),
        low=-0.2784645427610738, latex=r"\operatorname{{silu}}({0})", torch="silu", rounded_by_place=True,
        c="u * f_sigmoid(u)", activation=True,
        triton="u * f_sigmoid(u)",
        onnx="Mul(u, Sigmoid(u))",
    ),
    Function(
        name="log_sigmoid", value=lambda u: -_softplus(-u), derivatives=("sigmoid(-u)",), high=0.0, increasing=True,
        latex=r"\log\sigma({0})", torch="logsigmoid", c="-f_softplus(-u)",
        triton="-f_softplus(-u)",
        onnx="Neg(Softplus(Neg(u)))",
    ),
    Function(
        name="exp", value=np.exp, derivatives=("y",), low=0.0, increasing=True, latex=r"\exp({0})", torch="exp",
        c="exponential(u)",
        triton="tl.exp(u)",
        onnx="Exp(u)",
    ),
    Function(
        name="log", value=np.log, derivatives=("1/u",), handed_on=("g/u",), increasing=True, latex=r"\log({0})",
        torch="log", c="logarithm(u)",
        triton="tl.log(u)",
        onnx="Log(u)",
    ),
    Function(
        name="sqrt", value=np.sqrt, derivatives=("0.5/y",), handed_on=("g/(2*y)",), low=0.0, increasing=True,
        latex=r"\sqrt{{{0}}}", torch="sqrt", c="sqrt",
        triton="tl.sqrt_rn(u)",
        onnx="Sqrt(u)",
    ),
    Function(
        name="sin", value=np.sin, derivatives=("cos(u)",), low=-1.0, high=1.0, latex=r"\sin({0})", torch="sin",
        c="sine(u)",
        triton="tl.sin(u)",
        onnx="Sin(u)",
    ),
    Function(
        name="cos", value=np.cos, derivatives=("-sin(u)",), low=-1.0, high=1.0, latex=r"\cos({0})", torch="cos",
        c="cosine(u)",
        triton="tl.cos(u)",
        onnx="Cos(u)",
    ),
    Function(
        name="abs", value=np.abs, derivatives=("sign(u)",), handed_on=("g*side(u)",), low=0.0, even=True,
        latex=r"\left|{0}\right|", torch="abs", c="magnitude(u)", cheap=True,
        triton="tl.abs(u)",
        onnx="Abs(u)",
    ),
    Function(
        name="sign", value=np.sign, derivatives=("0",), low=-1.0, high=1.0, increasing=True,
        latex=r"\operatorname{{sign}}({0})", torch="sign", cheap=True,
        c="choose((u > (R)0) | (u < (R)0), with_sign_of(splat((R)1), u), choose(u == (R)0, splat((R)0), u))",
        triton="tl.where(u > 0, 1.0, tl.where(u < 0, -1.0, tl.where(u == 0, 0.0, u)))",
        onnx="Sign(u)",
    ),
    # the Heaviside step, 0 at 0, with the derivative 0 that it has everywhere else
    Function(
        name="step", value=lambda u: (np.asarray(u) > 0) * 1.0, derivatives=("0",), low=0.0, high=1.0, increasing=True,
        latex=r"\operatorname{{step}}({0})", torch="step", c="keep(u > (R)0, splat((R)1))", cheap=True,
        triton="tl.where(u > 0, 1.0, 0.0)",
        onnx="Where(Greater(u, 0.0), 1.0, 0.0)",
    ),
    Function(
        name="floor", value=np.floor, derivatives=("0",), increasing=True, latex=r"\left\lfloor{0}\right\rfloor",
        torch="floor", c="floor",
        triton="tl.floor(u)",
        onnx="Floor(u)",
    ),
    Function(
        name="min", arguments=("u", "v"), value=np.minimum,
        derivatives=("(1 + sign(v - u))/2", "(1 + sign(u - v))/2"),
        handed_on=("unless_above(g, u, v)", "unless_above(g, v, u)"), increasing=True, latex=r"\min({0}, {1})",
        torch="minimum", c="choose((u < v) | (u != u), u, v)", cheap=True,
        triton="tl.where((u < v) | (u != u), u, v)",
        onnx="Min(u, v)",
    ),
    Function(
        name="max", arguments=("u", "v"), value=np.maximum,
        derivatives=("(1 + sign(u - v))/2", "(1 + sign(v - u))/2"),
        handed_on=("unless_above(g, v, u)", "unless_above(g, u, v)"), increasing=True, latex=r"\max({0}, {1})",
        torch="maximum", c="larger(u, v)", cheap=True,
        triton="tl.where((u > v) | (u != u), u, v)",
        onnx="Max(u, v)",
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
    # what the backward pass hands on is not the derivative of the value: nothing; the adjoint times v, of which nothing
    # goes to v; all of it to v (Bengio, Léonard & Courville 2013, "Estimating or Propagating Gradients Through
    # Stochastic Neurons for Conditional Computation", section 4)
    _surrogate("stop", ("u",), ("0",)),
    _surrogate("scale_gradient", ("u", "v"), ("v", "0")),
    _surrogate("straight_through", ("u", "v"), ("0", "1")),
    Function(
        name="softmax", value=_softmax, handed_on=("y*(g - sum(y*g))",), low=0.0, high=1.0,
        latex=r"\operatorname{{softmax}}({0})", torch="softmax", rows=True, blocks=_SHARES,
        onnx="Softmax(u, axis=-1)",
    ),
    # cumulative sum of the softmax: a soft step from 0 to 1 along the vector (Shen et al. 2019, ON-LSTM, equation 5)
    Function(
        name="cumax", value=lambda u: np.cumsum(_softmax(u), -1), low=0.0, high=1.0,
        handed_on=(f"{_SHARES}*(suffix_sum(g) - sum({_SHARES}*suffix_sum(g)))",),
        latex=r"\operatorname{{cumax}}({0})", torch="cumax", rows=True, blocks=f"cumsum({_SHARES})",
        onnx="CumSum(Softmax(u, axis=-1), -1)",
    ),
    # zero mean and unit variance over the vector (Ba et al. 2016), without the learned gain and bias
    Function(
        name="layer_norm", value=_layer_norm, handed_on=(f"(g - mean(g) - y*mean(y*g))*{_SCALE}",),
        latex=r"\operatorname{{LN}}({0})", torch="layer_norm", rows=True, blocks=f"(u - mean(u))*{_SCALE}", cheap=True,
        onnx=f"Div({_CENTRED}, Sqrt(Add(ReduceMean(Mul({_CENTRED}, {_CENTRED}), [-1]), 0.00001)))",
    ),
    Function(
        name="roll", value=lambda u: np.roll(u, 1, -1), handed_on=("roll_back(g)",),
        latex=r"\operatorname{{roll}}({0})", torch="roll", rows=True,
        onnx="Concat(Slice(u, [-1], [2147483647], [-1]), Slice(u, [0], [-1], [-1]), axis=-1)",
    ),
)
# fmt: on

FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
"""Every function of the language, by name."""

ROW_FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if function.rows}
"""Those that act on a whole vector."""

COMPOSED = {name: function for name, function in FUNCTIONS.items() if function.expansion}
"""Those that are made of others."""

SURROGATES = {name: function for name, function in FUNCTIONS.items() if function.surrogate}
"""Those that change no value and only what a gradient is."""

_NOT_ELEMENTARY = ROW_FUNCTIONS | COMPOSED | SURROGATES

ELEMENTARY = {name: function for name, function in FUNCTIONS.items() if name not in _NOT_ELEMENTARY}
"""Those that every backend spells out, element by element."""

_SELECTIONS = (
    (
        "if_above", ("g", "u"), "keep(~(u <= (R)0), g)",
        "tl.where(u <= 0, 0.0, g)",
        lambda g, u: np.where(np.asarray(u) <= 0, 0.0, g),
    ),
    (
        "if_between", ("g", "u", "low", "high"), "keep((u > low) & (u < high), g)",
        "tl.where((u > low) & (u < high), g, 0.0)",
        lambda g, u, low, high: np.where((np.asarray(u) > low) & (u < high), g, 0.0),
    ),
    (
        "unless_above", ("g", "u", "v"), "keep(~(u > v), choose(u == v, g / (R)2, g))",
        "tl.where(u > v, 0.0, tl.where(u == v, g / 2, g))",
        lambda g, u, v: np.where(np.asarray(u) > v, 0.0, np.where(np.asarray(u) == v, g / 2, g)),
    ),
    (
        "side", ("u",), "keep((u > (R)0) | (u < (R)0), with_sign_of(splat((R)1), u))",
        "tl.where(u > 0, 1.0, tl.where(u < 0, -1.0, 0.0))",
        lambda u: (np.asarray(u) > 0) * 1.0 - (np.asarray(u) < 0) * 1.0,
    ),
)  # fmt: skip
"""g where a condition holds, selected and never multiplied, since an infinite g times 0 is no number; and the sign, 0
of what is no number."""


_REDUCTIONS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("sum", lambda u: np.sum(u, -1, keepdims=True)),
    ("mean", lambda u: np.mean(u, -1, keepdims=True)),
    ("largest", lambda u: np.max(u, -1, keepdims=True)),
)
_OF_ROWS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("cumsum", lambda u: np.cumsum(u, -1)),
    ("suffix_sum", lambda u: np.cumsum(u[..., ::-1], -1)[..., ::-1]),
    ("roll_back", lambda u: np.roll(u, -1, -1)),
)

INNER: dict[str, Function] = {
    **{
        name: Function(name=name, arguments=arguments, value=value, c=c, triton=triton)
        for name, arguments, c, triton, value in _SELECTIONS
    },
    **{name: Function(name=name, value=value, rows=True, reduces=True) for name, value in _REDUCTIONS},
    **{name: Function(name=name, value=value, rows=True) for name, value in _OF_ROWS},
}
"""What adjoints and the parts of row functions are written with, no functions of the language."""
