"""Which variants are an LSTM, GRU or RNN of ONNX: found in the equations, never by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gatelab.exchange.onnx_out.polynomials import NoPolynomialError, Polynomial, divided, expanded
from gatelab.exchange.onnx_out.pre_activations import NotAffineError, Places, Term, affine, negated
from gatelab.language.tree import NOWHERE, Expression, FunctionCall, Read
from gatelab.language.variant import Variant

__all__ = ["ACTIVATIONS", "NodeForm", "node_form"]

ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "sigmoid": ("Sigmoid", None, None),
    "tanh": ("Tanh", None, None),
    "relu": ("Relu", None, None),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "": ("Affine", 1.0, 0.0),
}
"""Function of the language, "" for none -> its name as an activation of a node, alpha and beta.

Softplus is left out: ONNX Runtime's RNN node overflows in it."""

_SYMMETRIC = ("sigmoid", "hard_sigmoid")
"""Functions with f(-u) = 1 - f(u)."""


@dataclass(frozen=True)
class NodeForm:
    """A variant as a node.

    Attributes:
        operator: its operator.
        activations: functions, keys of :data:`ACTIVATIONS`, in the order of the operator.
        rows: the pre-activation of each block of rows, in the order of the operator.
        states: the variant's states in the order of the operator.
        linear_before_reset: of a GRU, whether the reset gate multiplies a product.
    """

    operator: Literal["LSTM", "GRU", "RNN"]
    activations: tuple[str, ...]
    rows: tuple[tuple[Term, ...], ...]
    states: tuple[str, ...]
    linear_before_reset: bool = False

    @property
    def peepholes(self) -> bool:
        """Whether a gate sees the cell."""
        return any(term.source == "c" for terms in self.rows for term in terms)


@lru_cache(maxsize=256)
def node_form(variant: Variant) -> NodeForm | None:
    """Return the node that computes a variant; None if no node does."""
    if variant.foreign is not None or variant.output not in variant.states:
        return None
    variant = variant.values_only()
    forms = {1: (_rnn, _gru), 2: (_lstm,)}.get(len(variant.states), ())
    for form in forms:
        try:
            found = form(variant)
        except (NoPolynomialError, NotAffineError):
            continue
        if found is not None:
            return found
    return None


@dataclass(frozen=True)
class _Gate:
    """function(argument) if positive, else 1 − function(argument), which is function(−argument)."""

    function: str
    argument: Expression
    positive: bool = True

    def rows(self, variant: Variant, places: Places) -> tuple[Term, ...]:
        terms = affine(self.argument, variant, places)
        return terms if self.positive else negated(terms)


def _rnn(variant: Variant) -> NodeForm | None:
    h = variant.output
    polynomial = expanded(variant.trees[h], variant)
    value = _only_factor(polynomial)
    if value is None:
        return None
    function, argument = _called(value)
    if function not in ACTIVATIONS:
        return None
    return NodeForm("RNN", (function,), (affine(argument, variant, _seen(h)),), (h,))


def _gru(variant: Variant) -> NodeForm | None:
    h = variant.output
    kept, rest = divided(expanded(variant.trees[h], variant), Read(h, "previous", NOWHERE))
    keeping = _gate(kept)
    if keeping is None:
        return None
    for value, admitting in _gated(rest):
        if (admitting.function, admitting.argument) != (keeping.function, keeping.argument):
            continue
        if admitting.positive == keeping.positive:
            continue
        function, argument = _called(value)
        found = affine(argument, variant, _seen(h), reset=h)
        gates = {term.gate for term in found if term.gate is not None}
        if len(gates) > 1:
            return None
        after = any(term.gate is not None and not term.before for term in found)
        before = any(term.gate is not None and term.before for term in found)
        if (after and before) or any(term.gate is None and term.source == "h" for term in found):
            return None
        reset: tuple[Term, ...] = ()
        if gates:
            gate = _gate(expanded(gates.pop(), variant))
            if gate is None or gate.function != keeping.function:
                return None
            reset = gate.rows(variant, _seen(h))
        rows = keeping.rows(variant, _seen(h)), reset, found
        return NodeForm("GRU", (keeping.function, function), rows, (h,), linear_before_reset=after)
    return None


def _lstm(variant: Variant) -> NodeForm | None:
    h = variant.output
    c = next(state for state in variant.states if state != h)
    cell = Read(c, "now", NOWHERE)
    shown = next(iter(_gated(expanded(variant.trees[h], variant))), None)
    for value, gate in _gated(expanded(variant.trees[h], variant)):
        if _called(value)[1] == cell:
            shown = value, gate
            break
    else:
        return None
    out, o = shown
    kept, rest = divided(expanded(variant.trees[c], variant), Read(c, "previous", NOWHERE))
    f = _gate(kept)
    if f is None or o.function != f.function:
        return None
    old, new = {**_seen(h), Read(c, "previous", NOWHERE): "c"}, {**_seen(h), cell: "c"}
    for value, i in _gated(rest):
        function, argument = _called(value)
        if i.function != f.function:
            continue
        try:
            z = affine(argument, variant, _seen(h))
            rows = i.rows(variant, old), o.rows(variant, new), f.rows(variant, old), z
        except NotAffineError:
            continue  # the other factor may be the gate
        if any(term.source == "c" and term.kind == "matrix" for terms in rows for term in terms):
            continue
        return NodeForm("LSTM", (f.function, function, _called(out)[0]), rows, (h, c))
    return None


def _seen(h: str) -> Places:
    return {Read("x", "input", NOWHERE): "x", Read(h, "previous", NOWHERE): "h"}


def _only_factor(polynomial: Polynomial) -> Expression | None:
    """Return the value that an expression is; None if it is a sum or a product."""
    if len(polynomial) != 1:
        return None
    ((factors, scale),) = polynomial.items()
    return next(iter(factors)) if len(factors) == 1 and scale == 1 else None


def _called(value: Expression) -> tuple[str, Expression]:
    """Return the function and the argument of a value; "" and the value itself if it is no call."""
    if isinstance(value, FunctionCall) and len(value.arguments) == 1:
        return value.function, value.arguments[0]
    return "", value


def _gate(polynomial: Polynomial) -> _Gate | None:
    """Return the gate that an expression is: a call, or 1 minus a symmetric one."""
    rest = dict(polynomial)
    one = rest.pop(frozenset(), 0.0)
    if len(rest) != 1:
        return None
    ((factors, scale),) = rest.items()
    if len(factors) != 1 or (one, scale) not in ((0.0, 1.0), (1.0, -1.0)):
        return None
    function, argument = _called(next(iter(factors)))
    if not function or function not in ACTIVATIONS or (one and function not in _SYMMETRIC):
        return None
    return _Gate(function, argument, positive=not one)


def _gated(polynomial: Polynomial) -> Iterator[tuple[Expression, _Gate]]:
    """Yield every way to read an expression as a gate times a value with a known activation."""
    candidates = dict.fromkeys(factor for factors in polynomial for factor in factors)
    for value in sorted(candidates, key=repr):
        quotient, rest = divided(polynomial, value)
        gate = None if rest else _gate(quotient)
        if gate is not None and _called(value)[0] in ACTIVATIONS:
            yield value, gate
