"""The native path: compiled code called from PyTorch, forwards and backwards, as the loop computes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.compiler import Program
from gatelab.compiler.adjoint import plan
from gatelab.errors import UserError
from gatelab.language.sizes import columns_beside, width_of_x
from gatelab.paths.call import Call, Outputs
from gatelab.paths.native import torch_operator
from gatelab.paths.native.autograd import NativeRun
from gatelab.paths.native.calling import forwards
from gatelab.paths.native.checks import settled
from gatelab.paths.native.constants import constants_of
from gatelab.paths.native.layout import BESIDE_PADDING, ShapeError, layout
from gatelab.paths.native.places import beside_in_memory
from gatelab.paths.native.specification import Specification
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.path import UnableError
from gatelab.paths.tensors import ordinary

__all__ = ["run_native"]


def run_native(call: Call) -> Outputs:
    """Run a call that :class:`gatelab.paths.native.Native` does not refuse, in compiled code.

    Plain tensors in memory go to the compiled code at once. What a tracer sees goes through the operators of
    :mod:`gatelab.paths.native.torch_operator`, which it takes as they are; these check again, when they run.

    Where the call keeps nothing, the backward pass begins by running forwards again.

    Raises:
        UnableError: the compiler fails.
        UserError: in the backward pass, if it is asked for a graph of its own.
    """
    try:
        return _run(call)
    except ShapeError:
        raise
    except UserError as error:
        raise UnableError(str(error)) from error


def _run(call: Call) -> Outputs:
    program, weights, states, lengths = call.program, call.weights, call.states, call.lengths
    inputs, beside = _apart(program, call.inputs)
    runs, batch = inputs.shape[:-3], inputs.shape[-2]
    names, recorded = tuple(states), call.record
    ways = plan(program, recorded)
    maps = ways.stages.maps
    once = [*ways.constants, *(index for one in maps for index in one.constants)]
    known = constants_of(program, once, weights, inputs, call.hidden_size) if once else {}
    biases = [_bias(one.biases, one.constants, weights, known) for one in maps]
    tensors = (
        inputs,
        *[_of_batch(states[name], (*runs, batch)) for name in names],
        *[weights[weight] for one in maps for weight in one.weights],
        *[bias for bias in biases if bias is not None],
        *[known[index][0] for index in ways.constants],
        *beside,
    )
    form = Specification(
        program,
        recorded,
        call.hidden_size,
        names,
        tuple([(index, known[index][1]) for index in ways.constants]),
        tuple([bias is not None for bias in biases]),
    )
    valid = None if lengths is None else settled(lengths.to(torch.int64)).expand(*runs, batch).contiguous()
    results: Sequence[Tensor]
    plain = call.plain and (valid is None or ordinary(valid))
    if not plain or torch._C._len_torch_dispatch_stack() or not inputs.numel():
        results = torch_operator.run(tuple(map(settled, tensors)), valid, form, taped=call.keep == "tape")
    else:
        training = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        shapes = tuple([tensor.shape for tensor in tensors])
        plans = layout(form, inputs.dtype, shapes, lengths is not None, training, allowed_threads())
        results = (
            NativeRun.apply(form, plans, valid, call.keep, *tensors) if training else forwards(plans, tensors, valid)[0]
        )
    outputs, finals = results[: len(recorded) + 1], results[len(recorded) + 1 :]
    return outputs[0], dict(zip(names, finals, strict=True)), dict(zip(recorded, outputs[1:], strict=True))


def _apart(program: Program, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return x, and as one tensor what the variant reads beside it, with numbers behind it that nothing uses."""
    names = program.variant.beside
    if not names:
        return inputs, []
    width = width_of_x(names, inputs.shape[-1])
    parts = dict(zip(names, inputs.detach()[..., width:].split([columns_beside([one], width) for one in names], -1),
                     strict=True))  # fmt: skip
    ordered = [parts[name] for name in beside_in_memory(names)]
    padding = inputs.new_zeros((*inputs.shape[:-1], BESIDE_PADDING))
    return inputs[..., :width], [torch.cat([*ordered, padding], -1)]


def _of_batch(state: Tensor, batch: tuple[int, ...]) -> Tensor:
    return state if state.shape[:-1] == batch else state.expand(*batch, state.shape[-1])


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
