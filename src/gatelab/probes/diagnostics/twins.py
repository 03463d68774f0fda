"""An untrained network to stand beside a trained one: random networks show structure too."""

import copy
from typing import TypeVar

import torch

from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN
from gatelab.randomness import generator

__all__ = ["untrained_twin"]

AModel = TypeVar("AModel", Network, RNN)


def untrained_twin(model: AModel, seed: int = 0) -> AModel:
    """Return a copy of a model with weights drawn anew, which has learned nothing.

        >>> from gatelab.probes import saturation, untrained_twin
        >>> rnn, x = gatelab.RNN("lstm", 3, 8, opening="one"), torch.randn(20, 4, 3)
        >>> twin = untrained_twin(rnn)
        >>> twin.variant == rnn.variant, saturation(twin, x).counts["f"].sum() == saturation(rnn, x).counts["f"].sum()
        (True, np.True_)

    An RNN opens its gates as it was told to; of a run, whose opening stands in its configuration,
    ``run.network("initial")`` is the network before its first step.

    Args:
        model: a network or an RNN; it stays as it is.
        seed: of the weights.
    """
    twin = copy.deepcopy(model)
    drawn = int(generator(seed, "twin").integers(2**63))
    twin.reset_parameters(torch.Generator(device=next(twin.parameters()).device).manual_seed(drawn))
    return twin
