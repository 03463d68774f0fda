"""A scan on a device as one operation of autograd: its backward pass is a scan too."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["scanned_on_device"]

_STEPS, _COLUMNS = 64, 16  # found at once by a program instance


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, slopes: Tensor, offsets: Tensor, start: Tensor) -> Tensor:
        track = _launched(slopes, offsets, start, back=False)
        ctx.save_for_backward(slopes, start, track)
        return track

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # λ_t = s̄_t + a_{t+1} λ_{t+1};  b̄_t = λ_t,  ā_t = λ_t s_{t-1},  s̄_0 = a_1 λ_1
        slopes, start, track = ctx.saved_tensors
        adjoint = _launched(slopes, arriving, torch.zeros_like(start), back=True)
        steps = track.shape[1]
        before = torch.cat([start.unsqueeze(1), track.narrow(1, 0, steps - 1)], 1)
        return adjoint * before, adjoint, slopes[:, 0] * adjoint[:, 0]


def scanned_on_device(slopes: Tensor, offsets: Tensor, start: Tensor) -> Tensor:
    """Return s_1 … s_T of s_t = a_t s_{t-1} + b_t.

    Args:
        slopes, offsets: (time, batch, size), perhaps with a leading run axis, of single precision.
        start: (batch, size), likewise.

    Raises:
        RuntimeError: in the backward pass, if a gradient of its gradient is asked for.
    """
    runs, steps = (slopes.shape[0] if slopes.dim() == 4 else 1), slopes.shape[-3]
    flat = (tensor.reshape(runs, steps, -1).contiguous() for tensor in (slopes, offsets))
    found: Tensor = _Scan.apply(*flat, start.reshape(runs, -1).contiguous())
    return found.view(slopes.shape)


def _launched(slopes: Tensor, offsets: Tensor, start: Tensor, *, back: bool) -> Tensor:
    from gatelab.paths.triton.device_functions import scan

    runs, steps, columns = slopes.shape
    track = torch.empty_like(slopes)
    scan[-(-columns // _COLUMNS), runs](
        slopes, offsets.contiguous(), start, track, steps, columns,
        STEPS=_STEPS, COLUMNS=_COLUMNS, BACK=back, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip
    return track
