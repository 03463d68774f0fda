"""A network that begins with given states and hands on those in which it ends, as a module of its own."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gatelab.layers.network import Network

__all__ = ["ReadPiece", "States", "advanced", "carried_on", "zero_states"]

States = list[dict[str, Tensor]]
"""For each layer: state -> (runs, batch, size)."""

_TIME = 1  # the axis, behind the runs


class ReadPiece(NamedTuple):
    """What a stack reads in a piece; all tensors have a run axis in front, then time, but lengths."""

    inputs: Tensor
    lengths: Tensor
    masks: Sequence[Tensor] | None
    drawn: Sequence[Tensor] | None

    def first(self, steps: int) -> "ReadPiece":
        """Return its first steps."""
        masks, drawn = (
            None if each is None else [one.narrow(_TIME, 0, steps) for one in each] for each in (self.masks, self.drawn)
        )
        return ReadPiece(self.inputs.narrow(_TIME, 0, steps), self.lengths.clamp(max=steps), masks, drawn)


class _Carrying(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, piece: ReadPiece, states: States) -> tuple[Tensor, States]:
        read = self.network.embedded(piece.inputs, piece.lengths)
        output, finals, _ = self.network.rnn.run(read, states, piece.lengths, piece.masks, drawn=piece.drawn)
        return self.network.of_outputs(output, read, piece.lengths), finals


def carried_on(
    network: Network, weights: Mapping[str, Tensor], piece: ReadPiece, states: States
) -> tuple[Tensor, States]:
    """Return the predictions of a stack that begins with states, and those in which it ends."""
    named = {f"network.{name}": weight for name, weight in weights.items()}
    found: tuple[Tensor, States] = functional_call(_Carrying(network), named, (piece, states))
    return found


@torch.no_grad()
def advanced(network: Network, weights: Mapping[str, Tensor], piece: ReadPiece, states: States, steps: int) -> States:
    """Return the states of a stack after the first steps of what it reads."""
    return carried_on(network, weights, piece.first(steps), states)[1] if steps else states


def zero_states(network: Network, runs: int, batch: int, like: Tensor) -> States:
    """Return the states with which a sequence begins."""
    return [
        {name: like.new_zeros(runs, batch, size) for name, size in layer.state_sizes().items()}
        for layer in network.rnn.layers
    ]
