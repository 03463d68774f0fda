"""A scan on a device as one operation of autograd: its backward pass is a scan too."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["scanned_on_device"]

_STEPS, _COLUMNS = 64, 16  # found at once by a program instance


class _Scan(torch.autograd.Function):
    """Of one state or a pair: slopes (states, states, runs, steps, columns), offsets and track with one axis less."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, offsets: Tensor, start: Tensor) -> Tensor:
        track = _launched(slopes, offsets, start, back=False)
        ctx.save_for_backward(slopes, start, track)
        return track

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # λ_t = s̄_t + a_{t+1}ᵀ λ_{t+1};  b̄_t = λ_t,  ā_t = λ_t s_{t-1}ᵀ,  s̄_0 = a_1ᵀ λ_1
        slopes, start, track = ctx.saved_tensors
        turned = slopes.transpose(0, 1).contiguous()
        adjoint = _launched(turned, arriving, torch.zeros_like(start), back=True)
        before = torch.cat([start.unsqueeze(2), track[:, :, :-1]], 2)
        of_start = (turned[:, :, :, 0] * adjoint[None, :, :, 0]).sum(1)
        return adjoint[:, None] * before[None], adjoint, of_start


def scanned_on_device(
    slopes: Sequence[Sequence[Tensor]], offsets: Sequence[Tensor], starts: Sequence[Tensor]
) -> Sequence[Tensor]:
    """Return s_1 … s_T of s_t = a_t s_{t-1} + b_t, of one state or of two that read each other.

    Args:
        slopes: (time, batch, size) each, perhaps with a leading run axis, of single precision: a row for each state.
        offsets: of the same shape.
        starts: (batch, size), likewise.

    Raises:
        RuntimeError: in the backward pass, if a gradient of its gradient is asked for.
    """
    shape, states = offsets[0].shape, len(offsets)
    runs, steps = (shape[0] if len(shape) == 4 else 1), shape[-3]
    matrix = torch.stack([torch.stack([slope.reshape(runs, steps, -1) for slope in row]) for row in slopes])
    added = torch.stack([offset.reshape(runs, steps, -1) for offset in offsets])
    start = torch.stack([one.reshape(runs, -1) for one in starts])
    found: Tensor = _Scan.apply(matrix, added, start)
    return found.view(states, *shape).unbind()


def _launched(slopes: Tensor, offsets: Tensor, start: Tensor, *, back: bool) -> Tensor:
    from gatelab.paths.triton.device_functions import scan, scan_pairs

    states, runs, steps, columns = offsets.shape
    track, offsets = torch.empty_like(offsets), offsets.contiguous()
    sizes = (steps, columns) if states == 1 else (steps, columns, runs * steps * columns)
    (scan if states == 1 else scan_pairs)[-(-columns // _COLUMNS), runs](
        slopes, offsets, start, track, *sizes,
        STEPS=_STEPS, COLUMNS=_COLUMNS, BACK=back, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip
    return track
