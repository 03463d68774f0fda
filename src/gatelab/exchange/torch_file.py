"""Recurrent networks in a state_dict of torch: which layers there are is read from names and shapes.

torch.nn.LSTM, GRU and RNN name their weights weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, with _l1 for the next
layer and _reverse for the second direction; LSTMCell, GRUCell and RNNCell leave _l0 out. What stands before is the
place in the model: ``encoder.lstm.weight_ih_l0``. weight_hh is (gates × hidden, hidden); 4, 3 or 1 gates tell the kind.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gatelab.errors import UserError, one_line
from gatelab.exchange.found import Found, chosen
from gatelab.exchange.state_dict import read_state_dict
from gatelab.layers.rnn import RNN
from gatelab.layers.torch_weights import TorchModule
from gatelab.reading import shown

__all__ = ["found_in_torch", "from_torch_file"]

_WEIGHT = re.compile(r"(?P<place>|.*\.)(?P<kind>(weight|bias)_(ih|hh|hr))(?P<layer>|_l\d{1,4})(?P<back>|_reverse)")
_KINDS: dict[int, type[TorchModule]] = {4: nn.LSTM, 3: nn.GRU, 1: nn.RNN}
"""Gates that stand in the rows of a matrix -> the module."""


def from_torch_file(path: str | Path, layer: str | None = None) -> RNN:
    """Return the recurrent network in a file of torch weights.

        >>> torch.save(torch.nn.GRU(10, 64).state_dict(), "model.pt")
        >>> gatelab.from_torch_file("model.pt").variant.name
        'gru'

    The file is a state_dict as ``torch.save`` writes it (.pt, .pth), a program of ``torch.export.save`` (.pt2), a
    checkpoint of Lightning (.ckpt), or a .safetensors file. No code in it runs. Layers of torch.nn.LSTM, GRU and RNN
    are found by their names and shapes, and so are single cells. A state_dict does not say everything: the squashing
    function of a torch.nn.RNN is taken for tanh, and x for (time, batch, input).

    Args:
        path: of the file.
        layer: the place of the network in the model, such as ``"encoder.lstm"``; None for the only one.

    Raises:
        UserError: the file cannot be read as tensors; no recurrent network in it, none of this name, or several and no
            name; a projection, which has no equations here; weights that do not fit each other.
    """
    return chosen(found_in_torch(path), layer, shown(path)).rnn


def found_in_torch(path: str | Path) -> list[Found]:
    """Return every recurrent network of a state_dict, in its order.

    Raises:
        UserError: as :func:`from_torch_file`; an empty list is no error.
    """
    where = shown(path)
    places: dict[str, dict[str, Tensor]] = {}
    state = read_state_dict(path)
    for name, weight in state.items():
        if match := _WEIGHT.fullmatch(name):
            layer = match["layer"] or "_l0"  # of a cell
            places.setdefault(match["place"].removesuffix("."), {})[match["kind"] + layer + match["back"]] = weight
    for name in state:
        place, _, last = name.rpartition(".")
        if place in places and not _WEIGHT.fullmatch(name):
            cell = f"{where}, {place}" if place else where
            raise UserError(f"{cell}: '{one_line(last)}' is no weight of torch; gatelab.from_jax reads Equinox's cells")
    return [_network(place, weights, where) for place, weights in places.items()]


def _network(place: str, weights: Mapping[str, Tensor], where: str) -> Found:
    named = f"{where}, {place}" if place else where
    if any("_hr_" in name for name in weights):
        raise UserError(f"{named}: a projection (proj_size) has no equations here; it cannot be carried over")
    first, second = _matrix(weights, "weight_ih_l0", named), _matrix(weights, "weight_hh_l0", named)
    rows, hidden = second.shape
    kind = _KINDS.get(rows // hidden) if hidden and rows % hidden == 0 else None
    if kind is None:
        raise UserError(
            f"{named}: weight_hh of shape {tuple(second.shape)}: must have 4 (LSTM), 3 (GRU) or 1 (RNN) times as many "
            "rows as columns"
        )
    depth = 1 + max(int(re.findall(r"_l(\d+)", name)[0]) for name in weights)
    bidirectional = any(name.endswith("_reverse") for name in weights)
    if depth * (2 if bidirectional else 1) > len(weights):  # before modules of thousands of layers are made
        raise UserError(f"{named}: names of {depth} layers, and only {len(weights)} weights")
    module = kind(
        first.shape[1],
        hidden,
        depth,
        bias=any(name.startswith("bias") for name in weights),
        bidirectional=bidirectional,
        device="meta",
    )
    _check(module.state_dict(), weights, second.dtype, named)
    module.load_state_dict(weights, assign=True)
    assumed = "; its squashing function is not in the file and is taken for tanh" if kind is nn.RNN else ""
    source = f"torch.nn.{kind.__name__}{f' at {place}' if place else ''} of {where}{assumed}"
    return Found(place, RNN.from_torch(module.eval()), source)


def _matrix(weights: Mapping[str, Tensor], name: str, named: str) -> Tensor:
    if name not in weights:
        raise UserError(f"{named}: has {next(iter(weights))} and no {name}")
    if weights[name].dim() != 2:
        raise UserError(f"{named}: {name} of shape {tuple(weights[name].shape)}: must be a matrix")
    return weights[name]


def _check(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], dtype: torch.dtype, named: str) -> None:
    """Refuse weights that are not exactly those of a module."""
    for name in wanted.keys() ^ weights.keys():
        raise UserError(f"{named}: {'no ' if name in wanted else 'does not go with '}{name}")
    for name, weight in weights.items():
        if weight.shape != wanted[name].shape:
            shapes = f"of shape {tuple(weight.shape)}: must be {tuple(wanted[name].shape)}"
            raise UserError(f"{named}: {name} {shapes}, to fit the other weights")
        if weight.dtype is not dtype and dtype in (torch.float32, torch.float64):
            raise UserError(
                f"{named}: {name} of {weight.dtype}: must be {str(dtype).removeprefix('torch.')} as weight_hh_l0 is"
            )
        if weight.dtype not in (torch.float32, torch.float64):
            raise UserError(f"{named}: {name} of {weight.dtype}: must be float32 or float64")
