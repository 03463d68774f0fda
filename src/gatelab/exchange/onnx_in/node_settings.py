"""The attributes of an LSTM, GRU or RNN node, checked: what it is told to compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gatelab.errors import UserError, one_line, suggest
from gatelab.exchange.onnx_in.activations import Activation, activations_of
from gatelab.exchange.onnx_in.model_file import DOMAINS

__all__ = ["INPUTS", "NodeSettings", "settings_of"]

Operator = Literal["LSTM", "GRU", "RNN"]

_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
INPUTS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "GRU": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
}
"""Operator -> the names of its inputs."""
_OUTPUTS = {"LSTM": 3, "GRU": 2, "RNN": 2}
_KINDS = {"FLOAT": 1, "INT": 2, "STRING": 3, "FLOATS": 6, "STRINGS": 8}
_ATTRIBUTES = {
    "activation_alpha": "FLOATS",
    "activation_beta": "FLOATS",
    "activations": "STRINGS",
    "clip": "FLOAT",
    "direction": "STRING",
    "hidden_size": "INT",
}
_MORE = {"LSTM": {"input_forget": "INT"}, "GRU": {"linear_before_reset": "INT"}, "RNN": {}}
_LAYOUT_SINCE = 14
_DIRECTIONS = ("forward", "reverse", "bidirectional")


@dataclass(frozen=True)
class NodeSettings:
    """What a node is told.

    Attributes:
        operator: LSTM, GRU or RNN.
        direction: forward, reverse or bidirectional.
        hidden_size: units, if the file says it.
        activations: of each direction, in the operator's order.
        clip: limit of the pre-activations; None for none.
        input_forget: whether an LSTM's forget gate is 1 - i.
        linear_before_reset: whether a GRU's reset gate multiplies the product.
        batch_first: whether the batch is the first axis (layout 1).
    """

    operator: Operator
    direction: str
    hidden_size: int | None
    activations: tuple[tuple[Activation, ...], ...]
    clip: float | None
    input_forget: bool
    linear_before_reset: bool
    batch_first: bool


def settings_of(node: Any, opset: int, where: str) -> NodeSettings:
    """Return what the attributes of a node say.

    Raises:
        UserError: an operator of another domain; an attribute that is unknown, of another type, or impossible; other
            inputs and outputs than the operator has.
    """
    operator = node.op_type
    if node.domain not in DOMAINS:
        raise UserError(f"{where}: is of the domain '{one_line(node.domain)}', which is not known")
    if not 3 <= len(node.input) <= len(INPUTS[operator]) or not all(node.input[:3]):
        raise UserError(f"{where}: must have X, W and R, and at most {len(INPUTS[operator])} inputs")
    if not 1 <= len(node.output) <= _OUTPUTS[operator] or not any(node.output):
        raise UserError(f"{where}: must have 1 to {_OUTPUTS[operator]} outputs")
    given = _attributes(node, opset, where)
    direction = given.get("direction", "forward")
    if direction not in _DIRECTIONS:
        allowed = ", ".join(_DIRECTIONS)
        raise UserError(f"{where}: direction={one_line(direction)}: must be one of {allowed}")
    hidden = given.get("hidden_size")
    if hidden is not None and hidden < 1:
        raise UserError(f"{where}: hidden_size={hidden}: must be at least 1")
    directions = 2 if direction == "bidirectional" else 1
    return NodeSettings(
        operator,
        direction,
        hidden,
        _activations(operator, given, directions, where),
        _clip(given.get("clip"), where),
        _switch(given, "input_forget", where),
        _switch(given, "linear_before_reset", where),
        _switch(given, "layout", where),
    )


def _attributes(node: Any, opset: int, where: str) -> dict[str, Any]:
    allowed = {**_ATTRIBUTES, **_MORE[node.op_type], **({"layout": "INT"} if opset >= _LAYOUT_SINCE else {})}
    given: dict[str, Any] = {}
    for attribute in node.attribute:
        name, kind = attribute.name, allowed.get(attribute.name)
        if kind is None:
            shown = f"'{one_line(name)}'{suggest(name, allowed)}"
            raise UserError(f"{where}: unknown attribute {shown} in opset {opset}; known: {', '.join(allowed)}")
        if name in given:
            raise UserError(f"{where}: attribute {name} is there twice")
        if attribute.type != _KINDS[kind] or attribute.ref_attr_name:
            raise UserError(f"{where}: attribute {name} must be of type {kind}")
        given[name] = _value(attribute, kind, where)
    return given


def _value(attribute: Any, kind: str, where: str) -> Any:
    match kind:
        case "FLOAT":
            return attribute.f
        case "INT":
            return attribute.i
        case "FLOATS":
            return list(attribute.floats)
        case "STRING":
            return _text(attribute.s, where)
        case _:
            return [_text(one, where) for one in attribute.strings]


def _text(value: bytes, where: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UserError(f"{where}: an attribute is not UTF-8 text") from None


def _activations(
    operator: str, given: Mapping[str, Any], directions: int, where: str
) -> tuple[tuple[Activation, ...], ...]:
    names = given.get("activations") or list(_DEFAULTS[operator] * directions)
    each = len(_DEFAULTS[operator])
    if len(names) != each * directions:
        raise UserError(f"{where}: {len(names)} activations: must be {each * directions}")
    found = activations_of(names, given.get("activation_alpha", ()), given.get("activation_beta", ()), where)
    return tuple(found[start : start + each] for start in range(0, len(found), each))


def _clip(value: float | None, where: str) -> float | None:
    if value is None:
        return None
    if not value > 0:
        raise UserError(f"{where}: clip={value}: must be above 0")
    # the greatest float32, and infinity, cut nothing
    return None if value >= np.finfo(np.float32).max else float(value)


def _switch(given: Mapping[str, Any], name: str, where: str) -> bool:
    value = given.get(name, 0)
    if value not in (0, 1):
        raise UserError(f"{where}: {name}={value}: must be 0 or 1")
    return bool(value)
