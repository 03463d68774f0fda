"""Adam and AdamW for a stack in one compiled pass over each row.

torch passes over all weights of a stack some fifteen times a step, and starts as many operations; for small networks
that costs more than the network. Numbers are rounded where torch rounds them, apart from the norm of the gradient and
the square root, which torch leaves to a library that rounds in its own way.
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
from gatelab.paths.native.emit import subnormal_text
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import ordinary

__all__ = ["FusedAdam", "adam_code", "fused_adam"]

_ARGUMENTS: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-8}
_AT: Any = ctypes.c_void_p


class _AdamCall(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("runs", "row", "parts", "threads")),
        *((name, _AT) for name in ("sizes", "weights", "gradients", "rows", "m", "v", "longest", "decays")),
        *((name, _AT) for name in ("rest_1", "beta_2", "rest_2", "epsilons")),
        ("decoupled", ctypes.c_long),
        *((name, _AT) for name in ("active", "norms", "healthy", "rates", "corrections", "updates")),
    )


class FusedAdam:
    """The pass over the rows of a stack.

    Args:
        weights: (runs, …) each; updated in place.
        rows: (runs, row), for what a step is made of.
        arguments: betas and eps of each run.
        longest, decays: (runs,) each, where they lie; no decays without weight decay.
        decoupled: weight decay as in AdamW.

    Attributes:
        norms, healthy: (runs,) of the last step: the length of the gradient, and whether it and the update were finite.
        structure: what C gets; rates, corrections and updates are to be filled in.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        rows: Tensor,
        arguments: Sequence[Mapping[str, Any]],
        longest: Tensor,
        decays: Tensor | None,
        *,
        decoupled: bool,
    ) -> None:
        runs, parts = len(rows), len(weights)
        self._weights = list(weights)
        self.norms, self.healthy = torch.zeros(runs), torch.ones(runs, dtype=torch.bool)
        self._betas = [tuple(float(beta) for beta in one["betas"]) for one in arguments]
        first, second = zip(*self._betas, strict=True)
        numbers = [
            [1 - beta for beta in first],
            second,
            [1 - beta for beta in second],
            [one["eps"] for one in arguments],
        ]
        self._numbers = torch.tensor(numbers, dtype=torch.float32)
        self._kept = rows, longest, decays
        self._sizes = (ctypes.c_long * parts)(*(weight[0].numel() for weight in weights))
        self._places = [(_AT * parts)(), (_AT * parts)(), (_AT * runs)(), (_AT * runs)()]
        at = [ctypes.addressof(table) for table in self._places]
        self.structure = _AdamCall(
            *rows.shape, parts, allowed_threads(), ctypes.addressof(self._sizes), *at[:2], rows.data_ptr(), *at[2:],
            longest.data_ptr(), None if decays is None else decays.data_ptr(),
            *(one.data_ptr() for one in self._numbers), decoupled, None, self.norms.data_ptr(), self.healthy.data_ptr(),
        )  # fmt: skip

    def place(self, gradients: Sequence[Tensor | None], states: Sequence[Mapping[str, Tensor]], active: Tensor) -> None:
        """Say where everything lies.

        Args:
            gradients: contiguous, shaped like the weights; None for one of zeros.
            states: torch's own, "exp_avg" and "exp_avg_sq": of all rows together, or of each row.
            active: (runs,) which rows may move their weights.
        """
        weights, of_gradients, *moments = self._places
        for part, (weight, gradient) in enumerate(zip(self._weights, gradients, strict=True)):
            weights[part], of_gradients[part] = weight.data_ptr(), None if gradient is None else gradient.data_ptr()
        for table, name in zip(moments, ("exp_avg", "exp_avg_sq"), strict=True):
            table[:] = [row.data_ptr() for state in states for row in state[name]]
        self.structure.active = active.data_ptr()
        self._moving = gradients, active

    def corrections(self, taken: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return what corrects the moments' start at some steps, counted from 1: two of (steps, runs)."""
        betas = list(dict.fromkeys(self._betas))
        found = [[((1 - second**step) ** 0.5, -1.0 / (1 - first**step)) for first, second in betas] for step in taken]
        rows = [betas.index(one) for one in self._betas] if len(betas) > 1 else [0] * len(self._betas)
        roots, updates = torch.tensor(found, dtype=torch.float32)[:, rows].unbind(-1)
        return roots.contiguous(), updates.contiguous()

    def step(self, rates: Tensor, corrections: Tensor, updates: Tensor) -> None:
        """Clip, update the moments, and add the updates to the weights of rows that are active and healthy.

        Args:
            rates, corrections, updates: (runs,) each, contiguous.
        """
        one = self.structure
        one.rates, one.corrections, one.updates = (each.data_ptr() for each in (rates, corrections, updates))
        adam_code().adam(ctypes.byref(one))


def fused_adam(kind: str, arguments: Sequence[Mapping[str, Any]], weights: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Return betas and eps of each run, where :class:`FusedAdam` is the optimiser; none where torch's is.

    That is: for other optimisers and arguments, on other devices, and without a compiler.
    """
    known = [{**_ARGUMENTS, **one} for one in arguments]
    fits = kind in ("Adam", "AdamW") and all(one.keys() == _ARGUMENTS.keys() for one in known)
    if not fits or any(one.device.type != "cpu" for one in weights) or adam_code() is None:
        return []
    plain = all(one.dtype is torch.float32 and one.is_contiguous() and ordinary(one.detach()) for one in weights)
    return known if plain else []


@cache
def adam_code() -> Any:
    """Return the compiled code; None if there is no compiler."""
    own = files("gatelab.training").joinpath("c", "adam.c").read_text(encoding="utf-8")
    try:
        library = load(subnormal_text() + own, "adam", "adam_of")
    except UserError:
        return None
    library.adam.argtypes, library.adam.restype = [_AT], None
    library.adam_of.restype = None
    return library
