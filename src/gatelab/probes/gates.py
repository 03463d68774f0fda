"""How open the gates are: histograms of gate values over units, steps and sequences, and how long units remember."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from gatelab.language import Variant
from gatelab.language.bounds import gates
from gatelab.layers.network import Network
from gatelab.probes.records import OPEN, SHUT, Gate

__all__ = ["GateHistogram", "gate_histograms", "histograms_of"]

BINS = 20
FINE = np.linspace(0, 1, BINS + 1)
COARSE = FINE[[0, round(SHUT * BINS), round(OPEN * BINS), BINS]]  # what the shares need
LEAST = 1e-6  # a gate below this forgets everything; its logarithm would be all that a mean shows
QUANTILES = (0.1, 0.5, 0.9)  # of units


@dataclass(frozen=True)
class GateHistogram:
    """The values of one gate of one layer and direction.

    Attributes:
        name: the gate's equation; with several layers or directions "layer.direction.equation", counted from 0.
        counts: (20,) how many values lie in each bin; values below 0 and above 1 (of an exponential gate) count in the
            outermost. (3,) where only shut, between and open were asked for.
        edges: (21,) borders of the bins, from 0 to 1; or (4,).
        mean: of all values.
        decay: of a gate that retains, the 10, 50 and 90 % quantiles over units of −E[log f], in nats a step: a unit
            forgets with the time scale 1/decay, in steps. Negative where an exponential gate lets a state grow.
    """

    name: str
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    mean: float
    decay: tuple[float, float, float] | None = None

    def summary(self) -> Gate:
        """Return the mean, the shares of values that are shut and open, and how fast it forgets."""
        total = max(1, int(self.counts.sum()))
        shut, open_ = np.searchsorted(self.edges, (SHUT - 1e-9, OPEN - 1e-9))  # the edges are rounded
        return Gate(
            self.mean,
            float(self.counts[:shut].sum() / total),
            float(self.counts[open_:].sum() / total),
            *(self.decay or ()),
        )

    def keyed(self) -> dict[str, float]:
        """Return the summary under the keys of a history."""
        return self.summary().keyed(self.name)


@torch.no_grad()
def gate_histograms(
    network: Network, weights: Mapping[str, Tensor], inputs: Tensor, lengths: Tensor | None, *, fine: bool = True
) -> list[list[GateHistogram]]:
    """Return, for each run, the histogram of every gate over valid steps.

    Args:
        network: the structure that the runs share.
        weights: stacked, parameter name -> (runs, …).
        inputs: (time, batch, input), or (time, batch) of tokens, the same for all runs.
        lengths: (batch,) valid steps, or None.
        fine: count in 20 bins; otherwise in shut, between and open, in a third of the time.
    """
    names = gates(network.rnn.variant)
    runs = next(iter(weights.values())).shape[0]
    if not names:
        return [[] for _ in range(runs)]
    shown = inputs.expand(runs, *inputs.shape)
    valid = None if lengths is None else lengths.expand(runs, *lengths.shape)
    recorder = _Recorder(network, names)
    records = functional_call(recorder, {f"network.{name}": weight for name, weight in weights.items()}, (shown, valid))
    valid_steps = None if lengths is None else torch.arange(inputs.shape[0], device=inputs.device)[:, None] < lengths
    directions = 2 if network.rnn.bidirectional else 1
    found: list[list[GateHistogram]] = [[] for _ in range(runs)]
    for index, record in enumerate(records):
        place = f"{index // directions}.{index % directions}." if len(records) > 1 else ""
        for run in range(runs):
            values = {place + name: record[name][run] for name in names}
            found[run] += histograms_of(network.rnn.variant, values, valid_steps, fine=fine)
    return found


def histograms_of(
    variant: Variant, values: Mapping[str, Tensor], valid_steps: Tensor | None, *, fine: bool = True
) -> list[GateHistogram]:
    """Return the histogram of every gate over valid steps.

    Args:
        variant: of the gates.
        values: gate -> (time, batch, hidden), under the keys of :meth:`gatelab.RNN.gates`.
        valid_steps: (time, batch), False after the end of a sequence; None if all are valid.
        fine: count in 20 bins; otherwise in shut, between and open, in a third of the time.
    """
    keep = None if valid_steps is None or bool(valid_steps.all()) else valid_steps.cpu().numpy()
    retain, edges = variant.roles.get("retain"), FINE if fine else COARSE
    found = []
    for part, gate in values.items():
        array = gate.cpu().numpy()
        kept = array.reshape(-1, array.shape[-1]) if keep is None else array[keep]
        found.append(_histogram(part, kept, edges, retains=part.rpartition(".")[2] == retain))
    return found


class _Recorder(torch.nn.Module):
    """Runs a network and returns its gates instead of its predictions."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, inputs: Tensor, lengths: Tensor | None) -> list[dict[str, Tensor]]:
        return self.network.rnn.run(self.network.embedded(inputs, lengths), None, lengths, record=self.names)[2]


def _histogram(
    name: str, values: NDArray[np.float32], edges: NDArray[np.float64] = FINE, *, retains: bool
) -> GateHistogram:
    regular = np.isfinite(values)
    finite = values.ravel() if regular.all() else values[regular]
    # three times as fast as numpy's histogram, and the same counts: what is at least an edge lies right of it
    at_least = np.array(
        [finite.size, *(np.count_nonzero(finite >= edge) for edge in edges[1:-1].astype(values.dtype)), 0]
    )
    counts = at_least[:-1] - at_least[1:]
    mean = float(finite.mean()) if finite.size else float("nan")
    return GateHistogram(name, counts, edges, mean, _decay(values) if retains else None)


def _decay(values: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """Return quantiles over units of −E[log f]; what is kept multiplies from step to step, so that logarithms add."""
    regular = np.isfinite(values).all(0)
    finite = values if regular.all() else values[:, regular]
    if not finite.size:
        return None
    logarithms = finite.astype(np.float64)
    np.maximum(logarithms, LEAST, out=logarithms)
    rates = -np.log(logarithms, out=logarithms).mean(0)
    low, middle, high = np.quantile(rates, QUANTILES).tolist()
    return low, middle, high
