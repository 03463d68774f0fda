"""Calls of a layer whose weights stay where they lie: what is the same in all of them is found once.

At one sequence and few steps, checking weights and taking their addresses costs more than the network. What is computed
is what :mod:`native_path` computes, bit for bit.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.call import Call, Outputs
from gatelab.paths.native.autograd import NativeRun
from gatelab.paths.native.calling import finals, in_one_piece
from gatelab.paths.native.layout import Layout, layout
from gatelab.paths.native.memory_pool import pool
from gatelab.paths.native.specification import Specification
from gatelab.paths.native.standing import in_place
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.path import Repeat
from gatelab.paths.tensors import all_ordinary

__all__ = ["RepeatedCall", "repeated"]


_KEPT = 1 << 18  # numbers of working memory that a layer keeps between calls
_FORM = attrgetter("shape", "dtype")


class RepeatedCall(Repeat):
    """The calls of one layer, of any number of steps and sequences, as :class:`gatelab.paths.path.Repeat` says.

    Args:
        call: the first of them, whose weights are read where they lie.
        form: what runs.
        order: the names of the weights in the order of compiled code.
    """

    def __init__(self, call: Call, form: Specification, order: Sequence[str]) -> None:
        weights = call.weights
        self._form = form
        self._dtype = call.inputs.dtype
        self._features = call.inputs.shape[-1]
        self._sizes = [state.shape[-1] for state in call.states.values()]
        self._names = tuple(order)
        self._weights = [weights[name] for name in order]
        self._ids = [*map(id, self._weights)]
        self._known = self._seen()
        self._kinds: dict[bool, _Kind] = {}

    def stands(self, weights: Mapping[str, Tensor | None]) -> bool:
        found = [weights.get(name) for name in self._names]
        return [*map(id, found)] == self._ids and self._seen() == self._known

    def _seen(self) -> list[Any]:
        """Return what compiled code takes for granted of the weights: where they lie, and how."""
        weights = self._weights
        return [
            *map(Tensor.data_ptr, weights),
            *map(_FORM, weights),
            *map(Tensor.stride, weights),
            *map(Tensor.is_neg, weights),
        ]

    def run(self, inputs: Tensor, states: Mapping[str, Tensor] | None, lengths: Tensor | None) -> Outputs | None:
        shape = inputs.shape
        if len(shape) != 3 or shape[2] != self._features or not inputs.numel():
            return None
        given = () if states is None else tuple([states[name] for name in self._form.states])
        if not all_ordinary((inputs, *given), self._dtype):
            return None
        if lengths is not None:
            if lengths.shape != shape[1:2] or not all_ordinary((lengths,), torch.int64):
                return None
            lengths = lengths.contiguous()
        of_inputs = (inputs, *given)
        trains = torch.is_grad_enabled() and any(one.requires_grad for one in (*of_inputs, *self._weights))
        kind, sought = self._kinds.get(trains), (shape, lengths is not None, allowed_threads())
        if kind is None or kind.sought != sought:
            try:
                kind = self._kinds[trains] = self._of_kind(*sought, trains)
            except UserError:
                return None  # the ordinary way says what is wrong
        if given and any(state.shape != zeros.shape for state, zeros in zip(given, kind.zeros, strict=True)):
            return None
        return kind.trained(inputs, given, lengths) if trains else kind.called(inputs, given, lengths)

    def _of_kind(self, shape: torch.Size, lengths: bool, threads: int, trains: bool) -> "_Kind":  # noqa: FBT001
        zeros = [torch.zeros(shape[1], size, dtype=self._dtype) for size in self._sizes]
        shapes = (shape, *[state.shape for state in zeros], *[weight.shape for weight in self._weights])
        plans = layout(self._form, self._dtype, shapes, lengths, trains, threads)
        return _Kind((shape, lengths, threads), plans, zeros, self._weights)


class _Kind:
    """Calls of one shape: the last one's is the likeliest.

    Args:
        sought: shape of the inputs, whether there are lengths, threads.
        plans: their layout.
        zeros: the initial states where none are given.
        weights: in the order of the plans.
    """

    def __init__(
        self, sought: tuple[torch.Size, bool, int], plans: Layout, zeros: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> None:
        self.sought = sought
        self.zeros = zeros
        self._plans = plans
        self._weights = weights
        self._spare: list[Tensor] = []
        self._states = [in_one_piece(state, wide) for state, (_, wide, _) in zip(zeros, plans.states, strict=True)]
        fixed = [0] * len(plans.buffers)
        ready = [0, *[state.data_ptr() for state in (*self._states, *weights)]]
        for at, address in zip(plans.of_tensors, ready, strict=True):
            fixed[at] = address
        self._table = plans.table(fixed)
        self._aliased = None if plans.aliased is None else plans.positions[f"state_{plans.aliased}"]
        self._output_shape = plans.output_shape(0)

    def called(self, inputs: Tensor, states: Sequence[Tensor], lengths: Tensor | None) -> Outputs:
        """Return outputs and final states; of zeros if no initial states are given."""
        plans, dtype = self._plans, inputs.dtype
        memory, output = self._memory(dtype), pool.tensor(self._output_shape, dtype)
        table = type(self._table).from_buffer_copy(self._table)  # each thread that calls has its own
        kept = [in_one_piece(inputs, plans.x_width)]
        kept += [in_one_piece(state, wide) for state, (_, wide, _) in zip(states, plans.states, strict=False)]
        for at, tensor in zip(plans.of_tensors, kept, strict=False):
            table[at] = tensor.data_ptr()
        base = memory.data_ptr()
        for at, offset in plans.of_forward:
            table[at] = base + offset
        table[plans.of_outputs[0]] = written = output.data_ptr()
        if self._aliased is not None:
            table[self._aliased] = written
        if lengths is not None:
            table[plans.positions["lengths"]] = lengths.data_ptr()
        plans.library.forward(plans.sizes, table)
        found: Outputs = output, dict(zip(plans.call.form.states, finals(plans, output, memory), strict=True)), {}
        if plans.forward_size <= _KEPT:
            self._spare.append(memory)
        return found

    def trained(self, inputs: Tensor, states: Sequence[Tensor], lengths: Tensor | None) -> Outputs:
        """Return the same as :meth:`called`, for a backward pass to follow."""
        plans = self._plans
        tensors = (inputs, *(states or self.zeros), *self._weights)
        padded = () if states else self._states
        output, *last = NativeRun.apply(plans.call.form, plans, lengths, "tape", padded, *tensors)
        return output, dict(zip(plans.call.form.states, last, strict=True)), {}

    def _memory(self, dtype: torch.dtype) -> Tensor:
        """Return memory that no other thread has: what the last call left, or more."""
        try:
            return self._spare.pop()
        except IndexError:
            return pool.tensor((self._plans.forward_size,), dtype)


def repeated(call: Call) -> RepeatedCall | None:
    """Return what makes calls like this one again; None if its weights are not what compiled code reads."""
    found = in_place(call) if call.inputs.dim() == 3 else None
    return None if found is None else RepeatedCall(call, *found)
