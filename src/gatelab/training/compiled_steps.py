"""Blocks of optimisation steps of a stack, each block one compiled call over batches that were made ahead."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
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
from gatelab.training.fused_optimizer import optimizer_code
from gatelab.training.optimizer import StackOptimizer
from gatelab.training.stack_batches import StackBatch

__all__ = ["LAYER", "READOUT", "CompiledSteps"]

LAYER = "rnn.layers.0."
READOUT = "readout.weight", "readout.bias"
"""Names of the weights: what those of the layer begin with, and those of the readout."""
_AT: Any = ctypes.c_void_p
_OF_HEAD = "target", "share", "divisors", "mean"


class _Move(ctypes.Structure):
    _fields_ = (("place", _AT), ("base", _AT), ("per_step", ctypes.c_long), ("per_group", ctypes.c_long))


class _LaneCall(ctypes.Structure):
    _fields_ = (
        *((name, _AT) for name in ("sizes", "forth", "back", "moves")),
        ("moved", ctypes.c_long),
        *((name, _AT) for name in ("of_head", "gradients", "row", "arriving", "arriving_sizes")),
        *((name, _AT) for name in ("lengths", "output", "rows", "adjoint", "of_rows")),
    )


class _StepsCall(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("runs", "group", "time", "batch", "features", "wide", "states", "lanes")),
        *((name, _AT) for name in ("forward", "backward", "head", "optimizer", "of_optimizer", "moves")),
        ("moved", ctypes.c_long),
        *((name, _AT) for name in ("lane", "means", "active", "healthy")),
    )


class _Lane:
    """Where a group of runs is taken through a step: the memory of the layer, of the readout and of the optimiser.

    Args:
        call: the layer of a group, forwards and backwards.
        head: of (group, count, features) rows, readout and loss of a group.
        order: of the weights in a row of the optimiser.
        row: its length.
        structure: what C gets, to be filled in.
        every: whether each step of a sequence is read, and not the last one alone.
    """

    def __init__(
        self,
        call: StandingCall,
        head: Callable[[Tensor], CompiledHead],
        order: Sequence[str],
        row: int,
        structure: _LaneCall,
        *,
        every: bool,
    ) -> None:
        output = call.output
        group, time, batch, features = output.shape
        rows = output.flatten(1, 2) if every else output.new_empty(group, batch, features)
        self.call, self.head = call, head(rows)
        wide = self.head.adjoint.shape[-1]
        adjoint = self.head.adjoint if every else output.new_zeros(group, time, batch, wide)
        call.set_adjoint(adjoint)
        gradients = dict(zip(READOUT, self.head.gradients, strict=True))
        gradients |= {f"{LAYER}{name}": one for name, one in call.gradients.items()}
        room, arriving = torch.empty(row), call.arriving
        tables = (
            (_AT * len(order))(*(gradients[name].data_ptr() for name in order)),
            (_AT * len(arriving))(*(one.data_ptr() for one in arriving)),
            (ctypes.c_long * len(arriving))(*(one.numel() for one in arriving)),
        )
        self._kept = rows, adjoint, room, tables
        self.structure = one = structure
        one.sizes, one.forth, one.back = map(addressof, (call.sizes, *call.tables))
        one.gradients, one.arriving, one.arriving_sizes = map(addressof, tables)
        one.of_head, one.row = addressof(self.head.structure), room.data_ptr()
        if not every:
            one.output, one.rows, one.adjoint = (each.data_ptr() for each in (output, rows, adjoint))
            one.of_rows = self.head.adjoint.data_ptr()

    def places(self, name: str) -> list[int]:
        """Return where the address of a weight, of the inputs, or of something else that a step reads is kept."""
        if name in READOUT or name in _OF_HEAD:
            return [_field(self.head.structure, name.removeprefix("readout."))]
        call = self.call
        found = {"inputs": call.inputs_at, "lengths": call.lengths_at}
        at = found[name] if name in found else call.weights_at[name.removeprefix(LAYER)]
        if at is None:
            return []
        both = [addressof(table) + at * ctypes.sizeof(_AT) for table in call.tables]
        return [*both, _field(self.structure, "lengths")] if name == "lengths" else both


class CompiledSteps:
    """Takes blocks of steps.

    Args:
        calls: the layer of a group of runs, forwards and backwards: one for each thread, or one that takes them all.
        kind: of the loss, as ``compiled_loss`` returns it.
        weights: name -> (runs, …), of layer and readout, in the order of the optimiser.
        optimizer: one with compiled steps.
        every: whether each step of a sequence is read, and not the last one alone.
    """

    def __init__(
        self,
        calls: Sequence[StandingCall],
        kind: int,
        weights: Mapping[str, Tensor],
        optimizer: StackOptimizer,
        *,
        every: bool,
    ) -> None:
        threads = 1 if len(calls) > 1 else None
        group, time, batch, features = calls[0].output.shape
        weight, bias = (weights[name][:group] for name in READOUT)
        row, self._optimizer = optimizer.gradients.shape[1], optimizer
        self._structures = (_LaneCall * len(calls))()
        self._lanes = [
            _Lane(call, lambda rows: CompiledHead(kind, rows, weight, bias, threads), [*weights], row, own, every=every)
            for call, own in zip(calls, self._structures, strict=True)
        ]
        call = calls[0]
        functions = (*call.functions, head_code().head, optimizer_code().optimizer_of)
        self._structure = _StepsCall(
            optimizer.gradients.shape[0], group, time, batch, features, self._lanes[0].head.adjoint.shape[-1],
            len(call.arriving), len(calls), *(ctypes.cast(one, _AT) for one in functions),
        )  # fmt: skip

    def take(self, block: StackBatch, factors: Tensor, read: Mapping[str, Tensor]) -> Tensor:
        """Take steps, and end after one in which a run that learns has a number that is not finite.

        Args:
            block: the batches, with an axis of steps in front.
            factors: of the schedule at each step, (steps, runs).
            read: the weights at which gradients are computed, under the names and in the shapes of those that learn.

        Returns:
            The mean losses of the steps that were taken, (steps, runs); NaN of runs that do not learn.

        Raises:
            UserError: a target is no class.
        """
        optimizer, head = self._optimizer, self._lanes[0].head
        call = optimizer.begin([None] * len(read)).structure
        means = torch.full(factors.shape, torch.nan)
        of_run: dict[str, Tensor | None] = {
            "inputs": in_one_piece(block.inputs, self._lanes[0].call.width), "lengths": block.lengths,
            "target": head.targets(block.targets), "share": block.loss_weights.contiguous(), "mean": means,
        }  # fmt: skip
        of_step = dict(zip(("rates", "corrections", "updates"), optimizer.coming(factors), strict=True))
        fixed = {**read, "divisors": block.divisors}
        one = self._structure
        tables = [_moves([(_field(call, name), part, 1) for name, part in of_step.items()])]
        for lane in self._lanes:
            moving = [(place, part, 2) for name, part in of_run.items() for place in lane.places(name)]
            moving += [(place, part, 0) for name, part in fixed.items() for place in lane.places(name)]
            tables.append(_moves(moving, one.group))
            lane.structure.moves, lane.structure.moved = addressof(tables[-1]), len(moving)
        one.of_optimizer, one.moves, one.moved = addressof(call), addressof(tables[0]), len(tables[0])
        one.lane, one.means = addressof(self._structures), means.data_ptr()
        one.active, one.healthy = call.active, call.healthy
        taken = int(_code().steps(ctypes.byref(one), len(factors)))
        if taken < 0:
            raise head.no_class()
        optimizer.end(taken)
        return means[:taken]


def _field(structure: ctypes.Structure, name: str) -> int:
    """Return the address of a field."""
    return addressof(structure) + int(getattr(type(structure), name).offset)


def _moves(moving: Sequence[tuple[int, Tensor | None, int]], group: int = 1) -> Any:
    """Return what C moves: of each place, the tensor whose address it holds, and its leading axes.

    These are 2 for (steps, runs, …), 1 for (steps, …) and 0 for (runs, …); a group has so many runs.
    """
    table = (_Move * len(moving))()
    for one, (place, part, axes) in zip(table, moving, strict=True):
        one.place = place
        if part is not None:
            one.base = part.data_ptr()
            one.per_step = part.stride(0) * part.element_size() if axes else 0
            one.per_group = group * part.stride(axes // 2) * part.element_size() if axes != 1 else 0
    return table


@cache
def _code() -> Any:
    text = files("gatelab.training").joinpath("c", "steps.c").read_text(encoding="utf-8")
    library = load(text, "steps")
    library.steps.argtypes, library.steps.restype = [_AT, ctypes.c_long], ctypes.c_long
    return library
