"""A stack: the weights of many runs of equal shapes, side by side along a leading run axis."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration, embedding_size
from gatelab.layers.network import Network
from gatelab.randomness import generator

__all__ = ["initial_weights", "network"]


def network(configuration: RunConfiguration) -> Network:
    """Return the network of a run, before its weights are set."""
    task, model = configuration.task, configuration.model
    # these draws are discarded, and the caller's random state is unchanged
    with torch.random.fork_rng(devices=[]):
        return Network(
            configuration.variant,
            task.input_size,
            task.output_size,
            model.hidden_size,
            model.num_layers,
            bidirectional=model.bidirectional,
            readout=task.readout,
            path=configuration.path,
            embedding=embedding_size(model, task),
            tokens=task.reads_tokens,
            direct=model.direct,
            bias=model.bias,
        )


def initial_weights(configurations: Sequence[RunConfiguration], template: Network) -> dict[str, Tensor]:
    """Return the stacked initial weights: parameter name -> (runs, …).

    Each run's weights depend only on its own seed, initial scale and opening.
    """
    each: list[Mapping[str, Tensor]] = []
    for configuration in configurations:
        draw = torch.Generator().manual_seed(int(generator(configuration.seed, "weights").integers(2**63)))
        template.reset_parameters(draw)
        if configuration.model.initial != "default":
            assert configuration.model.initial_scale is not None
            template.spread_parameters(draw, configuration.model.initial, configuration.model.initial_scale)
        configuration.opening.apply(template.rnn, generator(configuration.seed, "opening"))
        each.append({name: parameter.detach().clone() for name, parameter in template.named_parameters()})
    return {name: torch.stack([weights[name] for weights in each]) for name in each[0]}
