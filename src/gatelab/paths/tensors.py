"""What may enter a recurrence: dense tensors of one dtype on one device, of the shapes of the layer; else one line."""

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch._C import DispatchKey, DispatchKeySet
from torch.masked import MaskedTensor

from gatelab.errors import UserError

__all__ = [
    "DTYPES",
    "all_ordinary",
    "check_dense",
    "check_input",
    "check_kinds",
    "check_shapes",
    "check_states",
    "check_tensor",
    "kind_of",
    "named",
    "ordinary",
    "traced",
]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What a recurrence computes in."""

_TYPES = (Tensor, nn.Parameter)

# What PyTorch says of a plain dense tensor on the CPU, and of one made in inference mode. Pending conjugation or
# negation, sparse and nested layouts, quantised numbers, subclasses, transformations: each shows as a key more.
_INFERENCE = DispatchKeySet(DispatchKey.CPU) | DispatchKeySet(DispatchKey.AutocastCPU)
_PLAIN = _INFERENCE | DispatchKeySet(DispatchKey.ADInplaceOrView) | DispatchKeySet(DispatchKey.AutogradCPU)
_KEYS = (_PLAIN.raw_repr(), _INFERENCE.raw_repr())


def ordinary(tensor: Tensor) -> bool:
    """Return whether a tensor is numbers in the memory of this process, all of them there, and nothing else."""
    return all_ordinary((tensor,), tensor.dtype)


def all_ordinary(tensors: Iterable[Tensor], dtype: torch.dtype) -> bool:
    """Return whether tensors are all of one dtype and :func:`ordinary`: then their addresses may be handed out."""
    keys_of = torch._C._dispatch_keys
    for tensor in tensors:
        if type(tensor) not in _TYPES or tensor.dtype is not dtype or keys_of(tensor).raw_repr() not in _KEYS:
            return False
        # most tensors are the whole of their storage
        whole = tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.is_contiguous()
        if not (whole and not tensor.storage_offset()) and not _lies_in_its_storage(tensor):
            return False
    return True


def traced(tensor: Tensor) -> bool:
    """Return whether a tensor stands for one that a compiled or exported program will see: it has no numbers yet."""
    from torch._subclasses.fake_tensor import FakeTensor
    from torch._subclasses.functional_tensor import FunctionalTensor

    return isinstance(tensor, FakeTensor | FunctionalTensor)


def kind_of(inputs: Tensor, weights: Mapping[str, Tensor]) -> tuple[torch.dtype, torch.device]:
    """Return the dtype and device of a layer: those of its first weight; of the inputs where there is none."""
    first = next(iter(weights.values()), inputs)
    return first.dtype, first.device


def check_tensor(name: str, given: object) -> None:
    """Refuse what is no tensor, or one without a shape.

    Raises:
        UserError: naming it and what it is.
    """
    if not isinstance(given, Tensor):
        raise UserError(f"{name} is a {type(given).__name__}: must be a tensor")
    if isinstance(given, MaskedTensor):
        raise UserError(f"{name} is a MaskedTensor: must be plain numbers, as to_tensor() makes them, with lengths=")
    if given.layout is not torch.strided or given.is_nested or given.is_quantized:
        check_dense({name: given})


def check_input(inputs: object, features: int) -> None:
    """Refuse inputs that are no batch of sequences, (time, batch, features), with or without a run axis.

    Raises:
        UserError: naming what they are, and what they must be.
    """
    check_tensor("input", inputs)
    assert isinstance(inputs, Tensor)
    if torch._C._get_tracing_state() is not None:
        return  # a size is a tensor then
    if inputs.dim() not in (3, 4) or inputs.shape[-1] != features:
        raise UserError(f"input of shape {tuple(inputs.shape)}: must be (time, batch, {features})")


def check_states(states: object, names: Collection[str]) -> None:
    """Refuse states that are not one tensor for each name.

    Raises:
        UserError: naming what they are, and what they must be.
    """
    if not isinstance(states, Mapping):
        raise UserError(f"states are a {type(states).__name__}: must be a mapping of {', '.join(names)} to tensors")
    if states.keys() != set(names):
        raise UserError(f"states {', '.join(map(str, states)) or 'none'}: must be {', '.join(names)}")
    for name, state in states.items():
        check_tensor(f"state {name}", state)


def check_shapes(
    inputs: Tensor,
    states: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Refuse states and weights whose shapes are not those of a layer on these inputs.

    Args:
        inputs, states, weights: as :func:`check_input` and :func:`check_states` let them pass.
        sizes: state -> length.
        shapes: weight -> shape, without the run axis.

    Raises:
        UserError: naming the tensor, its shape, and what it must be.
    """
    runs, batch = inputs.shape[:-3], inputs.shape[-2]
    for name, tensor in states.items():
        if tensor.shape != (*runs, batch, sizes[name]):
            wanted = (*runs, batch, sizes[name])
            raise UserError(f"state {name} of shape {tuple(tensor.shape)}: must be {tuple(wanted)}")
    for name, tensor in weights.items():
        if tensor.shape != (runs + shapes[name] if runs else shapes[name]):
            raise UserError(f"weight {name} of shape {tuple(tensor.shape)}: must be {(*runs, *shapes[name])}")


