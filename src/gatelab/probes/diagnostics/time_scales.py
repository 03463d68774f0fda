"""D3, time scales: how long each unit remembers, as its gate says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatelab.compiler.retention import retention
from gatelab.probes.diagnostics.gate_traces import recorded_gates
from gatelab.probes.linear_steps import LinearSteps
from gatelab.probes.trace import Model, placed, shown, trace

__all__ = ["TimeScales", "time_scales"]

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class TimeScales:
    r"""How long the units of a layer remember; all times in steps.

    A state that is multiplied with f_t at each step fades like exp(-t/τ) with τ = -1/E[log f]: what is kept multiplies,
    so that logarithms add.

    Attributes:
        gate: the retaining gate f; "" of a variant that declares only what writes, where f is the diagonal of
            ∂s_t/∂s_{t-1} along the kept path (1 - z of a GRU that writes z).
        tau: (units,) -1/E[log f] over valid steps and sequences; infinite where f is 1 or grows, 0 where it is ever 0.
        horizon: (units,) 1/(1 - E[f]), about τ for f near 1.
        bias_only: (units,) τ from the biases alone: with x and all states zero.
        lag: what the task asks for, if the caller said so; else None.
    """

    gate: str
    tau: Array
    horizon: Array
    bias_only: Array
    lag: float | None

    @property
    def half_life(self) -> Array:
        """Return (units,) the steps after which half is left, τ ln 2."""
        return self.tau * np.log(2)

    @property
    def long_enough(self) -> float | None:
        """Return the share of units with τ of at least the lag that the task asks for; None without one."""
        return None if self.lag is None else float((self.tau >= self.lag).mean())


def time_scales(model: Model, batch: Any, lag: float | None = None, layer: int = 0, direction: int = 0) -> TimeScales:
    """Return how long the units of a layer remember, as the gate says.

        >>> from gatelab.probes import time_scales
        >>> rnn = gatelab.RNN("lstm", 3, 8)
        >>> for name in ("f_weight_x", "f_weight_h"):
        ...     _ = rnn.layers[0].get_parameter(name).data.zero_()
        >>> _ = rnn.layers[0].f_bias.data.fill_(2.1972246)  # σ of it is 0.9
        >>> time_scales(rnn, torch.randn(20, 4, 3)).tau.round(2)[:3]
        array([9.49, 9.49, 9.49])

    Costs a forward pass.

    Args:
        model, batch: as for all diagnostics.
        lag: the steps that the task asks a unit to bridge, to be drawn beside.
        layer, direction: counted from 0.

    Raises:
        UserError: a variant that declares no gate that retains or writes; a model, batch or layer that does not fit.
    """
    variant = shown(model, batch).rnn.variant
    gate = variant.roles.get("retain")
    kept, at_rest = _by_role(model, batch, gate, layer, direction) if gate else _kept(model, batch, layer, direction)
    whole = kept.double()
    mean = whole.mean(0).cpu().numpy()
    with np.errstate(divide="ignore"):
        horizon = np.where(mean < 1, 1 / (1 - np.minimum(mean, 1)), np.inf)
    return TimeScales(gate or "", _tau(whole), horizon, _tau(at_rest.double()), lag)


def _tau(kept: Tensor) -> Array:
    """Return -1/E[log f] of (steps, units)."""
    rate = -kept.log().mean(0).cpu().numpy()
    with np.errstate(divide="ignore"):
        tau: Array = np.where(rate > 0, 1 / rate, np.where(np.isnan(rate), np.nan, np.inf))
    return tau


@torch.no_grad()
def _by_role(model: Model, batch: Any, gate: str, layer: int, direction: int) -> tuple[Tensor, Tensor]:
    values, given = recorded_gates(model, batch, "time scales", layer, direction)
    own = given.rnn.layers[placed(given.rnn, layer, direction)]
    _, _, at_rest = own(given.inputs.new_zeros(1, 1, own.input_size), record=[gate])
    return values[gate][given.valid], at_rest[gate][0]


@torch.no_grad()
def _kept(model: Model, batch: Any, layer: int, direction: int) -> tuple[Tensor, Tensor]:
    found = trace(model, batch, "find time scales in", layer, direction)
    state = retention(found.variant, "time scales").state
    values = LinearSteps(found).kept(state)[state]
    return values[found.valid], LinearSteps(found.at_rest()).kept(state)[state][0]
