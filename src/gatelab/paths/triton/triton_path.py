"""The path on GPUs: generated Triton kernels called from PyTorch, forwards and backwards, as the loop computes it."""

import torch

from gatelab.paths.call import Call, Outputs, recomputed
from gatelab.paths.native.gathering import gathered
from gatelab.paths.scan import run_scan
from gatelab.paths.triton.device_autograd import DeviceCall, TritonRun
from gatelab.paths.triton.device_run import device_run
from gatelab.paths.triton.device_scan import scanned_on_device
from gatelab.paths.triton.tiling import scans, tiling_of
from gatelab.paths.triton.tuned import tuned

__all__ = ["run_triton"]


def run_triton(call: Call) -> Outputs:
    """Run a call that :class:`gatelab.paths.triton.Triton` does not refuse.

    Raises:
        UserError: in the backward pass, if it is asked for a graph of its own.
    """
    if scans(call):
        return recomputed(lambda one: run_scan(one, scanned_on_device), call)
    inputs, lengths, names, recorded = call.inputs, call.lengths, tuple(call.states), call.record
    form, tensors = gathered(call)
    stacked = inputs.dim() == 4
    tiling = tiling_of(call)
    sizes = tuple(call.states[name].shape[-1] for name in names)
    run = device_run(form, inputs.shape[-1], sizes, streamed=tiling.chunk > 0)
    runs = inputs.shape[0] if stacked else 1
    valid = None if lengths is None else lengths.to(torch.int64).expand(runs, inputs.shape[-2]).contiguous()
    tiling = tuned(run, tiling, tensors if stacked else [tensor.unsqueeze(0) for tensor in tensors])
    training = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    prepared = DeviceCall(run, tiling, stacked=stacked, kept=call.keep == "tape")
    if training:
        results = list(TritonRun.apply(prepared, valid, *tensors))
    else:
        results, _ = prepared.forwards(tensors, valid, keep=False)
    outputs, finals = results[: len(recorded) + 1], results[len(recorded) + 1 :]
    return outputs[0], dict(zip(names, finals, strict=True)), dict(zip(recorded, outputs[1:], strict=True))
