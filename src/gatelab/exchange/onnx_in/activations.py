"""The activation functions of ONNX's recurrent operators, written in the language of equations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatelab.errors import UserError, one_line, suggest

__all__ = ["Activation", "activation_names", "activations_of", "number"]


@dataclass(frozen=True)
class _Function:
    """A function of ONNX.

    Attributes:
        text: of u, with alpha and beta, in the language of equations.
        alpha, beta: values where the file has none; ``None``: the function has no such parameter; "": ONNX's text and
            its engines differ, so that a file must have it.
    """

    text: str
    alpha: float | str | None = None
    beta: float | str | None = None


_FUNCTIONS = {
    "Sigmoid": _Function("sigmoid({u})"),
    "Tanh": _Function("tanh({u})"),
    "Relu": _Function("relu({u})"),
    "Softsign": _Function("{u}/(1 + abs({u}))"),
    "Softplus": _Function("softplus({u})"),
    "LeakyRelu": _Function("max({u}, 0) + {alpha}*min({u}, 0)", 0.01),
    "ThresholdedRelu": _Function("{u}*step({u} - {alpha})", ""),
    "Elu": _Function("max({u}, 0) + {alpha}*(exp(min({u}, 0)) - 1)", 1.0),
    "Affine": _Function("{alpha}*{u} + {beta}", "", ""),
    "ScaledTanh": _Function("{alpha}*tanh({beta}*{u})", "", ""),
    "HardSigmoid": _Function("max(0, min(1, {alpha}*{u} + {beta}))", 0.2, 0.5),
}
_BY_LOWER = {name.lower(): name for name in _FUNCTIONS}


def activation_names() -> tuple[str, ...]:
    """Return the functions that are read."""
    return tuple(_FUNCTIONS)


@dataclass(frozen=True)
class Activation:
    """One activation function of a node, with its parameters as numbers of float32; None where it has none."""

    name: str
    alpha: float | None = None
    beta: float | None = None

    def equations(self, target: str, pre: str, dtype: str) -> dict[str, str]:
        """Return the equation of a gate, after one of its pre-activation where the function reads it twice.

        Args:
            target: the name of the gate.
            pre: its pre-activation, a text.
            dtype: of the weights, which decides how numbers are written.
        """
        text = _FUNCTIONS[self.name].text
        sixth = self.alpha is not None and np.float32(self.alpha) == np.float32(1 / 6)
        if self.name == "Affine" and (self.alpha, self.beta) == (1, 0):
            text = "{u}"
        elif self.name == "HardSigmoid" and sixth and self.beta == 0.5:
            text = "hard_sigmoid({u})"
        elif self.name == "ThresholdedRelu" and self.alpha == 0:
            text = "relu({u})"
        found: dict[str, str] = {}
        if text.count("{u}") > 1 and not pre.isidentifier():
            found[f"{target}_in"] = pre
            pre = f"{target}_in"
        elif not pre.isidentifier():
            pre = f"({pre})"
        values = {"alpha": self.alpha, "beta": self.beta}
        written = {key: number(value, dtype) for key, value in values.items() if value is not None}
        return {**found, target: text.format(u=pre, **written)}


def number(value: float, dtype: str) -> str:
    """Return a number of float32 as text: the shortest that is the same in the dtype of the weights."""
    text = repr(float(value)) if dtype == "float64" else str(np.float32(value))
    return f"({text})" if text.startswith("-") else text


def activations_of(
    names: Sequence[str], alphas: Sequence[float], betas: Sequence[float], where: str
) -> tuple[Activation, ...]:
    """Return the functions of a node. Each takes its parameters from the front of the lists, if it has such.

    Raises:
        UserError: an unknown function; a parameter that is absent where ONNX's text and its engines differ, is left
            over, or is not finite.
    """
    rest: Mapping[str, list[float]] = {"alpha": list(alphas), "beta": list(betas)}
    for key, values in rest.items():
        if not np.isfinite(values).all():
            raise UserError(f"{where}: activation_{key} is not finite")
    found = []
    for given in names:
        name = _BY_LOWER.get(given.lower())
        if name is None:
            raise UserError(
                f"{where}: unknown activation '{one_line(given)}'{suggest(given, _FUNCTIONS)}; "
                f"known: {', '.join(_FUNCTIONS)}"
            )
        found.append(Activation(name, *(_parameter(name, key, values, where) for key, values in rest.items())))
    for key, values in rest.items():
        if values:
            raise UserError(
                f"{where}: activation_{key} has {len(values)} more than its functions take; engines read such lists "
                "differently"
            )
    return tuple(found)


def _parameter(name: str, key: str, values: list[float], where: str) -> float | None:
    default: Any = getattr(_FUNCTIONS[name], key)
    if default is None:
        return None
    if values:
        return float(values.pop(0))
    if default == "":
        raise UserError(f"{where}: {name} without activation_{key}, for which ONNX's text and its engines differ")
    return float(np.float32(default))
