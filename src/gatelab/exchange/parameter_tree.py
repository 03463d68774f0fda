"""Nested mappings of arrays, and the .npz and .safetensors files of them, as tensors by their paths."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatelab.errors import UserError, kind_and_words, one_line
from gatelab.layers.gate_files.reading_gates import DTYPE_WORDS
from gatelab.reading import shown
from gatelab.reading.arrays import read_npz
from gatelab.reading.tensor_file import tensor_file

__all__ = ["Path_", "tensors_of"]

Path_ = tuple[str, ...]
"""The names on the way to a tensor."""

_MOST_BYTES = 2**31  # of a file, and of all its tensors
_DEEPEST = 50


def tensors_of(source: Any) -> tuple[str, dict[Path_, Tensor]]:
    """Return what errors call a tree of parameters, and its tensors by their paths.

    Args:
        source: nested mappings and lists of arrays; or the path of a .npz or .safetensors file of them, whose names are
            paths with slashes, or with dots.

    Raises:
        UserError: the file cannot be read, is of another kind or too large; something is no array of numbers.
    """
    if not isinstance(source, str | Path):
        if not isinstance(source, Mapping):
            kind = type(source).__name__
            raise UserError(f"parameters is a {kind}: must be nested mappings of arrays, or the path of a file")
        return "parameters", {path: _tensor(path, value, "parameters") for path, value in _leaves(source, (), 0)}
    where, ending = shown(source), Path(source).suffix
    readers = {".npz": _of_npz, ".safetensors": _of_safetensors}
    if ending not in readers:
        raise UserError(f"{where}: must end with {' or '.join(readers)}")
    named = readers[ending](Path(source), where)
    separator = "/" if any("/" in name for name in named) else "."
    return where, {tuple(name.split(separator)): tensor for name, tensor in named.items()}


def _leaves(tree: Any, path: Path_, depth: int) -> Iterator[tuple[Path_, Any]]:
    if depth > _DEEPEST:
        raise UserError(f"parameters: nested deeper than {_DEEPEST} levels")
    if isinstance(tree, Mapping):
        pairs: Any = tree.items()
    elif isinstance(tree, Sequence) and not isinstance(tree, str | bytes):
        pairs = enumerate(tree)
    elif tree is None:  # an attribute that is not there, such as a bias
        return
    else:
        yield path, tree
        return
    for key, value in pairs:
        yield from _leaves(value, (*path, *str(key).split("/")), depth + 1)  # Haiku's names have slashes


def _tensor(path: Path_, value: Any, where: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    named = f"{where}, {one_line('/'.join(path))}"
    try:
        array = np.asarray(value)
    except Exception as error:  # what an object of another library raises
        raise UserError(f"{named}: no array: {kind_and_words(error)}") from None
    if array.dtype.name == "bfloat16":  # which numpy has from a package of jax
        return torch.from_numpy(np.array(array).view(np.uint16)).view(torch.bfloat16)
    if array.dtype.kind not in "fiub":
        raise UserError(f"{named}: a {type(value).__name__} of {array.dtype}: must be an array of numbers")
    return torch.from_numpy(np.array(array, order="C", dtype=array.dtype.newbyteorder("=")))


def _of_safetensors(path: Path, where: str) -> dict[str, Tensor]:
    file = tensor_file(path)
    if sum(entry.end - entry.begin for entry in file.entries.values()) > _MOST_BYTES:
        raise UserError(f"{where}: tensors of more than {_MOST_BYTES} bytes")
    dtypes = {word: dtype for dtype, word in DTYPE_WORDS.items()}
    # what is not of a floating dtype is no weight
    names = [name for name, entry in file.entries.items() if entry.dtype in dtypes and 0 not in entry.shape]
    return {
        name: torch.frombuffer(data, dtype=dtypes[file.entries[name].dtype]).view(file.entries[name].shape)
        for name, data in file.read(names)
    }


def _of_npz(path: Path, where: str) -> dict[str, Tensor]:
    return {name: _tensor((name,), array, where) for name, array in read_npz(path, where, _MOST_BYTES).items()}
