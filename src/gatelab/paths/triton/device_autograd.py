"""A run on a device as one operation of autograd."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.triton.device_run import DeviceRun, Tape
from gatelab.paths.triton.tiling import Tiling

__all__ = ["DeviceCall", "TritonRun"]


class DeviceCall:
    """A kind of run with its tiling, and whether the tape is kept for the backward pass or computed there."""

    def __init__(self, run: DeviceRun, tiling: Tiling, *, stacked: bool, kept: bool) -> None:
        self.run, self.tiling, self.stacked, self.kept = run, tiling, stacked, kept

    def forwards(self, tensors: Sequence[Tensor], lengths: Tensor | None, *, keep: bool) -> tuple[list[Tensor], Tape]:
        """Run forwards on tensors with or without a run axis."""
        if not self.stacked:
            tensors = [tensor.unsqueeze(0) for tensor in tensors]
        results, tape = self.run.forwards(tensors, lengths, self.tiling, keep=keep)
        return (results if self.stacked else [result[0] for result in results]), tape

    def backwards(
        self, tape: Tape, lengths: Tensor | None, adjoints: Sequence[Tensor | None], needed: Sequence[bool]
    ) -> list[Tensor | None]:
        """Run backwards; the gradients have a run axis where the tensors have one."""
        if not self.stacked:
            adjoints = [None if one is None else one.unsqueeze(0) for one in adjoints]
        found = self.run.backwards(tape, lengths, self.tiling, adjoints, needed)
        return found if self.stacked else [None if one is None else one[0] for one in found]


class TritonRun(torch.autograd.Function):
    """Outputs and final states of tensors."""

    @staticmethod
    def forward(ctx: Any, call: DeviceCall, lengths: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run forwards; keep the tape, or nothing but what went in."""
        results, tape = call.forwards(tensors, lengths, keep=call.kept)
        ctx.call, ctx.tape, ctx.count = call, tape if call.kept else None, len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, lengths)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run backwards. The deltas overwrite the tape: a second backward pass computes it again."""
        if torch.is_grad_enabled():
            raise UserError("path=triton has no gradient of its gradient: take path=loop for create_graph=True")
        *tensors, lengths = ctx.saved_tensors
        call: DeviceCall = ctx.call
        tape, ctx.tape = ctx.tape, None
        if tape is None:
            _, tape = call.forwards(tensors, lengths, keep=True)
        return (None, None, *call.backwards(tape, lengths, adjoints, ctx.needs_input_grad[2:]))
