"""The network of a stored run with its weights, and measuring its scores again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gatelab.configuration import RunConfiguration
from gatelab.layers.network import Network
from gatelab.store import Performance
from gatelab.tasks import Batch, Task
from gatelab.training.checkpoint import read_best, read_state
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import EvaluationBatches
from gatelab.training.weighted import totals

__all__ = ["measure", "stored_network", "untrained_network"]


def stored_network(configuration: RunConfiguration, checkpoint: bytes, *, last: bool, best: bool) -> Network:
    """Return the network of one run, on the CPU and in evaluation mode.

    In training mode it has the dropout between layers that the run was trained with.

    Args:
        configuration: of the run; the path is the fastest that this machine has.
        checkpoint: the bytes of best.pt, or of last.pt.
        last: whether it is the latter.
        best: whether to return the best weights, which last.pt holds as well.

    Raises:
        ValueError: the bytes have changed, or are not a checkpoint of this network.
    """
    found = network(replace(configuration, path="auto"), trained=True)
    learnt = network(configuration)
    shapes = {name: tuple(parameter.shape) for name, parameter in learnt.named_parameters()}
    weights = _weights(checkpoint, shapes, best=best) if last else read_best(checkpoint)
    if {name: tuple(weight.shape) for name, weight in weights.items()} != shapes:
        raise ValueError("it is a checkpoint of another network")
    _load(found, [weights[name] for name in shapes])
    found.rnn.dropout = configuration.model.dropout
    return found.eval()


def untrained_network(configuration: RunConfiguration) -> Network:
    """Return the network of one run as it was before its first step; the rest as :func:`stored_network`."""
    found = network(replace(configuration, path="auto"), trained=True)
    weights = initial_weights([configuration], network(configuration))
    _load(found, [weight[0] for weight in weights.values()])
    found.rnn.dropout = configuration.model.dropout
    return found.eval()


def _load(found: Network, weights: Sequence[Tensor]) -> None:
    """Load weights in the order of the parameters: their names may be those of the equations of training."""
    names = [name for name, _ in found.named_parameters()]
    found.load_state_dict(dict(zip(names, weights, strict=True)))


def _weights(checkpoint: bytes, shapes: Mapping[str, tuple[int, ...]], *, best: bool) -> Mapping[str, Tensor]:
    state = read_state(checkpoint, shapes)
    if best and not state.progress.best_weights:
        raise ValueError("it was written before the first validation, and has no best weights")
    return state.progress.best_weights if best else state.weights


@torch.no_grad()
def measure(network: Network, task: Task, batch: Batch) -> Performance:
    """Return mean loss and score of a network on all sequences of a split."""
    device = network.readout.weight.device
    sums = torch.zeros(4, dtype=torch.float64)
    for part in EvaluationBatches(batch):
        there = part.moved(device)
        sums += totals(task, network(there.inputs, there.lengths), there).cpu()
    loss, loss_weights, score, score_weights = sums.tolist()
    return Performance(loss / loss_weights, score / score_weights)
