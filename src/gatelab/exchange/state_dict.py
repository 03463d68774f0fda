"""A state_dict in a file, read as data: names and tensors, within limits, and no code."""

import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from gatelab.errors import UserError, one_line
from gatelab.exchange.exported_program import weights_of_program
from gatelab.reading import Limits, read_bytes, shown

__all__ = ["read_state_dict"]

_MOST_BYTES = 2**31  # of a file, and of all its tensors
_WRAPPED = ("state_dict", "model_state_dict", "model")
"""Where checkpoints keep the weights of the model: Lightning, the tutorials of torch, many training scripts."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Return name -> tensor of a file that torch.save, torch.export.save or safetensors wrote.

    Prefixes of all names are left out: ``module.`` of DistributedDataParallel, ``_orig_mod.`` of torch.compile.

    Raises:
        UserError: no such file, no regular file, too large, damaged, or with something other than names and tensors.
    """
    where = shown(path)
    content = read_bytes(path, limits=Limits(size=_MOST_BYTES))
    if str(path).endswith(".safetensors"):
        loaded = _of_safetensors(content, where)
    else:
        program = weights_of_program(content, where) if content.startswith(b"PK") else None
        loaded = _of_torch(content, where) if program is None else program
    tensors = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    # a tensor may claim any size over the few bytes that it has
    if sum(value.numel() * value.element_size() for value in tensors.values()) > _MOST_BYTES:
        raise UserError(f"{where}: too large: tensors of more than {_MOST_BYTES} bytes")
    for prefix in ("module.", "_orig_mod."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _of_safetensors(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        return load_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{where}: cannot be read as safetensors: {one_line(error, 120)}") from None


def _of_torch(content: bytes, where: str) -> Mapping[Any, Any]:
    try:
        _check_unpacked(content)
        with warnings.catch_warnings(action="ignore"):  # torch warns of old formats that it reads
            # always with weights_only: a file of unknown origin must not run code
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # any error of torch and pickle on a file that they cannot read
        reason = one_line(str(error).split("\n")[0], 120)
        raise UserError(
            f"{where}: cannot be read as tensors ({reason}); torch.save(model.state_dict(), …) writes what is read here"
        ) from None
    for key in _WRAPPED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise UserError(f"{where}: holds a {type(loaded).__name__}: must be a state_dict, names and tensors")
    return loaded


def _check_unpacked(content: bytes) -> None:
    if not content.startswith(b"PK"):
        return  # the format before 1.6, which packs nothing
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(member.file_size for member in packed.infolist()) > _MOST_BYTES:
            raise ValueError(f"it unpacks to more than {_MOST_BYTES} bytes")
