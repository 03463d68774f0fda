"""The operators of today's opset as older opsets have them, and the oldest opset that has one as it is written."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["in_opset", "since"]

Constants: TypeAlias = Mapping[str, onnx.TensorProto]

_BECAME_INPUTS = {
    "Slice": (10, ("starts", "ends", "axes")),
    "Clip": (11, ("min", "max")),
    "Split": (13, ("split",)),
    "Squeeze": (13, ("axes",)),
    "Unsqueeze": (13, ("axes",)),
    "ReduceSum": (13, ("axes",)),
    "ReduceMean": (18, ("axes",)),
}
"""Operator -> the opset in which attributes became the inputs behind the first one, and these attributes."""
_SINCE = {"Max": 8, "Min": 8, "Expand": 8, "Where": 9, "Less": 9, "Sign": 9, "Scan": 9, "Range": 11, "CumSum": 11}
"""Operator -> the opset since when it has the types and shapes that are needed here; 7 for all others."""
_AXES_FROM_THE_END = 11
_FIRST = 7  # older LSTM, GRU and RNN have another attribute, and no engine runs them


def since(kind: str, inputs: Sequence[str], attributes: Mapping[str, Any], known: Constants) -> int:
    """Return the oldest opset in which an operator can be written.

    Args:
        kind: of today's opset.
        inputs: its values.
        attributes: its attributes.
        known: name -> constant.
    """
    first = _SINCE.get(kind, _FIRST)
    if kind == "Slice" and len(inputs) > 4:  # its steps never were an attribute
        first = _BECAME_INPUTS["Slice"][0]
    _, names = _BECAME_INPUTS.get(kind, (0, ()))
    axes = [attributes.get("axis", 0)]
    for name, value in zip(names, inputs[1:], strict=False):
        if value not in known:
            first = max(first, _BECAME_INPUTS[kind][0])
        elif name == "axes":
            axes += numpy_helper.to_array(known[value]).ravel().tolist()
    return max(first, _AXES_FROM_THE_END) if min(axes) < 0 else first


def in_opset(
    opset: int, kind: str, inputs: Sequence[str], attributes: Mapping[str, Any], known: Constants
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the inputs and attributes that an operator has in an opset; see :func:`since` for the others."""
    changed, names = _BECAME_INPUTS.get(kind, (0, ()))
    if opset >= changed or any(name not in known for name in inputs[1:]):
        return tuple(inputs), dict(attributes)
    constants = {name: numpy_helper.to_array(known[value]) for name, value in zip(names, inputs[1:], strict=False)}
    moved = {name: _plain(value) for name, value in constants.items()}
    return tuple(inputs[:1]), {**attributes, **moved}


def _plain(values: np.ndarray) -> Any:
    """Return an attribute: limits of Clip are single numbers, all others lists."""
    return float(values) if values.dtype.kind == "f" else values.ravel().tolist()
