"""What the gates of a network of one's own do, out of a file of weights, as the page that a run has."""

from pathlib import Path

import numpy as np
import torch

from gatelab import probes
from gatelab.cli.explained_page import SEQUENCES, Preface, Subject, chosen_focus, write_page
from gatelab.errors import UserError, one_line, suggest
from gatelab.exchange import Found, chosen, found_in
from gatelab.layers.rnn import RNN
from gatelab.layers.rnn_inputs import backwards
from gatelab.reading.arrays import read_npz

__all__ = ["explained_weights"]


def explained_weights(
    weights: str, data: str, out: Path, *, layer: str, direction: str, gate: str, batch_first: bool
) -> None:
    """Write the page of a network in a file of another program, or in one that ``save`` wrote.

    Args:
        weights: the file.
        data: an .npz with ``inputs``, (time, batch, features), and if sequences differ in length ``lengths``, (batch,).
        out: the page.
        layer: the place of the network in its model, such as ``encoder.lstm``, or of a layer further up,
            ``encoder.lstm.l1``; "" for the first layer of the only network.
        direction, gate: as of a run.
        batch_first: whether inputs are (batch, time, features).

    Raises:
        UserError: files that cannot be read; no network, several and no ``layer``, or none of this name; data of
            another width.
    """
    found, depth = _chosen(found_in(weights), layer, weights)
    focus = chosen_focus(found.rnn, str(depth), direction, gate)
    batch, steps, sequences = _batch(data, found.rnn, batch_first=batch_first)
    if found.reverse:
        inputs, lengths = map(torch.from_numpy, batch)
        batch = backwards(inputs, lengths).numpy(), batch[1]
    subjects = [
        Subject(name, model, batch, None, focus)
        for name, model in (("trained", found.rnn), ("untrained", probes.untrained_twin(found.rnn)))
    ]
    words = Preface(
        f"{found.name or found.rnn.variant.name} of {Path(weights).name}",
        [_facts(found, weights, data)],
        f"Looked at are the first {len(batch[1])} of {sequences} sequences, {steps} steps long, and {focus.words}. "
        f"Trained is the network of the file ({found.source}); untrained is the same network with weights drawn anew. "
        "A random network shows structure too, so read every drawing beside its twin.",
    )
    write_page(words, subjects, out)


def _facts(found: Found, weights: str, data: str) -> dict[str, str]:
    return {
        "weights": Path(weights).name,
        "data": Path(data).name,
        "variant": found.rnn.variant.name,
        "units": str(found.rnn.hidden_size),
        "layers": str(found.rnn.num_layers),
        "directions": "2" if found.rnn.bidirectional else "1, from the end of a sequence" if found.reverse else "1",
    }


def _chosen(found: list[Found], layer: str, where: str) -> tuple[Found, int]:
    """Return the network and the layer that a name means."""
    if not layer:
        return chosen(found, None, where), 0
    named = {_name(one.name, depth): (one, depth) for one in found for depth in range(one.rnn.num_layers)}
    if layer not in named:
        names = ", ".join(list(named)[:12]) or "none"
        raise UserError(f"layer={one_line(layer)}: no layer of {where}{suggest(layer, list(named))}; there are {names}")
    return named[layer]


def _name(network: str, depth: int) -> str:
    """Return the name of a layer: that of the network for the first, and as torch counts for the others."""
    return network if network and not depth else f"{network}.l{depth}".lstrip(".")


def _batch(data: str, rnn: RNN, *, batch_first: bool) -> tuple[tuple[np.ndarray, np.ndarray], int, int]:
    """Return inputs (time, batch, features) and lengths of the first sequences, and how many steps and sequences."""
    arrays = read_npz(data)
    lengths = arrays.pop("lengths", None)
    if "inputs" not in arrays and len(arrays) != 1:
        names = ", ".join(map(one_line, arrays)) or "none"
        raise UserError(f"{data}: must have an array 'inputs', or one array beside 'lengths'; has {names}")
    inputs = arrays.get("inputs", next(iter(arrays.values())))
    axes = "(batch, time, features)" if batch_first else "(time, batch, features)"
    if inputs.ndim != 3 or inputs.dtype.kind not in "fiu" or inputs.shape[-1] != rnn.input_size or not inputs.size:
        other = "" if batch_first else "; batch_first=true says that the batch comes first"
        raise UserError(
            f"{data}: inputs of {inputs.dtype}, shape {inputs.shape}: must be numbers {axes}, with {rnn.input_size} "
            f"features{other}"
        )
    inputs = (inputs.swapaxes(0, 1) if batch_first else inputs).astype(np.float64)
    steps, count = inputs.shape[:2]
    lengths = np.full(count, steps) if lengths is None else lengths
    if lengths.shape != (count,) or lengths.dtype.kind not in "iu" or lengths.min() < 1 or lengths.max() > steps:
        raise UserError(f"{data}: lengths must be {count} whole numbers from 1 to {steps}, one for each sequence")
    if not np.isfinite(inputs[np.arange(steps)[:, None] < lengths]).all():
        raise UserError(f"{data}: inputs are not finite")
    return (inputs[:, :SEQUENCES], lengths[:SEQUENCES].astype(np.int64)), steps, count
