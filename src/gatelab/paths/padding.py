"""What stands behind the end of a sequence: selected away, never multiplied with zero, so that it may be anything.

A step of a sequence that has ended is computed all the same, for its neighbours in the batch go on, and nothing of it
is used. But a gradient of zero that comes back through it meets its derivatives, and 0 times infinity is no number.
So such a step repeats the sequence's last valid one, input and old states alike: what was finite there is finite here.
A sequence without a valid step repeats one of the longest sequence beside it.
"""

import torch
from torch import Tensor

__all__ = ["ending", "filled", "is_valid", "started", "steps_valid"]


def is_valid(lengths: Tensor, steps: int) -> Tensor:
    """Return, for every step, which sequences are still running: (time, batch, 1)."""
    steps_before = torch.arange(steps, device=lengths.device)
    return (steps_before[:, None] < lengths[..., None, :]).unsqueeze(-1)


def steps_valid(lengths: Tensor, steps: int) -> tuple[Tensor, ...]:
    """Return the same step by step, (batch, 1) each."""
    return is_valid(lengths, steps).unbind(-3)


def filled(values: Tensor, lengths: Tensor) -> Tensor:
    """Return values, (time, batch, size), whose padding holds those of the last valid step.

    No gradient reaches the padding: it is exactly zero there.
    """
    steps = values.shape[-3]
    if not values.numel():
        return values
    lengths = lengths.expand(*values.shape[:-3], values.shape[-2])
    place = (lengths - 1).clamp(0, steps - 1)[..., None, :, None]
    last = values.detach().gather(-3, place.expand(*values.shape[:-3], 1, *values.shape[-2:]))
    return torch.where(is_valid(lengths, steps), values, _with_steps(last.squeeze(-3), lengths).unsqueeze(-3))


def started(state: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the state, (batch, size), from which the steps begin that are computed."""
    if lengths is None or not state.numel():
        return state.view_as(state)
    return torch.where((lengths > 0).unsqueeze(-1), state, _with_steps(state.detach(), lengths))


def _with_steps(rows: Tensor, lengths: Tensor) -> Tensor:
    """Return rows, (batch, size), in which a sequence without a step has the row of the longest."""
    lengths = lengths.expand(rows.shape[:-1])
    longest = lengths.argmax(-1, keepdim=True).unsqueeze(-1).expand(*rows.shape[:-2], 1, rows.shape[-1])
    rows = torch.where((lengths > 0).unsqueeze(-1), rows, rows.gather(-2, longest))
    # where none has a step nothing is known; few functions have a pole here
    return torch.where((lengths > 0).any(-1)[..., None, None], rows, 0.618)


def ending(value: Tensor, valid: Tensor | None, otherwise: Tensor | float) -> Tensor:
    """Return a value where it is valid.

    Without lengths it is the value under another name: the backward pass adds up the gradients of a value in the order
    in which it was read, and this order must be the same with lengths and without.
    """
    return value.view_as(value) if valid is None else torch.where(valid, value, otherwise)