def check_kinds(inputs: Tensor, states: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Refuse tensors that do not belong together, or are not dense, whatever path runs.

    Raises:
        UserError: naming the tensor, its dtype, device or layout, and what it must be.
    """
    dtype, device = kind_of(inputs, weights)
    model = "the weights are" if weights else "the input is"
    if dtype not in DTYPES:
        raise UserError(f"{model} {_short(dtype)}: must be one of {', '.join(map(_short, DTYPES))}")
    tensors = named(inputs, states, weights)
    check_dense(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype is not dtype:
            raise UserError(f"{name} is {_short(tensor.dtype)}, {model} {_short(dtype)}: must be {_short(dtype)} too")
        if tensor.device != device:
            raise UserError(f"{name} is on {tensor.device}, {model} on {device}: must be on {device} too")


def named(inputs: Tensor, states: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what errors call each tensor -> the tensor."""
    return {
        "input": inputs,
        **{f"state {name}": tensor for name, tensor in states.items()},
        **{f"weight {name}": tensor for name, tensor in weights.items()},
    }


def check_dense(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that PyTorch's own element-wise operations and products do not take, or whose numbers are missing.

    Args:
        tensors: what errors call each of them -> the tensor.

    Raises:
        UserError: naming the tensor and what it is.
    """
    for name, tensor in tensors.items():
        if isinstance(tensor, nn.UninitializedParameter):
            raise UserError(f"{name} has no shape yet: must be materialized first")
        if tensor.layout is not torch.strided:
            raise UserError(f"{name} has the layout {_short(tensor.layout)}: must be dense, as to_dense() makes it")
        if tensor.is_quantized:
            raise UserError(f"{name} is quantised: must be plain numbers, as dequantize() makes them")
        if tensor.is_nested:
            raise UserError(f"{name} is a nested tensor: must be padded, with lengths= beside it")
        if not torch.compiler.is_compiling() and _has_memory(tensor) and not _lies_in_its_storage(tensor):
            raise UserError(
                f"{name} of shape {tuple(tensor.shape)} has a storage of {tensor.untyped_storage().nbytes()} bytes: "
                "its numbers have been given back, by resize_() of the storage for example"
            )


def _has_memory(tensor: Tensor) -> bool:
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return type(tensor) in _TYPES and not tensor.is_meta and not wrapped


def _lies_in_its_storage(tensor: Tensor) -> bool:
    extent = tensor.numel()
    if extent and not tensor.is_contiguous():
        pairs = zip(tensor.shape, tensor.stride(), strict=True)
        extent = 1 + sum((size - 1) * stride for size, stride in pairs)
    return not extent or (tensor.storage_offset() + extent) * tensor.itemsize <= tensor.untyped_storage().nbytes()


def _short(kind: object) -> str:
    """Return ``float32`` of ``torch.float32``."""
    return str(kind).removeprefix("torch.").removeprefix("_")
