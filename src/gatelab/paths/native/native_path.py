"""The native path: compiled code called from PyTorch, forwards and backwards, as the loop computes it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.call import Call, Outputs
from gatelab.paths.native import torch_operator
from gatelab.paths.native.autograd import NativeRun
from gatelab.paths.native.calling import forwards
from gatelab.paths.native.checks import settled
from gatelab.paths.native.gathering import gathered
from gatelab.paths.native.layout import ShapeError, layout
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
    lengths, names, recorded = call.lengths, tuple(call.states), call.record
    form, tensors = gathered(call)
    inputs = tensors[0]
    runs, batch = inputs.shape[:-3], inputs.shape[-2]
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
            NativeRun.apply(form, plans, valid, call.keep, (), *tensors)
            if training
            else forwards(plans, tensors, valid)[0]
        )
    outputs, finals = results[: len(recorded) + 1], results[len(recorded) + 1 :]
    return outputs[0], dict(zip(names, finals, strict=True)), dict(zip(recorded, outputs[1:], strict=True))
