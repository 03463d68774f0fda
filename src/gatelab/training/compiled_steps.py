"""Blocks of optimisation steps of a stack, each block one compiled call over batches that were made ahead."""

import ctypes
from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from gatelab.paths.native.build import load
from gatelab.paths.native.calling import in_one_piece
from gatelab.paths.native.standing import StandingCall
from gatelab.training.compiled_head import CompiledHead, head_code
from gatelab.training.fused_adam import adam_code
from gatelab.training.optimizer import StackOptimizer
from gatelab.training.stack_batches import StackBatch

__all__ = ["CompiledSteps"]

_AT: Any = ctypes.c_void_p
_MOVING = 8  # places that are others at each step, in the order of the C
_BLOCK = _AT * _MOVING


class _StepsCall(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("runs", "time", "batch", "features", "wide")),
        *((name, _AT) for name in ("forward", "backward", "sizes", "forth", "back")),
        *((name, ctypes.c_long) for name in ("x_at", "lengths_at", "states")),
        *((name, _AT) for name in ("arriving", "arriving_sizes", "head", "of_head", "adam", "of_adam")),
        ("moving", _BLOCK),
        *((name, _AT) for name in ("active", "healthy", "output", "rows", "adjoint", "of_rows")),
    )


class CompiledSteps:
    """Takes blocks of steps.

    Args:
        call: the layer, forwards and backwards.
        kind: of the loss, as ``compiled_loss`` returns it.
        weight, bias: of the readout.
        every: whether each step of a sequence is read, and not the last one alone.
    """

    def __init__(self, call: StandingCall, kind: int, weight: Tensor, bias: Tensor | None, *, every: bool) -> None:
        self.call, self._lengths = call, call.lengths_at is not None
        output = call.output
        runs, time, batch, features = output.shape
        count = time * batch if every else batch
        rows = output.flatten(1, 2) if every else output.new_empty(runs, count, features)
        self.head = CompiledHead(kind, rows, weight, bias)
        wide = self.head.adjoint.shape[-1]
        self._kept: list[Any] = [rows]
        adjoint = self.head.adjoint if every else output.new_zeros(runs, time, batch, wide)
        call.set_adjoint(adjoint)
        arriving = call.arriving
        tables = (_AT * len(arriving))(*(one.data_ptr() for one in arriving))
        sizes = (ctypes.c_long * len(arriving))(*(one.numel() for one in arriving))
        self._kept += [adjoint, tables, sizes]
        forward, backward = call.functions
        head, adam = (ctypes.cast(one, _AT) for one in (head_code().head, adam_code().adam))
        self._structure = _StepsCall(
            runs, time, batch, features, wide, ctypes.cast(forward, _AT), ctypes.cast(backward, _AT),
            addressof(call.sizes), *map(addressof, call.tables), call.inputs_at,
            call.lengths_at if self._lengths else -1, len(arriving), addressof(tables), addressof(sizes),
            head, addressof(self.head.structure), adam, None,
        )  # fmt: skip
        self._structure.output = output.data_ptr()
        if not every:
            self._structure.rows, self._structure.of_rows = rows.data_ptr(), self.head.adjoint.data_ptr()
            self._structure.adjoint = adjoint.data_ptr()

    def take(
        self, optimizer: StackOptimizer, gradients: Sequence[Tensor], block: StackBatch, factors: Tensor
    ) -> Tensor:
        """Take steps, and end after one in which a run that learns has a number that is not finite.

        Args:
            optimizer: one with compiled steps.
            gradients: of its weights, where layer and readout leave them.
            block: the batches, with an axis of steps in front.
            factors: of the schedule at each step, (steps, runs).

        Returns:
            The mean losses of the steps that were taken, (steps, runs).

        Raises:
            UserError: a target is no class.
        """
        fused = optimizer.begin(gradients)
        numbers = optimizer.coming(factors)
        count, runs = len(factors), len(self.head.adjoint)
        means = torch.empty(count, runs)
        inputs = in_one_piece(block.inputs, self.call.width)
        targets, shares = self.head.targets(block.targets), block.loss_weights.contiguous()
        parts = [inputs, block.lengths, targets, shares, means, *numbers]
        one, head, adam = self._structure, self.head.structure, fused.structure
        head.divisors = None if block.divisors is None else block.divisors.data_ptr()
        one.of_adam = addressof(adam)
        one.active, one.healthy = adam.active, adam.healthy
        where: list[tuple[ctypes.Structure, str]] = [(head, name) for name in ("target", "share", "mean")]
        where += [(adam, name) for name in ("rates", "corrections", "updates")]
        one.moving = _BLOCK(
            None, None, *(addressof(owner) + getattr(type(owner), name).offset for owner, name in where)
        )
        at = _BLOCK(*(part.data_ptr() for part in parts))
        apart = (ctypes.c_long * _MOVING)(*(part.stride(0) * part.element_size() for part in parts))
        taken = int(_code().steps(ctypes.byref(one), count, at, apart))
        if taken < 0:
            raise self.head.no_class()
        optimizer.end(taken)
        return means[:taken]


@cache
def _code() -> Any:
    text = files("gatelab.training").joinpath("c", "steps.c").read_text(encoding="utf-8")
    library = load(text, "steps")
    library.steps.argtypes, library.steps.restype = [_AT, ctypes.c_long, _AT, _AT], ctypes.c_long
    return library
