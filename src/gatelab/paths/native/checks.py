"""What compiled code may be given: nothing hands out the address of a tensor that has not been through here."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gatelab.errors import UserError
from gatelab.paths.call import Call
from gatelab.paths.tensors import all_ordinary, named, ordinary, traced

__all__ = ["NATIVE_DTYPES", "arriving", "fault", "foreign_fault", "settled"]

NATIVE_DTYPES = (torch.float32, torch.float64)
"""What compiled code computes in."""


def fault(call: Call) -> str | None:
    """Return what keeps the tensors of a call from compiled code, or None."""
    return _fault_among(named(call.inputs, call.states, call.weights), call.inputs.dtype, plain=call.plain)


def foreign_fault(inputs: Tensor, states: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str | None:
    """Return what keeps these tensors from the compiled code of a foreign variant, or None.

    Unlike a program's, it is no operator that a tracer takes as it is.
    """
    tensors = named(inputs, states, weights)
    plain = all_ordinary(tensors.values(), inputs.dtype)
    if torch._C._len_torch_dispatch_stack() or any(traced(tensor) for tensor in tensors.values()):
        return "a tracer sees the loop of a foreign variant"
    if reason := _fault_among(tensors, inputs.dtype, plain=plain):
        return reason
    return None if plain else "not all tensors are plain numbers in memory"


def _fault_among(tensors: Mapping[str, Tensor], dtype: torch.dtype, *, plain: bool) -> str | None:
    if torch._C._are_functorch_transforms_active():
        return "a transformation of torch.func is at work"
    if not plain or dtype not in NATIVE_DTYPES:
        for name, tensor in tensors.items():
            reason = _fault(name, tensor, dtype)
            if reason is not None:
                return reason
    if forward_ad._current_level >= 0 and any(
        forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors.values()
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
