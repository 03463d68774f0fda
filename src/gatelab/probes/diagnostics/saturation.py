"""D2, saturation: how often each unit of a gate is shut and how often open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.probes.diagnostics.gate_traces import recorded_gates
from gatelab.probes.records import OPEN, SHUT
from gatelab.probes.trace import Model

__all__ = ["Saturation", "saturation"]

Array = NDArray[np.floating[Any]]
BINS = 20


@dataclass(frozen=True)
class Saturation:
    """Shares of valid steps, for each unit of each gate of a layer.

    Attributes:
        shut: gate -> (units,) share of steps below 0.1.
        open: gate -> (units,) share of steps above 0.9.
        spread: gate -> (units,) standard deviation over steps and sequences; 0 of a unit that never moves.
        counts: gate -> (20,) how many values lie in each bin, over all units; what lies beyond counts in the outermost.
        edges: (21,) borders of the bins, from 0 to 1.
    """

    shut: Mapping[str, Array]
    open: Mapping[str, Array]
    spread: Mapping[str, Array]
    counts: Mapping[str, NDArray[np.int64]]
    edges: Array


def saturation(model: Model, batch: Any, layer: int = 0, direction: int = 0) -> Saturation:
    """Return how often each unit of a layer's gates is shut or open (Karpathy, Johnson & Fei-Fei 2015, section 4.2).

        >>> from gatelab.probes import saturation
        >>> found = saturation(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> found.shut["f"].shape, found.counts["f"].sum() == 20 * 4 * 8
        ((8,), np.True_)

    Costs a forward pass.

    Raises:
        UserError: a variant without gates; a model, batch or layer that does not fit.
    """
    values, given = recorded_gates(model, batch, "saturation", layer, direction)
    inside = {name: value[given.valid].cpu().numpy() for name, value in values.items()}
    edges = np.linspace(0, 1, BINS + 1)
    return Saturation(
        shut={name: (value < SHUT).mean(0) for name, value in inside.items()},
        open={name: (value > OPEN).mean(0) for name, value in inside.items()},
        spread={name: value.std(0) for name, value in inside.items()},
        counts={name: np.histogram(value.clip(0, 1), edges)[0] for name, value in inside.items()},
        edges=edges,
    )
