"""Writes a gate's file; equal content has equal bytes."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gatelab import __version__
from gatelab.disk import write_atomically, writing
from gatelab.errors import UserError, one_line
from gatelab.layers.gate_files.content import Content
from gatelab.layers.gate_files.model_card import FRONT, model_card
from gatelab.layers.gate_files.reading_gates import DTYPE_WORDS, FORMAT, LIMITS
from gatelab.reading import read_text
from gatelab.reading.tensor_file import tensor_bytes

__all__ = ["CARD", "ENDING", "WEIGHTS_FILE", "gate_bytes", "write_gate"]

ENDING = ".safetensors"
WEIGHTS_FILE = f"model{ENDING}"
"""The file of a folder, and of a repository of a hub, where there are several."""
CARD = "README.md"
_FILE_ENDING = re.compile(r"\.[A-Za-z]\w*")


def write_gate(place: Path | str, content: Content) -> None:
    """Write a file, or a folder with the file and a model card.

    Args:
        place: a path that ends with ``.safetensors``, or a folder, which is made.
        content: with its tensors.

    Raises:
        UserError: the weights are of several dtypes or have another shape; the place cannot be written, is a
            file of another kind, or a folder with another README.md.
    """
    place, data = Path(place), gate_bytes(content)
    if place.suffix == ENDING:
        with writing(place):
            write_atomically(place, data)
        return
    if _FILE_ENDING.fullmatch(place.suffix) and not place.is_dir():
        raise UserError(f"{place}: must end with {ENDING}, or be a folder (without an ending)")
    card = place / CARD
    if card.exists() and FRONT not in read_text(card):
        raise UserError(f"{card}: no model card of gatelab, and would be replaced")
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / WEIGHTS_FILE, data)
        write_atomically(card, model_card(content).encode())


def gate_bytes(content: Content) -> bytes:
    """Return the bytes of a file. Raises UserError as :func:`write_gate`."""
    dtypes = {tensor.dtype for tensor in content.tensors.values()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPE_WORDS):
        names = ", ".join(sorted(map(str, dtypes)))
        raise UserError(f"weights of {names}: a file has one dtype, of {', '.join(map(str, DTYPE_WORDS))}")
    for name, shape in content.shapes():
        if tuple(content.tensors[name].shape) != shape:
            found = tuple(content.tensors[name].shape)
            raise UserError(f"weight {name} of shape {found}: must have {shape} to be saved")
    tensors = {
        name: (DTYPE_WORDS[tensor.dtype], tuple(tensor.shape), _bytes(tensor))
        for name, tensor in content.tensors.items()
    }
    return tensor_bytes(_text(content), tensors)


def _bytes(tensor: Tensor) -> bytes:
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes()


def _text(content: Content) -> Mapping[str, str]:
    sections = {
        "gatelab": {"format": FORMAT, "version": __version__},
        "variant": content.variant.mapping(),
        "rnn": content.rnn.model_dump(),
        "network": None if content.network is None else content.network.model_dump(),
        "origin": dict(content.origin) or None,
    }
    return {"format": "pt", **{name: _json(name, value) for name, value in sections.items() if value is not None}}


def _json(section: str, value: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{section}={one_line(value)}: cannot be saved: it must be plain values ({error})") from None
    if section in LIMITS and len(text) > LIMITS[section].size:
        raise UserError(f"{section} of {len(text)} letters cannot be read again; at most {LIMITS[section].size}")
    return text
