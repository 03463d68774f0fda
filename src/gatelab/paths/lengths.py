"""Lengths of sequences, in whatever form a caller has them: whole numbers from 0 to the steps, one for each."""

from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.masked import MaskedTensor
from torch.utils.weak import WeakTensorKeyDictionary

from gatelab.errors import UserError
from gatelab.paths.tensors import check_dense, ordinary

__all__ = ["as_lengths", "unless_full"]

_CHECKED = WeakTensorKeyDictionary()
"""Lengths on a device that were checked, with the steps and their version: to look again would wait for the device."""


def as_lengths(given: Any, batch: tuple[int, ...], steps: int, device: torch.device) -> Tensor:
    """Return lengths as int64 on a device: (batch,), or (runs, batch).

    Args:
        given: a list, tuple, range or array of whole numbers, or a tensor of any integer dtype, wherever it lies.
        batch: the axes of the batch, with a run axis if there is one.
        steps: of the padded sequences.

    Raises:
        UserError: they are not whole numbers, too many or too few, negative, or beyond the steps.
    """
    if isinstance(given, MaskedTensor):
        raise UserError("lengths are a MaskedTensor: must be plain whole numbers")
    lengths = given if isinstance(given, Tensor) else torch.from_numpy(_array(given))
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype is torch.bool:
        raise UserError(
            f"lengths of {str(lengths.dtype).removeprefix('torch.')}: must be whole numbers, of an int type"
        )
    if lengths.layout is not torch.strided or lengths.is_nested:
        raise UserError("lengths are a sparse or nested tensor: must be dense")
    seen_by_jit = torch._C._get_tracing_state() is not None  # for which a size is a tensor
    if not seen_by_jit and lengths.shape not in (batch, batch[-1:]):
        raise UserError(f"lengths of shape {tuple(lengths.shape)}: must be {tuple(batch)}, one for each sequence")
    there = not lengths.is_cpu and lengths.device == device
    if there and not (seen_by_jit or torch.compiler.is_compiling()) and _was_checked(lengths, steps):
        return lengths
    if not torch.compiler.is_compiling() and not ordinary(lengths):
        if lengths.is_meta and device.type != "meta":
            raise UserError(f"lengths are on meta, the input is on {device}: must have values")
        check_dense({"lengths": lengths})
        lengths = lengths.resolve_neg()
    # what a tracer sees has no values; compiled code looks at them when it runs
    if lengths.numel() and _has_values(lengths):
        # read as an array: a tracer that records every operation does not see it
        values = (lengths if lengths.is_cpu else lengths.cpu()).numpy()
        shortest, longest = int(values.min()), int(values.max())
        if shortest < 0 or longest > steps:
            raise UserError(f"lengths from {shortest} to {longest}: must be from 0 to {steps} steps")
    if device.type == "cpu" or torch.compiler.is_compiling() or seen_by_jit:
        return lengths.to(device, torch.int64)
    # from pinned memory they arrive while the device works; back from a device a copy has to wait
    moved = lengths.to(device, torch.int64, non_blocking=lengths.is_cpu)
    if not moved.is_inference():  # which has no version
        _CHECKED[moved] = steps, moved._version
    return moved


def _was_checked(lengths: Tensor, steps: int) -> bool:
    known = _CHECKED.get(lengths)
    return known is not None and known == (steps, lengths._version)


def unless_full(lengths: Tensor | None, steps: int) -> Tensor | None:
    """Return lengths that :func:`as_lengths` has made, or None where all sequences fill the time axis.

    Both give the same numbers, and without lengths there is less to do. Only memory at hand is looked at, and nothing
    while something records: what it records is to hold for other lengths too.
    """
    if lengths is None or torch.compiler.is_compiling():
        return lengths  # Dynamo cannot look at what follows
    recording = torch._C._len_torch_dispatch_stack() or torch._C._functorch.peek_interpreter_stack() is not None
    if recording or not ordinary(lengths) or not _has_values(lengths):
        return lengths
    return None if bool((lengths.numpy() == steps).all()) else lengths


def _has_values(lengths: Tensor) -> bool:
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return False
    return ordinary(lengths) or (type(lengths) is Tensor and not lengths.is_cpu and not lengths.is_meta)


def _array(given: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Return numbers that are not in a tensor as an array of int64."""
    if isinstance(given, list | tuple | range):
        try:
            return np.array([_whole(value) for value in given], np.int64)
        except (TypeError, OverflowError) as error:
            raise UserError(f"lengths={_begin(given)}: must be whole numbers, one for each sequence") from error
    if np.ma.is_masked(given):
        raise UserError(f"lengths={_begin(given)}: some are masked, must be whole numbers")
    array = np.asarray(given)
    if array.dtype.kind not in "iu":
        kind = f"of {array.dtype}" if isinstance(given, np.ndarray | np.generic) else f"are a {type(given).__name__}"
        raise UserError(f"lengths {kind}: must be whole numbers, of an int type")
    return array.astype(array.dtype.newbyteorder("="))


def _whole(value: Any) -> int:
    if isinstance(value, bool | np.bool_) or (isinstance(value, Tensor) and value.dtype is torch.bool):
        raise TypeError("a truth value")
    if np.ma.is_masked(value):
        raise TypeError("a masked number")
    return index(value)


def _begin(given: Any) -> str:
    text = " ".join((repr(given) if isinstance(given, list | tuple | range) else str(given)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
