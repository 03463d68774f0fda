"""A stack: the weights of many runs of equal shapes, side by side along a leading run axis."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration, embedding_size
from gatelab.configuration.run import SCIENCE, science_of
from gatelab.configuration.shared import Same
from gatelab.models.network import Network
from gatelab.randomness import generator

__all__ = ["STACKABLE", "initial_weights", "network", "shape_key"]

STACKABLE: tuple[str, ...] = (
    "seed",
    "opening",
    "optimizer.lr",
    "optimizer.weight_decay",
    "optimizer.betas",
    "optimizer.momentum",
    "optimizer.alpha",
    "optimizer.rho",
    "optimizer.eps",
    "optimizer.normalize_momentum",
    "schedule",
    "training.clip_norm",
    "training.patience",
    "training.stop_at",
    "training.input_noise",
    "training.weight_noise",
    "model.dropout",
    "model.initial",
    "model.initial_scale",
)
"""Dotted keys in which the runs of one stack may differ. A difference in any other key splits stacks."""

_ALSO_SHARED = ("path", "device", "threads", "stack", "progress", "logger", "runs_dir")
_OF_VARIANT = ("state", "equations", "order", "output", "module")


def shape_key(configuration: RunConfiguration) -> str:
    """Return a text that is equal for runs that can share a stack."""
    return json.dumps([_shared(name, Same(getattr(configuration, name))) for name in (*SCIENCE, *_ALSO_SHARED)])


@lru_cache(maxsize=4096)
def _shared(name: str, section: Same) -> str | None:
    """Return what of a section the runs of a stack have in common, as text."""
    if name in STACKABLE:
        return None
    content = science_of(name, section.value)
    if name == "variant":
        content = {key: content.get(key) for key in _OF_VARIANT}
    elif isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if f"{name}.{key}" not in STACKABLE}
    return json.dumps(content, sort_keys=True)


def network(configuration: RunConfiguration) -> Network:
    """Return the network of a run, its weights not yet those of the run."""
    task, model = configuration.task, configuration.model
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
    )


def initial_weights(configurations: Sequence[RunConfiguration], template: Network) -> dict[str, Tensor]:
    """Return the stacked initial weights: parameter name -> (runs, …).

    Each run's depend on its own seed, its spread and its opening only.
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
