"""A network in half precision, from weights that stay in single precision: ``training.precision``."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gatelab.training.stack_batches import StackBatch

__all__ = ["half_of", "halved", "halved_batch"]

_HALVES = {"32": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def half_of(precision: str) -> torch.dtype | None:
    """Return the type of number in which a network is computed; None for that of its weights."""
    return _HALVES[precision]


def halved(values: Any, half: torch.dtype | None) -> Any:
    """Return tensors, or lists and mappings of them, in half precision; whole numbers stay."""
    if half is None or values is None:
        return values
    if isinstance(values, Tensor):
        return values.to(half) if values.is_floating_point() else values
    if isinstance(values, Mapping):
        return {name: halved(value, half) for name, value in values.items()}
    return [halved(value, half) for value in values]


def halved_batch(batch: StackBatch, half: torch.dtype | None) -> StackBatch:
    """Return a batch with what the network reads in half precision; targets and weights of losses stay."""
    read = {name: halved(getattr(batch, name), half) for name in ("inputs", "masks", "drawn")}
    return batch if half is None else batch._replace(**read)
