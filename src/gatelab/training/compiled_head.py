"""The readout and the losses that tasks share, forwards and backwards, in one compiled call for a whole stack.

For small networks autograd's nodes around them cost more than the network. What a run computes depends on its own
numbers alone; every loop over steps uses it, so that all give the same bits.
"""

import ctypes
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.errors import UserError
from gatelab.layers.network import Network
from gatelab.paths.native.build import load
from gatelab.paths.native.emit import whole_text
from gatelab.paths.native.threads import allowed_threads
from gatelab.tasks import Task
from gatelab.tasks.losses import (
    Measure,
    class_squared_error,
    cross_entropy,
    logistic_squared_error,
    set_cross_entropy,
    set_squared_error,
    squared_error,
)

__all__ = ["KINDS", "CompiledHead", "ReadRows", "compiled_loss", "head_code", "head_losses"]

KINDS: Mapping[Measure, int] = {
    squared_error: 0,
    logistic_squared_error: 1,
    cross_entropy: 2,
    set_cross_entropy: 3,
    set_squared_error: 4,
    class_squared_error: 5,
}
"""Their numbers in C."""
_OF_CLASSES = (KINDS[cross_entropy], KINDS[class_squared_error])
_OF_NUMBERS = (KINDS[squared_error], KINDS[logistic_squared_error])
_AT: Any = ctypes.c_void_p


class _HeadCall(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_long) for name in ("runs", "count", "features", "outputs", "kind", "threads")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "dweight", "dbias", "space", "row", "adjoint")),
        *((name, ctypes.c_void_p) for name in ("target", "share", "divisors", "mean")),
    )


class CompiledHead:
    """Readout and losses of rows of one shape.

    Args:
        kind: as :func:`compiled_loss` returns it.
        rows: (runs, count, features), contiguous: what the readout reads.
        weight, bias: (runs, outputs, features) and (runs, outputs), contiguous; no bias is None.
        threads: how many may work; None for what PyTorch says.

    Attributes:
        adjoint: of the rows, (runs, count, features padded to whole vectors).
        gradients: of weight and bias.
        structure: what C gets; target, share and mean are to be filled in.
    """

    def __init__(
        self, kind: int, rows: Tensor, weight: Tensor, bias: Tensor | None, threads: int | None = None
    ) -> None:
        runs, count, features = rows.shape
        self.kind, self.outputs = kind, weight.shape[1]
        self.gradients = [torch.empty_like(one) for one in (weight, bias) if one is not None]
        dbias = None if bias is None else self.gradients[1].data_ptr()
        self._kept = rows, weight, bias
        self.structure = structure = _HeadCall(
            runs, count, features, self.outputs, kind, threads or allowed_threads(), weight.data_ptr(),
            None if bias is None else bias.data_ptr(), self.gradients[0].data_ptr(), dbias, None, rows.data_ptr(),
        )  # fmt: skip
        code = head_code()
        wide = -(-features // code.head_lanes()) * code.head_lanes()
        self.adjoint = rows.new_empty(runs, count, wide)
        self._space = rows.new_empty(structure.threads * code.head_space(ctypes.byref(structure)))
        structure.adjoint, structure.space = self.adjoint.data_ptr(), self._space.data_ptr()

    def targets(self, targets: Tensor) -> Tensor:
        """Return targets of any shape as C takes them."""
        return targets.to(torch.int64 if self.kind in _OF_CLASSES else torch.float32).contiguous()

    def losses(self, targets: Tensor, shares: Tensor, divisors: Tensor | None) -> Tensor:
        """Return the mean loss of each run, (runs,), and set the gradients.

        Args:
            targets, shares, divisors: of the rows, as :func:`gatelab.training.weighted.mean_losses` takes them.

        Raises:
            UserError: a target is no class.
        """
        means, targets, shares = torch.empty(len(self.adjoint)), self.targets(targets), shares.contiguous()
        one = self.structure
        one.target, one.share, one.mean = targets.data_ptr(), shares.data_ptr(), means.data_ptr()
        one.divisors = None if divisors is None else divisors.data_ptr()
        if head_code().head(ctypes.byref(one)):
            raise self.no_class()
        return means

    def no_class(self) -> UserError:
        """Return the error of a target that is no class."""
        return UserError(f"a target of the task is none of its {self.outputs} classes, 0 to {self.outputs - 1}")


class ReadRows(nn.Module):
    """What a network's readout reads, as a module.

    Args:
        network: whose weights this module has, below ``network.``.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, lengths: Any, masks: Any, drawn: Any = None) -> Tensor:
        """Return (rows, features) as ``Network.rows`` does."""
        return self.network.rows(inputs, lengths, masks, drawn)


def compiled_loss(task: Task, network: Network, device: torch.device) -> int | None:
    """Return which compiled loss a network has on a task; None if torch computes it.

    That is: on another device, without a compiler, with direct weights, and for a task with a loss of its own.
    """
    if type(task).losses is not Task.losses or device.type != "cpu" or network.direct is not None:
        return None
    kind = KINDS.get(task.measured_loss)
    if kind is None or (kind in _OF_NUMBERS and task.output_size > 1) or head_code() is None:
        return None
    return kind


def head_losses(
    kind: int, rows: Tensor, weights: Mapping[str, Tensor], targets: Tensor, shares: Tensor, divisors: Tensor | None
) -> Tensor:
    """Return the mean loss of each run of a stack, (runs,), for autograd.

    Args:
        kind: as :func:`compiled_loss` returns it.
        rows: (runs, rows, features) as :class:`ReadRows` returns them.
        weights: of the network, with "readout.weight" and perhaps "readout.bias".
        targets, shares, divisors: as ``CompiledHead.losses`` takes them.
    """
    found: Tensor = _Losses.apply(
        rows, weights["readout.weight"], weights.get("readout.bias"), kind, targets, shares, divisors
    )
    return found


class _Losses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, kind: int, *about: Any) -> Tensor:
        dense = [None if one is None else one.detach().contiguous() for one in (rows, weight, bias)]
        ctx.head = CompiledHead(kind, *dense)  # type: ignore[arg-type]
        means: Tensor = ctx.head.losses(*about)
        return means

    @staticmethod
    def backward(ctx: Any, arriving: Tensor) -> tuple[Tensor | None, ...]:
        head: CompiledHead = ctx.head
        rows = head.adjoint[..., : head.structure.features] * arriving[:, None, None]
        weight, *bias = [one * arriving.view(-1, *(1,) * (one.dim() - 1)) for one in head.gradients]
        return rows, weight, bias[0] if bias else None, *(None,) * 4


@cache
def head_code() -> Any:
    """Return the compiled code; None if there is no compiler."""
    own = files("gatelab.training").joinpath("c", "head.c").read_text(encoding="utf-8")
    try:
        library = load(whole_text(own), "head", "head_space", "head_lanes")
    except UserError:
        return None
    for name in ("head", "head_space"):
        library[name].argtypes, library[name].restype = [_AT], ctypes.c_long
    library.head_lanes.restype = ctypes.c_long
    return library
