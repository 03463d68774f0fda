"""A stack: the weights of many runs of equal shapes, side by side along a leading run axis."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration, embedding_size
from gatelab.keys import ModelSection
from gatelab.language import Variant
from gatelab.language.masked import after_training, drawn_words, in_training
from gatelab.language.sizes import DRAWN
from gatelab.layers.drawn_columns import drawn_of, expectation
from gatelab.layers.network import Network
from gatelab.randomness import generator

__all__ = ["expectations", "initial_weights", "network", "rates_of"]


def rates_of(model: ModelSection) -> dict[str, float]:
    """Return the probability of each thing that training draws within a step, by the name of its key."""
    return {word: getattr(model, word) for word in DRAWN}


def network(configuration: RunConfiguration, *, trained: bool = False) -> Network:
    """Return the network of a run, before its weights are set.

    Args:
        configuration: of the run.
        trained: whether its equations are those of a trained network, with the expectation of what training draws in
            place of its masks. Its weights are the same, in the same order; some may have other names.
    """
    variant, model = configuration.variant, configuration.model
    if words := drawn_words(variant, rates_of(model)):
        variant = (
            after_training(variant, model.zoneout_hidden, model.zoneout_cell)
            if trained
            else in_training(variant, words)
        )
    return _network(configuration, variant)


def _network(configuration: RunConfiguration, variant: Variant) -> Network:
    task, model = configuration.task, configuration.model
    # these draws are discarded, and the caller's random state is unchanged
    with torch.random.fork_rng(devices=[]):
        return Network(
            variant,
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


def expectations(configurations: Sequence[RunConfiguration], template: Network) -> dict[str, Tensor]:
    """Return the mean of each thing that training draws within a step: word -> (runs,)."""
    return {
        word: torch.tensor([expectation(word, rates_of(one.model)[word]) for one in configurations])
        for word in drawn_of(template.rnn.variant)
    }


def initial_weights(configurations: Sequence[RunConfiguration], template: Network) -> dict[str, Tensor]:
    """Return the stacked initial weights: parameter name -> (runs, …).

    Each run's weights depend only on its own seed, initial scale and opening. They are drawn for the variant as
    its file has it, whose gates an opening knows.
    """
    plain = template
    if template.rnn.variant is not configurations[0].variant:
        plain = _network(configurations[0], configurations[0].variant)
    names = [name for name, _ in template.named_parameters()]
    each: list[Mapping[str, Tensor]] = []
    for configuration in configurations:
        draw = torch.Generator().manual_seed(int(generator(configuration.seed, "weights").integers(2**63)))
        plain.reset_parameters(draw)
        if configuration.model.initial != "default":
            assert configuration.model.initial_scale is not None
            plain.spread_parameters(draw, configuration.model.initial, configuration.model.initial_scale)
        configuration.opening.apply(plain.rnn, generator(configuration.seed, "opening"))
        parameters = zip(names, plain.parameters(), strict=True)
        each.append({name: parameter.detach().clone() for name, parameter in parameters})
    return {name: torch.stack([weights[name] for weights in each]) for name in each[0]}
