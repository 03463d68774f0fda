"""The native path: compiled code called from PyTorch, forwards and backwards, with run_loop's contract."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gatelab.equations import Program
from gatelab.equations.adjoint import plan
from gatelab.errors import UserError
from gatelab.recurrence.loop import run_loop
from gatelab.recurrence.native.checks import arriving, plain, refusal
from gatelab.recurrence.native.constants import constants_of
from gatelab.recurrence.native.layout import Call, Layout, layout
from gatelab.recurrence.native.pool import pool

__all__ = ["run_native"]


def run_native(
    program: Program,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    states: Mapping[str, Tensor],
    hidden_size: int,
    lengths: Tensor | None = None,
    record: Sequence[str] = (),
    keep: Literal["tape", "nothing"] = "tape",
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Run a program over a batch of sequences, as :func:`gatelab.recurrence.run_loop` does, in compiled code.

    With ``keep="nothing"`` the way back begins by running forwards again, instead of keeping what it needs.

    Gradients reach inputs, initial states and weights. There is no gradient of a gradient: the loop has it.
    Results do not depend on the number of threads, nor on what else is in the batch or the stack.

    Raises:
        UserError: the path cannot run on these tensors, or the compiler fails; in the backward pass, if it is asked
            for a graph of its own.
    """
    reason = refusal(program, inputs, weights, states)
    if reason is not None:
        raise UserError(f"path=native cannot run: {reason}")
    if not inputs.numel():
        return run_loop(program, weights, inputs, states, hidden_size, lengths, record)
    runs, batch = inputs.shape[:-3], inputs.shape[-2]
    names, recorded = tuple(states), tuple(record)
    ways = plan(program, recorded)
    maps = ways.stages.maps
    once = [*ways.constants, *(index for one in maps for index in one.constants)]
    known = constants_of(program, once, weights, inputs, hidden_size) if once else {}
    biases = [_bias(one.biases, one.constants, weights, known) for one in maps]
    tensors = (
        inputs,
        *(states[name].expand(*runs, batch, states[name].shape[-1]) for name in names),
        *(weights[weight] for one in maps for weight in one.weights),
        *(bias for bias in biases if bias is not None),
        *(known[index][0] for index in ways.constants),
    )
    training = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    plans = layout(
        Call(
            program,
            recorded,
            inputs.dtype,
            hidden_size,
            names,
            tuple((index, known[index][1]) for index in ways.constants),
            tuple(bias is not None for bias in biases),
            tuple(tensor.shape for tensor in tensors),
            lengths is not None,
            training,
            torch.get_num_threads(),
        )
    )
    if any(tensor.is_neg() or tensor._is_zerotensor() for tensor in tensors):
        tensors = tuple(map(plain, tensors))
    valid = None if lengths is None else lengths.to(torch.int64).expand(*runs, batch).contiguous()
    results = _Run.apply(plans, valid, keep, *tensors) if training else _forward(plans, valid, tensors)[0]
    outputs, finals = results[: len(recorded) + 1], results[len(recorded) + 1 :]
    return outputs[0], dict(zip(names, finals, strict=True)), dict(zip(recorded, outputs[1:], strict=True))


def _bias(
    names: Sequence[str], constants: Sequence[int], weights: Mapping[str, Tensor], known: Mapping[int, Any]
) -> Tensor | None:
    """Return all that an affine map adds at every step."""
    terms = [weights[name] for name in names] + [known[index][0] for index in constants]
    if not terms:
        return None
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _dense(tensor: Tensor, width: int) -> Tensor:
    """Return the tensor in one piece, its last axis padded to a width with zeros."""
    size = tensor.shape[-1]
    if size == width and tensor.is_contiguous():
        return tensor
    dense = pool.tensor((*tensor.shape[:-1], width), tensor.dtype)
    dense[..., :size].copy_(tensor)
    if size < width:
        dense[..., size:] = 0
    return dense


class _Frame:
    """The memory of one call.

    Attributes:
        pointers: buffer -> address, for the library.
        kept: tensors whose memory the addresses point to.
        outputs: what leaves at every step, until it has left.
        memory: one tensor for all buffers that do not leave.
    """

    def __init__(self, plans: Layout, lengths: Tensor | None, tensors: Sequence[Tensor]) -> None:
        dtype = tensors[0].dtype
        self.kept = [_dense(tensors[0], plans.x_width)]
        widths = [wide for _, wide, _ in plans.states]
        for position, tensor in enumerate(tensors[1:]):
            wide = position < len(widths)
            self.kept.append(_dense(tensor, widths[position]) if wide else tensor.contiguous())
        self.pointers = dict(zip(("x", *plans.names), (tensor.data_ptr() for tensor in self.kept), strict=True))
        if lengths is not None:
            self.kept.append(lengths)
            self.pointers["lengths"] = lengths.data_ptr()
        self.memory = pool.tensor((plans.forward_size,), dtype)
        base = self.memory.data_ptr()
        for name, offset in plans.forward.items():
            self.pointers[name] = base + offset * dtype.itemsize
        # with their final shape: PyTorch forbids to change views that a function returns
        self.outputs = [pool.tensor(plans.output_shape(number), dtype) for number in range(len(plans.outputs))]
        for number, output in enumerate(self.outputs):
            self.pointers[f"output_{number}"] = output.data_ptr()
        if plans.aliased is not None:
            self.kept.append(self.outputs[0])
            self.pointers[f"state_{plans.aliased}"] = self.pointers["output_0"]


