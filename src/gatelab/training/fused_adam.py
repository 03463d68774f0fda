"""Adam and AdamW for a stack in two compiled passes, to the bits of torch.

torch passes over all weights of a stack some fifteen times a step, and starts as many operations; for small networks
that costs more than the network. Norms and square roots stay torch's: it rounds them in its own way.
"""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.native.build import load
from gatelab.paths.tensors import ordinary

__all__ = ["FusedAdam", "fused_adam"]

_ARGUMENTS: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-8}


class FusedAdam:
    """The passes over the rows of a stack.

    Args:
        weights: (runs, …) each; updated in place.
        gradients: (runs, row), into which gradients are copied.
        steps: (runs, row), for the updates.
        betas, eps: of Adam.
    """

    def __init__(
        self, weights: Sequence[Tensor], gradients: Tensor, steps: Tensor, betas: Sequence[float], eps: float
    ) -> None:
        self._code, self._weights, self._rows, self._steps = _code(), list(weights), gradients, steps
        (self._beta_1, self._beta_2), self._eps = betas, eps
        self._roots = torch.empty_like(gradients)
        sizes = [weight[0].numel() for weight in weights]
        self._shape = (*gradients.shape, len(sizes), (ctypes.c_long * len(sizes))(*sizes))
        self._from = (ctypes.c_void_p * len(sizes))()
        self._to = (ctypes.c_void_p * len(sizes))()

    def gather(self, gradients: Sequence[Tensor]) -> None:
        """Copy gradients, shaped like the weights, into the rows."""
        kept = [gradient.contiguous() for gradient in gradients]
        for place, gradient in enumerate(kept):
            self._from[place] = gradient.data_ptr()
        self._code.gather(*self._shape, self._from, self._rows.data_ptr())

    def step(
        self,
        state: Mapping[str, Tensor],
        norms: Tensor,
        longest: Tensor,
        rates: Tensor,
        active: Tensor,
        decays: Tensor | None,
        *,
        decoupled: bool,
    ) -> bool:
        """Clip, update the moments and add the updates to the weights of active runs.

        Args:
            state: torch's own: "step", "exp_avg" and "exp_avg_sq".
            norms, longest, rates, active, decays: (runs,) each; decays None without weight decay.
            decoupled: weight decay as in AdamW.

        Returns:
            Whether all updates are ordinary numbers; if not, no weight was changed, and ``steps`` holds the updates.
        """
        state["step"].add_(1)
        taken = state["step"].item()
        for place, weight in enumerate(self._weights):
            self._to[place] = weight.data_ptr()
        m, v = state["exp_avg"], state["exp_avg_sq"]
        l2, shrinking = (None, decays) if decoupled else (decays, None)
        rest = 1 - self._beta_1, self._beta_2, 1 - self._beta_2
        self._code.moments(
            *self._shape, self._to, norms.data_ptr(), longest.data_ptr(), _at(l2), *rest, self._rows.data_ptr(),
            m.data_ptr(), v.data_ptr(),
        )  # fmt: skip
        torch.sqrt(v, out=self._roots)
        correction, size = (1 - self._beta_2**taken) ** 0.5, -1.0 / (1 - self._beta_1**taken)
        unsound: int = self._code.apply(
            *self._shape, self._to, m.data_ptr(), self._roots.data_ptr(), rates.data_ptr(), _at(shrinking),
            active.data_ptr(), correction, self._eps, size, self._steps.data_ptr(),
        )  # fmt: skip
        return not unsound


def fused_adam(
    kind: str, arguments: Mapping[str, Any], weights: Sequence[Tensor], gradients: Tensor, steps: Tensor
) -> FusedAdam | None:
    """Return the passes for an optimiser of torch.optim; None where torch takes the steps.

    That is: for other optimisers and arguments, on other devices, without a compiler, and on a machine where compiled
    code rounds in another way than torch.
    """
    known = {**_ARGUMENTS, **arguments}
    if kind not in ("Adam", "AdamW") or known.keys() != _ARGUMENTS.keys() or _code() is None:
        return None
    if not all(one.dtype is torch.float32 and one.is_contiguous() and ordinary(one.detach()) for one in weights):
        return None
    betas, eps = (float(beta) for beta in known["betas"]), float(known["eps"])
    beta_1, beta_2 = betas
    return FusedAdam(weights, gradients, steps, (beta_1, beta_2), eps) if _agrees(beta_1, beta_2, eps) else None


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@cache
def _code() -> Any:
    text = files("gatelab.training").joinpath("c", "adam.c").read_text(encoding="utf-8")
    try:
        library = load(text, "gather", "moments", "apply")
    except UserError:
        return None
    shape: list[Any] = [ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p]
    at: Any = ctypes.c_void_p
    number: Any = ctypes.c_float
    library.gather.argtypes = [*shape, at, at]
    library.moments.argtypes = [*shape, *[at] * 4, *[number] * 3, *[at] * 3]
    library.apply.argtypes = [*shape, *[at] * 6, *[number] * 3, at]
    library.apply.restype = ctypes.c_long
    return library


@cache
def _agrees(beta_1: float, beta_2: float, eps: float) -> bool:
    """Compare some steps with torch's, bit for bit."""
    draw = torch.Generator().manual_seed(0)
    ours, theirs, steps = torch.zeros(3, 1, 640)
    theirs.grad, rows = torch.zeros_like(theirs), torch.zeros_like(ours)
    optimizer = torch.optim.Adam([theirs], lr=1.0, betas=(beta_1, beta_2), eps=eps)
    fused = FusedAdam([ours], rows, steps, (beta_1, beta_2), eps)
    one, moments = torch.ones(1), torch.zeros(2, 1, 640)
    state = {"step": torch.tensor(0.0), "exp_avg": moments[0], "exp_avg_sq": moments[1]}
    for _ in range(8):
        size = torch.randint(-12, 3, (1, 640), generator=draw)
        theirs.grad.copy_(torch.randn(1, 640, generator=draw) * 10.0**size)
        fused.gather([theirs.grad])
        optimizer.step()
        fused.step(state, one, one * torch.inf, one, one.bool(), None, decoupled=False)
        found = optimizer.state[theirs]
        same = [torch.equal(found[name], value) for name, value in state.items()]
        if not all(same) or not torch.equal(steps, theirs):
            return False
        theirs.zero_()
    return True
