"""Every recurrent network of a file, by its ending and, where several programs share one, by its names."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gatelab.errors import UserError
from gatelab.exchange.found import Found
from gatelab.exchange.jax_trees import found_in_jax
from gatelab.exchange.keras_file import found_in_keras
from gatelab.exchange.onnx_in import found_in_onnx
from gatelab.exchange.torch_file import found_in_torch
from gatelab.layers.gate_files.reading_gates import read_gate
from gatelab.layers.rnn import RNN
from gatelab.reading import shown
from gatelab.reading.tensor_file import tensor_file

__all__ = ["READERS", "found_in"]

# Equinox names its matrices as the cells of torch do, but not its biases
_TORCH = re.compile(r"(.*\.)?((weight|bias)_(ih|hh|hr)_l\d+(_reverse)?|bias_(ih|hh))")


def found_in(file: str | Path) -> list[Found]:
    """Return every recurrent network of a file of gatelab, torch, Keras, Flax, Equinox, Haiku or ONNX.

    Raises:
        UserError: an ending that is not read; the file is damaged, or of another kind; no network is found in it.
    """
    where = shown(file)
    ending = next((ending for ending in READERS if str(file).endswith(ending)), None)
    if ending is None:
        raise UserError(f"{where}: must end with {', '.join(READERS)}")
    return list(READERS[ending](file))


def _in_safetensors(file: str | Path) -> list[Found]:
    header = tensor_file(file)
    if "gatelab" in header.text:
        return [_ours(file)]
    torch = any(_TORCH.fullmatch(name) for name in header.entries)
    return found_in_torch(file) if torch else found_in_jax(file)


def _ours(file: str | Path) -> Found:
    content = read_gate(file)
    around = content.network
    below = "" if around is None or around.embedding is None else ", above its embedding: data are what that hands up"
    what = "RNN" if around is None else f"RNN of a network{below}"
    return Found("", RNN.from_content(content), f"{what}, saved by gatelab in {shown(file)}")


READERS: Mapping[str, Callable[[str | Path], Sequence[Found]]] = {
    ".pt": found_in_torch,
    ".pth": found_in_torch,
    ".pt2": found_in_torch,
    ".ckpt": found_in_torch,
    ".safetensors": _in_safetensors,
    ".keras": found_in_keras,
    ".weights.h5": found_in_keras,
    ".npz": found_in_jax,
    ".onnx": found_in_onnx,
}
"""Ending of a file -> what finds its networks."""
