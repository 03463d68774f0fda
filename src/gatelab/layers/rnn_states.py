"""The state of an RNN in the form of the caller and in that of the layers: checked when it is passed in."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.paths.tensors import check_tensor

__all__ = ["pack_states", "unpack_states"]


def pack_states(
    states: Sequence[dict[str, Tensor]], variant: Variant, alike: Sequence[str], *, batched: bool = True
) -> Any:
    """Return the states of all layers and directions in the form of :class:`gatelab.RNN`.

    Args:
        states: of each layer and direction, state -> (batch, size).
        variant: of the states.
        alike: those that have the same length in all layers.
        batched: False for a single sequence, whose batch axis is removed.
    """
    packed: list[Tensor | list[Tensor]] = []
    for name in variant.states:
        if len(states) == 1 and batched and name in alike:
            packed.append(states[0][name].unsqueeze(0))  # a copy already
            continue
        tensors = [state[name] if batched else state[name].squeeze(0) for state in states]
        packed.append(torch.stack(tensors) if name in alike else tensors)
    return packed[0] if len(packed) == 1 else tuple(packed)


def unpack_states(
    state: Any, variant: Variant, batch: tuple[int, ...], sizes: Sequence[dict[str, int]]
) -> list[dict[str, Tensor]] | None:
    """Return the caller's state for each layer and direction.

    Args:
        state: in the form of :class:`gatelab.RNN`; None for zeros.
        variant: of the state.
        batch: its axis, () for a single sequence.
        sizes: of each layer and direction, state -> length.

    Raises:
        UserError: naming the state, what it is, and what it must be.
    """
    if state is None:
        return None
    names = variant.states
    parts = (state,) if len(names) == 1 else state
    if not isinstance(parts, tuple | list) or len(parts) != len(names):
        raise UserError(f"the state of variant '{variant.name}' must be ({', '.join(names)}), one tensor each")
    for name, part in zip(names, parts, strict=True):
        _check(name, part, [(*batch, of_layer[name]) for of_layer in sizes])
    return [
        {name: part[index] if batch else part[index].unsqueeze(0) for name, part in zip(names, parts, strict=True)}
        for index in range(len(sizes))
    ]


def _check(name: str, part: Any, wanted: list[tuple[int, ...]]) -> None:
    if isinstance(part, tuple | list):
        strange = next((one for one in part if not isinstance(one, Tensor)), None)
    else:
        strange = None if isinstance(part, Tensor) else part
    if strange is not None or part is None:
        kind = type(part if strange is part else strange).__name__
        raise UserError(f"state {name} is a {kind}: must be a tensor, or a list of tensors")
    if isinstance(part, Tensor) and not part.dim():
        raise UserError(f"state {name} of shape (): must be one tensor for each layer and direction")
    for one in (part,) if isinstance(part, Tensor) else part:
        check_tensor(f"state {name}", one)
    if torch._C._get_tracing_state() is not None:
        return  # a size is a tensor then
    given = [tuple(tensor.shape) for tensor in part]
    if given != wanted:
        raise UserError(f"state {name} of shapes {given}: must be {wanted}, one for each layer and direction")
