"""A compiled call that is made many times with the same weights in memory: addresses and memory are found once.

Around a small network, finding them costs more than the network. What is computed is what :mod:`native_path` computes.
"""

import ctypes
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler.adjoint import plan
from gatelab.language.sizes import Length, Lengths
from gatelab.paths.call import Call
from gatelab.paths.native.calling import in_one_piece
from gatelab.paths.native.layout import Layout, layout
from gatelab.paths.native.memory_pool import pool
from gatelab.paths.native.specification import Specification
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import ordinary

__all__ = ["StandingCall", "in_place", "standing", "standing_bytes"]


class StandingCall:
    """The forward and the backward pass of one call, over and over.

    Args:
        call: whose weights stay where they lie; its inputs give the shape of those to come.
        form: what runs.
        order: for each tensor of the layout after the initial states, the weight that it is.
        threads: how many may work.

    Attributes:
        gradients: weight -> its gradient after :meth:`backward`; the same tensors each time.
        output: of :meth:`forward`, likewise.
        width: of a row of the inputs in memory.
        functions, sizes, tables: what compiled code calls itself: forwards and backwards, the sizes that both take, and
            the pointers that each takes.
        inputs_at, lengths_at: where inputs and lengths stand in the tables; no place of lengths where there are none.
        weights_at: weight -> where it stands in them.
        arriving: of each state, what is to be zero before the way back.
    """

    def __init__(self, call: Call, form: Specification, order: tuple[str, ...], threads: int) -> None:
        weights = [call.weights[name] for name in order]
        zeros = [torch.zeros_like(state, memory_format=torch.contiguous_format) for state in call.states.values()]
        self._plans = plans = _layout(call, form, order, threads)
        dtype = call.inputs.dtype
        self._states = [in_one_piece(state, wide) for state, (_, wide, _) in zip(zeros, plans.states, strict=True)]
        self._memory = pool.tensor((plans.forward_size,), dtype)
        self._back = pool.tensor((plans.backward_size,), dtype)
        self.output = pool.tensor(plans.output_shape(0), dtype)
        self.gradients = {
            name: torch.empty_like(weight, memory_format=torch.contiguous_format)
            for name, weight in zip(order, weights, strict=True)
        }
        names = plans.names[len(zeros) :]
        fixed: dict[str, int] = {
            **{f"initial_{i}": state.data_ptr() for i, state in enumerate(self._states)},
            **{name: weight.data_ptr() for name, weight in zip(names, weights, strict=True)},
            **{name: self._memory.data_ptr() + at * dtype.itemsize for name, at in plans.forward.items()},
        }
        if plans.aliased is not None:
            fixed[f"state_{plans.aliased}"] = self.output.data_ptr()
        forth = self._table({**fixed, "output_0": self.output.data_ptr()})
        fixed |= {name: self._back.data_ptr() + at * dtype.itemsize for name, at in plans.backward.items()}
        fixed |= {f"d{name}": self.gradients[own].data_ptr() for name, own in zip(names, order, strict=True)}
        self.tables = forth, self._table(fixed)
        self.inputs_at, self.width = plans.positions["x"], plans.x_width
        self.lengths_at = plans.positions["lengths"] if call.lengths is not None else None
        self.weights_at = {own: plans.positions[name] for name, own in zip(names, order, strict=True)}
        self.arriving = self._adjoints_of_states()
        self.functions, self.sizes = (plans.library.forward, plans.library.backward), plans.sizes

    def forward(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the outputs, which the next call overwrites.

        Args:
            inputs: contiguous, of the shape and the dtype that the call was made for; it outlives the backward pass.
            lengths: contiguous int64, or None, as in the call.
        """
        self._read = (in_one_piece(inputs, self.width), lengths)
        for table in self.tables:
            table[self.inputs_at] = self._read[0].data_ptr()
            if lengths is not None and self.lengths_at is not None:
                table[self.lengths_at] = lengths.data_ptr()
        self.functions[0](self.sizes, self.tables[0])
        return self.output

    def backward(self, adjoint: Tensor) -> None:
        """Set the gradients of the weights; only once after each forward pass.

        Args:
            adjoint: the gradient that arrives at the outputs, contiguous.
        """
        self.set_adjoint(in_one_piece(adjoint, self._plans.outputs[0][1]))
        for arriving in self.arriving:
            arriving.zero_()
        self.functions[1](self.sizes, self.tables[1])

    def set_adjoint(self, adjoint: Tensor) -> None:
        """Say where the gradient that arrives at the outputs lies, its rows padded to whole vectors."""
        self._adjoint = adjoint
        self.tables[1][self._plans.positions["doutput_0"]] = adjoint.data_ptr()

    def _table(self, pointers: Mapping[str, int]) -> Any:
        table = (ctypes.c_void_p * len(self._plans.buffers))()
        for name, pointer in pointers.items():
            table[self._plans.positions[name]] = pointer
        return table

    def _adjoints_of_states(self) -> list[Tensor]:
        """Return where the gradients arrive at the final states: there are none."""
        plans = self._plans
        return [
            self._back.narrow(0, plans.backward[f"adjoint_{i}"], plans.runs * plans.batch * wide)
            for i, (_, wide, _) in enumerate(plans.states)
        ]


def standing(call: Call, threads: int | None = None) -> StandingCall | None:
    """Return a call to be made many times; None if its weights are not the very tensors that compiled code reads.

    Args:
        call: whose weights stay where they lie.
        threads: how many may work; None for what PyTorch says.

    Raises:
        UserError: the compiler is missing or fails.
    """
    found = in_place(call)
    return None if found is None else StandingCall(call, *found, threads or allowed_threads())


def standing_bytes(call: Call) -> int:
    """Return the bytes that a call to be made many times keeps, for one that :func:`in_place` lets through."""
    found = in_place(call)
    assert found is not None
    plans = _layout(call, *found, 1)
    outputs = math.prod(plans.output_shape(0))
    return call.inputs.element_size() * (plans.forward_size + plans.backward_size + outputs)


def _layout(call: Call, form: Specification, order: tuple[str, ...], threads: int) -> Layout:
    tensors = (call.inputs, *call.states.values(), *(call.weights[name] for name in order))
    shapes = tuple([tensor.shape for tensor in tensors])
    return layout(form, call.inputs.dtype, shapes, call.lengths is not None, True, threads)


def in_place(call: Call) -> tuple[Specification, tuple[str, ...]] | None:
    """Return what runs, and the weights in the order of compiled code; None if it does not read these very tensors."""
    program, weights, inputs = call.program, call.weights, call.inputs
    ways = plan(program, ())
    maps = ways.stages.maps
    if any(one.constants or len(one.biases) > 1 for one in maps) or not call.plain:
        return None
    once = [program.instructions[index] for index in ways.constants]
    if any(one.kind != "parameter" for one in once) or program.variant.beside:
        return None
    order = (
        *(name for one in maps for name in one.weights),
        *(name for one in maps for name in one.biases),
        *(one.name for one in once),
    )
    read = [weights[name] for name in order]
    if len({*order}) < len(order) or {*order} != {*weights} or not all(one.is_contiguous() for one in read):
        return None
    if not all(ordinary(one) for one in read) or not inputs.numel():
        return None
    named, runs = Lengths(inputs.shape[-1], call.hidden_size).named, inputs.dim() - 3
    sizes: list[Length] = [
        "one" if weights[one.name].dim() == runs else named(weights[one.name].shape[-1]) for one in once
    ]
    form = Specification(
        program,
        (),
        call.hidden_size,
        tuple(call.states),
        tuple(zip(ways.constants, sizes, strict=True)),
        tuple([bool(one.biases) for one in maps]),
    )
    return form, order
