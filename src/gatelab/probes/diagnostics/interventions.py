"""D8, interventions: a gate held still or shuffled, and what becomes of the score."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gatelab.errors import UserError, suggest
from gatelab.language.bounds import gates
from gatelab.layers.beside import named_columns
from gatelab.layers.network import Network
from gatelab.probes.equation_values import Surroundings, evaluated
from gatelab.probes.trace import Trace, placed, trace
from gatelab.randomness import generator
from gatelab.tasks import Batch, Task

__all__ = ["Interventions", "interventions"]

Array = NDArray[np.floating[Any]]
RESAMPLES = 1000
MOST = 1000  # forward passes


@dataclass(frozen=True)
class Interventions:
    """What becomes of the score when a gate is interfered with.

    Attributes:
        gate: which.
        score_name: what is measured, with its unit.
        higher_is_better: the direction of the score.
        kinds: mean, one, zero, shuffled in time, shuffled over sequences.
        groups: name -> the units that were interfered with.
        untouched: (sequences,) score of each sequence without.
        scores: (kinds, groups, sequences) score of each sequence with.
        change: (kinds, groups) mean change of the score, in its unit.
        interval: (kinds, groups, 2) 95 % interval of the change over sequences, by the percentile bootstrap; it says
            nothing of other seeds.
    """

    gate: str
    score_name: str
    higher_is_better: bool
    kinds: tuple[str, ...]
    groups: Mapping[str, tuple[int, ...]]
    untouched: Array
    scores: Array
    change: Array
    interval: Array


def interventions(
    network: Network,
    batch: Batch,
    task: Task,
    gate: str | None = None,
    groups: Mapping[str, Sequence[int]] | None = None,
    sequences: int = 256,
    layer: int = 0,
    direction: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> Interventions:
    """Return the change of the score when a gate is frozen to its mean, to 1 or to 0, or shuffled.

        >>> from gatelab.probes import interventions
        >>> run = gatelab.train("variant=gru", "task=adding", *tiny)
        >>> found = interventions(run.network(), run.task.validation(), run.task, gate="u")
        >>> found.kinds
        ('mean', 'one', 'zero', 'shuffled in time', 'shuffled over sequences')
        >>> found.change.shape, found.interval.shape
        ((5, 1), (5, 1, 2))

    The gate is replaced at every step while the network runs: all that reads it sees the new value, and so does what
    follows. Means are of each unit over valid steps and sequences; shuffled are the values of the undisturbed network,
    each sequence's over its own steps, or whole sequences among each other. Costs 5 forward passes of the equations for
    each group, and one to record.

    Args:
        network, batch: as for all diagnostics; the batch is one of the task.
        task: which scores; ``run.task``.
        gate: which; None for the one that retains, or writes, or else the first.
        groups: name -> units that are interfered with together: ``{"unit 3": [3]}``, or
            :meth:`gatelab.probes.diagnostics.toggle_space.ToggleSpace.groups`. None for all units at once.
        sequences: the first so many of the batch are looked at.
        layer, direction: counted from 0.
        tell: called after each forward pass with how many are done, and how many there are.

    Raises:
        UserError: an RNN, which predicts nothing; an unknown gate or unit; a foreign variant or one without gates; more
            than 1000 forward passes.
    """
    if not isinstance(network, Network):
        raise UserError(f"network is a {type(network).__name__}: must be a gatelab.Network, which predicts something")
    if not isinstance(batch, Batch):
        raise UserError(f"batch is a {type(batch).__name__}: must be a batch of the task, which has targets")
    some = batch.select(slice(0, sequences))
    found = trace(network, some, "interfere with", layer, direction)
    name = _chosen(found, gate)
    units = _units(groups, found.value(name).shape[-1])
    place = placed(network.rnn, layer, direction)
    untouched, asked = _scored(network, some, task)
    scores = np.zeros((len(_KINDS), len(units), int(asked.sum())))
    for kind, values in enumerate(_replacements(found, name)):
        for group, chosen in enumerate(units.values()):
            with _forced(network.rnn.layers[place], found, name, values, chosen):
                scores[kind, group] = _scored(network, some, task)[0]
            if tell is not None:
                tell(kind * len(units) + group + 1, scores.shape[0] * scores.shape[1])
    differences = scores - untouched
    return Interventions(
        name,
        task.score_name,
        task.higher_is_better,
        _KINDS,
        units,
        untouched,
        scores,
        differences.mean(-1),
        _interval(differences),
    )


_KINDS = ("mean", "one", "zero", "shuffled in time", "shuffled over sequences")


def _chosen(found: Trace, gate: str | None) -> str:
    known = gates(found.variant)
    if not known:
        raise UserError(f"interventions: not defined for variant '{found.variant.name}', which has no gates")
    roles = found.variant.roles
    name = gate or roles.get("retain") or roles.get("write") or known[0]
    if name not in known:
        hint = f"{suggest(name, known)}; gates: {', '.join(known)}"
        raise UserError(f"gate={name}: is no gate of variant '{found.variant.name}'{hint}")
    return name


def _units(groups: Mapping[str, Sequence[int]] | None, width: int) -> dict[str, tuple[int, ...]]:
    units = {"all": tuple(range(width))} if groups is None else {name: tuple(each) for name, each in groups.items()}
    for name, each in units.items():
        if not each or not all(0 <= unit < width for unit in each):
            raise UserError(f"group '{name}' of units {list(each)}: must be some of 0 to {width - 1}")
    if len(units) * len(_KINDS) > MOST:
        raise UserError(f"{len(units)} groups: must be at most {MOST // len(_KINDS)}, each costs {len(_KINDS)} passes")
    return units


def _replacements(found: Trace, gate: str) -> Iterator[Tensor]:
    """Yield what stands in place of a gate, (time, batch, units), in the order of the kinds."""
    values, valid = found.value(gate), found.valid
    mean = values[valid].mean(0).expand(values.shape)
    yield mean
    yield torch.ones_like(values)
    yield torch.zeros_like(values)
    random = generator(0, "interventions")
    mixed = values.clone()
    for sequence, length in enumerate(found.lengths.tolist()):
        mixed[:length, sequence] = values[torch.from_numpy(random.permutation(length)), sequence]
    yield mixed
    # what a shorter sequence does not have is the mean
    yield torch.where(valid[..., None], values, mean)[:, torch.from_numpy(random.permutation(values.shape[1]))]


@contextmanager
def _forced(layer: nn.Module, found: Trace, gate: str, values: Tensor, units: tuple[int, ...]) -> Iterator[None]:
    """Let a layer put out what it would with other values of a gate, while the context lasts."""

    def replaced(_: nn.Module, given: tuple[Any, ...], result: tuple[Any, ...]) -> tuple[Any, ...]:
        return _run(found, given[0], gate, values, list(units)), *result[1:]

    handle = layer.register_forward_hook(replaced)
    try:
        yield
    finally:
        handle.remove()


def _run(found: Trace, inputs: Tensor, gate: str, values: Tensor, units: list[int]) -> Tensor:
    """Run the equations of a layer with some units of a gate replaced; outputs are zero after the end."""
    variant, outputs = found.variant, []
    previous = {name: value.new_zeros(value.shape[1:]) for name, value in found.previous.items()}
    inputs, beside = named_columns(torch.where(found.valid[..., None], inputs, 0.0), variant.beside)
    for step, x in enumerate(inputs):
        aside = {name: columns[step] for name, columns in beside.items()}
        now: dict[str, Tensor] = {}
        for name, tree in variant.trees.items():
            now[name] = evaluated(tree, Surroundings(found.weights, x, previous, now, aside))
            if name == gate:
                now[name] = now[name].expand(values.shape[1:]).clone()
                now[name][:, units] = values[step][:, units]
        previous = {name: now[name].expand(value.shape) for name, value in previous.items()}
        outputs.append(now[variant.output].expand(found.value(variant.output).shape[1:]))
    return torch.where(found.valid[..., None], torch.stack(outputs), 0.0)


@torch.no_grad()
def _scored(network: Network, batch: Batch, task: Task) -> tuple[Array, NDArray[np.bool_]]:
    """Return the mean score of each sequence that is judged at all, and which these are."""
    inputs, lengths = network.presented(batch)
    steps, count = inputs.shape[:2]
    shape = (steps, count, network.rnn.output_size)
    masks = [network.readout.weight.new_ones(shape) for _ in range(network.rnn.num_layers - 1)]
    targets = torch.from_numpy(np.ascontiguousarray(batch.targets))
    outputs = network(inputs, lengths, masks).cpu()
    if targets.is_floating_point():
        outputs = outputs.to(targets.dtype)
    scores = task.scores(outputs, targets).double().numpy()
    weights = batch.score_weights.astype(np.float64)
    weighed = np.where(weights != 0, scores * weights, 0.0)
    if weights.ndim > 1:
        weighed, weights = weighed.sum(0), weights.sum(0)
    asked = weights != 0
    return weighed[asked] / weights[asked], asked


def _interval(differences: Array) -> Array:
    """Return the 95 % percentile interval of the mean over sequences, (kinds, groups, 2)."""
    count = differences.shape[-1]
    drawn = generator(0, "resampled").integers(0, count, size=(RESAMPLES, count))
    means = np.stack([differences[..., sample].mean(-1) for sample in drawn])
    return np.moveaxis(np.quantile(means, (0.025, 0.975), axis=0), 0, -1)
