"""The inputs of an RNN: checked as torch.nn.LSTM checks them, and reversed in time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatelab.errors import UserError
from gatelab.paths.tensors import check_tensor

__all__ = ["as_sequences", "backwards", "check_count", "check_inputs", "check_masks"]


def as_sequences(inputs: Any, lengths: Any, like: Tensor) -> tuple[Tensor, Any]:
    """Return inputs as a tensor, and lengths.

    Args:
        inputs: a tensor, an array, or a batch of a task: a tuple that begins with inputs and lengths.
        lengths: of a tensor or an array.
        like: a weight; an array of floats gets its dtype, and every array its device.

    Raises:
        UserError: lengths beside a batch; inputs that are none of these.
    """
    if isinstance(inputs, tuple) and len(inputs) > 1 and not isinstance(inputs, PackedSequence):
        if lengths is not None:
            raise UserError("lengths= is known of a batch: must be left out")
        inputs, lengths = inputs[:2]
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "fiu":
        whole = torch.as_tensor(np.ascontiguousarray(inputs), device=like.device)
        return (whole.to(like.dtype) if whole.is_floating_point() else whole), lengths
    if not isinstance(inputs, Tensor):
        raise UserError(f"input is a {type(inputs).__name__}: must be a batch of a task, an array or a tensor")
    return inputs, lengths


def check_inputs(inputs: Tensor, input_size: int, *, batch_first: bool) -> None:
    """Raise a UserError unless the input is a dense (time, batch, input) or (time, input)."""
    if not isinstance(inputs, Tensor):
        raise UserError(f"input is a {type(inputs).__name__}: must be a tensor or a PackedSequence")
    check_tensor("input", inputs)
    if torch._C._get_tracing_state() is not None:
        return  # a size is a tensor then; the recorded operator checks when it runs
    if inputs.dim() not in (2, 3):
        axes = "(batch, time, input)" if batch_first else "(time, batch, input)"
        raise UserError(f"input of shape {tuple(inputs.shape)}: must be {axes} or (time, input)")
    if inputs.shape[-1] != input_size:
        raise UserError(f"input of shape {tuple(inputs.shape)}: the last axis must be input_size={input_size}")


def check_masks(
    masks: Sequence[Tensor], wanted: int, shape: Sequence[int], dtype: torch.dtype, device: torch.device
) -> None:
    """Raise a UserError unless there is a mask of this kind for each layer but the last."""
    check_count("masks", masks, wanted, "one for each layer but the last")
    for mask in masks:
        check_tensor("mask", mask)
        if mask.shape != tuple(shape) or mask.dtype is not dtype:
            found = f"mask of {mask.dtype}, shape {tuple(mask.shape)}"
            raise UserError(f"{found}: must be {dtype}, {tuple(shape)}")
        if mask.device != device:
            raise UserError(f"mask is on {mask.device}, the input is on {device}: must be on it too")


def check_count(name: str, given: Sequence[object], wanted: int, which: str) -> None:
    """Raise a UserError unless it is a list of this length."""
    if not isinstance(given, list | tuple):
        raise UserError(f"{name} are a {type(given).__name__}: must be a list of {wanted}, {which}")
    if len(given) != wanted:
        raise UserError(f"{len(given)} {name}: must be {wanted}, {which}")


def backwards(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each sequence in time; its padding stays at the end: (time, batch, size)."""
    if lengths is None:
        return values.flip(-3)
    steps = torch.arange(values.shape[-3], device=values.device)[:, None]
    valid = lengths[..., None, :]
    index = torch.where(steps < valid, valid - 1 - steps, steps)
    return values.gather(-3, index.unsqueeze(-1).expand(values.shape))
