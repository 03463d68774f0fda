"""The memory of an mLSTM over all steps as compiled code, forwards and backwards, in c/mlstm.h.

For one head, with i, f, m, C and n as in :class:`gatelab.layers.foreign.mlstm.MLSTM`, a bar over the adjoint of a
value, and y = r s with r = C q, w = n q, s = a/D, a = exp(min(m, 0)), D = max(|w| a, exp(-clamp(m, 0, ...))):

    r̄ = s ȳ          s̄ = ȳ r          D̄ = -s̄ s / D       ā = s̄ / D + D̄ |w|        w̄ = D̄ a sign(w)
    C̄ += r̄ qᵀ        n̄ += w̄ q         q̄ = Cᵀ r̄ + w̄ n
    f̄ = ⟨C̄, C'⟩ + n̄ n'               ī = v C̄ k + n̄ k
    k̄ = i (C̄ᵀ v + n̄)                 v̄ = i C̄ k           C̄' = f C̄               n̄' = f n̄

where a prime marks the state before the step; i and f are exponentials of differences, whose adjoints are ī i and
f̄ f, and m = max(log f + m', log i) hands its own on to the larger, half to each of equals. These are the loop's own
derivatives, m included, though no output depends on m.

C' is needed at every step of the backward pass, and a step cannot be undone: the forward pass keeps the memory of every
16th step, from which the backward pass computes those between again.
"""

import ctypes
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.layers.foreign.memory_steps import memory_by_steps
from gatelab.paths.native.build import load
from gatelab.paths.native.checks import NATIVE_DTYPES, arriving
from gatelab.paths.native.emit import shared_text
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import all_ordinary

__all__ = ["CompiledMemory", "unavailable"]

_NAMES = ("q", "k", "v", "i_log", "f_log", "C", "n", "m")


@cache
def _library(dtype: torch.dtype) -> ctypes.CDLL | str:
    """Return the compiled code, or why there is none: found once."""
    text = shared_text(double=dtype is torch.float64)
    own = files("gatelab.layers.foreign").joinpath("c", "mlstm.h").read_text(encoding="utf-8")
    try:
        library = load(text + own, "measure", "forward", "backward")
    except UserError as error:
        return str(error)
    for function in (library.measure, library.forward, library.backward):
        function.restype = None
    return library


def unavailable(dtype: torch.dtype) -> str | None:
    """Return why there is no compiled code for a dtype, or None."""
    if dtype not in NATIVE_DTYPES:
        return f"it knows float32 and float64, not {str(dtype).removeprefix('torch.')}"
    found = _library(dtype)
    return found if isinstance(found, str) else None


class CompiledMemory(torch.autograd.Function):
    """What a memory of matrices gives at every step, as one operation of autograd."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        """Run all steps.

        Args:
            ctx: what the backward pass needs.
            given: q, k, v (time, batch, hidden); log i, log f (time, batch, heads); C, n, m before the first step.

        Returns:
            what is read (time, batch, hidden); the last C and n; m after every step (time, batch, heads).
        """
        tensors = tuple(tensor.contiguous() for tensor in given)
        q, _, _, i_log, *_, c, n, _ = tensors
        results = [torch.empty_like(one) for one in (q, c, n, i_log)]
        call = _Call(tensors)
        kept = q.new_empty(call.kept) if any(ctx.needs_input_grad) else None
        call.run("forward", [*tensors, *results, kept], [])
        ctx.save_for_backward(*given, kept)
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run all steps back; where PyTorch itself has to see them, as they are in the loop."""
        *given, kept = ctx.saved_tensors
        there = [adjoint for adjoint in adjoints if adjoint is not None]
        plain = all_ordinary((*given, kept, *there), kept.dtype) and not torch._C._len_torch_dispatch_stack()
        if torch.is_grad_enabled() or not plain or torch._C._are_functorch_transforms_active():
            return _by_steps(given, adjoints, ctx.needs_input_grad)
        tensors = [tensor.contiguous() for tensor in given]
        shapes = [given[0].shape, given[5].shape, given[6].shape, given[3].shape]
        coming = [
            None if one is None else arriving("a memory", one, tuple(shape), kept.dtype).contiguous()
            for one, shape in zip(adjoints, shapes, strict=True)
        ]
        gradients = [torch.empty_like(tensor) for tensor in tensors]
        _Call(tensors).run("backward", [*tensors, None, None, None, None, kept], [*coming, *gradients])
        return tuple(one if need else None for one, need in zip(gradients, ctx.needs_input_grad, strict=True))


class _Call:
    """The sizes of a call, and what it needs besides its tensors."""

    def __init__(self, tensors: Any) -> None:
        q, i_log = tensors[0], tensors[3]
        steps, batch, hidden = q.shape
        heads = i_log.shape[-1]
        self.dtype = q.dtype
        library = _library(self.dtype)
        assert not isinstance(library, str)  # a call without one is refused
        self.library = library
        threads = min(allowed_threads(), batch * heads)
        self.numbers = (ctypes.c_long * 5)(steps, batch, heads, hidden // heads, threads)
        sizes = (ctypes.c_long * 2)()
        library.measure(self.numbers, sizes)
        self.kept, self.scratch = sizes[0], sizes[1] * threads

    def run(self, name: str, first: list[Tensor | None], last: list[Tensor | None]) -> None:
        """Call a function with tensors in the order of its pointers; the scratch stands between the two lists."""
        scratch = torch.empty(self.scratch, dtype=self.dtype)
        pointers = [None if one is None else one.data_ptr() for one in (*first, scratch, *last)]
        table = (ctypes.c_void_p * 26)(*pointers)
        getattr(self.library, name)(self.numbers, table)


def _by_steps(
    given: list[Tensor], adjoints: tuple[Tensor | None, ...], needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients that the loop has: with a graph of their own, or for a batch of adjoints."""
    create_graph = torch.is_grad_enabled()
    tensors = given
    if not create_graph:
        tensors = [one.detach().requires_grad_(need) for one, need in zip(given, needed, strict=True)]
    with torch.enable_grad():
        results = memory_by_steps(*tensors)
    ends = [(value, one) for value, one in zip(results, adjoints, strict=True) if one is not None]
    asked = [one for one, need in zip(tensors, needed, strict=True) if need]
    found = iter(
        torch.autograd.grad(
            [value for value, _ in ends], asked, [one for _, one in ends], create_graph=create_graph, allow_unused=True
        )
        if ends
        else [None] * len(asked)
    )
    return tuple(next(found) if need else None for need in needed)
