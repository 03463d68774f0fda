"""The weights of a node: read, compared with the shapes of its operator, and named as those of a variant."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line
from gatelab.exchange.cells import Cell
from gatelab.exchange.onnx_in.constant_tensors import FLOATING, WHOLE, array_of
from gatelab.exchange.onnx_in.model_file import Scope
from gatelab.exchange.onnx_in.node_equations import node_variant
from gatelab.exchange.onnx_in.node_settings import INPUTS, NodeSettings

__all__ = ["RUNTIME", "Constants", "cells", "constants", "runtime"]

_BLOCKS = {"LSTM": "iofz", "GRU": "urn", "RNN": "h"}
"""Operator -> the gates, by our letters, in the order of the rows of W, R and both halves of B."""
_PEEPHOLES = "iof"
RUNTIME = ("sequence_lens", "initial_h", "initial_c")
"""Inputs that a node may get at run time."""


@dataclass(frozen=True)
class Constants:
    """The tensors of a node.

    Attributes:
        dtype: of the weights, in ONNX's words.
        arrays: name of an input -> numbers; W, R, and what else is there and constant. All but sequence_lens have the
            directions as their first axis, whatever the layout.
        hidden: units.
    """

    dtype: str
    arrays: Mapping[str, NDArray[Any]]
    hidden: int

    @property
    def features(self) -> int:
        """What the node reads at a step."""
        return int(self.arrays["W"].shape[2])

    def of(self, direction: int) -> "Constants":
        """Return those of one direction alone."""
        own = {key: array[direction : direction + 1] for key, array in self.arrays.items() if key != "sequence_lens"}
        return replace(self, arrays=own)


def runtime(node: Any, scope: Scope) -> dict[str, str]:
    """Return input -> name of the value, of lengths and states that are not in the file."""
    given = dict(zip(INPUTS[node.op_type], node.input, strict=False))
    return {key: given[key] for key in RUNTIME if given.get(key) and scope.constant(given[key])[0] is None}


def constants(node: Any, scope: Scope, settings: NodeSettings, folder: Path, where: str) -> Constants:
    """Return the tensors of a node.

    Raises:
        UserError: weights that are not constant; shapes, dtypes or numbers that do not fit.
    """
    arrays: dict[str, NDArray[Any]] = {}
    dtypes: dict[str, str] = {}
    for key, name in zip(INPUTS[node.op_type], node.input, strict=False):
        if key == "X" or not name:
            continue
        tensor, otherwise = scope.constant(name)
        if tensor is None:
            if key in RUNTIME:
                continue
            raise UserError(f"{where}: {key} is not constant: '{one_line(name)}' {otherwise}")
        allowed = WHOLE[:1] if key == "sequence_lens" else FLOATING
        dtypes[key], arrays[key] = array_of(tensor, allowed, folder, f"{where}: {key}")
    floating = {key: dtype for key, dtype in dtypes.items() if key != "sequence_lens"}
    if len(set(floating.values())) > 1:
        raise UserError(f"{where}: {', '.join(f'{k} of {d}' for k, d in floating.items())}: must be of one dtype")
    hidden = _hidden(arrays["R"], settings, where)
    _check_shapes(arrays, settings, hidden, where)
    if settings.batch_first:
        arrays |= {key: array.swapaxes(0, 1) for key, array in arrays.items() if key.startswith("initial")}
    return Constants(dtypes["W"], arrays, hidden)


def _hidden(recurrent: NDArray[Any], settings: NodeSettings, where: str) -> int:
    if recurrent.ndim != 3:
        raise UserError(f"{where}: R of shape {recurrent.shape}: must have 3 axes")
    hidden = recurrent.shape[2] if settings.hidden_size is None else settings.hidden_size
    return int(hidden)


def _check_shapes(arrays: Mapping[str, NDArray[Any]], settings: NodeSettings, hidden: int, where: str) -> None:
    directions = len(settings.activations)
    gates = len(_BLOCKS[settings.operator])
    features = arrays["W"].shape[2] if arrays["W"].ndim == 3 else 0
    wanted: dict[str, tuple[int, ...]] = {
        "W": (directions, gates * hidden, features),
        "R": (directions, gates * hidden, hidden),
        "B": (directions, 2 * gates * hidden),
        "P": (directions, len(_PEEPHOLES) * hidden),
    }
    states = [key for key in arrays if key.startswith("initial")]
    batches = {arrays[key].shape[0 if settings.batch_first else 1] for key in states if arrays[key].ndim == 3}
    if "sequence_lens" in arrays:
        batches |= set(arrays["sequence_lens"].shape) or {0}
        wanted["sequence_lens"] = (min(batches),)
    for key in states:
        batch = min(batches, default=0)
        wanted[key] = (batch, directions, hidden) if settings.batch_first else (directions, batch, hidden)
    for key, array in arrays.items():
        if array.shape != wanted[key]:
            raise UserError(f"{where}: {key} of shape {array.shape}: must be {wanted[key]}")


def cells(settings: NodeSettings, found: Constants) -> list[Cell]:
    """Return the layer of each direction."""
    return [
        _cell(settings, found, direction, node_variant(
            settings, activations, found.dtype, biased="B" in found.arrays, peepholes="P" in found.arrays
        ))
        for direction, activations in enumerate(settings.activations)
    ]  # fmt: skip


def _cell(settings: NodeSettings, found: Constants, direction: int, variant: Any) -> Cell:
    blocks = _named_blocks(settings, found, direction)
    weights: dict[str, torch.Tensor] = {}
    for equation in dict.fromkeys(parameter.equation for parameter in variant.parameters):
        gate = equation.removesuffix("_in")
        own = [parameter for parameter in variant.parameters if parameter.equation == equation]
        biases = [parameter.name for parameter in own if parameter.kind == "bias"]
        for parameter in own:
            if parameter.kind == "weight":
                weights[parameter.name] = blocks["W" if parameter.source == "x" else "R", gate]
            elif parameter.kind == "diagonal":
                weights[parameter.name] = blocks["P", gate]
        if len(biases) == 1:
            weights[biases[0]] = blocks["Wb", gate] + blocks["Rb", gate]
        elif biases:
            weights |= {biases[0]: blocks["Wb", gate], biases[1]: blocks["Rb", gate]}
    return Cell(variant, found.features, found.hidden, weights)


def _named_blocks(settings: NodeSettings, found: Constants, direction: int) -> dict[tuple[str, str], torch.Tensor]:
    """Return (tensor, gate) -> its rows; Wb and Rb are the halves of B."""
    gates = _BLOCKS[settings.operator]
    whole = {key: found.arrays[key][direction] for key in ("W", "R", "B", "P") if key in found.arrays}
    if "B" in whole:
        whole["Wb"], whole["Rb"] = np.split(whole.pop("B"), 2)
    return {
        (key, gate): torch.from_numpy(np.array(block))
        for key, array in whole.items()
        for gate, block in zip(_PEEPHOLES if key == "P" else gates, _split(array, found.hidden), strict=True)
    }


def _split(array: NDArray[Any], rows: int) -> list[NDArray[Any]]:
    return [array[start : start + rows] for start in range(0, len(array), rows)]
