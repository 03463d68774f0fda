"""A network that begins with given states and hands on those in which it ends, as a module of its own."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gatelab.layers.network import Network

__all__ = ["States", "advanced", "carried_on", "zero_states"]

States = list[dict[str, Tensor]]
"""For each layer: state -> (runs, batch, size)."""


class _Carrying(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor,
        masks: Sequence[Tensor] | None,
        drawn: Sequence[Tensor] | None,
        states: States,
    ) -> tuple[Tensor, States]:
        read = self.network.embedded(inputs, lengths)
        output, finals, _ = self.network.rnn.run(read, states, lengths, masks, drawn=drawn)
        return self.network.of_outputs(output, read, lengths), finals


def carried_on(
    network: Network,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    lengths: Tensor,
    masks: Sequence[Tensor] | None,
    drawn: Sequence[Tensor] | None,
    states: States,
) -> tuple[Tensor, States]:
    """Return the predictions of a stack that begins with states, and those in which it ends."""
    named = {f"network.{name}": weight for name, weight in weights.items()}
    found: tuple[Tensor, States] = functional_call(_Carrying(network), named, (inputs, lengths, masks, drawn, states))
    return found


@torch.no_grad()
def advanced(
    network: Network,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    lengths: Tensor,
    masks: Sequence[Tensor] | None,
    drawn: Sequence[Tensor] | None,
    states: States,
    steps: int,
) -> States:
    """Return the states of a stack after the first steps of what it reads; arguments as :func:`carried_on`."""
    if not steps:
        return states
    time = 1  # behind the runs
    masks, drawn = (None if each is None else [one.narrow(time, 0, steps) for one in each] for each in (masks, drawn))
    return carried_on(network, weights, inputs.narrow(time, 0, steps), lengths.clamp(max=steps), masks, drawn, states)[
        1
    ]


def zero_states(network: Network, runs: int, batch: int, like: Tensor) -> States:
    """Return the states with which a sequence begins."""
    return [
        {name: like.new_zeros(runs, batch, size) for name, size in layer.state_sizes().items()}
        for layer in network.rnn.layers
    ]
