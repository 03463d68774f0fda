"""Normal noise on the weights of a stack, at which a step's gradients are computed."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration
from gatelab.randomness import generator

__all__ = ["with_noise"]


def with_noise(
    weights: Mapping[str, Tensor], configurations: Sequence[RunConfiguration], step: int
) -> dict[str, Tensor]:
    """Return the weights of a step with each run's noise: parameter name -> (runs, …).

    Args:
        weights: parameter name -> (runs, …).
        configurations: of the runs.
        step: counted from 0.
    """
    deviations = [configuration.training.weight_noise for configuration in configurations]
    if not any(deviations):
        return dict(weights)
    sizes = [weight[0].numel() for weight in weights.values()]
    rows = np.zeros((len(deviations), sum(sizes)), np.float32)
    for row, configuration, deviation in zip(rows, configurations, deviations, strict=True):
        if deviation:
            generator(configuration.seed, "weight noise", step).standard_normal(out=row, dtype=np.float32)
            row *= np.float32(deviation)
    device = next(iter(weights.values())).device
    noise = torch.from_numpy(rows).to(device, non_blocking=True).split(sizes, 1)
    return {name: weight + part.view_as(weight) for (name, weight), part in zip(weights.items(), noise, strict=True)}
