"""D1, gate traces: every gate of a layer at every step, its units in the order in which they forget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.errors import UserError
from gatelab.language.bounds import gates
from gatelab.probes.trace import Model, Shown, check_finite, placed, shown

__all__ = ["GateTraces", "gate_traces", "recorded_gates"]

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class GateTraces:
    """Gates over time.

    Attributes:
        values: gate -> (time, batch, units), without unit; zero after the end of a sequence.
        order: (units,) of the retaining gate, the units from the one that forgets slowest to the fastest (by the mean
            of -log f); of a variant without one, of the first gate by its mean, the largest first.
        ordered_by: the gate that the order is of.
        inputs: (time, batch, features), what the layer reads.
        lengths: (batch,), steps.
    """

    values: Mapping[str, Array]
    order: NDArray[np.int64]
    ordered_by: str
    inputs: Array
    lengths: NDArray[np.int64]


def gate_traces(model: Model, batch: Any, layer: int = 0, direction: int = 0) -> GateTraces:
    """Return every gate of a layer at every step.

        >>> from gatelab.probes import gate_traces
        >>> found = gate_traces(gatelab.RNN("lstm", 3, 8), torch.randn(20, 4, 3))
        >>> list(found.values), found.values["f"].shape, found.ordered_by
        (['i', 'f', 'o'], (20, 4, 8), 'f')

    Costs a forward pass.

    Args:
        model, batch: as for all diagnostics.
        layer, direction: counted from 0.

    Raises:
        UserError: a variant without gates; a model, batch or layer that does not fit.
    """
    values, given = recorded_gates(model, batch, "gate traces", layer, direction)
    retain = given.rnn.variant.roles.get("retain")
    name = retain if retain in values else next(iter(values))
    inside = values[name][given.valid]
    # a gate that is shut forgets all: a logarithm of 1e-30 puts it last
    speed = -inside.clamp(min=1e-30).log().mean(0) if name == retain else -inside.mean(0)
    return GateTraces(
        {gate: value.cpu().numpy() for gate, value in values.items()},
        speed.argsort(stable=True).cpu().numpy(),
        name,
        given.inputs.cpu().numpy(),
        given.lengths.cpu().numpy(),
    )


@torch.no_grad()
def recorded_gates(model: Model, batch: Any, what: str, layer: int, direction: int) -> tuple[dict[str, Tensor], Shown]:
    """Return gate -> (time, batch, units) of a layer, and what the model was shown.

    Raises:
        UserError: a variant without gates, as ``what`` asks for them; else as for all diagnostics.
    """
    given = shown(model, batch)
    names = gates(given.rnn.variant)
    if not names:
        raise UserError(f"{what}: not defined for variant '{given.rnn.variant.name}', which has no gates")
    _, _, records = given.rnn.run(given.inputs, None, given.lengths, given.masks(), names)
    values = records[placed(given.rnn, layer, direction)]
    check_finite("gates", *(value[given.valid] for value in values.values()))
    return values, given
