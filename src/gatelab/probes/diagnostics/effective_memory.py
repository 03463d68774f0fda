"""D4, effective memory: how much of an input is left in the output after k steps, and how much the gate says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.compiler.linearised import KEPT
from gatelab.compiler.retention import retention
from gatelab.errors import UserError
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, Trace, trace

__all__ = ["EffectiveMemory", "effective_memory"]

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EffectiveMemory:
    r"""What is left of an input after k steps.

    Norms are root mean squares over sequences of the Frobenius norm of ∂h_T/∂x_{T-k}, (hidden, features), in the unit
    of h divided by that of x; T is the last valid step, and only sequences longer than k count.

    Attributes:
        lags: (lags,) k, in steps, from 0.
        measured: (lags,) norm of the whole derivative.
        kept: (lags,) norm of the part that is kept at every step after x has entered: the gate path.
        recurrent: (lags,) norm of the rest, which goes through a candidate or a gate at least once.
        nominal: (lags,) mean over units and sequences of |∏ f| over the k steps up to T, without unit; f is what is
            kept of a state, and of a variant whose roles name no gate that retains or writes this is NaN.
    """

    lags: NDArray[np.int64]
    measured: Array
    kept: Array
    recurrent: Array
    nominal: Array


def effective_memory(
    model: Model, batch: Any, lags: int = 100, sequences: int = 8, layer: int = 0, direction: int = 0
) -> EffectiveMemory:
    """Return the measured gradient against distance, beside the product of the gate.

        >>> from gatelab.probes import effective_memory
        >>> found = effective_memory(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> found.measured.shape, bool(found.measured[0] > found.measured[19])
        ((20,), True)

    The derivative is exact, of all hidden units: it costs a forward pass and 2 × lags backward steps of hidden ×
    sequences vectors.

    Args:
        model, batch: as for all diagnostics.
        lags: how many k at most.
        sequences: the first so many of the batch are looked at.
        layer, direction: counted from 0; x is what the layer reads, and h what it puts out.

    Raises:
        UserError: a foreign variant; a model, batch or layer that does not fit.
    """
    for name, value in (("lags", lags), ("sequences", sequences)):
        if value < 1:
            raise UserError(f"{name}={value}: must be at least 1")
    found = trace(model, batch, "follow gradients through", layer, direction, sequences)
    with torch.no_grad():
        return _measured(found.from_the_end(min(lags, int(found.lengths.max()))))


def _measured(ending: Trace) -> EffectiveMemory:
    steps, output = LinearSteps(ending), ending.variant.output
    count, batch = ending.inputs.shape[:2]
    units = ending.value(output).shape[-1]
    # one adjoint for each unit: row u of ∂h_T/∂· comes back from it
    unit = torch.eye(units, dtype=ending.inputs.dtype, device=ending.inputs.device)[:, None].expand(-1, batch, -1)
    whole, kept = {output: unit}, {output: unit}
    norms = ending.inputs.new_zeros(count, 3, batch)
    for lag in range(count):
        of_whole, by_path, of_kept = steps.back(lag, whole), steps.back_by_path(lag, kept), steps.back(lag, kept)
        parts = [_of(of_whole, "x"), _of(of_kept, "x"), _of(of_whole, "x") - _of(of_kept, "x")]
        for place, part in enumerate(parts):
            norms[lag, place] = part.square().sum((0, -1)) if part.dim() else 0.0
        whole = {name: value for name, value in of_whole.items() if name != "x"}
        kept = {name: value for name, value in by_path.get(KEPT, {}).items() if name != "x"}
    valid = ending.valid
    mean = torch.where(valid[:, None], norms, 0.0).sum(-1) / valid.sum(-1, keepdim=True)
    measured, gate_path, recurrent = mean.sqrt().T.cpu().numpy()
    return EffectiveMemory(np.arange(count), measured, gate_path, recurrent, _nominal(ending, steps))


def _of(found: dict[str, Tensor], name: str) -> Tensor:
    return found.get(name, torch.zeros(()))


def _nominal(ending: Trace, steps: LinearSteps) -> Array:
    variant = ending.variant
    if not {"retain", "write"} & set(variant.roles):
        return np.full(len(ending.inputs), np.nan)
    state = retention(variant, "effective memory").state
    kept = steps.kept(state)[state].abs()
    # the product over the k steps after x has entered
    product = torch.cat([torch.ones_like(kept[:1]), kept[:-1].cumprod(0)])
    valid = ending.valid
    mean: Array = (torch.where(valid, product.mean(-1), 0.0).sum(-1) / valid.sum(-1)).cpu().numpy()
    return mean
