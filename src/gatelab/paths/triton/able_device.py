"""What keeps a call from the kernels: the machine, the kind of its tensors, or their sizes."""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from gatelab.paths.call import Call
from gatelab.paths.tensors import named
from gatelab.paths.triton.interpreting import interpreted
from gatelab.paths.triton.tiling import refused_size

__all__ = ["fault", "missing"]

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_OLDEST = (8, 0)  # A100; older devices have no bfloat16


@cache
def missing() -> str | None:
    """Return what this machine lacks to run kernels, or None."""
    if find_spec("triton") is None:
        return "Triton is not installed (pip install 'gatelab[gpu]')"
    if interpreted():
        return None
    if torch.version.hip is not None:
        return "it has not been tried on ROCm"
    if torch.cuda.is_available() and torch.cuda.get_device_capability() < _OLDEST:
        return "the GPU is older than compute capability 8.0"
    return None


def fault(call: Call) -> str | None:
    """Return what keeps the tensors of a call from the kernels, or None."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return "a tracer is at work"
    if torch._C._are_functorch_transforms_active():
        return "a transformation of torch.func is at work"
    dtype = call.inputs.dtype
    tensors = named(call.inputs, call.states, call.weights)
    if call.lengths is not None:
        tensors["lengths"] = call.lengths
    for name, tensor in tensors.items():
        reason = _fault(name, tensor, call.lengths)
        if reason is not None:
            return reason
        if tensor is not call.lengths and tensor.dtype is not dtype:
            known, other = (str(one).removeprefix("torch.") for one in (tensor.dtype, dtype))
            return f"{name} is {known}, the input is {other}"
    if dtype not in _DTYPES:
        return f"it knows float32, bfloat16 and float16, not {str(dtype).removeprefix('torch.')}"
    if dtype == torch.bfloat16 and interpreted():
        return "Triton's interpreter has no products of bfloat16"
    if forward_ad._current_level >= 0 and any(
        forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors.values()
    ):
        return "derivatives in forward mode are asked for"
    if not call.inputs.numel():
        return "there is no step, no sequence or no input"
    return refused_size(call)


def _fault(name: str, tensor: Tensor, lengths: Tensor | None) -> str | None:
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided
    if not plain or tensor.is_neg() or tensor._is_zerotensor() or tensor.is_quantized or tensor.is_nested:
        return f"{name} is no dense tensor of PyTorch's own ({type(tensor).__name__}, {tensor.layout})"
    if tensor is not lengths and torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return f"{name} is wrapped by a transformation of torch.func"
    return None
