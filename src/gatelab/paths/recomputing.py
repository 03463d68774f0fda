"""A run that keeps nothing for the backward pass but what went in: the backward pass runs forwards again."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["run_again"]

Results = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
Run = Callable[[Mapping[str, Tensor], Tensor, Mapping[str, Tensor]], Results]


def run_again(run: Run, weights: Mapping[str, Tensor], inputs: Tensor, states: Mapping[str, Tensor]) -> Results:
    """Return what ``run(weights, inputs, states)`` returns.

    PyTorch's own checkpoint frees the values of a run and keeps its graph, which is the larger part of a small layer: a
    node for every operation of every step. Here there is none until the backward pass. Where the call is traced or
    transformed, it is PyTorch's.
    """
    tensors = (*weights.values(), inputs, *states.values())
    wrapped = any(torch._C._functorch.is_functorch_wrapped_tensor(tensor) for tensor in tensors)
    if torch.compiler.is_compiling() or wrapped:
        again: Results = checkpoint(run, weights, inputs, states, use_reentrant=False)
        return again

    shape: dict[str, Any] = {}

    def flat(*values: Tensor) -> tuple[Tensor, ...]:
        of_weights, (x, *of_states) = values[: len(weights)], values[len(weights) :]
        output, finals, recorded = run(
            dict(zip(weights, of_weights, strict=True)), x, dict(zip(states, of_states, strict=True))
        )
        shape["finals"], shape["recorded"] = list(finals), list(recorded)
        return output, *finals.values(), *recorded.values()

    output, *others = _Again.apply(flat, *tensors)
    finals = dict(zip(shape["finals"], others, strict=False))
    return output, finals, dict(zip(shape["recorded"], others[len(finals) :], strict=True))


class _Again(torch.autograd.Function):
    """A run as one operation of autograd."""

    @staticmethod
    def forward(ctx: Any, flat: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run without a graph. A result that is an input, or another result, leaves as a copy."""
        ctx.flat = flat
        ctx.save_for_backward(*tensors)
        kind = tensors[0].device.type
        ctx.autocast = kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
        ctx.set_materialize_grads(False)
        return tuple(value.clone() for value in flat(*tensors))

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run again with a graph, and go back through it."""
        create_graph = torch.is_grad_enabled()
        tensors = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if not create_graph:
            tensors = [one.detach().requires_grad_(need) for one, need in zip(tensors, needed, strict=True)]
        kind, dtype, enabled = ctx.autocast
        with torch.enable_grad(), torch.autocast(kind, dtype, enabled=enabled):
            results = ctx.flat(*tensors)
        ends = [(value, one) for value, one in zip(results, arriving, strict=True) if one is not None]
        ends = [(value, one) for value, one in ends if value.requires_grad]
        asked = [one for one, need in zip(tensors, needed, strict=True) if need]
        found = iter(
            torch.autograd.grad(
                [value for value, _ in ends], asked, [one for _, one in ends], create_graph=create_graph,
                allow_unused=True,
            )
            if ends
            else [None] * len(asked)
        )  # fmt: skip
        return (None, *(next(found) if need else None for need in needed))
