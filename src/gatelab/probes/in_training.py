"""What ``training.probes`` adds at a validation: effective ranks of the gates, and the gradient against distance."""

import sys
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from gatelab.compiler.affine import affine_terms
from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.bounds import gates
from gatelab.language.tree import Read
from gatelab.layers.network import Network
from gatelab.layers.rnn import RNN
from gatelab.layers.structured_weights import whole_weights
from gatelab.probes.diagnostics.toggle_space import effective_rank
from gatelab.probes.records import GATES, GRADIENT, LAG, LOSS, under_keys

__all__ = ["effective_ranks", "gradient_against_distance", "gradient_by_distance", "name_what_lacks"]

LAGS = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))
"""Steps before the loss, beside 0."""


def effective_ranks(rnn: RNN, weights: Mapping[str, Tensor]) -> list[dict[str, float]]:
    """Return, for each run, key -> effective rank of the matrices with which a gate reads states.

    It is exp of the entropy of the squared singular values as shares of their sum, as in
    :func:`gatelab.probes.toggle_space`, which also counts the matrix of x. A gate without such a matrix has none.

    Args:
        rnn: the structure that the runs share.
        weights: stacked, parameter name of ``rnn`` -> (runs, …).
    """
    variant, layers = rnn.variant, rnn.layers
    runs = next(iter(weights.values())).shape[0]
    found: list[dict[str, float]] = [{} for _ in range(runs)]
    asked = {gate: read for gate in gates(variant) if (read := _recurrent(variant, gate))}
    if not asked:
        return found
    directions = 2 if rnn.bidirectional else 1
    for index in range(len(layers)):
        place = f"{index // directions}.{index % directions}." if len(layers) > 1 else ""
        above = f"layers.{index}."
        own = {name.removeprefix(above): value for name, value in weights.items() if name.startswith(above)}
        with torch.no_grad():
            whole = {name: value.double().cpu().numpy() for name, value in whole_weights(variant, own).items()}
        for gate, sources in asked.items():
            for run in range(runs):
                matrix = np.concatenate(
                    [sum(scale * whole[weight][run] for scale, weight in terms) for terms in sources], -1
                )
                found[run] |= under_keys(GATES, place + gate, {"effective_rank": _effective_rank(matrix)})
    return found


def name_what_lacks(variant: Variant) -> None:
    """Print on stderr, once in a process, which gates have no effective rank."""
    named = gates(variant)
    lacking = [gate for gate in named if not _recurrent(variant, gate)]
    if lacking:
        why = f"{', '.join(lacking)}: a gate that is no function of a learned matrix times a state"
        _print_once(f"training.probes: variant '{variant.name}' has no effective rank of {why}")
    elif not named:
        _print_once(f"training.probes: variant '{variant.name}' has no gates; the gradient is measured")


@cache
def _print_once(line: str) -> None:
    print(line, file=sys.stderr)


@cache
def _recurrent(variant: Variant, gate: str) -> tuple[tuple[tuple[float, str], ...], ...]:
    """Return, for each source of a gate but x, the scales and names of its matrices, which are added."""
    try:
        _, terms = affine_terms(variant, gate, "effective rank")
    except UserError:  # a foreign variant, or a gate that is no function of a sum
        return ()
    by_source: dict[str, list[tuple[float, str]]] = {}
    for term in terms:
        reads_x = isinstance(term.read, Read) and term.read.when == "input"
        if term.weight is not None and not term.diagonal and not reads_x:
            by_source.setdefault(term.source, []).append((term.scale, term.weight))
    return tuple(tuple(each) for each in by_source.values())


def _effective_rank(matrix: NDArray[np.float64]) -> float:
    if not np.isfinite(matrix).all():
        return float("nan")
    # the squared singular values: a fifth of the time of a singular value decomposition
    small = matrix @ matrix.T if len(matrix) <= matrix.shape[-1] else matrix.T @ matrix
    return effective_rank(np.linalg.eigvalsh(small).clip(0))


def gradient_against_distance(
    network: Network,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    lengths: Tensor,
    ends: Tensor,
    loss: Callable[[Tensor], Tensor],
) -> list[dict[str, float]]:
    """Return, for each run, key -> norm of ∂loss/∂x k steps before the loss, for k of 0, 1, 2, 5, 10, 20, 50, ….

    x is what the first layer reads, and the norm the root mean square over sequences that long of the Euclidean norm
    over features. Costs a forward and a backward pass.

    Args:
        network: the structure that the runs share.
        weights: stacked, parameter name -> (runs, …).
        inputs: (time, batch, input), or (time, batch) of tokens, the same for all runs.
        lengths: (batch,) valid steps.
        ends: (batch,) the step at which a sequence's loss stands, -1 of a sequence without one.
        loss: predictions of one run -> the sum over sequences of the loss at ``ends``.
    """
    runs = next(iter(weights.values())).shape[0]
    # a validation runs in Lightning's inference mode, whose tensors autograd refuses
    with torch.inference_mode(False), torch.enable_grad():
        known = {name: weight.detach() for name, weight in weights.items()}
        shown, valid = inputs.clone().expand(runs, *inputs.shape), lengths.clone().expand(runs, *lengths.shape)
        embedding = _Part(network, network.embedded)
        read = functional_call(embedding, _below(known), (shown, valid)).detach().clone().requires_grad_()
        outputs = functional_call(_Part(network, network.predicted), _below(known), (read, valid))
        total = torch.stack([loss(one) for one in outputs]).sum()
        (slope,) = torch.autograd.grad(total, read)
    return gradient_by_distance(slope.double().cpu().numpy(), ends.cpu().numpy())


class _Part(torch.nn.Module):
    """A method of a network, as a module whose weights :func:`functional_call` replaces."""

    def __init__(self, network: Network, method: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, *given: Tensor) -> Tensor:
        return self.method(*given)


def _below(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{name}": weight for name, weight in weights.items()}


def gradient_by_distance(slope: NDArray[np.float64], ends: NDArray[np.int64]) -> list[dict[str, float]]:
    """Return, for each run, key -> root mean square over sequences of the norm of a slope k steps before the end.

    Args:
        slope: (runs, time, batch, features).
        ends: (batch,) the step from which distance counts, -1 of a sequence without one.
    """
    squared = (slope**2).sum(-1)
    found: list[dict[str, float]] = [{} for _ in slope]
    for lag in (0, *LAGS):
        longer = np.flatnonzero(ends >= lag)
        if not len(longer):
            break
        norms = np.sqrt(squared[:, ends[longer] - lag, longer].mean(-1))
        for run, norm in enumerate(norms.tolist()):
            found[run] |= under_keys(GRADIENT, LOSS, {f"{LAG}{lag}": norm})
    return found