def _forward(plans: Layout, lengths: Tensor | None, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], _Frame]:
    """Run forwards; return outputs and final states, and the memory for the way back."""
    frame = _Frame(plans, lengths, tensors)
    plans.run("forward", frame.pointers)
    finals = []
    for i, (length, wide, depth) in enumerate(plans.states):
        if i == plans.aliased:
            values = frame.outputs[0] if plans.stacked else frame.outputs[0].unsqueeze(0)
        else:
            start, shape = plans.forward[f"state_{i}"], (plans.runs, depth, plans.batch, wide)
            values = frame.memory.narrow(0, start, plans.runs * depth * plans.batch * wide).view(shape)
        last = values[:, (plans.steps - 1) % depth] if plans.stacked else values[0, (plans.steps - 1) % depth]
        # a copy, so that it neither shares memory with the output nor keeps the whole sequence alive
        finals.append(last[..., :length].clone(memory_format=torch.contiguous_format))
    outputs, frame.outputs = frame.outputs, []
    return (*outputs, *finals), frame


class _Run(torch.autograd.Function):
    """The compiled run as one operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any, plans: Layout, lengths: Tensor | None, keep: Literal["tape", "nothing"], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Run forwards; keep the tape, or nothing but what went in."""
        results, frame = _forward(plans, lengths, tensors)
        ctx.frame = frame if keep == "tape" else None
        ctx.plans, ctx.lengths = plans, lengths
        ctx.set_materialize_grads(False)
        # the output may be memory that the way back reads: saving it lets PyTorch notice if someone changes it
        ctx.save_for_backward(*tensors, *(results[:1] if plans.aliased is not None else ()))
        return results

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run backwards; the deltas overwrite the tape, which a second time is written anew."""
        if torch.is_grad_enabled():
            # create_graph=True: PyTorch's own guard lets it through where the arriving gradient is a constant
            raise UserError("path=native has no gradient of its gradient: take path=loop for create_graph=True")
        plans: Layout = ctx.plans
        tensors = ctx.saved_tensors[: 1 + len(plans.names)]
        frame = ctx.frame or _forward(plans, ctx.lengths, tensors)[1]
        ctx.frame = None
        return (None, None, None, *_backward(plans, frame, tensors, adjoints, ctx.needs_input_grad[3:]))


def _backward(
    plans: Layout,
    frame: _Frame,
    tensors: Sequence[Tensor],
    adjoints: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Run backwards; return the gradients of the tensors."""
    dtype, pointers = tensors[0].dtype, dict(frame.pointers)
    kept = []
    for number, (_, wide) in enumerate(plans.outputs):
        pointers.pop(f"output_{number}")
        adjoint = adjoints[number]
        if adjoint is not None:
            adjoint = arriving("an output", adjoint, plans.output_shape(number), dtype)
            kept.append(_dense(adjoint, wide))
            pointers[f"doutput_{number}"] = kept[-1].data_ptr()
    memory = pool.tensor((plans.backward_size,), dtype)
    base = memory.data_ptr()
    for name, offset in plans.backward.items():
        pointers[name] = base + offset * dtype.itemsize
    of_states = []
    for i, (length, wide, _) in enumerate(plans.states):
        shape = (2, plans.runs, plans.batch, wide)
        both = memory.narrow(0, plans.backward[f"adjoint_{i}"], 2 * plans.runs * plans.batch * wide).view(shape)
        both[0].zero_()
        adjoint = adjoints[len(plans.outputs) + i]
        if adjoint is not None:
            both[0, :, :, :length] = arriving("a final state", adjoint, plans.final_shape(i), dtype)
        of_states.append(both[plans.steps % 2] if plans.stacked else both[plans.steps % 2, 0])
    gradients: list[Tensor | None] = [None]
    if needed[0]:
        dx = pool.tensor((plans.runs, plans.steps, plans.batch, plans.dx_width), dtype)
        pointers["dx"] = dx.data_ptr()
        gradients[0] = (dx if plans.stacked else dx[0])[..., : plans.input_size]
    for position, name in enumerate(plans.names[len(plans.states) :], 1 + len(plans.states)):
        gradient = None
        if needed[position]:
            gradient = torch.empty(tensors[position].shape, dtype=dtype)
            pointers[f"d{name}"] = gradient.data_ptr()
        gradients.append(gradient)
    plans.run("backward", pointers)
    gradients[1:1] = [
        of_states[i][..., :length].clone(memory_format=torch.contiguous_format) if needed[1 + i] else None
        for i, (length, _, _) in enumerate(plans.states)
    ]
    return gradients
