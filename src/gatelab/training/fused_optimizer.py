"""Adam, AdamW, SGD and RMSprop for a stack in one compiled pass over each row.

torch passes over all weights of a stack some fifteen times a step, and starts as many operations, for every run anew
where runs differ in the optimiser's own arguments; for small networks that costs more than the network. Numbers are
rounded where torch rounds them, apart from the norm of the gradient and the square root, which torch leaves to a
library that rounds in its own way.
"""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatelab.errors import UserError
from gatelab.paths.native.build import load
from gatelab.paths.native.emit import subnormal_text
from gatelab.paths.native.threads import allowed_threads
from gatelab.paths.tensors import ordinary

__all__ = ["FusedOptimizer", "fused_optimizer", "optimizer_code"]


class _Compiled(NamedTuple):
    """An optimiser of torch that is compiled.

    Attributes:
        kind: its number in C.
        moments: what torch calls its moments, first and second.
        arguments: its own ones, and what these are if nobody says.
    """

    kind: int
    moments: tuple[str, ...]
    arguments: Mapping[str, Any]


_ADAM = _Compiled(0, ("exp_avg", "exp_avg_sq"), {"betas": (0.9, 0.999), "eps": 1e-8})
_COMPILED = {
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "SGD": _Compiled(1, ("momentum_buffer",), {"momentum": 0.0, "nesterov": False}),
    "RMSprop": _Compiled(2, ("momentum_buffer", "square_avg"), {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0}),
}
_AT: Any = ctypes.c_void_p


class _OptimizerCall(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("runs", "row", "parts", "threads", "kind", "nesterov", "decoupled")),
        *((name, _AT) for name in ("sizes", "weights", "gradients", "rows", "m", "v", "longest", "decays")),
        *((name, _AT) for name in ("first", "second", "rest", "epsilons")),
        *((name, _AT) for name in ("active", "norms", "healthy", "rates", "corrections", "updates")),
    )


class FusedOptimizer:
    """The pass over the rows of a stack.

    Args:
        kind: the name of the class in torch.optim.
        weights: (runs, …) each; updated in place.
        rows: (runs, row), for what a step is made of.
        arguments: of each run, as :func:`fused_optimizer` returns them.
        longest, decays: (runs,) each, where they lie; no decays without weight decay.
        decoupled: weight decay as in AdamW.

    Attributes:
        norms, healthy: (runs,) of the last step: the length of the gradient, and whether it and the update were finite.
        structure: what C gets; rates, corrections and updates are to be filled in.
    """

    def __init__(
        self,
        kind: str,
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
        self._betas = [tuple(float(beta) for beta in one.get("betas", ())) for one in arguments]
        self._moments = _COMPILED[kind].moments
        self._has_moments = [[_has(name, one) for name in self._moments] for one in arguments]
        self._numbers = torch.tensor([_numbers(one) for one in arguments], dtype=torch.float32).T.contiguous()
        self._kept = rows, longest, decays
        self._sizes = (ctypes.c_long * parts)(*(weight[0].numel() for weight in weights))
        self._places = [(_AT * parts)(), (_AT * parts)(), (_AT * runs)(), (_AT * runs)()]
        at = [ctypes.addressof(table) for table in self._places]
        self.structure = _OptimizerCall(
            *rows.shape, parts, allowed_threads(), _COMPILED[kind].kind, bool(arguments[0].get("nesterov")), decoupled,
            ctypes.addressof(self._sizes), *at[:2], rows.data_ptr(), *at[2:], longest.data_ptr(),
            None if decays is None else decays.data_ptr(), *(one.data_ptr() for one in self._numbers), None,
            self.norms.data_ptr(), self.healthy.data_ptr(),
        )  # fmt: skip

    def begin(self, state: dict[str, Any], rows: Tensor, run: int) -> None:
        """Put into torch's own state of some rows what is not there yet.

        Args:
            state: of rows that have a parameter group together.
            rows: these.
            run: the first of them.
        """
        if "step" not in state and self._moments != _COMPILED["SGD"].moments:
            state["step"] = torch.tensor(0.0)
        for name, has in zip(self._moments, self._has_moments[run], strict=True):
            if has and name not in state:
                state[name] = torch.zeros_like(rows)

    def place(self, gradients: Sequence[Tensor | None], states: Sequence[Mapping[str, Tensor]], active: Tensor) -> None:
        """Say where everything lies.

        Args:
            gradients: contiguous, shaped like the weights; None for one of zeros.
            states: torch's own, as :meth:`begin` leaves them: of all rows together, or of each row.
            active: (runs,) which rows may move their weights.
        """
        weights, of_gradients, *moments = self._places
        for part, (weight, gradient) in enumerate(zip(self._weights, gradients, strict=True)):
            weights[part], of_gradients[part] = weight.data_ptr(), None if gradient is None else gradient.data_ptr()
        nothing = [None] * (len(active) // len(states))
        for table, name in zip(moments, self._moments, strict=False):  # SGD has no second
            rows = [[row.data_ptr() for row in state[name]] if name in state else nothing for state in states]
            table[:] = [one for each in rows for one in each]
        self.structure.active = active.data_ptr()
        self._moving = gradients, active

    def corrections(self, taken: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return what corrects the moments' start at some steps, counted from 1: two of (steps, runs)."""
        betas = list(dict.fromkeys(self._betas))
        if betas == [()]:
            ones = torch.ones(len(taken), len(self._betas))
            return ones, ones
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
        optimizer_code().optimizer(ctypes.byref(one))


def _has(moment: str, arguments: Mapping[str, Any]) -> bool:
    return moment != "momentum_buffer" or bool(arguments["momentum"])


def _numbers(arguments: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return the numbers of a run that C reads: first, second, rest and epsilon."""
    if "betas" in arguments:
        first, second = arguments["betas"]
        return 1 - first, second, 1 - second, arguments["eps"]
    alpha = arguments.get("alpha", 0.0)
    return arguments["momentum"], alpha, 1 - alpha, arguments.get("eps", 0.0)


def fused_optimizer(
    kind: str, arguments: Sequence[Mapping[str, Any]], weights: Sequence[Tensor]
) -> list[dict[str, Any]]:
    """Return all arguments of each run, where :class:`FusedOptimizer` is the optimiser; none where torch's is.

    That is: for other optimisers and arguments, on other devices, and without a compiler.
    """
    compiled = _COMPILED.get(kind)
    if compiled is None or any(one.device.type != "cpu" for one in weights):
        return []
    usual = compiled.arguments
    known = [{**usual, **one} for one in arguments]
    if any(one.keys() != usual.keys() for one in known) or len({bool(one.get("nesterov")) for one in known}) > 1:
        return []
    if optimizer_code() is None:
        return []
    plain = all(one.dtype is torch.float32 and one.is_contiguous() and ordinary(one.detach()) for one in weights)
    return known if plain else []


@cache
def optimizer_code() -> Any:
    """Return the compiled code; None if there is no compiler."""
    own = files("gatelab.training").joinpath("c", "optimizer.c").read_text(encoding="utf-8")
    try:
        library = load(subnormal_text() + own, "optimizer", "optimizer_of")
    except UserError:
        return None
    library.optimizer.argtypes, library.optimizer.restype = [_AT], None
    library.optimizer_of.restype = None
    return library
