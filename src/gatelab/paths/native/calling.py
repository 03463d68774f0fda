"""The two calls of compiled code, forwards and backwards: every address that it gets is taken here."""

import ctypes
import os
from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from gatelab.paths.native.checks import arriving
from gatelab.paths.native.layout import Layout
from gatelab.paths.native.memory_pool import pool

__all__ = ["Frame", "backwards", "finals", "forwards", "in_one_piece"]

_NUMBER = {torch.float32: ctypes.c_float, torch.float64: ctypes.c_double}
_INTACT, _CONSUMED = 1.0, 0.0
_locks = [Lock()]  # a list, so that a forked child can have a lock of its own


def _renew_lock() -> None:
    _locks[0] = Lock()


os.register_at_fork(after_in_child=_renew_lock)


class Frame:
    """What both ways read, in memory.

    Attributes:
        pointers: address of each buffer, in their order; 0 where there is none.
        kept: what these addresses belong to.
        own: position -> address, of the tensors that are read where they lie.
    """

    __slots__ = ("kept", "own", "pointers")

    def __init__(
        self,
        plans: Layout,
        tensors: Sequence[Tensor],
        lengths: Tensor | None,
        memory: Tensor,
        output: Tensor | None,
        padded: Sequence[Tensor] = (),
    ) -> None:
        states = len(plans.states)
        self.kept: list[Any] = []
        self.own: dict[int, int] = {}
        self.pointers = pointers = [0] * len(plans.buffers)
        for position, (at, tensor) in enumerate(zip(plans.of_tensors, tensors, strict=True)):
            if 0 < position <= len(padded):
                dense = padded[position - 1]
            elif position <= states:
                dense = in_one_piece(tensor, plans.states[position - 1][1] if position else plans.x_width)
            else:
                dense = tensor if tensor.is_contiguous() else tensor.contiguous()
            pointers[at] = address = dense.data_ptr()
            self.kept.append(dense)
            if dense is tensor:
                self.own[position] = address
        if lengths is not None:
            self.kept.append(lengths)
            pointers[plans.positions["lengths"]] = lengths.data_ptr()
        base = memory.data_ptr()
        for at, offset in plans.of_forward:
            pointers[at] = base + offset
        if plans.aliased is not None:
            assert output is not None
            self.kept.append(output.untyped_storage())
            pointers[plans.positions[f"state_{plans.aliased}"]] = output.data_ptr()

    def hold(self, tensors: Sequence[Tensor]) -> None:
        """Keep the memory of tensors that are read where they lie, whatever becomes of the tensors."""
        for position in self.own:
            self.kept[position] = tensors[position].untyped_storage()

    def holds(self, tensors: Sequence[Tensor]) -> bool:
        """Return whether tensors still lie where they lay; ``tensor.data = other`` can move them."""
        for position, address in self.own.items():  # noqa: SIM110 - a generator costs as much as all looks
            if tensors[position].data_ptr() != address:
                return False
        return True


def forwards(
    plans: Layout,
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    *,
    keep: bool = False,
    padded: Sequence[Tensor] = (),
) -> tuple[list[Tensor], Tensor, Frame]:
    """Run forwards.

    Args:
        plans: the layout of the call.
        tensors: ordinary ones, of the shapes and the dtype that the layout is for.
        lengths: ordinary, int64, dense, one for each sequence.
        keep: whether the memory goes to :func:`backwards` later.
        padded: the initial states as compiled code reads them, if they are at hand; nothing changes them.

    Returns:
        Outputs and final states; the memory that the backward pass needs beside these and the tensors; their frame.
    """
    dtype = plans.call.dtype
    memory = pool.tensor((plans.forward_size,), dtype)
    outputs = [pool.tensor(plans.output_shape(number), dtype) for number in range(len(plans.outputs))]
    frame = Frame(plans, tensors, lengths, memory, outputs[0], padded)
    pointers = frame.pointers.copy()
    # with their final shape: PyTorch forbids to change views that a function returns
    for at, output in zip(plans.of_outputs, outputs, strict=True):
        pointers[at] = output.data_ptr()
    plans.run("forward", pointers)
    if keep:
        _mark(plans, memory).value = _INTACT
        frame.hold(tensors)
    return [*outputs, *finals(plans, outputs[0], memory)], memory, frame


