"""A compiled call that is made many times with the same weights in memory: addresses and memory are found once.

Around a small network, finding them costs more than the network. What is computed is what :mod:`native_path` computes.
"""

import ctypes
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler.adjoint import plan
from gatelab.language.sizes import Length, Lengths
from gatelab.paths.call import Call
from gatelab.paths.native.calling import in_one_piece
from gatelab.paths.native.layout import layout
from gatelab.paths.native.memory_pool import pool
from gatelab.paths.native.specification import Specification
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import ordinary

__all__ = ["StandingCall", "in_place", "standing"]


class StandingCall:
    """The forward and the backward pass of one call, over and over.

    Args:
        call: whose weights stay where they lie; its inputs give the shape of those to come.
        form: what runs.
        order: for each tensor of the layout after the initial states, the weight that it is.

    Attributes:
        gradients: weight -> its gradient after :meth:`backward`; the same tensors each time.
    """

    def __init__(self, call: Call, form: Specification, order: tuple[str, ...]) -> None:
        weights = [call.weights[name] for name in order]
        zeros = [torch.zeros_like(state, memory_format=torch.contiguous_format) for state in call.states.values()]
        shapes = tuple([tensor.shape for tensor in (call.inputs, *zeros, *weights)])
        self._plans = plans = layout(
            form, call.inputs.dtype, shapes, call.lengths is not None, True, allowed_threads()
        )  # fmt: skip
        dtype = call.inputs.dtype
        self._states = [in_one_piece(state, wide) for state, (_, wide, _) in zip(zeros, plans.states, strict=True)]
        self._memory = pool.tensor((plans.forward_size,), dtype)
        self._back = pool.tensor((plans.backward_size,), dtype)
        self._output = pool.tensor(plans.output_shape(0), dtype)
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
            fixed[f"state_{plans.aliased}"] = self._output.data_ptr()
        self._forward = self._table({**fixed, "output_0": self._output.data_ptr()})
        fixed |= {name: self._back.data_ptr() + at * dtype.itemsize for name, at in plans.backward.items()}
        fixed |= {f"d{name}": self.gradients[own].data_ptr() for name, own in zip(names, order, strict=True)}
        self._backward = self._table(fixed)
        self._inputs = plans.positions["x"]
        self._lengths = plans.positions.get("lengths")
        self._adjoint = plans.positions["doutput_0"]
        self._arriving = self._adjoints_of_states()

    def forward(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the outputs, which the next call overwrites.

        Args:
            inputs: contiguous, of the shape and the dtype that the call was made for; it outlives the backward pass.
            lengths: contiguous int64, or None, as in the call.
        """
        self._read = (in_one_piece(inputs, self._plans.x_width), lengths)
        for table in (self._forward, self._backward):
            table[self._inputs] = self._read[0].data_ptr()
            if lengths is not None and self._lengths is not None:
                table[self._lengths] = lengths.data_ptr()
        self._plans.library.forward(self._plans.sizes, self._forward)
        return self._output

    def backward(self, adjoint: Tensor) -> None:
        """Set the gradients of the weights; only once after each forward pass.

        Args:
            adjoint: the gradient that arrives at the outputs, contiguous.
        """
        whole = in_one_piece(adjoint, self._plans.outputs[0][1])
        self._backward[self._adjoint] = whole.data_ptr()
        for arriving in self._arriving:
            arriving.zero_()
        self._plans.library.backward(self._plans.sizes, self._backward)

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


def standing(call: Call) -> StandingCall | None:
    """Return a call to be made many times; None if its weights are not the very tensors that compiled code reads.

    Raises:
        UserError: the compiler is missing or fails.
    """
    found = in_place(call)
    return None if found is None else StandingCall(call, *found)


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
