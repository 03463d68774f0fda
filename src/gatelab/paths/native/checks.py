"""What compiled code may be given: nothing hands out the address of a tensor that has not been through here."""

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gatelab.errors import UserError
from gatelab.paths.call import Call
from gatelab.paths.tensors import named, ordinary, traced

__all__ = ["NATIVE_DTYPES", "arriving", "fault", "settled"]

NATIVE_DTYPES = (torch.float32, torch.float64)
"""What compiled code computes in."""


def fault(call: Call) -> str | None:
    """Return what keeps the tensors of a call from compiled code, or None."""
    if torch._C._are_functorch_transforms_active():
        return "a transformation of torch.func is at work"
    dtype = call.inputs.dtype
    if not call.plain or dtype not in NATIVE_DTYPES:
        for name, tensor in named(call.inputs, call.states, call.weights).items():
            reason = _fault(name, tensor, dtype)
            if reason is not None:
                return reason
    if forward_ad._current_level >= 0 and any(
        forward_ad.unpack_dual(tensor).tangent is not None
        for tensor in named(call.inputs, call.states, call.weights).values()
    ):
        return "derivatives in forward mode are asked for"
    return None


def _fault(name: str, tensor: Tensor, dtype: torch.dtype) -> str | None:
    """Return what keeps a tensor from compiled code."""
    if not tensor.is_cpu:
        return f"it runs on the CPU, not on {tensor.device.type}"
    if tensor.dtype not in NATIVE_DTYPES:
        return f"it knows float32 and float64, not {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.dtype is not dtype:
        known, other = (str(one).removeprefix("torch.") for one in (tensor.dtype, dtype))
        return f"{name} is {known}, the input is {other}"
    if ordinary(tensor) or traced(tensor) or (tensor.layout is torch.strided and ordinary(settled(tensor))):
        return None
    return f"{name} is no dense tensor of PyTorch's own ({type(tensor).__name__}, {tensor.layout})"


def settled(tensor: Tensor) -> Tensor:
    """Return a tensor without pending negation, and with zeros that are there."""
    if type(tensor) is Tensor and tensor._is_zerotensor():
        return tensor.clone()
    return tensor.resolve_neg()


def arriving(name: str, gradient: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return the gradient that arrives at a result as dense numbers of the result's dtype.

    Raises:
        UserError: it cannot be one, as in a batch of gradients.
    """
    if gradient.dtype is dtype and ordinary(gradient) and gradient.shape == shape:
        return gradient
    dense = gradient.to_dense() if gradient.layout is not torch.strided else gradient
    dense = settled(dense.to("cpu", dtype))
    if not ordinary(dense) or dense.shape != shape:
        raise UserError(
            f"the gradient that arrives at {name} is a {type(gradient).__name__} of shape {tuple(gradient.shape)}: "
            f"path=native must get one of shape {tuple(shape)}; path=loop takes what PyTorch takes"
        )
    return dense