def finals(plans: Layout, output: Tensor, memory: Tensor) -> list[Tensor]:
    """Return copies of the final states: they neither share memory with the output nor keep the whole sequence."""
    return [
        (output if i == plans.aliased else memory).as_strided(*last).clone(memory_format=torch.contiguous_format)
        for i, last in enumerate(plans.last)
    ]


def backwards(
    plans: Layout,
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    output: Tensor | None,
    memory: Tensor | None,
    adjoints: Sequence[Tensor | None],
    needed: Sequence[bool],
    frame: Frame | None = None,
) -> list[Tensor | None]:
    """Run backwards.

    The deltas overwrite the tape: its memory is marked as consumed, and whoever comes with it again, or without any,
    gets it written anew. So the gradients depend on nothing but what went in.

    Args:
        plans, tensors, lengths: as they were forwards.
        output: the first output, where it is memory of the backward pass.
        memory: what :func:`forwards` returned; None if it was not kept.
        adjoints: the gradients that arrive at outputs and final states; None where there is none.
        needed: for each tensor whether its gradient is wanted.
        frame: of the same tensors and memory; None if there is none any more.

    Returns:
        The gradient of each tensor; None where it is not wanted.
    """
    dtype = plans.call.dtype
    if memory is None or not _taken(plans, memory):
        _, memory, frame = forwards(plans, tensors, lengths)
    if frame is None:
        frame = Frame(plans, tensors, lengths, memory, output)
    # a frame is for one backward pass, like its tape
    pointers, kept, at = frame.pointers, frame.kept, plans.positions
    for number, (_, wide) in enumerate(plans.outputs):
        adjoint = adjoints[number]
        if adjoint is not None:
            adjoint = arriving("an output", adjoint, plans.output_shape(number), dtype)
            kept.append(in_one_piece(adjoint, wide))
            pointers[at[f"doutput_{number}"]] = kept[-1].data_ptr()
    back = pool.tensor((plans.backward_size,), dtype)
    base = back.data_ptr()
    for name, offset in plans.backward.items():
        pointers[at[name]] = base + offset * dtype.itemsize
    of_states = []
    for i, (length, wide, _) in enumerate(plans.states):
        shape = (2, plans.runs, plans.batch, wide)
        both = back.narrow(0, plans.backward[f"adjoint_{i}"], 2 * plans.runs * plans.batch * wide).view(shape)
        adjoint = adjoints[len(plans.outputs) + i]
        if adjoint is None or length < wide:
            both[0].zero_()
        if adjoint is not None:
            both[0, :, :, :length] = arriving("a final state", adjoint, plans.final_shape(i), dtype)
        of_states.append(both[plans.steps % 2] if plans.stacked else both[plans.steps % 2, 0])
    gradients: list[Tensor | None] = [None]
    if needed[0]:
        dx = pool.tensor((plans.runs, plans.steps, plans.batch, plans.dx_width), dtype)
        pointers[at["dx"]] = dx.data_ptr()
        gradients[0] = (dx if plans.stacked else dx[0])[..., : plans.input_size]
    for position, name in enumerate(plans.names[len(plans.states) :], 1 + len(plans.states)):
        gradient = None
        if needed[position]:
            gradient = torch.empty(plans.call.shapes[position], dtype=dtype)
            pointers[at[f"d{name}"]] = gradient.data_ptr()
        gradients.append(gradient)
    plans.run("backward", pointers)
    gradients[1:1] = [
        of_states[i][..., :length].clone(memory_format=torch.contiguous_format) if needed[1 + i] else None
        for i, (length, _, _) in enumerate(plans.states)
    ]
    return gradients


def in_one_piece(tensor: Tensor, width: int) -> Tensor:
    """Return the tensor in one piece, its last axis padded to a width with zeros."""
    size = tensor.shape[-1]
    if size == width and tensor.is_contiguous():
        return tensor
    dense = pool.tensor((*tensor.shape[:-1], width), tensor.dtype)
    dense[..., :size].copy_(tensor)
    if size < width:
        dense[..., size:] = 0
    return dense


def _mark(plans: Layout, memory: Tensor) -> Any:
    kind = _NUMBER[plans.call.dtype]
    return kind.from_address(memory.data_ptr() + plans.mark * plans.call.dtype.itemsize)


def _taken(plans: Layout, memory: Tensor) -> bool:
    """Return whether a tape is intact, and mark it as consumed: of two threads one gets it."""
    mark = _mark(plans, memory)
    with _locks[0]:
        intact = mark.value == _INTACT
        mark.value = _CONSUMED
    return intact
